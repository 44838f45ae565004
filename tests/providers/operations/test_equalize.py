"""Histogram equalisation beside scikit-image's, and its running sums wherever they are computed."""

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.exposure import equalize_hist

import cloudsec
import providers
from providers.testing import images
from tests.drawing import SHAPES

IMAGE = np.random.default_rng(0).normal(2000, 700, (40, 33)).clip(0, 4095).astype(np.uint16)


@given(images(SHAPES))
def test_each_level_is_the_share_of_pixels_that_are_no_brighter(image: NDArray[Any]) -> None:
    ours = providers.apply(image, "equalize_hist")
    low, width = int(image.min()), max(256, int(image.max()) - int(image.min()) + 1)
    bins = (image.astype(object) - low) * 256 // width
    wanted = [round(255 * int((bins <= own).sum()) / image.size) for own in bins.ravel()]
    assert ours.dtype == np.uint8
    assert ours.shape == image.shape
    assert ours.ravel().tolist() == wanted


def test_on_8_bits_it_is_scikit_images_rounded() -> None:
    image = (IMAGE >> 4).astype(np.uint8)
    assert np.abs(providers.apply(image, "equalize_hist") - 255 * equalize_hist(image)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("scheme", ["additive", "shamir", "bfv", "ga-es", "ga-es-2018", "unprotected"])
def test_under_every_scheme_it_is_the_same(scheme: str) -> None:
    colour = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    volume = np.random.default_rng(2).integers(-900, 900, (3, 11, 10), np.int16)
    for image, axis in ((IMAGE, None), (colour, -1), (volume, None)):
        options = {"scheme": scheme, "providers": 3, "key": os.urandom(32), "channel_axis": axis}
        result = cloudsec.process(image, "equalize_hist", **options)
        assert np.array_equal(result.image, providers.apply(image, "equalize_hist", channel_axis=axis))
        assert result.report.image["shape"] == image.shape


def test_it_is_the_same_under_paillier() -> None:
    # Of one component: sums of 256 ciphertexts take a while.
    result = cloudsec.process(IMAGE, "equalize_hist", scheme="paillier", providers=3)
    assert np.array_equal(result.image, providers.apply(IMAGE, "equalize_hist"))


def test_components_and_volumes_are_counted_by_themselves_and_as_one() -> None:
    colour = np.dstack([IMAGE, IMAGE // 3, IMAGE + 5])
    ours = providers.apply(colour, "equalize_hist", channel_axis=-1)
    for component in range(3):
        assert (ours[..., component] == providers.apply(colour[..., component], "equalize_hist")).all()
    volume = np.random.default_rng(2).integers(0, 256, (2, 5, 6), np.uint8)
    flat = providers.apply(volume.reshape(10, 6), "equalize_hist").reshape(volume.shape)
    assert (providers.apply(volume, "equalize_hist") == flat).all()


@pytest.mark.parametrize(
    ("image", "parameters", "message"),
    [
        (IMAGE.astype(np.float32), {}, "counts levels, and takes no floats"),
        (IMAGE, {"mode": "nearest"}, "a histogram has no border"),
        (IMAGE, {"cval": 3}, "a histogram has no border"),
    ],
)
def test_what_cannot_be_counted_is_refused(image: NDArray[Any], parameters: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        providers.apply(image, "equalize_hist", **parameters)
    with pytest.raises(ValueError, match=message):
        cloudsec.process(image, "equalize_hist", **parameters)


@given(st.integers(-(2**15), 2**15 - 1))
def test_one_level_alone_is_white(level: int) -> None:
    assert (providers.apply(np.full((3, 4), level, np.int16), "equalize_hist") == 255).all()
