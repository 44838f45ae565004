from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from regions import BlockGrid, neighbours
from tests.windows import window_shape, window_starts


@st.composite
def planes(draw: st.DrawFn, most: int = 5) -> BlockGrid:
    """A grid of a plane, each axis from one block to `most`, the last of which may not fit."""
    block = tuple(draw(st.integers(1, 13)) for _ in range(2))
    return BlockGrid(tuple(draw(st.integers(b, most * b)) for b in block), block)


def windows(grid: BlockGrid, halo: tuple[int, ...]) -> NDArray[np.int64]:
    """Every block's window as a picture of ones, within a margin of one pixel."""
    starts = window_starts(grid, halo).reshape(-1, 2)
    pictures = np.zeros((len(starts), *(n + 2 for n in grid.shape)), np.int64)
    for picture, (row, column) in zip(pictures, starts + 1, strict=True):
        rows, columns = window_shape(grid, halo)
        picture[row : row + rows, column : column + columns] = 1
    return pictures


def grown(pictures: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pictures grown by a pixel to each side."""
    result = pictures.copy()
    for rows, columns in product((-1, 0, 1), repeat=2):
        result |= np.roll(pictures, (rows, columns), (1, 2))
    return result


def meeting(one: NDArray[np.int64], other: NDArray[np.int64]) -> set[tuple[int, int]]:
    common = one.reshape(len(one), -1) @ other.reshape(len(other), -1).T
    return {(int(a), int(b)) for a, b in np.argwhere(common | common.T) if a < b}


def fitting(grid: BlockGrid) -> list[tuple[int, int]]:
    """Every halo up to a quarter of the block whose windows fit into the image."""
    halves = [(n - b) // 2 for n, b in zip(grid.shape, grid.block, strict=True)]
    rows, columns = (range(min(b // 4, h) + 1) for b, h in zip(grid.block, halves, strict=True))
    return list(product(rows, columns))


@given(planes())
def test_neighbours_are_the_blocks_whose_windows_meet_or_touch_under_some_halo_of_two_jobs(
    grid: BlockGrid,
) -> None:
    under = [windows(grid, halo) for halo in fitting(grid)]
    expected = set().union(*(meeting(one, grown(other)) for one in under for other in under))
    pairs = [tuple(pair) for pair in neighbours(grid).tolist()]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == expected


def test_where_all_blocks_fit_neighbours_are_the_eight_around() -> None:
    pairs = neighbours(BlockGrid((5 * 16, 6 * 16), (16, 16)))
    distance = np.abs(np.diff(np.stack(np.divmod(pairs, 6)), axis=-1))
    assert distance.max() == 1
    assert len(pairs) == 5 * 5 + 4 * 6 + 2 * 4 * 5


def test_a_volume_of_columns_has_the_neighbours_of_its_planes() -> None:
    plane = neighbours(BlockGrid((48, 70), (16, 16)))
    volume = neighbours(BlockGrid((9, 48, 70), (9, 16, 16)))
    assert (plane == volume).all()


def test_an_image_that_holds_no_block_has_no_neighbours_to_tell() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        neighbours(BlockGrid((100, 15), (16, 16)))
