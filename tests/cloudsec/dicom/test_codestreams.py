"""JPEG, JPEG-LS and JPEG 2000 give their pixels, and take no memory that the header did not claim."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import Dataset, uid
from pydicom.encaps import encapsulate

from cloudsec.dicom.codestreams import MAX_SCANS
from tests.dicom_files import Pixels, dataset_of, derived, file_of, little_memory, read, refusal

PROGRESSIVE = uid.UID("1.2.840.10008.1.2.4.55")
DEEP = (np.arange(64 * 48).reshape(64, 48) * 37 % 4096).astype(np.uint16)
SMOOTH = (np.add.outer(np.arange(64), np.arange(48)) * 30).astype(np.uint16)
COLOUR = (np.arange(64 * 48 * 3) * 457 % 251).astype(np.uint8).reshape(64, 48, 3)
LOSSLESS = {
    uid.JPEGLosslessSV1: lambda pixels, bits: imagecodecs.jpeg8_encode(
        pixels,
        lossless=True,
        predictor=1,
        bitspersample=bits,
        colorspace=colours(pixels),
        outcolorspace=colours(pixels),
    ),
    uid.JPEGLSLossless: lambda pixels, bits: imagecodecs.jpegls_encode(pixels),
    uid.JPEG2000Lossless: lambda pixels, bits: imagecodecs.jpeg2k_encode(
        pixels, reversible=True, codecformat="J2K", bitspersample=bits
    ),
    uid.HTJ2KLossless: lambda pixels, bits: imagecodecs.htj2k_encode(pixels, reversible=True),
}


def colours(pixels: Pixels) -> str | None:
    return "RGB" if pixels.ndim == 3 else None


def dataset_with(codes: list[bytes], like: Pixels, syntax: uid.UID, **changes: Any) -> Dataset:
    colour = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    dataset = dataset_of(like, **{**(colour if like.ndim == 3 else {}), **changes})
    dataset.PixelData = encapsulate(codes)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def content_with(codes: list[bytes], like: Pixels, syntax: uid.UID, **changes: Any) -> bytes:
    return file_of(dataset_with(codes, like, syntax, **changes), syntax)


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("pixels", [DEEP, (DEEP % 256).astype(np.uint8), COLOUR])
def test_lossless_codes_give_the_pixels_that_were_coded(syntax: uid.UID, pixels: Pixels) -> None:
    bits = 12 if pixels is DEEP else 8
    code = LOSSLESS[syntax](pixels, bits)
    image = read(content_with([code], pixels, syntax, BitsStored=bits))
    assert image.pixels.dtype == pixels.dtype
    assert np.array_equal(image.pixels, pixels)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_each_frame_is_decoded_by_itself(syntax: uid.UID) -> None:
    frames = np.stack([DEEP, DEEP[::-1], DEEP // 3])
    codes = [LOSSLESS[syntax](np.ascontiguousarray(frame), 12) for frame in frames]
    image = read(content_with(codes, DEEP, syntax, BitsStored=12, NumberOfFrames=3))
    assert image.frame_axes
    assert np.array_equal(image.frames, frames)
    assert "claims 3 frames, but holds another number" in refusal(
        content_with(codes[:2], DEEP, syntax, BitsStored=12, NumberOfFrames=3)
    )


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_signed_values_come_out_of_unsigned_codes(syntax: uid.UID) -> None:
    values = DEEP.astype(np.int16) - 2048
    code = LOSSLESS[syntax]((values & 0xFFF).astype(np.uint16), 12)
    assert np.array_equal(read(content_with([code], values, syntax, BitsStored=12)).pixels, values)


def test_twelve_bits_of_jpeg_extended_are_decoded() -> None:
    code = imagecodecs.jpeg8_encode(SMOOTH, level=100, bitspersample=12)
    image = read(content_with([code], SMOOTH, uid.JPEGExtended12Bit, BitsStored=12))
    # It is a lossy code: a few levels of 4096.
    assert np.abs(image.pixels.astype(int) - SMOOTH).max() <= 4


def progressive(pixels: Pixels) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=100, progressive=True)
    return buffer.getvalue()


def test_progressive_scans_are_decoded_but_not_without_end() -> None:
    pixels = (SMOOTH // 16).astype(np.uint8)
    code = progressive(pixels)
    image = read(content_with([code], pixels, PROGRESSIVE))
    assert np.abs(image.pixels.astype(int) - pixels).max() <= 2
    assert image.source is not None
    assert image.source.dataset.LossyImageCompression == "01"
    last = code.rindex(b"\xff\xda")
    endless = code[:last] + code[last:-2] * MAX_SCANS + code[-2:]
    assert "fetch it again" in refusal(content_with([endless], pixels, PROGRESSIVE))
    assert "fetch it again" in refusal(content_with([code], pixels, uid.JPEGExtended12Bit))


def test_what_a_lossy_code_lost_is_said_of_the_result() -> None:
    code = imagecodecs.jpeg8_encode(SMOOTH, level=90, bitspersample=12)
    dataset = dataset_with([code], SMOOTH, uid.JPEGExtended12Bit, BitsStored=12)
    image = read(file_of(dataset, uid.JPEGExtended12Bit))
    assert image.source is not None
    assert image.source.dataset.LossyImageCompression == "01"


def test_luminance_in_a_jpeg_becomes_rgb_as_another_decoder_gives_it(open_data: Path) -> None:
    for name in ("phi/ct_secondary_simpson1.dcm", "us/examples_ybr_color.dcm"):
        path = open_data / name
        assert np.array_equal(read(path.read_bytes(), "accept").pixels, pydicom.dcmread(path).pixel_array)


def rows_claimed(code: bytes, syntax: uid.UID, rows: int) -> bytes:
    """The code with another number of rows in its header."""
    if syntax in (uid.JPEG2000Lossless, uid.HTJ2KLossless):
        return code[:12] + struct.pack(">L", rows) + code[16:]
    frame = max(code.find(bytes([0xFF, kind])) for kind in (0xC3, 0xF7))
    return code[: frame + 5] + struct.pack(">H", rows) + code[frame + 7 :]


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_codes_of_another_size_than_the_header_are_refused_without_memory(syntax: uid.UID) -> None:
    code = rows_claimed(LOSSLESS[syntax](DEEP, 12), syntax, 60_000)
    with little_memory():
        message = refusal(content_with([code], DEEP, syntax, BitsStored=12))
    assert "60000 x 48 x 1 values" in message
    assert syntax.name in message


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("keep", [2, 3, 40, -9])
def test_codes_that_are_cut_short_are_refused_by_name(syntax: uid.UID, keep: int) -> None:
    code = LOSSLESS[syntax](DEEP, 12)[:keep]
    assert syntax.name in refusal(content_with([code + b"\0" * (len(code) % 2)], DEEP, syntax, BitsStored=12))


def test_what_the_decoder_refuses_names_the_syntax_and_the_package() -> None:
    code = bytearray(imagecodecs.jpegls_encode(DEEP))
    code[100:-2] = (b"\xff\x90" * len(code))[: len(code) - 102]
    message = refusal(content_with([bytes(code)], DEEP, uid.JPEGLSLossless, BitsStored=12))
    assert "JPEG-LS" in message
    assert "imagecodecs" in message


def test_a_frame_header_behind_a_marker_without_length_is_not_looked_for() -> None:
    grey = COLOUR[..., 0].copy()
    code = imagecodecs.jpeg8_encode(grey)
    # libjpeg would skip the marker alone, and take the frame header that we should not see.
    hidden = code[:2] + b"\xff\x01" + code[2:]
    assert "damaged" in refusal(content_with([hidden], grey, uid.JPEGBaseline8Bit))


def test_bytes_that_fill_up_to_a_marker_are_skipped_as_decoders_skip_them() -> None:
    grey = COLOUR[..., 0].copy()
    code = imagecodecs.jpeg8_encode(grey, level=100)
    filled = code[:2] + b"\xff\xff" + code[2:]
    plain, skipped = (
        read(content_with([each], grey, uid.JPEGBaseline8Bit)).pixels for each in (code, filled)
    )
    assert np.array_equal(plain, skipped)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_what_is_no_code_at_all_is_refused_by_name(syntax: uid.UID) -> None:
    code = LOSSLESS[syntax](DEEP, 12)
    for wrong in (bytes(len(code)), code[:2] + bytes(len(code) - 4) + code[-2:]):
        message = refusal(content_with([wrong], DEEP, syntax, BitsStored=12))
        assert f"{syntax.name} code is damaged" in message


def test_components_of_several_sizes_are_refused() -> None:
    code = bytearray(imagecodecs.jpeg2k_encode(COLOUR, reversible=True, codecformat="J2K"))
    # The steps of the second component, after its depth (ISO 15444-1, A.5.1).
    assert code[45:48] == b"\x07\1\1"
    code[46] = 2
    assert "damaged" in refusal(content_with([bytes(code)], COLOUR, uid.JPEG2000Lossless))


def test_progressive_scans_are_no_baseline_jpeg() -> None:
    grey = COLOUR[..., 0].copy()
    code = bytearray(imagecodecs.jpeg8_encode(grey))
    code[code.index(b"\xff\xc0") + 1] = 0xC2
    assert "damaged" in refusal(content_with([bytes(code)], grey, uid.JPEGBaseline8Bit))


def test_more_tiles_than_an_image_needs_are_refused() -> None:
    code = bytearray(imagecodecs.jpeg2k_encode(DEEP, reversible=True, codecformat="J2K"))
    assert code[24:32] == struct.pack(">LL", 48, 64)
    code[24:32] = struct.pack(">LL", 1, 1)
    big = content_with(
        [bytes(rows_claimed(bytes(code), uid.JPEG2000Lossless, 5000))], DEEP, uid.JPEG2000Lossless, Rows=5000
    )
    with little_memory():
        assert "JPEG 2000" in refusal(big)


def test_a_result_of_a_coded_image_is_written_without_code() -> None:
    code = LOSSLESS[uid.JPEGLSLossless](DEEP, 12)
    written = derived(
        dataset_with([code], DEEP, uid.JPEGLSLossless, BitsStored=12), DEEP, syntax=uid.JPEGLSLossless
    )
    assert written.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
