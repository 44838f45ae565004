"""Thresholds, windows, inverted, brighter and harder images against their definitions."""

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import providers
from providers.testing import images
from tests.drawing import SHAPES


@given(images(SHAPES), st.data())
def test_a_threshold_is_one_where_pixels_are_above_it(image: NDArray[Any], data: st.DataObject) -> None:
    value = data.draw(st.one_of(st.sampled_from(image.ravel().tolist()), st.integers(-(2**32), 2**32)))
    ours = providers.apply(image, "threshold", value=value)
    assert ours.dtype == np.uint8
    assert (ours == (image.astype(np.int64) > value)).all()


@given(images(SHAPES))
def test_an_inverted_image_is_scikit_images_and_inverted_twice_itself(image: NDArray[Any]) -> None:
    from skimage.util import invert

    ours = providers.apply(image, "invert")
    assert ours.dtype == image.dtype
    assert (ours == invert(image)).all()
    assert (providers.apply(ours, "invert") == image).all()


def windowed(pixel: int, center: Fraction, width: Fraction) -> int:
    """DICOM PS3.3 C.11.2.1.2.1 as it stands there, in fractions; rounded, halves to even."""
    if pixel <= center - Fraction(1, 2) - (width - 1) / 2:
        return 0
    if pixel > center - Fraction(1, 2) + (width - 1) / 2:
        return 255
    return round(((pixel - (center - Fraction(1, 2))) / (width - 1) + Fraction(1, 2)) * 255)


THOUSANDTHS = st.integers(-(2**41), 2**41).map(lambda n: Fraction(n, 1000))


@given(
    images(st.just((5, 5))),
    st.one_of(THOUSANDTHS, st.integers(-5000, 5000).map(Fraction)),
    st.one_of(st.just(Fraction(1)), st.just(Fraction(256)), THOUSANDTHS.map(lambda w: 1 + abs(w))),
)
def test_a_window_is_the_one_of_dicom(image: NDArray[Any], center: Fraction, width: Fraction) -> None:
    ours = providers.apply(image, "window", center=float(center), width=float(width))
    assert ours.dtype == np.uint8
    assert ours.ravel().tolist() == [windowed(pixel, center, width) for pixel in image.ravel().tolist()]


def test_a_window_is_pydicoms_rounded() -> None:
    import pydicom
    from pydicom.pixels import apply_windowing

    image = np.arange(-1500, 1500, dtype=np.int16).reshape(50, 60)
    header = pydicom.Dataset()
    header.PhotometricInterpretation, header.BitsStored, header.PixelRepresentation = "MONOCHROME2", 8, 0
    header.WindowCenter, header.WindowWidth = 40, 400
    theirs = apply_windowing(image, header)
    ours = providers.apply(image, "window", center=40, width=400)
    assert np.abs(ours - theirs).max() <= 0.5 + 1e-9


def clipped(levels: list[Fraction], dtype: np.dtype[Any]) -> list[int]:
    limits = np.iinfo(dtype)
    return [min(max(round(level), int(limits.min)), int(limits.max)) for level in levels]


@given(images(SHAPES), st.integers(-(2**32), 2**32))
def test_a_brighter_image_has_so_many_levels_more_and_is_clipped(image: NDArray[Any], offset: int) -> None:
    ours = providers.apply(image, "brightness", offset=offset)
    assert ours.dtype == image.dtype
    assert ours.ravel().tolist() == clipped(
        [Fraction(p + offset) for p in image.ravel().tolist()], image.dtype
    )


@given(images(SHAPES), st.integers(-(10**5), 10**5), st.integers(-(2**32), 2**32))
def test_contrast_multiplies_distances_from_the_pivot_rounds_halves_to_even_and_clips(
    image: NDArray[Any], thousandths: int, pivot: int
) -> None:
    factor = Fraction(thousandths, 1000)
    ours = providers.apply(image, "contrast", factor=float(factor), pivot=pivot)
    wanted = [pivot + factor * (pixel - pivot) for pixel in image.ravel().tolist()]
    assert ours.ravel().tolist() == clipped(wanted, image.dtype)


def test_floats_are_neither_rounded_nor_clipped() -> None:
    image = np.array([[-1.0, 0.25, 300.5]])
    assert providers.apply(image, "brightness", offset=-7).tolist() == [[-8.0, -6.75, 293.5]]
    assert providers.apply(image, "contrast", factor=1.5, pivot=1).tolist() == [[-2.0, -0.125, 450.25]]
