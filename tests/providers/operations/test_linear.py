"""Smoothing against scipy and scikit-image."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

import providers
from providers.testing import images
from tests.drawing import MODES, SHAPES


@given(images(SHAPES), st.sampled_from(MODES), st.integers(1, 6), st.integers(0, 100))
def test_mean_equals_the_exact_mean_rounded(image: NDArray[Any], mode: str, size: int, cval: int) -> None:
    ours = providers.apply(image, "mean", size=size, mode=mode, cval=cval)
    sums = ndimage.correlate(image.astype(np.int64), np.ones((size, size), np.int64), mode=mode, cval=cval)
    assert (ours == np.rint(sums / size**2)).all()


@given(images(SHAPES), st.sampled_from(MODES), st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_gaussian_deviates_from_the_real_valued_filter_by_one_level_at_most(
    image: NDArray[Any], mode: str, sigma: float
) -> None:
    ours = providers.apply(image, "gaussian", sigma=sigma, mode=mode)
    real = ndimage.gaussian_filter(image.astype(np.float64), sigma, mode=mode)
    allowed = 1 if image.dtype.itemsize < 4 else 2**22
    assert np.abs(ours - real).max() <= allowed


def test_a_gaussian_of_a_colour_image_is_scikit_images_to_one_level() -> None:
    from skimage.data import astronaut
    from skimage.filters import gaussian

    image = astronaut()[:160, 100:300]
    ours = providers.apply(image, "gaussian", channel_axis=-1, sigma=2.0)
    theirs = gaussian(image, 2.0, mode="reflect", channel_axis=-1, preserve_range=True)
    assert np.abs(ours - theirs).max() <= 1
