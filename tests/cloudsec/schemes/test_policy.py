"""When halos are shared, and what a grid costs either way."""

import numpy as np
import pytest

from cloudsec.errors import IncompatibleScheme
from cloudsec.schemes.assignment import study_grid
from cloudsec.schemes.layout import Layout
from cloudsec.schemes.policy import (
    MOST_RING,
    TOLERATED_AREA,
    halo_policy,
    price,
    ring_share,
    tolerated_area,
    within_limit,
)
from cloudsec.study import Study, StudyGrid
from regions import NO_CLASS
from tests.planning import KEYS, grid_of, job_of, noise, plan_of

NOISE = noise(330, 300)


def test_the_share_of_a_ring_is_counted_pixel_by_pixel() -> None:
    for block, halo in ((16, (2, 2)), (9, (0, 1)), (8, (4, 0)), (8, (9, 9))):
        pixels = np.zeros((block, block), bool)
        pixels[halo[0] : max(block - halo[0], 0), halo[1] : max(block - halo[1], 0)] = True
        assert ring_share(block, halo) == pytest.approx(1 - pixels.mean())


def test_tolerated_is_a_twentieth_of_the_image_or_a_block_for_each_colluder() -> None:
    assert tolerated_area(2, 1000) == 0.05
    assert tolerated_area(2, 20) == 0.1
    assert tolerated_area(3, 0) == 3
    grid = StudyGrid((8, 8), 8, np.zeros((1, 1), np.intp), np.zeros((1, 1), np.intp), (), (0.05, 0.06), 40)
    assert within_limit(grid, 0)
    assert within_limit(grid, 1)
    assert not within_limit(grid, 2)


def test_halos_of_a_quarter_of_a_block_are_the_widest_to_be_shared() -> None:
    for block, width, policy in ((32, 8, "shared"), (36, 9, "shared"), (16, 2, "shared")):
        job = job_of(NOISE, "median", 4, plan={"block": block}, size=2 * width + 1)
        grid = study_grid(job, Study(), KEYS).grid
        assert grid is not None
        assert halo_policy(job, grid) == policy
    with pytest.raises(IncompatibleScheme):
        plan_of(job_of(NOISE, "median", 4, plan={"block": 35}, size=19))


@pytest.mark.parametrize("halo", ["shared", "ring"])
@pytest.mark.parametrize("count", [4, 5, 9])
def test_a_grid_is_judged_by_the_work_that_its_plan_is(count: int, halo: str) -> None:
    job = job_of(np.stack([NOISE] * 3), "median", count, plan={"halo": halo}, size=5)
    plan = plan_of(job)
    grid, forecast = grid_of(plan), job.forecast.rounded(job.planes.size)
    layout = Layout(job.shape, grid.block, count)
    found = price(job, layout, grid.classes, range(count), plan.halo_policy, 0.02)
    assert found.time == forecast.seconds(plan.workload(job)) / forecast.least(job.planes.size)
    assert found.home == pytest.approx(sum(plan.reasons.values()) / MOST_RING)
    # Bare blocks share nothing to be joined by: the largest piece is one of them.
    joined = 0.02 if halo == "shared" else 1 / (grid.classes != NO_CLASS).sum()
    assert found.area == pytest.approx(joined / TOLERATED_AREA)
