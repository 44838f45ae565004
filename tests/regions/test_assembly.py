"""The area that coalitions can assemble, compared with a slow computation on sets of pixels."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import (
    BlockGrid,
    BlockLinks,
    CollusionCurve,
    adjacent_area,
    assembled_area,
    assembly,
    block_links,
    collusion_threshold,
    informative,
    lattice,
)
from tests.windows import window_shape, window_starts


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, BlockGrid, tuple[int, int], np.ndarray]:
    """A small image with flat parts, a grid whose last blocks may be shifted, a halo, and who holds what."""
    block = tuple(draw(st.integers(3, 7)) for _ in range(2))
    halo = tuple(draw(st.integers(0, b // 3)) for b in block)
    shape = tuple(b + 2 * h + draw(st.integers(0, 17)) for b, h in zip(block, halo, strict=True))
    planes = draw(st.sampled_from([(), (2,)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    image = (rng.random((*planes, *shape)) < draw(st.sampled_from([0.02, 0.2]))).astype(np.uint8)
    grid = BlockGrid(shape, block)
    parties = draw(st.integers(1, 5))
    owner = rng.integers(-1, parties, grid.counts)
    holds = owner == np.arange(parties)[:, None, None]
    return image, grid, halo, holds | (rng.random(holds.shape) < draw(st.sampled_from([0, 0.1])))


def slow_areas(
    image: np.ndarray,
    grid: BlockGrid,
    halo: tuple[int, int],
    holds: np.ndarray,
    shown: np.ndarray,
    touch: bool,
) -> list[float]:
    """A_1, A_2, … of all coalitions, from sets of pixels and pieces that grow block by block."""
    (height, width), (r, c) = window_shape(grid, halo), halo
    windows, cores = {}, {}
    for place in np.ndindex(grid.counts):
        top, left = map(int, window_starts(grid, halo)[place])
        windows[place] = {(y, x) for y in range(top, top + height) for x in range(left, left + width)}
        cores[place] = {
            (y, x) for y in range(top + r, top + height - r) for x in range(left + c, left + width - c)
        }

    def linked(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        shared = [value for y, x in windows[one] & windows[other] for value in np.ravel(image[..., y, x])]
        if len(set(shared)) > 1:
            return True
        grown = {(y + i, x + j) for y, x in cores[one] for i, j in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))}
        return touch and bool(grown & cores[other])

    near = {frozenset(pair) for pair in combinations(windows, 2) if linked(*pair)}
    areas = []
    for size in range(1, len(holds) + 1):
        largest = 0
        for members in combinations(range(len(holds)), size):
            left = {place for place in windows if any(holds[(m, *place)] for m in members)}
            while left:
                piece = [left.pop()]
                for place in piece:
                    joined = {other for other in left if frozenset((place, other)) in near}
                    left -= joined
                    piece += joined
                largest = max(largest, sum(bool(shown[place]) for place in piece))
        areas.append(largest / max(1, shown.sum()))
    return areas


@given(cases(), st.booleans())
def test_areas_equal_those_counted_on_sets_of_pixels(
    case: tuple[np.ndarray, BlockGrid, tuple[int, int], np.ndarray], nothing_shown: bool
) -> None:
    image, grid, halo, holds = case
    shown = np.zeros(grid.counts, bool) if nothing_shown else informative(image, grid.block[0])
    if shown.shape != grid.counts:
        shown = np.random.default_rng(0).random(grid.counts) < 0.7
    links = block_links(image, window_starts(grid, halo), window_shape(grid, halo), halo, shown)
    assert list(assembled_area(holds, links, 9).areas) == pytest.approx(
        slow_areas(image, grid, halo, holds, shown, touch=False)
    )
    assert list(adjacent_area(holds, links, 9).areas) == pytest.approx(
        slow_areas(image, grid, halo, holds, shown, touch=True)
    )


def linked(image: np.ndarray, block: int, halo: int, period: int) -> tuple[BlockLinks, np.ndarray]:
    grid = BlockGrid(image.shape, (block, block))
    starts = window_starts(grid, (halo, halo))
    links = block_links(
        image, starts, window_shape(grid, (halo, halo)), (halo, halo), informative(image, block)
    )
    return links, lattice(grid.counts, period) == np.arange(period**2)[:, None, None]


def test_two_of_four_providers_join_half_the_image_through_corners_and_one_joins_nothing() -> None:
    links, holds = linked(np.random.default_rng(0).integers(0, 4096, (256, 256)), 16, 2, 2)
    assert links.informative.all()
    assert assembled_area(holds, links, 4).areas == (1 / 256, 0.5, 0.75, 1.0)
    assert assembled_area(holds, links, 4).bound == "exact"


def test_without_halos_nothing_is_linked_exactly_but_edges_touch() -> None:
    links, holds = linked(np.random.default_rng(0).integers(0, 4096, (256, 256)), 16, 0, 2)
    assert len(links.exact) == 0
    assert assembled_area(holds, links, 4).areas == (1 / 256,) * 4
    # Two classes make whole lines of 16 blocks; diagonal neighbours share no edge.
    assert adjacent_area(holds, links, 4).areas == (1 / 256, 16 / 256, 0.75, 1.0)


def test_a_shifted_window_is_linked_by_what_it_overlaps_even_without_a_halo() -> None:
    image = np.random.default_rng(0).integers(0, 4096, (40, 32))
    links, _ = linked(image, 16, 0, 2)
    # The third row of blocks starts at 24: it overlaps the second, and touches it to the side as well.
    assert sorted(map(tuple, links.exact)) == [(2, 4), (3, 5)]
    touching = set(map(tuple, links.touching))
    assert {(2, 4), (2, 5), (3, 4)} <= touching
    assert not touching & {(0, 3), (1, 2)}


def test_flat_strips_link_nothing() -> None:
    image = np.zeros((64, 64), np.uint16)
    image[20:28, 20:28] = 9
    links, _ = linked(image, 16, 2, 2)
    assert len(links.exact) == 0
    image[20, 31:33] = 5, 6
    links, _ = linked(image, 16, 2, 2)
    assert links.exact.tolist() == [[5, 6]]
    assert len(links.touching) > 24


def test_a_colour_strip_is_flat_where_each_component_is_and_a_volume_strip_where_all_planes_agree() -> None:
    image = np.zeros((2, 16, 32), np.uint8)
    image[1] = 3
    grid = BlockGrid((16, 32), (8, 8))
    geometry = window_starts(grid, (2, 2)), window_shape(grid, (2, 2)), (2, 2), np.ones(grid.counts, bool)
    assert len(block_links(image, *geometry, channel_axis=0).exact) == 0
    assert len(block_links(image, *geometry).exact) == 16  # 6 along rows, 4 along columns, 6 diagonal
    image[1, 0, 7:9] = 4
    assert len(block_links(image, *geometry, channel_axis=0).exact) > 0


def test_pieces_join_through_blocks_that_do_not_count() -> None:
    links = BlockLinks(np.array([[True, False, True]]), np.array([[0, 1], [1, 2]]), np.empty((0, 2), np.intp))
    assert assembled_area(np.ones((1, 1, 3), bool), links, 1).areas == (1.0,)
    apart = np.array([[[True, False, True]], [[False, True, False]]])
    assert assembled_area(apart, links, 2).areas == (0.5, 1.0)


def test_a_stand_in_holds_what_it_may_be_given() -> None:
    links, holds = linked(np.random.default_rng(0).integers(0, 4096, (64, 64)), 16, 2, 2)
    before = assembled_area(holds, links, 1).areas[0]
    holds[0, 0, 1] = True
    assert before == 1 / 16
    assert assembled_area(holds, links, 1).areas[0] == 3 / 16


def test_where_coalitions_are_many_the_search_is_greedy_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    links, _ = linked(rng.integers(0, 4096, (320, 320)), 16, 2, 2)
    holds = rng.integers(0, 8, (20, 20)) == np.arange(8)[:, None, None]
    exact = assembled_area(holds, links, 5)
    assert exact.bound == "exact"
    monkeypatch.setattr(assembly, "MOST_COALITIONS", 20)
    greedy = assembled_area(holds, links, 5)
    assert greedy.bound == "greedy"
    assert greedy.areas[0] == exact.areas[0]
    assert all(low <= high for low, high in zip(greedy.areas, exact.areas, strict=True))
    assert all(low <= high for low, high in pairwise(greedy.areas))
    assert greedy.areas[4] > 0.8 * exact.areas[4]
    assert assembled_area(holds[:4], links, 4).bound == "exact"


def test_the_threshold_is_the_smallest_coalition_above_a_tenth_on_any_curve() -> None:
    low, high = CollusionCurve((0.01, 0.1, 0.2), "exact"), CollusionCurve((0.02, 0.11, 0.3), "greedy")
    assert collusion_threshold(low) == 3
    assert collusion_threshold(low, high) == 2
    assert collusion_threshold(CollusionCurve((0.1,), "exact")) is None


def test_what_does_not_fit_together_is_refused() -> None:
    image = np.zeros((32, 32))
    grid = BlockGrid(image.shape, (8, 8))
    starts, shown = window_starts(grid, (1, 1)), np.ones((4, 4), bool)
    with pytest.raises(ValueError, match="do not belong"):
        block_links(image, starts, (10, 10), (1, 1), shown[:3])
    slanted = starts.copy()
    slanted[1, 1] += 1
    with pytest.raises(ValueError, match="rows and columns"):
        block_links(image, slanted, (10, 10), (1, 1), shown)
    links = block_links(image, starts, (10, 10), (1, 1), shown)
    with pytest.raises(ValueError, match="do not belong"):
        assembled_area(np.ones((2, 3, 4), bool), links, 1)
    with pytest.raises(ValueError, match="at least 1 party"):
        assembled_area(np.ones((2, 4, 4), bool), links, 0)
    with pytest.raises(ValueError, match="has not"):
        BlockLinks(shown, np.array([[0, 16]]), np.empty((0, 2), np.intp))
    with pytest.raises(ValueError, match="pairs of blocks"):
        BlockLinks(shown, np.array([0, 1]), np.empty((0, 2), np.intp))
