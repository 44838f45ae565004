"""Providers that lie: found with the chance that is stated, never trusted again, and never kept."""

import hashlib
from dataclasses import replace
from math import ceil, sqrt
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import providers
from cloudsec import Dishonest, checks, course
from cloudsec.checks import Sample
from cloudsec.keystream import Keystream
from providers.boxes import filter_boxes
from providers.wire import Answer
from tests import in_blocks
from tests.losses import BLOCK, IMAGES, KEY, fleet, healthy, lie_everywhere, lie_once, process
from tests.sightings import windows
from tests.simulator import Simulated, changed

LIAR = changed(lie_everywhere)
WANTED = {count: providers.apply(image, "median", size=3) for count, image in IMAGES.items()}


@pytest.fixture
def all_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "SAMPLED_SHARE", 1.0)


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.intp]]:
    """The pieces that were chosen to be computed again, delivery by delivery."""
    chosen: list[NDArray[np.intp]] = []
    original = Sample.begin

    def noted(self: Sample, *arguments: Any) -> None:
        original(self, *arguments)
        chosen.append(self._chosen)

    monkeypatch.setattr(Sample, "begin", noted)
    return chosen


class Seeded:
    """The secrets of deliveries, drawn from a seed instead of from the system."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seed, self._drawn = 0, 0
        monkeypatch.setattr(Keystream, "for_job", lambda _: self._next())

    def begin(self, seed: int) -> None:
        self.seed, self._drawn = seed, 0

    def _next(self) -> Keystream:
        self._drawn += 1
        return Keystream(hashlib.sha256(f"{self.seed} {self._drawn}".encode()).digest())


@pytest.fixture
def seeded(monkeypatch: pytest.MonkeyPatch) -> Seeded:
    return Seeded(monkeypatch)


@pytest.mark.parametrize("count", [4, 12])
def test_a_liar_is_not_asked_again_by_its_broker_and_the_report_says_so(count: int) -> None:
    before, image = healthy(count), IMAGES[count]
    clouds = fleet(count, {1: changed(lie_once)})
    with in_blocks.Broker(clouds, key=KEY, plan={"block": BLOCK}) as broker:
        broker.process(image, "median", size=3, study="x")
        for cloud in clouds:
            cloud.requests.clear()
        result = broker.process(image, "median", size=3, study="x")
    assert not clouds[1].requests
    assert (result.image == WANTED[count]).all()
    (loss,) = result.report.losses
    assert (loss.provider, loss.blocks) == ("c1", len(before.of("c1")))
    assert "provider c1 answered wrongly before and is not asked again" in loss.reason
    for cloud in clouds:
        if cloud.name != "c1":
            seen = windows(image[None], cloud.requests)
            assert seen == before.of(cloud.name) | before.lent_to(cloud.name, ["c1"])
    for figure, planned in result.report.leakage["without_losses"].items():
        assert planned == before.report.leakage[figure]
    # Another broker knows nothing of it.
    process(clouds, image)
    assert clouds[1].requests


@pytest.mark.parametrize("lie", [lie_once, lambda a: replace(a, stack=np.zeros_like(a.stack[:, :-1]))])
def test_a_liar_is_not_asked_again_though_its_lie_ended_the_job(lie: Any) -> None:
    clouds = fleet(4, {1: changed(lie)})
    with in_blocks.Broker(clouds, key=KEY, plan={"block": BLOCK}, on_loss="fail") as broker:
        with pytest.raises(Dishonest, match="provider c1 answered"):
            broker.process(IMAGES[4], "median")
        sent = [len(cloud.requests) for cloud in clouds]
        with pytest.raises(Dishonest, match="provider c1 answered wrongly before"):
            broker.process(IMAGES[4], "median")
    assert [len(cloud.requests) for cloud in clouds] == sent


def test_a_provider_that_could_not_be_had_is_asked_again_in_the_next_job() -> None:
    clouds = fleet(4, {1: FailsOnce()})
    with in_blocks.Broker(clouds, key=KEY, plan={"block": BLOCK}) as broker:
        assert broker.process(IMAGES[4], "median", size=3).report.losses
        assert not broker.process(IMAGES[4], "median", size=3).report.losses


class FailsOnce:
    """Fails both attempts of the first task."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, request: bytes) -> bytes:
        self.calls += 1
        if self.calls <= 2:
            raise OSError
        return providers.handle(request)


def test_when_all_lied_the_next_job_is_computed_at_home() -> None:
    clouds = fleet(9, dict.fromkeys(range(9), LIAR))
    with in_blocks.Broker(clouds, key=KEY, plan={"block": BLOCK}) as broker:
        broker.process(IMAGES[9], "median", size=3)
        for cloud in clouds:
            cloud.requests.clear()
        result = broker.process(IMAGES[9], "median", size=3)
    assert (result.image == WANTED[9]).all()
    assert not any(cloud.requests for cloud in clouds)
    assert result.report.statement.startswith("Nothing left the house: every provider was lost")
    assert result.report.exact == "computed on this machine"


