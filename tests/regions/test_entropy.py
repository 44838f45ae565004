from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.measure import shannon_entropy

from providers.testing import images
from regions import block_entropy

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
