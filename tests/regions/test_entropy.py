from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.measure import shannon_entropy

from providers.testing import images
from regions import block_entropy, entropy_map

SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 20))


@given(images(SHAPES), st.integers(1, 9))
def test_every_block_has_the_entropy_that_scikit_image_finds(image: NDArray[np.generic], side: int) -> None:
    bits = block_entropy(image, side)
    rows, columns = (-(-n // side) for n in image.shape)
    assert bits.shape == (rows, columns)
    for i, j in product(range(rows), range(columns)):
        block = image[i * side : (i + 1) * side, j * side : (j + 1) * side]
        assert bits[i, j] == pytest.approx(shannon_entropy(block), abs=1e-9)


def test_a_flat_block_has_no_entropy_and_all_different_values_have_the_most() -> None:
    assert block_entropy(np.full((16, 16), 7, np.uint8)).tolist() == [[0.0]]
    assert block_entropy(np.arange(256, dtype=np.uint16).reshape(16, 16)).tolist() == [[8.0]]


def test_sixteen_bit_values_are_not_binned_together() -> None:
    assert block_entropy(np.array([[0, 1], [2, 60_000]], np.uint16), 2).tolist() == [[2.0]]


@given(images(st.tuples(st.integers(1, 20), st.integers(1, 20), st.sampled_from([3, 4]))), st.integers(1, 9))
def test_every_component_of_a_colour_image_has_the_entropy_that_it_has_alone(
    image: NDArray[np.generic], side: int
) -> None:
    bits = block_entropy(image, (side, side + 1), channel_axis=-1)
    assert bits.shape == (-(-image.shape[0] // side), -(-image.shape[1] // (side + 1)), image.shape[2])
    for component in range(image.shape[2]):
        assert (bits[..., component] == block_entropy(image[..., component], (side, side + 1))).all()


@pytest.mark.parametrize("axis", [0, 1, 2, -3, -2, -1])
def test_components_come_last_whichever_axis_of_the_image_they_are(axis: int) -> None:
    image = np.random.default_rng(0).integers(0, 9, (33, 20, 3), np.uint8)
    turned = np.moveaxis(image, -1, axis)
    assert (block_entropy(turned, 16, channel_axis=axis) == block_entropy(image, 16, channel_axis=-1)).all()


def test_a_colour_block_of_which_one_component_is_flat_has_entropy_in_the_others_only() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = np.dstack([ramp, np.full((16, 16), 7, np.uint8), ramp // 2])
    assert block_entropy(image, channel_axis=-1).tolist() == [[[8.0, 0.0, 7.0]]]


def test_without_a_channel_axis_three_axes_are_a_volumes() -> None:
    volume = np.arange(4 * 6 * 8, dtype=np.uint16).reshape(4, 6, 8)
    assert block_entropy(volume, 2).shape == (2, 3, 4)
    assert (block_entropy(volume, 2) == 3).all()


@pytest.mark.parametrize(
    ("shape", "block", "axis", "says"),
    [
        ((4, 4, 3), (2, 2, 1), -1, "one per axis"),
        ((4, 4, 3), 0, -1, "at least 1 pixel"),
        ((4, 4, 0), 2, -1, r"at least one pixel; the image's shape is \(4, 4, 0\)"),
        ((3,), 2, 0, "at least one pixel"),
        ((4, 4, 3), 2, 3, "axis 3 is out of bounds"),
    ],
)
def test_colour_without_entropy_is_refused(shape: tuple[int, ...], block: int, axis: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        block_entropy(np.zeros(shape, np.uint8), block, channel_axis=axis)


@pytest.mark.parametrize(
    ("image", "block", "says"),
    [
        (np.zeros((4, 4)), 2, "integer images"),
        (np.zeros((0, 4), np.uint8), 2, "at least one pixel"),
        (np.zeros((4, 4), np.uint8), 0, "at least 1 pixel"),
        (np.zeros((4, 4), np.uint8), (2, 2, 2), "one per axis"),
    ],
)
def test_what_has_no_entropy_is_refused(image: NDArray[np.generic], block: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        block_entropy(image, block)


@given(images(st.tuples(st.integers(1, 20), st.integers(1, 20), st.sampled_from([3, 4]))), st.integers(1, 9))
def test_every_pixel_has_the_entropy_of_its_block_all_components_together(
    image: NDArray[np.generic], side: int
) -> None:
    bits = block_entropy(image, side, channel_axis=-1).sum(axis=-1)
    found = entropy_map(np.moveaxis(image, -1, 0), side, channel_axis=0)
    assert found.shape == image.shape[:2]
    for row, column in np.ndindex(found.shape):
        assert found[row, column] == bits[row // side, column // side]
    assert (entropy_map(image[..., 0], side) == entropy_map(image[..., :1], side, channel_axis=-1)).all()


def test_a_volume_has_no_entropy_map() -> None:
    with pytest.raises(ValueError, match="one plane"):
        entropy_map(np.zeros((2, 4, 4), np.uint8))
