"""Convolutions against scipy: exact, rounded once, or one level off at most."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

import providers
from providers.testing import images
from tests.drawing import MODES, SHAPES


@given(images(SHAPES), st.sampled_from(MODES), st.integers(0, 100))
def test_laplacian_equals_scipys(image: NDArray[Any], mode: str, cval: int) -> None:
    ours = providers.apply(image, "laplacian", mode=mode, cval=cval)
    assert (ours == ndimage.laplace(image.astype(np.int64), mode=mode, cval=cval)).all()


KERNELS = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda sides: st.lists(
        st.lists(st.integers(-9, 9), min_size=sides[1], max_size=sides[1]),
        min_size=sides[0],
        max_size=sides[0],
    )
)


@given(images(SHAPES), KERNELS, st.sampled_from(MODES), st.integers(0, 100))
def test_a_convolution_with_whole_numbers_equals_scipys(
    image: NDArray[Any], weights: list[list[int]], mode: str, cval: int
) -> None:
    ours = providers.apply(image, "convolve", weights=weights, mode=mode, cval=cval)
    theirs = ndimage.convolve(image.astype(np.int64), np.array(weights), mode=mode, cval=cval)
    assert (ours == theirs).all()


@given(images(SHAPES), KERNELS, st.sampled_from([2, 3, 9, 16, 20, 360]))
def test_a_convolution_with_fractions_is_rounded_once(
    image: NDArray[Any], weights: list[list[int]], divisor: int
) -> None:
    ours = providers.apply(image, "convolve", weights=np.array(weights) / divisor)
    sums = ndimage.convolve(image.astype(np.int64), np.array(weights))
    whole, rest = np.divmod(sums, divisor)
    assert (ours == whole + (2 * rest > divisor) + ((2 * rest == divisor) & (whole % 2 == 1))).all()


@given(images(SHAPES, ("uint8", "int16", "uint16")), st.integers(0, 2**32))
@settings(max_examples=30)
def test_a_convolution_with_other_weights_is_one_level_off_at_most(image: NDArray[Any], seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.normal(size=random.integers(1, 5, 2))
    ours = providers.apply(image, "convolve", weights=weights)
    assert np.abs(ours - ndimage.convolve(image.astype(np.float64), weights)).max() <= 1 + 1e-6


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_a_smoothing_kernel_leaves_what_is_flat_and_a_kernel_of_sum_0_nothing(dtype: str) -> None:
    bell = np.exp(-np.hypot(*np.mgrid[-2:3, -2:3]))
    for level in (np.iinfo(dtype).min, 77, np.iinfo(dtype).max):
        flat = np.full((9, 9), level, dtype)
        assert (providers.apply(flat, "convolve", weights=bell / bell.sum()) == level).all()
        centred = bell - bell.mean()
        assert not providers.apply(flat, "convolve", weights=centred).any()


@pytest.mark.parametrize(
    ("weights", "dtype", "result"),
    [
        ([[0.25, 0.75]], "uint8", "uint8"),
        ([[0, 1, 0]], "int16", "int16"),
        ([[1, 1]], "uint8", "int16"),
        ([[-1]], "int16", "int32"),
        ([[127]], "uint8", "int16"),
        ([[129]], "uint8", "int32"),
        ([[-128]], "uint8", "int16"),
        ([[-129]], "uint8", "int32"),
        ([[2**16]], "uint16", "int64"),
        ([[1, -1]], "int32", "int64"),
    ],
)
def test_a_convolutions_dtype_holds_all_that_images_lead_to(
    weights: list[list[float]], dtype: str, result: str
) -> None:
    limits = np.iinfo(dtype)
    image = np.random.default_rng(0).choice(np.array([limits.min, limits.max], dtype), (9, 9))
    ours = providers.apply(image, "convolve", weights=weights)
    assert ours.dtype == result
    assert (ours == np.rint(ndimage.convolve(image.astype(np.float64), np.array(weights)))).all()


def test_a_convolution_whose_answers_float32_may_not_hold_is_refused() -> None:
    image = np.full((9, 9), 2.0**96)
    for large in (2**40, 2.5e11):
        with pytest.raises(ValueError, match="on float32 images some answers would be infinite"):
            providers.apply(image.astype(np.float32), "convolve", weights=[[large]])
        assert (providers.apply(image, "convolve", weights=[[large]]) == image * large).all()
    assert np.isfinite(providers.apply(image.astype(np.float32), "convolve", weights=[[2**31]])).all()
