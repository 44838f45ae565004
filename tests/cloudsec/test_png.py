"""PNG: exact both ways, and whatever a file claims, one line of refusal and no memory."""

from __future__ import annotations

import os
import struct
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsec.errors import ImageFileError
from cloudsec.files import read_image
from cloudsec.formats import MAX_PIXELS
from cloudsec.png import png_bytes
from tests.image_files import (
    COLOUR,
    COLOURS,
    EDITS,
    PLANE,
    Pixels,
    attempt,
    chunk,
    damaged,
    images,
    interlaced,
    little_memory,
    png,
    refusal,
    through,
    unfiltered,
    write,
)


@given(images("uint8", "uint16"))
@settings(max_examples=60)
def test_png_gives_back_what_was_written(pixels: Pixels) -> None:
    back = through(".png", pixels)
    assert back.dtype == pixels.dtype
    assert np.array_equal(back, pixels)


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32", "int64"])
def test_a_png_holds_wider_results_whose_values_fit(dtype: str) -> None:
    wide = PLANE.astype(dtype) if dtype != "int16" else (PLANE // 2).astype(dtype)
    back = through(".png", wide)
    assert back.dtype == np.uint16
    assert np.array_equal(back, wide)


@pytest.mark.parametrize("value", [-1, 65536])
def test_a_png_refuses_values_that_it_cannot_hold_and_names_npy(tmp_path: Path, value: int) -> None:
    with pytest.raises(ImageFileError, match=r"\.npy"):
        write(tmp_path / "out.png", np.full((2, 2), value, np.int32))
    assert not os.listdir(tmp_path)


@given(images("uint8", "uint16"))
@settings(max_examples=30)
def test_pngs_of_another_writer_are_read_exactly(pixels: Pixels) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "other"
        rows, columns = pixels.shape
        path.write_bytes(png(rows, columns, 8 * pixels.dtype.itemsize, 0, unfiltered(pixels)))
        assert np.array_equal(read_image(path).pixels, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_interlaced_pngs_are_read_exactly(tmp_path: Path, dtype: type[np.generic]) -> None:
    pixels = (np.arange(11 * 13).reshape(11, 13) * 457 % 251).astype(dtype)
    raw = interlaced(pixels)
    path = tmp_path / "interlaced.png"
    path.write_bytes(png(11, 13, 8 * pixels.dtype.itemsize, 0, raw, interlaced=1))
    assert np.array_equal(read_image(path).pixels, pixels)


@given(COLOURS)
@settings(max_examples=60)
def test_an_rgb_png_gives_back_what_was_written_and_says_that_it_is_colour(pixels: Pixels) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.png"
        write(path, pixels, -1)
        back = read_image(path)
    assert back.channel_axis == -1
    assert back.pixels.dtype == np.uint8
    assert np.array_equal(back.pixels, pixels)


@given(COLOURS, st.booleans())
@settings(max_examples=60)
def test_rgb_pngs_of_another_writer_are_read_exactly(pixels: Pixels, in_passes: bool) -> None:
    rows, columns, components = pixels.shape
    raw = interlaced(pixels) if in_passes else unfiltered(pixels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "other"
        path.write_bytes(png(rows, columns, 8, 2 if components == 3 else 6, raw, interlaced=int(in_passes)))
        back = read_image(path)
    assert back.channel_axis == -1
    assert np.array_equal(back.pixels, pixels)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "int64"])
def test_an_rgb_png_holds_wider_results_whose_values_fit_in_8_bits_and_no_others(
    tmp_path: Path, dtype: str
) -> None:
    path = tmp_path / "out.png"
    wide = COLOUR.astype(dtype)
    wide[0, 0] = (0, 1, 255)
    write(path, wide, -1)
    assert np.array_equal(read_image(path).pixels, wide)
    path.unlink()
    wide[0, 0, 2] = 256
    with pytest.raises(ImageFileError, match=r"an RGB PNG cannot hold values from 0 to 256; write a \.npy"):
        write(path, wide, -1)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((3, 4, 5), -1), ((3, 4), -1), ((3, 3, 3, 3), -1), ((4, 4, 3), None), ((2, 4, 4), None), ((9,), None)],
)
def test_a_png_refuses_shapes_that_it_cannot_hold_and_never_guesses_what_axes_mean(
    tmp_path: Path, shape: tuple[int, ...], axis: int | None
) -> None:
    with pytest.raises(ImageFileError, match=r"shape .*write a \.npy file"):
        png_bytes(np.zeros(shape, np.uint8), axis)
    with pytest.raises(ImageFileError, match=r"write .*\.npy"):
        write(tmp_path / "out.png", np.zeros(shape, np.uint8), axis)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("missing", [1, 3, 39])
