"""Jobs of which some providers are lost, and what must be true of them; for tests of the course of a job."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cloudsec
import providers
from providers import handle
from providers.wire import Answer
from tests import in_blocks
from tests.sightings import windows
from tests.simulator import FAULTS, Behaviour, Simulated, changed, fail

KEY = bytes(range(32))
BLOCK = 16
MARGIN = 4
"""A quarter of a block."""
WORDS = {
    "dead": "failed with RuntimeError",
    "silent": "did not answer within",
    "liar": "answered wrongly: a block that was checked here is not what it was asked for",
}
IMAGES = {
    4: np.random.default_rng(4).integers(0, 4096, (96, 112), np.uint16),
    9: np.random.default_rng(9).integers(0, 4096, (112, 112), np.uint16),
    12: np.random.default_rng(12).integers(0, 4096, (128, 128), np.uint16),
    16: np.random.default_rng(16).integers(0, 4096, (144, 144), np.uint16),
}
"""By number of providers, with whole blocks only."""
Window = tuple[int, int]


def lie_everywhere(answer: Answer) -> Answer:
    """One pixel of every block is one grey level off."""
    stack: NDArray[Any] = answer.stack.copy()
    stack[:, BLOCK // 2, BLOCK // 2] ^= 1
    return replace(answer, stack=stack)


def lie_once(answer: Answer, block: int = -1) -> Answer:
    """One pixel of one block is one grey level off: of the last, which no repeat of it makes good again."""
    stack: NDArray[Any] = answer.stack.copy()
    stack[block, BLOCK // 2, BLOCK // 2] ^= 1
    return replace(answer, stack=stack)


def silence(over: threading.Event) -> Behaviour:
    """No answer before all is over."""

    def wait(request: bytes) -> bytes:
        over.wait(60)
        return request

    return wait


def at_first(count: int, then: Behaviour, before: Behaviour = handle) -> Behaviour:
    """Another behaviour for the first requests."""
    calls = iter(range(10**6))
    return lambda request: (before if next(calls) < count else then)(request)


def behaviour(fault: str, over: threading.Event) -> Behaviour:
    return {
        "dead": fail,
        "silent": silence(over),
        "liar": changed(lie_everywhere),
        "liar in one pixel": changed(lie_once),
    }[fault]


def fleet(count: int, behaviours: Mapping[int, Behaviour] | None = None) -> list[Simulated]:
    chosen = behaviours or {}
    return [Simulated(f"c{i}", chosen.get(i, handle)) for i in range(count)]


def process(
    clouds: Iterable[Simulated], image: NDArray[Any], study: str = "x", **options: Any
) -> cloudsec.Result:
    with in_blocks.Broker(list(clouds), key=KEY, plan={"block": BLOCK}, **options) as broker:
        return broker.process(image, "median", size=3, study=study)


@dataclass(frozen=True)
class Healthy:
    """A job without losses of the same study: who has which window, and who stands in for it."""

    owner: dict[Window, str]
    stand_in: dict[Window, str | None]
    report: cloudsec.Report

    def of(self, name: str) -> set[Window]:
        return {window for window, owner in self.owner.items() if owner == name}

    def lent_to(self, name: str, lost: Iterable[str]) -> set[Window]:
        return {w for w, owner in self.owner.items() if owner in lost and self.stand_in[w] == name}


@cache
def healthy(count: int) -> Healthy:
    """By the key alone; whoever needs the study's record makes it with a job of its own."""
    image, clouds = IMAGES[count], fleet(count)
    report = process(clouds, image).report
    plan, names = report.exposure.plan, [cloud.name for cloud in clouds]
    owner = {window: cloud.name for cloud in clouds for window in windows(image[None], cloud.requests)}
    assert sum(len(windows(image[None], cloud.requests)) for cloud in clouds) == len(owner)
    planned = zip(plan.windows[:, :2].tolist(), plan.stand_ins.tolist(), strict=True)
    stand_in = {(top, left): None if party < 0 else names[party] for (top, left), party in planned}
    assert stand_in.keys() == owner.keys()
    return Healthy(owner, stand_in, report)


