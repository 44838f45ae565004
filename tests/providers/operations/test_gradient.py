"""Gradients against scipy, and their roots against unbounded integers."""

from math import isqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

import providers
from providers.operations.gradient import rounded_norm
from providers.testing import images
from tests.drawing import MODES, SHAPES


@given(images(SHAPES), st.sampled_from(MODES[:3]))
def test_sobel_equals_the_root_of_scipys_squares(image: NDArray[Any], mode: str) -> None:
    wide = image.astype(np.float64)
    squares = ndimage.sobel(wide, 0, mode=mode) ** 2 + ndimage.sobel(wide, 1, mode=mode) ** 2
    ours = providers.apply(image, "sobel", mode=mode)
    assert np.abs(ours - np.sqrt(squares)).max() <= 0.5 + 1e-6


@given(st.lists(st.integers(-(2**43), 2**43), min_size=2, max_size=3))
def test_a_norm_is_rounded_as_unbounded_integers_round_it(components: list[int]) -> None:
    square = sum(c * c for c in components)
    floor = isqrt(square)
    wanted = floor + (square > floor * floor + floor)
    assert int(rounded_norm([np.array([c]) for c in components])[0]) == wanted


@pytest.mark.parametrize("k", [2**14 + 1, 2**18 + 1, 2**20 + 1, 2**21 + 1])
def test_norms_just_beside_a_half_are_rounded_to_the_right_side(k: int) -> None:
    # (k²)² + k² lies just below (k² + 1/2)², and (k² - 1)² + k² just above (k² - 1/2)²; float64 does not
    # tell them from the halves.
    for first in (k * k, k * k - 1):
        assert int(rounded_norm([np.array([first]), np.array([k])])[0]) == k * k
