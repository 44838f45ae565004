"""Pixels as pydicom decodes them, in every transfer syntax, grey and in colour, one frame and many."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pydicom import uid

from tests.dicom_files import (
    Pixels,
    dataset_of,
    derived,
    file_of,
    images,
    read,
)


@given(images("uint8", "uint16", "int16"), st.sampled_from(["implicit", "big-endian", "run lengths"]))
@settings(max_examples=60)
def test_every_transfer_syntax_that_is_read_gives_the_same_pixels(pixels: Pixels, kind: str) -> None:
    dataset = dataset_of(pixels)
    if kind == "implicit":
        content = file_of(dataset, uid.ImplicitVRLittleEndian)
    elif kind == "big-endian":
        swapped = pixels if pixels.dtype.itemsize > 1 else np.frombuffer(dataset.PixelData, np.uint16)
        dataset.PixelData = swapped.byteswap().tobytes()
        content = file_of(dataset, uid.ExplicitVRBigEndian)
    else:
        dataset.compress(uid.RLELossless)
        content = file_of(dataset, uid.RLELossless)
    back = read(content).pixels
    assert back.dtype == pixels.dtype
    assert back.dtype.isnative
    assert np.array_equal(back, pixels)


@given(hnp.arrays(np.uint16, (3, 4)), st.integers(9, 16), st.booleans())
@settings(max_examples=60)
def test_bits_above_those_stored_are_masked_and_signs_extended(
    words: NDArray[np.uint16], stored: int, signed: bool
) -> None:
    """An overlay in the high bits, as files of old have it, is no part of the image."""
    values = words.astype(np.int64) % (1 << stored)
    expected = np.where(signed & (values >= 1 << stored - 1), values - (1 << stored), values)
    dataset = dataset_of(words, BitsStored=stored, PixelRepresentation=int(signed))
    image = read(file_of(dataset))
    assert np.array_equal(image.pixels, expected)
    assert image.pixels.dtype == (np.int16 if signed else np.uint16)
    written = derived(dataset, image.pixels)
    assert np.array_equal(written.pixel_array, expected)
    assert written.BitsStored == stored


def test_signed_bytes_are_read_as_int16_and_written_as_bytes() -> None:
    pixels = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)
    image = read(file_of(dataset_of(pixels)))
    assert image.pixels.dtype == np.int16
    assert np.array_equal(image.pixels, pixels)
    assert derived(dataset_of(pixels), image.pixels).BitsAllocated == 8
