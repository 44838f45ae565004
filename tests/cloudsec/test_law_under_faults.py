"""The law where providers fail or lie: the result is exact, and they are named."""

import os
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import providers
from cloudsec import checks
from cloudsec.errors import IncompatibleScheme
from cloudsec.schemes import HOME
from providers import Filter, handle
from providers.wire import decode_task
from tests import in_blocks
from tests.laws import OPERATIONS, broker_for, cases, recommended_block
from tests.planning import names
from tests.simulator import FAULTS, Behaviour, Simulated, changed


def off_by_one(request: bytes) -> bytes:
    """A lie of one grey level in every pixel of every block."""
    task = decode_task(request)
    step = 1 if task.rounded else task.operation.units
    lie = changed(lambda answer: replace(answer, stack=np.add(answer.stack, step, dtype=answer.stack.dtype)))
    return lie(request)


class After:
    """Does what another behaviour does, after some right answers."""

    def __init__(self, right: int, behaviour: Behaviour) -> None:
        self._right, self._behaviour = right, behaviour

    def __call__(self, request: bytes) -> bytes:
        self._right -= 1
        return handle(request) if self._right >= 0 else self._behaviour(request)


BEHAVIOURS: dict[str, Behaviour] = {"lies": off_by_one, "refuses": FAULTS["refusal"][0]}
BEHAVIOURS |= {fault: FAULTS[fault][0] for fault in ("exception", "busy", "garbage", "wrong shape", "half")}


def check_losses(case: dict[str, Any], operation: Filter, faults: dict[int, tuple[str, int]]) -> None:
    listed = names(case["count"])
    fleet = [
        Simulated(name, After(faults[n][1], BEHAVIOURS[faults[n][0]]) if n in faults else handle)
        for n, name in enumerate(listed)
    ]
    wanted = providers.apply(case["image"], operation, channel_axis=case["channel_axis"])
    image, axis = case["image"], case["channel_axis"]
    with broker_for(case, fleet) as broker:
        try:
            results = [broker.process(image, operation, channel_axis=axis)]
            asked = {cloud.name: len(cloud.requests) for cloud in fleet if cloud.requests}
            results.append(broker.process(image, operation, channel_axis=axis))
        except IncompatibleScheme as error:
            recommended_block(error)
            return
    for result in results:
        assert (result.image == wanted).all()
        counted = re.search(r"and (\d+) of (\d+) pieces", result.report.exact)
        if counted is not None:
            # A piece that was sent again and checked again is one piece.
            kept = int((result.report.exposure.owners != HOME).sum())
            assert int(counted[1]) == kept <= int(counted[2])
        shares = sum(provider.pixel_share for provider in result.report.providers)
        assert shares + result.report.home["pixel_share"] == pytest.approx(1)
    lost = [{loss.provider for loss in result.report.losses} for result in results]
    at_once = {listed[n] for n, (_, right) in faults.items() if not right}
    assert at_once & asked.keys() <= lost[0] <= {listed[n] for n in faults}
    found = {
        loss.provider
        for loss in results[0].report.losses
        if "answered wrongly" in loss.reason or "no image leads to" in loss.reason
    }
    assert {name for name in at_once & asked.keys() if faults[listed.index(name)][0] == "lies"} <= found
    # Who lied is not asked again, and its absence is told again, unless one that was idle takes its place.
    again = {cloud.name for cloud in fleet if len(cloud.requests) > asked.get(cloud.name, 0)}
    assert not found & again
    assert len(found - lost[1]) <= len(again - asked.keys())


@st.composite
def faulty(draw: st.DrawFn) -> tuple[dict[str, Any], dict[int, tuple[str, int]]]:
    case = draw(cases())
    losers = draw(st.sets(st.integers(0, case["count"] - 1), min_size=1, max_size=4))
    fault = st.tuples(st.sampled_from(list(BEHAVIOURS)), st.sampled_from([0, 0, 1]))
    return case, {loser: draw(fault) for loser in losers}


@pytest.fixture(scope="module")
def all_sampled() -> Any:
    """Where only a sample can be checked, it is of all, so that each lie is found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "SAMPLED_SHARE", 1)
        yield


@settings(max_examples=40)
@given(faulty(), OPERATIONS)
def test_providers_that_fail_or_lie_spoil_no_result_and_are_named(
    all_sampled: None, drawn: tuple[dict[str, Any], dict[int, tuple[str, int]]], operation: Filter
) -> None:
    check_losses(drawn[0], operation, drawn[1])


@pytest.mark.slow
@settings(max_examples=3000)
@given(faulty(), OPERATIONS)
def test_providers_that_fail_or_lie_spoil_no_result_and_are_named_at_length(
    all_sampled: None, drawn: tuple[dict[str, Any], dict[int, tuple[str, int]]], operation: Filter
) -> None:
    check_losses(drawn[0], operation, drawn[1])


def test_a_lie_in_every_block_is_found_by_the_usual_sample() -> None:
    image = np.random.default_rng(0).integers(0, 4096, (96, 96), np.uint16)
    fleet = [Simulated(name, off_by_one) for name in names(4)]
    with in_blocks.Broker(fleet, plan={"block": 8}, key=os.urandom(32), verify="sample") as broker:
        result = broker.process(image, "median")
        assert result.report.losses
        assert all("answered wrongly" in loss.reason for loss in result.report.losses)
        # The sample shows some of them in each job, and those are not asked again.
        while len(result.report.losses) < 4:
            before = len(result.report.losses)
            result = broker.process(image, "median")
            assert len(result.report.losses) > before
    assert (result.image == providers.apply(image, "median")).all()
