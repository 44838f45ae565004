"""What a broker learns of how long things take."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import cloudsec
from cloudsec.checks import Checked
from cloudsec.course import Account, Ended
from cloudsec.experience import MOST_FACTOR, Estimate, Experience
from cloudsec.forecast import LANE_COSTS, Forecast, Lane
from cloudsec.schemes import Job, Plan
from tests import in_blocks
from tests.planning import job_of, noise, plan_of
from tests.simulator import FAULTS, Simulated

TYPICAL = (2e-3, 3e-9, 1.0)


def test_costs_are_typical_until_something_was_timed() -> None:
    assert Estimate.of(TYPICAL).costs == pytest.approx(TYPICAL)


def test_costs_of_different_jobs_are_told_apart() -> None:
    rng, true = np.random.default_rng(0), np.array([0.05, 2e-8, 3.0])
    known = Estimate.of(TYPICAL)
    for _ in range(60):
        work = rng.random((4, 3)) * [1, 1e7, 0.05]
        known = known.after(work, work @ true * rng.normal(1, 0.02, 4))
    # Being asked costs less than the noise of all the rest, and is the last to be known.
    assert known.costs[1:] == pytest.approx(true[1:], rel=0.2)
    work = rng.random((100, 3)) * [1, 1e7, 0.05]
    assert np.median(np.abs(work @ known.costs / (work @ true) - 1)) < 0.1


def test_jobs_of_one_kind_are_foretold_though_their_costs_cannot_be_told_apart() -> None:
    known, work = Estimate.of(TYPICAL), np.array([1.0, 2e6, 0.05])
    for _ in range(5):
        known = known.after(work[None], [3.0])
    assert work @ known.costs == pytest.approx(3.0, rel=0.02)
    assert (known.costs >= np.array(TYPICAL) * 0.99).all()


def test_what_has_changed_is_learned_anew_and_no_cost_is_ever_nothing() -> None:
    known = Estimate.of((1.0,))
    for seconds, rounds in ((10.0, 20), (0.5, 40)):
        for _ in range(rounds):
            known = known.after([[1.0]], [seconds])
    assert known.costs == pytest.approx([0.5], rel=0.05)
    for _ in range(20):
        known = known.after([[1.0]], [0.0])
    assert known.costs[0] == pytest.approx(0.01, rel=1)
    assert known.costs[0] > 0


def test_providers_that_share_a_process_also_share_its_processors() -> None:
    alone, crowd = (forecast(Experience.embedded(count, 2), "ab").lanes[0] for count in (2, 8))
    assert crowd.computed == 4 * alone.computed
    assert crowd[:2] == pytest.approx(alone[:2])


def test_a_job_in_which_something_was_lost_says_nothing_of_costs() -> None:
    image = np.random.default_rng(0).integers(0, 4096, (256, 256), np.uint16)
    clouds = [Simulated(f"c{number}") for number in range(4)]
    with in_blocks.Broker(clouds) as broker:
        broker.process(image, "median", size=3)
        known = broker._experience
        assert sorted(known.lanes) == ["c0", "c1", "c2", "c3"]
        clouds[1].behaviour = FAULTS["exception"][0]
        broker.process(image, "median", size=3)
        assert broker._experience is known


def forecast(known: Experience, names: Sequence[str]) -> Forecast:
    return known.rehearsed("median", 1e-8).forecast(names, "median")


def test_who_is_unknown_counts_as_what_is_usual_among_those_who_are_known() -> None:
    told = {"a": Lane(0.1, 1e-8, 4.0), "b": Lane(0.4, 4e-8, 1.0)}
    known = Experience().probed(told, "median")
    assert forecast(known, "acb").lanes[1] == pytest.approx((0.2, 2e-8, 2.0))
    assert forecast(known, "ab").lanes == tuple(pytest.approx(lane) for lane in told.values())
    assert forecast(Experience(), "xy").lanes == (LANE_COSTS, LANE_COSTS)


def test_a_provider_is_a_stranger_until_something_was_heard_of_it() -> None:
    known = Experience()
    assert known.strangers("abc") == ["a", "b", "c"]
    known = known.probed({"a": LANE_COSTS}, "median")
    assert known.strangers("abc") == ["b", "c"]
    # Of those in one process nothing is to be learned.
    assert Experience.embedded(3, 2).strangers("abc") == []


def ended(job: Job, plan: Plan, true: Forecast) -> tuple[Ended, dict[str, float]]:
    """A job that went as it was planned and took what it truly costs, and its timings."""
    work = plan.workload(job)
    seconds = (work.units(true.kernel) * true.lanes).sum(axis=1)
    accounts = [
        Account(pixels=int(pixels), seconds=float(took))
        for pixels, took in zip(work.answered, seconds, strict=True)
    ]
    delivered = np.arange(len(accounts))[:, None] == plan.owners
    result = Ended(job.planes, plan.owners, (delivered,), tuple(accounts), (), (), Checked(None, 0))
    return result, {"plan": 7.0, "total": 7.0 + true.seconds(work)}


TRUE = (Lane(2e-2, 3e-8, 6.0), Lane(1e-2, 1.5e-8, 3.0), Lane(0.5, 1e-8, 1.0), Lane(1e-2, 2e-7, 1.5))
"""Slow, usual, far away, and behind a narrow line."""


@pytest.mark.parametrize("probed", [False, True])
def test_once_jobs_have_happened_what_they_take_is_foretold(probed: bool) -> None:
    true = Forecast(TRUE, 1.0, (8e-9, 2e-5))
    kernels = {"gaussian": 1e-7, "sobel": 1e-7, "median": 4e-7}
    known = Experience()
    # What was timed here said too little of one operation, and too much of another.
    for name, wrong in (("gaussian", 0.5), ("sobel", 2.0), ("median", 1.0)):
        known = known.rehearsed(name, wrong * kernels[name])
    jobs = [job_of(noise(side, side), name) for name in kernels for side in (256, 640)]
    if probed:
        known = known.probed(dict(zip(jobs[0].providers, TRUE, strict=True)), "median")

    def errors() -> list[float]:
        found = []
        for job in jobs:
            work = plan_of(job).workload(job)
            name = job.operation.name
            said = known.forecast(job.providers, name).seconds(work)
            found.append(abs(said / replace(true, kernel=kernels[name]).seconds(work) - 1))
        return found

    before = errors()
    for _ in range(6):
        for job in jobs:
            name = job.operation.name
            asked = replace(job, forecast=known.forecast(job.providers, name))
            plan = plan_of(job)
            known = known.after(asked, plan, *ended(asked, plan, replace(true, kernel=kernels[name])), name)
    assert np.median(before) < 0.25 if probed else np.median(before) > 0.5
    assert np.median(errors()) < 0.15
    assert max(errors()) < 0.35
    for job in jobs:
        speeds = known.forecast(job.providers, job.operation.name).speeds(job.planes.size)
        exact = replace(true, kernel=kernels[job.operation.name]).speeds(job.planes.size)
        assert np.argmin(speeds) == np.argmin(exact)


def test_who_stands_by_is_taken_for_one_of_the_others_in_time() -> None:
    job = job_of(noise(256, 256), "median", 4)
    slow = {name: Lane(3.0, 1e-6, 100.0) for name in job.providers[3:]}
    known = Experience().probed(slow, "median").rehearsed("median", 1e-7)
    # The last is asked nothing.
    three = replace(job_of(noise(256, 256), "median", job.providers[:3]), providers=job.providers)
    speeds = []
    for _ in range(60):
        asked = replace(three, forecast=known.forecast(three.providers, "median"))
        plan = plan_of(job_of(noise(256, 256), "median", job.providers[:3]))
        known = known.after(asked, plan, *ended(asked, plan, Forecast((LANE_COSTS,) * 4, 1e-7)), "median")
        speeds.append(known.forecast(job.providers, "median").speeds(job.planes.size)[3])
    assert max(speeds[:5]) < 0.5
    assert speeds[-1] == pytest.approx(1, rel=0.1)


def test_what_is_foretold_changes_with_what_happened() -> None:
    image = np.random.default_rng(0).integers(0, 4096, (512, 512), np.uint16)
    with in_blocks.Broker(4) as broker:
        first, second = (broker.process(image, "median", size=9).report for _ in range(2))
    assert second.plan["reused"]
    assert 0 < second.plan["predicted_seconds"] != first.plan["predicted_seconds"] > 0


@pytest.mark.parametrize("mistimed", [1e-9, 1e9])
def test_an_operation_is_never_far_from_what_was_timed(mistimed: float) -> None:
    image = np.random.default_rng(0).integers(0, 4096, (256, 256), np.uint16)
    with in_blocks.Broker(4) as broker:
        broker.process(image, "mean", size=3)
        ((label, kernel),) = broker._experience.kernels.items()
        broker._experience = replace(broker._experience, kernels={label: kernel * mistimed})
        for _ in range(6):
            broker.process(image, "mean", size=3)
            assert 1 / MOST_FACTOR <= broker._experience.factors[label] <= MOST_FACTOR


def test_what_another_thread_learns_meanwhile_does_not_disturb_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 4096, (256, 256), np.uint16)
    with in_blocks.Broker(4) as broker:
        timed = cloudsec.broker.kernel_seconds

        def meanwhile(*arguments: Any) -> float:
            # What the other one leaves behind knows nothing of this operation.
            broker._experience = Experience()
            return timed(*arguments)

        monkeypatch.setattr(cloudsec.broker, "kernel_seconds", meanwhile)
        for size in (3, 5):
            assert broker.process(image, "mean", size=size).report.plan["predicted_seconds"] > 0
