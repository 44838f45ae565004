"""Which grid a new study gets: nothing that could be had is better in one figure and as good in all."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from cloudsec.forecast import Forecast, Lane
from cloudsec.keystream import Keystream
from cloudsec.schemes import Job
from cloudsec.schemes.planning import MOST_DRAWS, SKEWS, Design, Planner, Worth, searched
from regions import NO_CLASS
from tests.planning import KEYS, grid_of, job_of, noise, plan_of

SHADED = (noise(256, 224) // 8 + np.add.outer(np.arange(256), np.arange(224)) // 3).astype(np.uint8)
SHADED[:96] //= 6


def all_worths(job: Job) -> Iterator[tuple[Design, Worth]]:
    """Every design of a job and what it is worth, none of them left out because another is better."""
    numbers = Planner(job, KEYS).numbers()
    for block, count, skew, draw in product(Planner(job, KEYS).sides(), numbers, SKEWS, range(MOST_DRAWS)):
        planner = Planner(job, KEYS)
        design = planner.same(Design(block, count, skew, draw))
        worth = planner.worth(design)
        if worth is not None:
            yield design, worth


def figures(worth: Worth) -> tuple[float, ...]:
    cost = worth.price
    return (cost.time, cost.area, cost.home, worth.share, worth.spread, worth.correlation, worth.sameness)


@pytest.mark.parametrize(
    ("count", "tolerate", "speeds", "name", "parameters"),
    [
        (6, 1, (1.0, 4.0, 1.0, 0.25, 2.0, 1.0), "median", {"size": 5}),
        (7, 2, None, "gaussian", {"sigma": 1.0}),
        (5, 1, (1.0, 1.0, 1.0, 1.0, 0.05), "sobel", {}),
    ],
)
def test_the_choice_is_on_the_front_of_all_that_could_be_chosen(
    count: int, tolerate: int, speeds: tuple[float, ...] | None, name: str, parameters: dict[str, Any]
) -> None:
    job = job_of(SHADED, name, count, tolerate=tolerate, speeds=speeds, **parameters)
    everything = dict(all_worths(job))
    assert len(everything) > 20
    for seed in range(3):
        found = searched(replace(job, seed=seed), None, None, KEYS)
        assert found is not None
        assert found.worth is not None
        chosen = figures(found.worth)
        assert chosen in map(figures, everything.values())
        for other in map(figures, everything.values()):
            better = all(a <= b + 1e-12 for a, b in zip(other, chosen, strict=True))
            assert not (better and any(a < b - 1e-12 for a, b in zip(other, chosen, strict=True)))


def test_the_same_seed_and_speeds_give_the_same_grid_and_noise_of_timings_does_not_matter() -> None:
    job = job_of(SHADED, "median", 7, tolerate=2, seed=5, size=3)
    speeds = (1.1, 0.9, 1.0, 1.3, 0.8, 1.2, 1.0)
    lanes = (Lane(3.4e-3 / speed, 3.3e-9 / speed, 0.9 / speed) for speed in speeds)
    noisy = Forecast(tuple(lanes), 1.2e-8, (2.7e-9, 5.5e-6))
    plans = [plan_of(each) for each in (job, job, replace(job, forecast=noisy))]
    assert len({plan.regions for plan in plans}) == 1
    for plan in plans[1:]:
        assert (plan.owners == plans[0].owners).all()
        assert (plan.boxes == plans[0].boxes).all()


def test_a_provider_that_is_far_slower_gets_less_or_nothing_where_the_work_is_heavy() -> None:
    for slow, most in ((0.25, 0.5), (0.01, 0.1)):
        job = job_of(SHADED, "median", 6, speeds=[1.0] * 5 + [slow])
        heavy = replace(job, forecast=replace(job.forecast, kernel=1e-5))
        counts = np.bincount(plan_of(heavy).owners, minlength=6)
        assert counts[5] < most * counts[:5].mean()
        assert (counts[:5] > 0).all()


def test_where_all_are_as_fast_all_that_are_named_are_used() -> None:
    for count in (2, 3, 4, 5, 7, 9):
        plan = plan_of(job_of(noise(330, 300), "median", count, tolerate=1))
        assert plan.regions == len(np.unique(plan.owners)) == count


def test_a_plan_that_fixes_everything_is_not_searched() -> None:
    fixed = {"block": 16, "regions": 4}
    assert plan_of(job_of(SHADED, "median", 4, plan=fixed)).convergence == ()
    # Five classes can be drawn in many ways.
    assert plan_of(job_of(SHADED, "median", 5, plan={"block": 16, "regions": 5})).convergence
    plan = plan_of(job_of(SHADED, "median", 5))
    assert plan.convergence
    assert plan_of(job_of(SHADED, "median", 5), plan.study).convergence == ()


def test_of_many_drawings_one_is_taken_that_spreads_detail_evenly() -> None:
    # All detail is in some forty blocks.
    image = np.zeros((256, 256), np.uint8)
    image[64:160, 64:160] = noise(96, 96)
    job = job_of(image, "median", 8, plan={"block": 16})
    drawn = [Planner(job, KEYS).worth(Design(16, 8, 0.0, draw)) for draw in range(4)]
    found = searched(job, 16, 8, KEYS)
    assert found is not None
    assert found.worth is not None
    assert found.worth.total == min(worth.total for worth in drawn if worth)
    assert found.worth.share < max(worth.share for worth in drawn if worth) - 0.1


def test_where_few_grids_carry_the_operation_the_way_to_one_is_told_in_numbers() -> None:
    # Three colluders call for the ring, a wide halo for large blocks, and many providers for small ones.
    job = job_of(noise(512, 512), "median", 12, tolerate=3, size=29)
    found = searched(job, None, None, KEYS)
    assert found is not None
    assert found.worth is not None
    assert found.convergence[-1] == found.worth.total
    assert np.isfinite(found.convergence).all()


def test_larger_images_get_larger_blocks() -> None:
    sides = [plan_of(job_of(noise(side, side), "gaussian", 4, tolerate=1)).block for side in (256, 1536)]
    assert sides[0] == 32
    assert sides[1] is not None
    assert sides[1] > 32


def test_the_work_of_a_plan_is_what_its_windows_and_boxes_hold() -> None:
    plan = plan_of(job_of(SHADED, "median", 4, size=5))
    work = plan.workload(job_of(SHADED, "median", 4, size=5))
    windows = (plan.windows[:, 2:] - plan.windows[:, :2]).prod(axis=1)
    kept = (plan.boxes[:, 2:] - plan.boxes[:, :2]).prod(axis=1)
    for party in range(4):
        own = plan.owners == party
        assert work.answered[party] == kept[own].sum()
        assert work.moved[party] == windows[own].sum() + kept[own].sum()
    assert work.pieces == (grid_of(plan).classes != NO_CLASS).sum()
    assert work.home == SHADED.size - kept.sum() == pytest.approx(sum(plan.reasons.values()) * SHADED.size)


def test_halos_never_travel_where_blocks_of_one_provider_touch() -> None:
    # Two are far slower, so that it would be best to leave them out.
    speeds = [1.0, 1.0, 1.0, 0.01, 0.01]
    for name, parameters in (("median", {"size": 5}), ("gaussian", {"sigma": 2.0})):
        job = job_of(SHADED, name, 5, speeds=speeds, **parameters)
        heavy = replace(job, forecast=replace(job.forecast, kernel=1e-5))
        assert plan_of(heavy).regions == 3
        assert plan_of(heavy).halo_policy == "ring"
        shared = plan_of(replace(heavy, choices={"halo": "shared"}))
        assert shared.regions >= 4
        assert shared.halo_policy == "shared"
        assert shared.windows.min() >= 0


def test_the_class_that_a_provider_sits_in_says_nothing_of_its_speed() -> None:
    seats = set()
    for number in range(20):
        keys = Keystream(bytes([number]) * 32).for_study("knee")
        grid = grid_of(plan_of(job_of(SHADED, "median", 4, speeds=[16.0, 1.0, 1.0, 1.0]), keys=keys))
        seats.add(grid.seats.index(("cloud-0",)))
    assert seats == {0, 1, 2, 3}
