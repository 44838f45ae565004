import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import BlockGrid, cut, paste


@st.composite
def grids(draw: st.DrawFn) -> tuple[BlockGrid, tuple[int, int]]:
    """A grid and a halo of at most a quarter of the block, in an image that holds a window."""
    block = tuple(draw(st.integers(1, 12)) for _ in range(2))
    halo = tuple(draw(st.integers(0, b // 4)) for b in block)
    shape = tuple(b + 2 * h + draw(st.integers(0, 30)) for b, h in zip(block, halo, strict=True))
    return BlockGrid(shape, block), halo


@given(grids())
def test_windows_lie_inside_the_image_and_their_cores_hold_all_but_the_outermost_pixels(
    case: tuple[BlockGrid, tuple[int, int]],
) -> None:
    grid, halo = case
    starts = grid.window_starts(halo).reshape(-1, 2)
    window = grid.window(halo)
    assert (starts >= 0).all()
    assert (starts + window <= grid.shape).all()
    covered = np.zeros(grid.shape, bool)
    for start in starts:
        covered[tuple(slice(s + h, s + h + b) for s, h, b in zip(start, halo, grid.block, strict=True))] = (
            True
        )
    inner = tuple(slice(h, n - h) for h, n in zip(halo, grid.shape, strict=True))
    assert covered[inner].all()


@given(grids())
def test_what_is_cut_and_pasted_back_is_the_image(case: tuple[BlockGrid, tuple[int, int]]) -> None:
    grid, halo = case
    image = np.arange(np.prod(grid.shape)).reshape(grid.shape)
    starts = grid.window_starts(halo).reshape(-1, 2)
    stack = cut(image, starts, grid.window(halo))
    assert stack.flags.c_contiguous
    for piece, (row, column) in zip(stack, starts, strict=True):
        rows, columns = piece.shape
        assert (piece == image[row : row + rows, column : column + columns]).all()
    again = np.full(grid.shape, -1)
    paste(again, stack, starts)
    assert (again[again >= 0] == image[again >= 0]).all()
    assert (again >= 0).all()


def test_where_blocks_lie_does_not_depend_on_the_halo() -> None:
    grid = BlockGrid((128, 144), (32, 32))
    narrow, wide = (grid.window_starts((h, h)) + h for h in (1, 8))
    inside = narrow[1:-1, 1:3]
    assert (inside == wide[1:-1, 1:3]).all()
    assert (inside[..., 0] == np.arange(1, 3)[:, None] * 32).all()


def test_a_volume_is_cut_as_a_plane_is() -> None:
    image = np.arange(6 * 7 * 8).reshape(6, 7, 8)
    starts = np.array([[0, 1, 2], [3, 3, 3]])
    assert (cut(image, starts, (2, 3, 4))[1] == image[3:5, 3:6, 3:7]).all()


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        BlockGrid((10, 10), (8, 8)).window_starts((2, 2))
    with pytest.raises(ValueError, match="at least one pixel"):
        BlockGrid((10, 10), (8, 0))
    with pytest.raises(ValueError, match="one block size per axis"):
        BlockGrid((10, 10), (8,))
