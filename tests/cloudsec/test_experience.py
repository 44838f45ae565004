"""What a broker learns of how long things take."""

from dataclasses import replace

import numpy as np
import pytest

import cloudsec
from cloudsec.course import Account, Ended
from cloudsec.experience import OWN_PHASES, Estimate, Experience
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
    alone, crowd = (Experience.embedded(count, 2).lane.costs for count in (2, 8))
    assert crowd[2] == 4 * alone[2]
    assert crowd[:2] == pytest.approx(alone[:2])


def test_a_job_in_which_something_was_lost_says_nothing_of_costs() -> None:
    image = np.random.default_rng(0).integers(0, 4096, (256, 256), np.uint16)
    clouds = [Simulated(f"c{number}") for number in range(4)]
    with cloudsec.Broker(clouds) as broker:
        broker.process(image, "median", size=3)
        known = broker._experience
        assert known.lane.squares.any()
        clouds[1].behaviour = FAULTS["exception"][0]
        broker.process(image, "median", size=3)
        after = broker._experience
    assert (after.lane.squares == known.lane.squares).all()
    assert (after.own.products == known.own.products).all()
    assert after.pace != known.pace


@pytest.mark.parametrize("factor", [0.2, 4.0, 20.0])
def test_an_operation_of_which_a_piece_said_little_is_foretold_when_it_comes_again(factor: float) -> None:
    """What a job was slower for is not counted twice, as the operation's and as the providers'."""
    job = job_of(noise(256, 256), "median", 4, size=3)
    known = Experience().rehearsed("median", 1e-6)
    job = replace(job, forecast=known.forecast(job.providers, "median"))
    plan = plan_of(job)
    work = plan.workload(job)
    asked, moving, computing = job.forecast.lane
    seconds = asked + moving * work.moved + factor * computing * 1e-6 * work.answered
    ended = Ended(
        result=job.planes,
        owners=plan.owners,
        deliveries=(np.arange(4)[:, None] == plan.owners,),
        accounts=tuple(map(taken, work.answered.tolist(), seconds.tolist())),
        losses=(),
        sealed=(),
        sampled=0,
        fewest_sampled=(0, 1),
    )
    own = job.forecast.own[0] * work.moved.sum() + job.forecast.own[1] * work.pieces
    after = known.after(job, plan, ended, dict.fromkeys(OWN_PHASES, float(own) / 3), "median")
    again = after.forecast(job.providers, "median").seconds(work)
    assert again == pytest.approx(own + seconds.max(), rel=0.15)


def taken(pixels: float, seconds: float) -> Account:
    return Account(pixels=int(pixels), seconds=seconds)


def test_what_will_happen_is_foretold_better_once_it_has_happened() -> None:
    image = np.random.default_rng(0).integers(0, 4096, (512, 512), np.uint16)
    with cloudsec.Broker(4) as broker:
        reports = [broker.process(image, "median", size=9).report for _ in range(4)]
    said = [report.plan["predicted_seconds"] for report in reports]
    assert all(seconds > 0 for seconds in said)
    # The first one knows nothing of these providers, the others know it all alike.
    assert said[1] != said[0]
    assert reports[1].plan["reused"]
