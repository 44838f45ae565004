import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from regions import (
    NO_CLASS,
    BlockGrid,
    greedy,
    neighbours,
    stand_ins,
)
from tests.windows import window_shape, window_starts

SEPARATING = st.integers(5, 16)
"""Numbers of regions that keep all neighbours apart."""


@st.composite
def planes(draw: st.DrawFn, most: int = 9, largest: int = 20) -> BlockGrid:
    """A grid of a plane, each axis from one block to `most`, the last of which may not fit."""
    block = tuple(draw(st.integers(1, largest)) for _ in range(2))
    return BlockGrid(tuple(draw(st.integers(b, most * b)) for b in block), block)


def preferences(grid: BlockGrid, regions: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((int(np.prod(grid.counts)), regions))


def planned(grid: BlockGrid, regions: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Classes and stand-ins of a grid."""
    own = greedy(grid, preferences(grid, regions, seed))
    return own, stand_ins(grid, own, preferences(grid, regions, seed + 1))


def fits(grid: BlockGrid) -> NDArray[np.bool_]:
    """Which blocks lie where the grid puts them."""
    rows, columns = (
        (np.arange(c) + 1) * b <= n for c, b, n in zip(grid.counts, grid.block, grid.shape, strict=True)
    )
    return np.logical_and.outer(rows, columns)


def has_axis_of_three(grid: BlockGrid) -> bool:
    """Whether an axis has exactly three blocks, so that the first and last touch under the widest halo."""
    return any(n == 3 * b for n, b in zip(grid.shape, grid.block, strict=True))


@given(planes(), SEPARATING, st.integers(0, 99))
def test_no_class_holds_two_neighbours_even_with_those_that_it_stands_in_for(
    grid: BlockGrid, regions: int, seed: int
) -> None:
    own, second = planned(grid, regions, seed)
    for mine in (own.ravel(), second.ravel()):
        for theirs in (own.ravel(), second.ravel()):
            one, other = neighbours(grid).T
            assert not ((mine[one] == theirs[other]) & (mine[one] != NO_CLASS)).any()
    assert ((own != second) | (own == NO_CLASS)).all()
    assert (second[own == NO_CLASS] == NO_CLASS).all()
    assert own.max() < regions
    assert second.max() < regions


@given(planes(most=6), SEPARATING, st.data())
def test_windows_of_one_class_never_meet_in_any_jobs_on_any_image(
    grid: BlockGrid, regions: int, data: st.DataObject
) -> None:
    widest = [min(b // 4, (n - b) // 2) for n, b in zip(grid.shape, grid.block, strict=True)]
    halos = st.tuples(*(st.integers(0, h) for h in widest))
    own, second = planned(grid, regions, data.draw(st.integers(0, 99)))
    # Every block travels with the halo of a job of its own: a class remembers all of them.
    jobs = [data.draw(halos) for _ in range(3)]
    for label in range(regions):
        seen = np.zeros(grid.shape, np.int64)
        for i, j in np.argwhere((own == label) | (second == label)):
            halo = jobs[(i + 2 * j) % 3]
            row, column = window_starts(grid, halo)[i, j]
            rows, columns = window_shape(grid, halo)
            seen[row : row + rows, column : column + columns] += 1
        assert seen.max() <= 1


@given(planes(), SEPARATING, st.integers(0, 99))
def test_every_block_that_lies_on_the_grid_has_a_class(grid: BlockGrid, regions: int, seed: int) -> None:
    assume(regions >= 9 or not has_axis_of_three(grid))
    labels = greedy(grid, preferences(grid, regions, seed))
    assert (labels[fits(grid)] != NO_CLASS).all()


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 999))
def test_shifted_blocks_take_no_class_that_five_regions_need_for_the_others(
    rows: int, columns: int, seed: int
) -> None:
    # The window of a block that is shifted so far meets that of the last but two.
    grid = BlockGrid((16 * 12 + rows, 16 * 12 + columns), (16, 16))
    labels = greedy(grid, preferences(grid, 5, seed))
    assert (labels[fits(grid)] != NO_CLASS).all()


@given(planes(), st.integers(5, 16), st.integers(0, 99))
def test_equal_draws_give_equal_plans(grid: BlockGrid, regions: int, seed: int) -> None:
    once, again = planned(grid, regions, seed), planned(grid, regions, seed)
    assert (once[0] == again[0]).all()
    assert (once[1] == again[1]).all()


@pytest.mark.parametrize("regions", range(5, 17))
def test_other_draws_give_other_plans(regions: int) -> None:
    grid = BlockGrid((160, 160), (16, 16))
    draws = [preferences(grid, regions, seed) for seed in range(8)]
    owns = [greedy(grid, draw) for draw in draws]
    seconds = [stand_ins(grid, owns[0], draw) for draw in draws]
    unequal = [greedy(grid, draw, loads=np.linspace(2, 3, regions)) for draw in draws]
    # The fewer the classes, the fewer the blocks that have a choice of stand-ins, or any.
    for plans in (owns, unequal, seconds if regions >= 9 else owns):
        assert len({plan.tobytes() for plan in plans}) == len(plans)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(5, 16), st.integers(0, 99))
def test_equal_loads_give_class_sizes_within_three_blocks(
    rows: int, columns: int, regions: int, seed: int
) -> None:
    assume(3 not in (rows, columns))
    grid = BlockGrid((16 * rows, 16 * columns), (16, 16))
    sizes = np.bincount(greedy(grid, preferences(grid, regions, seed)).ravel(), minlength=regions)
    assert np.abs(sizes - sizes.sum() / regions).max() <= 3


@given(st.integers(5, 16), st.integers(0, 99), st.data())
def test_loads_are_met_within_five_blocks_where_none_is_above_a_fifth(
    regions: int, seed: int, data: st.DataObject
) -> None:
    weights = np.array([data.draw(st.floats(0.5, 1)) for _ in range(regions)])
    loads = weights / weights.sum()
    assume(loads.max() <= 0.2 + 1e-9)
    grid = BlockGrid((512, 512), (16, 16))
    # The unit of loads does not matter.
    labels = greedy(grid, preferences(grid, regions, seed), loads=7 * weights)
    assert np.abs(np.bincount(labels.ravel()) - 1024 * loads).max() <= 5


def test_a_load_that_separation_forbids_goes_to_the_others_and_no_block_goes_home() -> None:
    grid = BlockGrid((512, 512), (16, 16))
    labels = greedy(grid, preferences(grid, 7, 0), loads=np.array([4.0, 1, 1, 1, 1, 1, 1]))
    sizes = np.bincount(labels.ravel())
    assert sizes[0] >= 0.24 * 1024
    assert np.ptp(sizes[1:]) <= 3
    assert labels.min() >= 0


@pytest.mark.parametrize(
    ("regions", "least"),
    [(5, 0.04), (6, 0.17), (7, 0.35), (8, 0.52), (9, 0.69), (10, 0.81), (11, 0.91), (12, 0.96), (16, 1.0)],
)
def test_as_many_blocks_as_measured_have_a_stand_in(regions: int, least: float) -> None:
    grid = BlockGrid((512, 512), (16, 16))
    own = greedy(grid, preferences(grid, regions, 0))
    second = stand_ins(grid, own, preferences(grid, regions, 1))
    assert (second != NO_CLASS).mean() >= least


def test_the_blocks_of_a_lost_class_are_spread_over_all_others() -> None:
    grid = BlockGrid((512, 512), (16, 16))
    own = greedy(grid, preferences(grid, 12, 0))
    second = stand_ins(grid, own, preferences(grid, 12, 1))
    for lost in range(12):
        taken_over = np.bincount(second[(own == lost) & (second != NO_CLASS)], minlength=12)
        assert taken_over[lost] == 0
        assert np.delete(taken_over, lost).min() >= 1
        assert taken_over.max() <= 0.3 * (own == lost).sum()


@given(planes(), st.integers(5, 8), st.integers(0, 99))
def test_a_block_goes_home_only_if_its_neighbours_have_every_class(
    grid: BlockGrid, regions: int, seed: int
) -> None:
    own, second = planned(grid, regions, seed)
    around: list[set[int]] = [set() for _ in range(own.size)]
    for one, other in neighbours(grid):
        around[one] |= {own.flat[other], second.flat[other]}
        around[other] |= {own.flat[one], second.flat[one]}
    every = set(range(regions))
    for block in np.flatnonzero(own == NO_CLASS):
        assert every <= around[block]
    for block in np.flatnonzero((own != NO_CLASS) & (second == NO_CLASS)):
        assert every <= around[block] | {own.flat[block]}


def test_a_block_without_a_class_gets_no_stand_in() -> None:
    grid = BlockGrid((64, 64), (16, 16))
    own = greedy(grid, preferences(grid, 9, 0))
    own[1, 2] = NO_CLASS
    assert stand_ins(grid, own, preferences(grid, 9, 1))[1, 2] == NO_CLASS


def test_what_cannot_be_coloured_is_refused() -> None:
    grid = BlockGrid((64, 64), (16, 16))
    with pytest.raises(ValueError, match="at least 5 classes"):
        greedy(grid, preferences(grid, 4, 0))
    with pytest.raises(ValueError, match="row for each of 16 blocks"):
        greedy(grid, preferences(grid, 5, 0)[1:])
    with pytest.raises(ValueError, match="less than 1"):
        greedy(grid, preferences(grid, 5, 0) + 1)
    with pytest.raises(ValueError, match="5 positive numbers"):
        greedy(grid, preferences(grid, 5, 0), loads=np.array([1, 1, 1, 1, 0]))
    with pytest.raises(ValueError, match="one of 5 classes"):
        stand_ins(grid, np.full((4, 4), 5), preferences(grid, 5, 0))
    with pytest.raises(ValueError, match="of planes"):
        greedy(BlockGrid((4, 64, 64), (4, 16, 16)), np.zeros((16, 9)))
    with pytest.raises(ValueError, match="do not fit"):
        greedy(BlockGrid((64, 15), (16, 16)), np.zeros((4, 9)))
