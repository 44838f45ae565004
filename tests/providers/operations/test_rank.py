"""Rank filters against scipy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

import providers
from providers.testing import images
from tests.drawing import COLOURS, MODES, SHAPES


@given(images(SHAPES), st.sampled_from(MODES), st.integers(1, 6), st.integers(0, 100))
def test_median_equals_scipy(image: NDArray[Any], mode: str, size: int, cval: int) -> None:
    # scipy goes astray where a window is several times as large as the image.
    size = min(size, 2 * min(image.shape))
    ours = providers.apply(image, "median", size=size, mode=mode, cval=cval)
    assert (ours == ndimage.median_filter(image, size, mode=mode, cval=cval)).all()


@given(images(SHAPES), st.sampled_from(MODES), st.integers(1, 7), st.integers(0, 100))
def test_minimum_and_maximum_equal_scipys(image: NDArray[Any], mode: str, size: int, cval: int) -> None:
    for name, theirs in (("minimum", ndimage.minimum_filter), ("maximum", ndimage.maximum_filter)):
        ours = providers.apply(image, name, size=size, mode=mode, cval=cval)
        assert (ours == theirs(image, size, mode=mode, cval=cval)).all()


@given(
    images(SHAPES),
    st.sampled_from(MODES),
    st.integers(1, 6),
    st.one_of(st.sampled_from([0, 25, 50, 100]), st.floats(0, 100)),
)
def test_percentile_equals_scipys(image: NDArray[Any], mode: str, size: int, percentile: float) -> None:
    # scipy goes astray where a window is several times as large as the image.
    size = min(size, 2 * min(image.shape))
    ours = providers.apply(image, "percentile", size=size, percentile=percentile, mode=mode)
    assert (ours == ndimage.percentile_filter(image, percentile, size, mode=mode)).all()


@pytest.mark.parametrize(("percentile", "extreme"), [(0, "minimum"), (100, "maximum"), (50, "median")])
@pytest.mark.parametrize("size", [3, 4, 11])
def test_a_percentile_of_0_50_or_100_is_the_minimum_median_or_maximum(
    percentile: float, extreme: str, size: int
) -> None:
    image = np.random.default_rng(0).integers(0, 4096, (30, 40), np.uint16)
    ours = providers.apply(image, "percentile", size=size, percentile=percentile)
    assert (ours == providers.apply(image, extreme, size=size)).all()


@given(images(COLOURS), st.sampled_from(MODES), st.integers(1, 5), st.integers(0, 100))
def test_the_median_of_a_colour_image_equals_scipys_of_every_component(
    image: NDArray[Any], mode: str, size: int, cval: int
) -> None:
    # scipy goes astray where a window is several times as large as the image.
    size = min(size, 2 * min(image.shape[:2]))
    ours = providers.apply(image, "median", channel_axis=-1, size=size, mode=mode, cval=cval)
    for component in range(image.shape[-1]):
        theirs = ndimage.median_filter(image[..., component], size, mode=mode, cval=cval)
        assert (ours[..., component] == theirs).all()