def test_an_rgb_png_that_lacks_a_colour_a_pixel_or_a_row_is_refused(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "image.png"
    for in_passes, raw in enumerate((unfiltered(COLOUR), interlaced(COLOUR))):
        path.write_bytes(png(11, 13, 8, 2, raw[:-missing], interlaced=in_passes))
        assert "more or fewer pixels" in refusal(path)
        path.write_bytes(png(11, 13, 8, 2, raw + bytes(missing), interlaced=in_passes))
        assert "more or fewer pixels" in refusal(path)


@pytest.mark.parametrize(
    ("depth", "colour", "reason"),
    [
        (1, 0, "1 bits"),
        (2, 0, "2 bits"),
        (4, 0, "4 bits"),
        (8, 3, "palette"),
        (16, 2, "RGB colour of 16 bits"),
        (4, 2, "4 bits"),
        (8, 4, "alpha"),
        (16, 6, "RGB colour of 16 bits"),
        (8, 1, "unknown kind"),
    ],
)
def test_pngs_that_are_neither_grey_of_8_or_16_bits_nor_rgb_of_8_are_refused(
    tmp_path: Path, depth: int, colour: int, reason: str
) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(png(2, 2, depth, colour, bytes(100)))
    message = refusal(path)
    assert reason in message
    assert "8 bits" in message
    assert "16 bits" in message


@pytest.mark.parametrize("colour", [0, 2])
@pytest.mark.parametrize(("name", "reason"), [(b"acTL", "animated"), (b"tRNS", "transparent")])
def test_pngs_that_are_more_than_one_opaque_image_are_refused(
    tmp_path: Path, name: bytes, reason: str, colour: int
) -> None:
    path = tmp_path / "image.png"
    raw = bytes(6 if colour == 0 else 14)
    path.write_bytes(png(2, 2, 8, colour, raw, chunk(name, bytes(8))))
    assert reason in refusal(path)


def test_a_png_whose_checksum_is_wrong_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    content = bytearray(png(3, 4, 16, 0, unfiltered(PLANE)))
    content[content.index(b"IEND") - 5] ^= 1
    path.write_bytes(content)
    assert "checksum" in refusal(path)


@pytest.mark.parametrize("raw", [unfiltered(PLANE)[:9], unfiltered(PLANE)[:-1], unfiltered(PLANE) + bytes(9)])
def test_a_png_of_more_or_fewer_rows_than_it_claims_is_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(png(3, 4, 16, 0, raw))
    assert "more or fewer pixels" in refusal(path)


@given(EDITS)
@settings(max_examples=100)
def test_any_deflate_stream_in_a_png_gives_an_image_or_one_line(edits: list[tuple[int, int]]) -> None:
    stream = damaged(zlib.compress(unfiltered(PLANE)), edits, 1)
    whole = png(3, 4, 16, 0, b"")
    content = whole.replace(chunk(b"IDAT", zlib.compress(b"")), chunk(b"IDAT", stream))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        path.write_bytes(content)
        pixels, line = attempt(path)
        assert "\n" not in line
        assert pixels is None or pixels.shape == (3, 4)


@pytest.mark.parametrize("side", [2**31 - 1, 16384])
def test_a_png_that_claims_much_and_holds_little_takes_no_memory(tmp_path: Path, side: int) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(png(side, side, 16, 0, bytes(100)))
    with little_memory():
        assert f"claims {side} x {side} values" in refusal(path)


@pytest.mark.parametrize(("rows", "colour"), [(1 << 14, 0), ((1 << 14) // 3, 2)])
def test_a_png_of_too_many_values_is_refused_however_long_it_is(
    tmp_path: Path, rows: int, colour: int
) -> None:
    path = tmp_path / "image.png"
    for columns, much in (((1 << 14) + 2, True), (1 << 14, False)):
        path.write_bytes(png(rows, columns, 8, colour, b"", chunk(b"teSt", bytes(300_000))))
        with little_memory():
            assert (f"at most {MAX_PIXELS}" in refusal(path)) == much


@pytest.mark.parametrize("colour", [0, 2])
def test_a_png_that_claims_more_than_its_bytes_can_hold_is_refused_before_it_is_inflated(
    tmp_path: Path, colour: int
) -> None:
    """Deflate makes 1032 bytes of one at most; the colours of a pixel are counted."""
    path = tmp_path / "image.png"
    length = len(png(1, 1, 8, colour, b""))
    row = 1032 * length // (3 if colour else 1)
    path.write_bytes(png(1, row - 1, 8, colour, b""))
    assert "more or fewer pixels" in refusal(path)
    path.write_bytes(png(1, row + 1, 8, colour, b""))
    assert f"but {length} bytes cannot hold them" in refusal(path)


@given(st.binary(max_size=60), st.integers(0, 40))
@settings(max_examples=100)
def test_png_chunks_of_any_content_give_an_image_or_one_line(body: bytes, name: int) -> None:
    names = [
        b"gAMA",
        b"iCCP",
        b"zTXt",
        b"iTXt",
        b"eXIf",
        b"pHYs",
        b"PLTE",
        b"sRGB",
        b"cHRM",
        b"tIME",
        b"IHDR",
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        added = chunk(names[name % len(names)], body)
        for content, wanted in (
            (png(3, 4, 16, 0, unfiltered(PLANE), added), PLANE),
            (png(11, 13, 8, 2, unfiltered(COLOUR), added), COLOUR),
        ):
            path.write_bytes(content)
            pixels, line = attempt(path)
            assert "\n" not in line
            assert pixels is None or np.array_equal(pixels, wanted)


def test_a_deflate_bomb_in_a_png_is_given_up_without_being_inflated(tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    deflater = zlib.compressobj(9)
    bomb = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(256)) + deflater.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1000, 1000, 8, 0, 0, 0, 0))
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", bomb) + chunk(b"IEND", b""))
    tracemalloc.start()
    try:
        with pytest.raises(ImageFileError, match=r"bomb\.png"):
            read_image(path)
        # The stream would inflate to a quarter of a gigabyte.
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
