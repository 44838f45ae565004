import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from regions import (
    BlockGrid,
    coverage,
    covered_area,
    detail_share,
    gradient_energy,
    gradient_map,
    informative,
    lattice,
)
from tests.windows import window_shape, window_starts


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 9), st.integers(0, 2**32))
def test_the_energy_of_the_blocks_is_that_of_the_image(
    rows: int, columns: int, block: int, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(-500, 500, (rows, columns)).astype(np.int16)
    energy = gradient_energy(image, block)
    assert energy.shape == BlockGrid(image.shape, (block, block)).counts
    across, down = (ndimage.sobel(image.astype(np.int64), axis=axis) for axis in (0, 1))
    squares = across**2 + down**2
    assert energy.sum() == squares.sum()
    assert energy[-1, -1] == squares[(rows - 1) // block * block :, (columns - 1) // block * block :].sum()


@st.composite
def windows(draw: st.DrawFn) -> tuple[tuple[int, int], np.ndarray]:
    """A shape, and any boxes inside it, of which some may be empty, equal or the whole."""
    shape = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    pixels = st.tuples(*(st.integers(0, n) for n in shape))
    corners = draw(st.lists(st.tuples(pixels, pixels), max_size=8))
    ends = np.sort(np.array(corners, np.intp).reshape(-1, 2, 2), axis=1)
    return shape, ends.reshape(-1, 4)


@given(windows())
def test_covered_are_the_pixels_of_all_boxes(case: tuple[tuple[int, int], np.ndarray]) -> None:
    shape, boxes = case
    wanted = np.zeros(shape, bool)
    for top, left, bottom, right in boxes:
        wanted[top:bottom, left:right] = True
    covered = coverage(shape, boxes)
    assert covered.dtype == bool
    assert (covered == wanted).all()


@given(windows())
def test_the_share_of_a_party_is_that_of_the_pixels_it_received_each_counted_once(
    case: tuple[tuple[int, int], np.ndarray],
) -> None:
    shape, boxes = case
    energy = np.random.default_rng(shape).random(shape)
    seen = {
        (r, c) for top, left, bottom, right in boxes for r in range(top, bottom) for c in range(left, right)
    }
    share = detail_share(energy, coverage(energy.shape, boxes))
    assert share == pytest.approx(sum(energy[pixel] for pixel in seen) / energy.sum())
    assert 0 <= share <= 1 + 1e-12
    assert detail_share(energy, coverage(energy.shape, np.concatenate([boxes, boxes]))) == share


def boxes_of(grid: BlockGrid, halo: tuple[int, int]) -> np.ndarray:
    """What is sent of every block, (rows, columns, 4)."""
    starts = window_starts(grid, halo)
    return np.concatenate([starts, starts + np.array(window_shape(grid, halo))], axis=-1)


def test_without_halos_the_shares_of_a_partition_add_up_to_one_and_with_halos_to_more() -> None:
    energy = gradient_map(np.random.default_rng(0).integers(0, 999, (96, 96)))
    grid = BlockGrid(energy.shape, (16, 16))
    holds = lattice(grid.counts, 2) == np.arange(4)[:, None, None]
    bare = [detail_share(energy, coverage(energy.shape, boxes_of(grid, (0, 0))[own])) for own in holds]
    blocks = energy.reshape(6, 16, 6, 16).sum(axis=(1, 3))
    assert bare == pytest.approx([(blocks * own).sum() / energy.sum() for own in holds])
    assert sum(bare) == pytest.approx(1)
    assert (
        sum(detail_share(energy, coverage(energy.shape, boxes_of(grid, (2, 2))[own])) for own in holds) > 1.3
    )


def test_who_holds_nothing_and_who_holds_all_have_none_and_all() -> None:
    energy = gradient_map(np.random.default_rng(0).integers(0, 999, (32, 48)))
    everything = boxes_of(BlockGrid(energy.shape, (16, 16)), (2, 2)).reshape(-1, 4)
    assert detail_share(energy, coverage(energy.shape, everything[:0])) == 0
    assert detail_share(energy, coverage(energy.shape, everything)) == pytest.approx(1)
    assert detail_share(np.zeros((32, 48)), coverage((32, 48), everything)) == 0


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
def test_blocks_may_be_of_other_height_than_width(
    rows: int, columns: int, height: int, width: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    image = np.where(random.random((rows, columns)) < 0.8, 7, random.integers(0, 255, (rows, columns)))
    found = informative(image, (height, width))
    assert found.shape == (-(-rows // height), -(-columns // width))
    for row, column in np.ndindex(found.shape):
        block = image[row * height : (row + 1) * height, column * width : (column + 1) * width]
        assert found[row, column] == (np.ptp(block) * 255 > 4 * np.ptp(image))
    assert (informative(image, (height, height)) == informative(image, height)).all()


def test_a_block_is_informative_above_four_levels_of_255_not_at_four() -> None:
    image = np.zeros((8, 16), np.uint8)
    image[:4, 0], image[0, 4], image[1, 8], image[4, 12] = 255, 4, 5, 3
    assert informative(image, 4).tolist() == [[True, False, True, False], [False] * 4]
    # Where the image spans less, so does what counts: 4 of 100 levels are more than 4/255 of them.
    image[:4, 0] = 100
    assert informative(image, 4).tolist() == [[True, True, True, False], [False, False, False, True]]


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_spans_of_full_range_do_not_wrap(dtype: type) -> None:
    limits = np.iinfo(dtype)
    image = np.zeros((4, 8), dtype)
    image[0, 0], image[1, 1] = limits.min, limits.max
    assert informative(image, 4).tolist() == [[True, False]]


def test_a_block_of_colours_or_of_a_volume_is_informative_if_a_part_of_it_is() -> None:
    image = np.zeros((4, 12, 3), np.uint8)
    image[0, 0, 0], image[0, 4, 2] = 255, 50
    assert informative(image, 4, channel_axis=-1).tolist() == [[True, True, False]]
    # Constant components that differ from one another show nothing; constant planes that do, a profile.
    image[:, 8:, 1] = 200
    assert informative(image, 4, channel_axis=-1).tolist() == [[True, True, False]]
    assert informative(np.moveaxis(image, -1, 0), 4).tolist() == [[True, True, True]]


def test_energy_adds_up_over_colours_and_planes() -> None:
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    wanted = sum(gradient_energy(image[..., c], 8) for c in range(3))
    assert (gradient_energy(image, 8, channel_axis=-1) == wanted).all()
    assert (gradient_energy(np.moveaxis(image, -1, 0), 8) == wanted).all()


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="two or three axes"):
        gradient_map(np.zeros(3))
    with pytest.raises(ValueError, match="at least 1 pixel"):
        informative(np.zeros((3, 3)), 0)
    with pytest.raises(ValueError, match=r"at least 1 pixel on a side, not \(2, 0\)"):
        informative(np.zeros((3, 3)), (2, 0))


def test_an_area_from_edges_is_the_number_of_covered_pixels() -> None:
    random = np.random.default_rng(0)
    for count in (0, 1, 2, 40):
        corners = np.sort(random.integers(0, 30, (count, 2, 2)), axis=1)
        boxes = corners.reshape(count, 4)
        assert covered_area(boxes) == np.count_nonzero(coverage((30, 30), boxes))
