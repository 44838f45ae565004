import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import BlockGrid, alike, cut, paste


@st.composite
def grids(draw: st.DrawFn) -> tuple[BlockGrid, tuple[int, int]]:
    """A grid and a margin, in an image that holds a block with its margin."""
    block = (draw(st.integers(1, 12)), draw(st.integers(1, 12)))
    margin = (draw(st.integers(0, 4)), draw(st.integers(0, 4)))
    shape = tuple(b + 2 * m + draw(st.integers(0, 30)) for b, m in zip(block, margin, strict=True))
    return BlockGrid(shape, block), margin


@given(grids())
def test_blocks_keep_their_margin_and_hold_all_that_lies_within_it(
    case: tuple[BlockGrid, tuple[int, int]],
) -> None:
    grid, margin = case
    covered = np.zeros(grid.shape, bool)
    for start in grid.core_starts(margin).reshape(-1, 2):
        covered[tuple(slice(s, s + b) for s, b in zip(start, grid.block, strict=True))] = True
    inner = tuple(slice(m, n - m) for m, n in zip(margin, grid.shape, strict=True))
    assert covered[inner].all()
    covered[inner] = False
    assert not covered.any()


@given(grids())
def test_what_is_cut_and_pasted_back_is_the_image(case: tuple[BlockGrid, tuple[int, int]]) -> None:
    grid, margin = case
    image = np.arange(np.prod(grid.shape)).reshape(grid.shape)
    starts = grid.core_starts(margin).reshape(-1, 2)
    stack = cut(image, starts, grid.block)
    assert stack.flags.c_contiguous
    for piece, (row, column) in zip(stack, starts, strict=True):
        rows, columns = piece.shape
        assert (piece == image[row : row + rows, column : column + columns]).all()
    again = np.full(grid.shape, -1)
    paste(again, stack, starts)
    inner = tuple(slice(m, n - m) for m, n in zip(margin, grid.shape, strict=True))
    assert (again[inner] == image[inner]).all()


def test_blocks_inside_lie_where_the_grid_says() -> None:
    starts = BlockGrid((128, 144), (32, 32)).core_starts((8, 8))
    assert starts[:, 0, 0].tolist() == [8, 32, 64, 88]
    assert starts[0, :, 1].tolist() == [8, 32, 64, 96, 104]


def test_a_volume_is_cut_as_a_plane_is() -> None:
    image = np.arange(6 * 7 * 8).reshape(6, 7, 8)
    starts = np.array([[0, 1, 2], [3, 3, 3]])
    assert (cut(image, starts, (2, 3, 4))[1] == image[3:5, 3:6, 3:7]).all()


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        BlockGrid((10, 10), (8, 8)).core_starts((2, 2))
    with pytest.raises(ValueError, match="at least one pixel"):
        BlockGrid((10, 10), (8, 0))
    with pytest.raises(ValueError, match="one block size per axis"):
        BlockGrid((10, 10), (8,))


@given(st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 2)), max_size=20))
def test_rows_are_alike_if_and_only_if_they_are_equal(rows: list[tuple[int, int]]) -> None:
    kinds = [kind.tolist() for kind in alike(np.array(rows, np.intp).reshape(-1, 2))]
    assert sorted(number for kind in kinds for number in kind) == list(range(len(rows)))
    assert all(kind == sorted(kind) for kind in kinds)
    found = [{rows[number] for number in kind} for kind in kinds]
    assert all(len(values) == 1 for values in found)
    assert len(set().union(*found)) == len(kinds)