def test_the_sample_is_chosen_before_anything_is_sent(
    samples: list[NDArray[np.intp]], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen_before: list[int] = []

    def noting(request: bytes) -> bytes:
        chosen_before.append(len(samples))
        return providers.handle(request)

    process(fleet(9, dict.fromkeys(range(9), noting)), IMAGES[9], verify="sample")
    assert chosen_before == [1] * 9
    assert [len(sample) for sample in samples] == [8]


def test_the_sample_does_not_depend_on_answers_and_changes_with_the_job(
    samples: list[NDArray[np.intp]], seeded: Seeded
) -> None:
    for seed, behaviours in ((1, {}), (1, dict.fromkeys(range(9), LIAR)), (2, {})):
        seeded.begin(seed)
        process(fleet(9, behaviours), IMAGES[9], verify="sample")
    honest, lied, other = samples[0], samples[1], samples[-1]
    assert (honest == lied).all()
    assert not np.array_equal(honest, other)
    assert len(set(honest.tolist())) == 8


def test_one_piece_in_a_hundred_and_no_fewer_than_eight_are_sampled() -> None:
    image = np.random.default_rng(0).integers(0, 4096, (130, 130), np.uint16)
    for block, wanted in ((4, ceil(0.01 * 33 * 33)), (10, 8)):
        with in_blocks.Broker(9, key=KEY, plan={"block": block}, verify="sample") as broker:
            report = broker.process(image, "median", size=3, study=f"{block}").report
        assert sum(provider.verified for provider in report.providers) == wanted
        assert f"and {wanted} of {(-(-130 // block)) ** 2} pieces" in report.exact


@pytest.mark.usefixtures("all_sampled")
def test_the_sample_is_no_part_of_what_is_computed_at_home() -> None:
    verified, plain = (process(fleet(9), IMAGES[9], verify=verify).report for verify in ("sample", False))
    assert sum(provider.verified for provider in verified.providers) == 49
    assert verified.home == plain.home
    assert [p.pixel_share for p in verified.providers] == [p.pixel_share for p in plain.providers]


def test_without_verification_nothing_is_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []

    def noting(planes: Any, operation: Any, boxes: Any, **options: Any) -> Any:
        computed.append(len(boxes))
        return filter_boxes(planes, operation, boxes, **options)

    for module in (course, checks):
        monkeypatch.setattr(module, "filter_boxes", noting)
    result = process(fleet(4, {1: LIAR}), IMAGES[4], verify=False)
    # What is the broker's own anyhow.
    assert len(computed) == 1
    wrong = np.argwhere(result.image != WANTED[4])
    assert len(wrong) == len(healthy(4).of("c1"))
    assert result.report.losses == ()
    assert [provider.verified for provider in result.report.providers] == [0] * 4
    assert "not computed again" in result.report.exact


def test_a_liar_is_found_with_the_chance_that_the_report_states(seeded: Seeded) -> None:
    image = np.random.default_rng(0).integers(0, 4096, (48, 48), np.uint16)
    wanted, runs, found, stated = providers.apply(image, "median", size=3), 300, 0, ""
    for seed in range(runs):
        seeded.begin(seed)
        rng = np.random.default_rng(seed)

        def lie(answer: Answer, rng: np.random.Generator = rng) -> Answer:
            stack: NDArray[Any] = answer.stack.copy()
            stack[rng.integers(len(stack)), 4, 4] ^= 1
            return replace(answer, stack=stack)

        clouds = [Simulated(f"c{i}") for i in range(4)]
        clouds[seed % 4].behaviour = changed(lie)
        with in_blocks.Broker(clouds, key=KEY, plan={"block": 8}, verify="sample") as broker:
            result = broker.process(image, "median", size=3)
        caught = bool(result.report.losses)
        assert caught == bool((result.image == wanted).all())
        found += caught
        stated = stated or result.report.exact
    chance = 8 / 36
    assert f"found with a chance of {chance:.1%}," in stated
    assert abs(found / runs - chance) < 3 * sqrt(chance * (1 - chance) / runs)


def test_the_odds_of_many_spoiled_pieces_are_those_of_a_draw_without_repeats() -> None:
    # 49 pieces, 8 sampled, 4 spoiled: C(45, 8) / C(49, 8) of the draws miss all.
    missed = (41 * 40 * 39 * 38) / (49 * 48 * 47 * 46)
    report = process(fleet(9), IMAGES[9], verify="sample").report
    assert f"a tenth of all with {1 - missed:.1%}" in report.exact