def area(image: NDArray[Any], window: Window, halo: int = 1) -> int:
    """Pixels of the result that a window gives: those of its block on the grid, but for the image's rim."""
    sides = []
    for first, length in zip(window, image.shape, strict=True):
        place = min((first + halo) // BLOCK if first + halo > MARGIN else 0, length // BLOCK - 1)
        if first + halo == length - MARGIN - BLOCK:
            place = length // BLOCK - 1
        low, high = max(place * BLOCK, MARGIN), min((place + 1) * BLOCK, length - MARGIN)
        sides.append(high - low)
    return sides[0] * sides[1]


def check(result: cloudsec.Result, clouds: list[Simulated], before: Healthy, lost: Mapping[str, str]) -> None:
    """All laws of a job whose lost providers, by name and fault, were all lost with their first task."""
    image = IMAGES[len(clouds)]
    assert (result.image == providers.apply(image, "median", size=3)).all()
    report = result.report
    losses = {loss.provider: loss for loss in report.losses}
    assert losses.keys() == lost.keys()
    at_home: set[Window] = set()
    for name, fault in lost.items():
        loss, own = losses[name], before.of(name)
        assert WORDS[fault] in loss.reason
        assert f"provider {name} " in loss.reason
        takers = Counter(
            taker for w in own if (taker := before.stand_in[w]) is not None and taker not in lost
        )
        assert loss.blocks == len(own)
        assert loss.at_stand_ins == dict(takers)
        assert loss.at_home == len(own) - takers.total()
        at_home |= {w for w in own if before.stand_in[w] is None or before.stand_in[w] in lost}
    for cloud in clouds:
        mine = before.of(cloud.name)
        lent = set() if cloud.name in lost else before.lent_to(cloud.name, lost)
        assert windows(image[None], cloud.requests) == mine | lent
    missing = sum(area(image, window) for window in at_home)
    assert report.home["reasons"].get("lost", 0) == missing / image.size
    assert ("lost" in report.home["reasons"]) == bool(at_home)
    computed = {provider.name: provider.pixel_share for provider in report.providers}
    assert np.isclose(sum(computed.values()) + report.home["pixel_share"], 1)
    for cloud in clouds:
        kept = set() if cloud.name in lost else before.of(cloud.name) | before.lent_to(cloud.name, lost)
        assert np.isclose(computed[cloud.name], sum(area(image, w) for w in kept) / image.size)


def check_liar(scheme: str, count: int, lie: Behaviour, image: NDArray[Any]) -> None:
    """One of several lies: results are right, it is named, not asked again, and nothing is computed here."""
    named, wanted = fleet(count, {1: lie}), providers.apply(image, "mean", size=3)
    with cloudsec.Broker(named, scheme=scheme) as broker:
        result = broker.process(image, "mean", size=3)
        asked = len(named[1].requests)
        again = broker.process(image, "mean", size=3)
    assert (result.image == wanted).all()
    assert (again.image == wanted).all()
    (loss,) = result.report.losses
    assert loss.provider == "c1"
    assert "answered" in loss.reason
    assert (len(named[1].requests), again.report.losses) == (asked, ())
    assert result.report.home["pixel_share"] == 0


def check_fault(scheme: str, count: int, fault: str, image: NDArray[Any]) -> None:
    """One of several fails: the result is right, its loss says how, and nothing is computed here."""
    behaviour, words = FAULTS[fault]
    with cloudsec.Broker(fleet(count, {0: behaviour}), scheme=scheme) as broker:
        result = broker.process(image, "mean", size=3)
    assert (result.image == providers.apply(image, "mean", size=3)).all()
    assert words in result.report.losses[0].reason
    assert result.report.home["pixel_share"] == 0
