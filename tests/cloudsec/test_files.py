"""PNG and NPY: exact both ways, and whatever a file claims, one line of refusal and no memory."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from cloudsec.errors import ImageFileError
from cloudsec.files import MAX_PIXELS, ImageFile, check_output, read_image, write_image

Pixels: TypeAlias = NDArray[np.generic]
PLANE = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
COLOUR = (np.arange(11 * 13 * 3) * 457 % 251).astype(np.uint8).reshape(11, 13, 3)
COLOURS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))
PASSES = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)
EDITS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4)


def images(*dtypes: str) -> st.SearchStrategy[Pixels]:
    return st.sampled_from(dtypes).flatmap(lambda dtype: hnp.arrays(np.dtype(dtype), SHAPES))


def write(path: Path, pixels: Pixels, channel_axis: int | None = None) -> None:
    image = ImageFile(pixels, channel_axis=channel_axis)
    write_image(path, pixels, image, description="a test", offset_gain=1, negation_sign=-1)


def through(suffix: str, pixels: Pixels) -> Pixels:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"image{suffix}"
        write(path, pixels)
        assert os.listdir(folder) == [path.name]
        return read_image(path).pixels


def refusal(path: Path) -> str:
    with pytest.raises(ImageFileError) as caught:
        read_image(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


def attempt(path: Path) -> tuple[Pixels | None, str]:
    try:
        return read_image(path).pixels, ""
    except ImageFileError as error:
        return None, str(error)


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def png(
    rows: int, columns: int, depth: int, colour: int, raw: bytes, extra: bytes = b"", interlaced: int = 0
) -> bytes:
    """A PNG written by the letter of its specification, not by Pillow."""
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, interlaced)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def unfiltered(pixels: Pixels) -> bytes:
    return b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in pixels)


def interlaced(pixels: Pixels) -> bytes:
    parts = (pixels[row::down, column::right] for row, column, down, right in PASSES)
    # A pass without columns has no rows either, not even their filter bytes.
    return b"".join(unfiltered(part) for part in parts if part.size)


def npy(header: str, body: bytes) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def damaged(content: bytes, edits: list[tuple[int, int]], cut: int) -> bytes:
    changed = bytearray(content)
    for position, value in edits:
        changed[position % len(content)] = value
    return bytes(changed[: len(content) - cut % len(content)] if cut % 3 == 0 else changed)


@given(images("uint8", "int16", "uint16", "int32"))
@settings(max_examples=60)
def test_npy_gives_back_what_was_written(pixels: Pixels) -> None:
    back = through(".npy", pixels)
    assert back.dtype == pixels.dtype
    assert np.array_equal(back, pixels)


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
    rows, columns, _ = pixels.shape
    raw = interlaced(pixels) if in_passes else unfiltered(pixels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "other"
        path.write_bytes(png(rows, columns, 8, 2, raw, interlaced=int(in_passes)))
        back = read_image(path)
    assert back.channel_axis == -1
    assert np.array_equal(back.pixels, pixels)


def test_only_colour_has_a_channel_axis(tmp_path: Path) -> None:
    for name, pixels in (("a.png", PLANE), ("b.npy", PLANE), ("c.png", np.zeros((3, 3), np.uint8))):
        write(tmp_path / name, pixels)
        assert read_image(tmp_path / name).channel_axis is None


def test_a_colour_result_that_is_strided_is_written_exactly(tmp_path: Path) -> None:
    for view in (COLOUR[::-2, ::3], COLOUR[:, :, ::-1], np.asfortranarray(COLOUR), COLOUR.swapaxes(0, 1)):
        write(tmp_path / "out.png", view, -1)
        assert np.array_equal(read_image(tmp_path / "out.png").pixels, view)


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


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32"])
@pytest.mark.parametrize("components", [3, 4])
def test_an_npy_holds_any_colour_result(tmp_path: Path, dtype: str, components: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (5, 4, components)).astype(dtype)
    write(tmp_path / "out.npy", pixels, -1)
    back = np.load(tmp_path / "out.npy")
    assert back.dtype == pixels.dtype
    assert np.array_equal(back, pixels)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((3, 4, 4), -1), ((3, 4), -1), ((3, 3, 3, 3), -1), ((4, 4, 3), None), ((2, 4, 4), None), ((9,), None)],
)
def test_a_png_refuses_shapes_that_it_cannot_hold_and_never_guesses_what_axes_mean(
    tmp_path: Path, shape: tuple[int, ...], axis: int | None
) -> None:
    with pytest.raises(ImageFileError, match=r"shape .*write a \.npy file"):
        write(tmp_path / "out.png", np.zeros(shape, np.uint8), axis)
    assert not os.listdir(tmp_path)


def test_colour_is_refused_as_dicom_in_one_line_before_and_after_the_work(tmp_path: Path) -> None:
    path = tmp_path / "out.dcm"
    image = ImageFile(COLOUR, channel_axis=-1)
    for refused in (lambda: check_output(path, image), lambda: write(path, COLOUR, -1)):
        with pytest.raises(ImageFileError, match=r"grey images only; write \.png or \.npy") as caught:
            refused()
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
    for name in ("out.png", "out.npy"):
        check_output(tmp_path / name, image)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("missing", [1, 3, 39])
def test_an_rgb_png_that_lacks_a_colour_a_pixel_or_a_row_is_refused(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "image.png"
    for in_passes, raw in enumerate((unfiltered(COLOUR), interlaced(COLOUR))):
        path.write_bytes(png(11, 13, 8, 2, raw[:-missing], interlaced=in_passes))
        assert "more or fewer pixels" in refusal(path)
        path.write_bytes(png(11, 13, 8, 2, raw + bytes(missing), interlaced=in_passes))
        assert "more or fewer pixels" in refusal(path)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [">u2", "<i2", ">i4", "u1"])
def test_npy_is_read_in_any_byte_order_and_memory_order(tmp_path: Path, dtype: str, order: Any) -> None:
    pixels = np.array(PLANE // 400, dtype, order=order)
    np.save(tmp_path / "image.npy", pixels)
    back = read_image(tmp_path / "image.npy").pixels
    assert back.dtype.isnative
    assert np.array_equal(back, pixels)


def test_the_content_tells_the_format_and_not_the_suffix(tmp_path: Path) -> None:
    write(tmp_path / "image.png", PLANE)
    (tmp_path / "image.png").rename(tmp_path / "image.npy")
    assert np.array_equal(read_image(tmp_path / "image.npy").pixels, PLANE)
    (tmp_path / "notes.png").write_text("patient was seen\n" * 20)
    assert "PNG (grey of 8 or 16 bits, RGB of 8), NPY and DICOM" in refusal(tmp_path / "notes.png")


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
        (8, 6, "alpha"),
        (16, 6, "alpha"),
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


@pytest.mark.parametrize(
    "dtype", ["float32", "bool", "int8", "uint32", "int64", "complex64", "S4", "datetime64[s]"]
)
def test_npy_of_other_dtypes_is_refused_with_those_accepted(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "image.npy", np.zeros((3, 3), dtype))
    assert "uint8, int16, uint16, int32" in refusal(tmp_path / "image.npy")


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


def test_npy_never_unpickles(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.array([[{}]], object), allow_pickle=True)
    refusal(tmp_path / "image.npy")


@pytest.mark.parametrize("shape", [(5, 4, 3), (3, 3, 3), (0, 4, 3)])
def test_npy_of_three_axes_is_refused_with_png_as_the_way_for_colour(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    np.save(tmp_path / "image.npy", np.zeros(shape, np.uint8))
    message = refusal(tmp_path / "image.npy")
    assert "cannot say what they mean" in message
    assert "RGB colour as PNG" in message


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 4), ()])
def test_npy_that_is_no_plane_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "image.npy", np.zeros(shape, np.uint8))
    assert "plane" in refusal(tmp_path / "image.npy")


@pytest.mark.parametrize("change", [-1, 1])
def test_npy_of_another_size_than_it_claims_is_refused(tmp_path: Path, change: int) -> None:
    np.save(tmp_path / "image.npy", PLANE)
    content = (tmp_path / "image.npy").read_bytes()
    (tmp_path / "image.npy").write_bytes(content[:change] if change < 0 else content + b"x")
    assert "claims 24 bytes" in refusal(tmp_path / "image.npy")


@pytest.mark.parametrize("side", [2**31 - 1, 16384])
def test_a_png_that_claims_much_and_holds_little_takes_no_memory(tmp_path: Path, side: int) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(png(side, side, 16, 0, bytes(100)))
    with little_memory():
        assert f"claims {side} x {side} values" in refusal(path)


@pytest.mark.parametrize(
    "shape", ["(1000000, 1000000)", "(16384, 16384)", "(-1, -1)", "(1e9, 1)", "(" * 3000]
)
def test_an_npy_that_claims_much_and_holds_little_takes_no_memory(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "image.npy"
    path.write_bytes(npy(f"{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}", bytes(100)))
    with little_memory():
        refusal(path)


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


def test_the_limit_of_pixels_is_checked_before_the_content(tmp_path: Path) -> None:
    path = tmp_path / "image.npy"
    with path.open("wb") as file:
        file.write(npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': (1, {MAX_PIXELS + 1}), }}", b""))
        file.truncate(file.tell() + MAX_PIXELS + 1)
    with little_memory():
        assert f"at most {MAX_PIXELS}" in refusal(path)


@given(EDITS, st.integers(0, 10**6))
@settings(max_examples=250)
def test_damaged_pngs_and_npys_give_an_image_or_one_line(edits: list[tuple[int, int]], cut: int) -> None:
    rgb = png(11, 13, 8, 2, unfiltered(COLOUR), chunk(b"tEXt", b"a\0b"))
    grey = png(3, 4, 16, 0, unfiltered(PLANE), chunk(b"tEXt", b"a\0b"))
    plain = npy("{'descr': '<u2', 'fortran_order': False, 'shape': (3, 4), }", PLANE.tobytes())
    with tempfile.TemporaryDirectory() as folder:
        for content in (grey, plain, rgb):
            path = Path(folder) / "image"
            path.write_bytes(damaged(content, edits, cut))
            pixels, line = attempt(path)
            assert "\n" not in line
            assert pixels is None or pixels.ndim == (3 if content is rgb else 2)


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


def test_what_is_no_file_is_refused_in_one_line(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.png")
    assert "directory" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    assert "PNG" in refusal(tmp_path / "empty")


def test_a_name_with_a_line_break_stays_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError) as caught:
        read_image(tmp_path / "two\nlines")
    assert "two?lines" in str(caught.value)


def test_errors_of_other_libraries_are_kept_as_the_cause(tmp_path: Path) -> None:
    path = tmp_path / "image.npy"
    path.write_bytes(npy("no header", b""))
    with pytest.raises(ImageFileError) as caught:
        read_image(path)
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("out.tiff", "suffix"),
        ("out", "suffix"),
        ("out.dcm", "DICOM only if"),
        ("no/out.png", "not exist"),
        ("d.png", "directory"),
    ],
)
def test_outputs_that_could_not_be_written_are_refused_beforehand(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "d.png").mkdir()
    with pytest.raises(ImageFileError, match=reason):
        check_output(tmp_path / name, ImageFile(PLANE))
    with pytest.raises(ImageFileError, match=reason):
        write(tmp_path / name, PLANE)


def test_outputs_that_can_be_written_are_not_touched_by_the_check(tmp_path: Path) -> None:
    check_output(tmp_path / "out.PNG", ImageFile(PLANE))
    check_output(tmp_path / "out.npy", ImageFile(PLANE))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_nothing_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def fail(descriptor: int) -> None:
        raise failure

    path = tmp_path / "out.npy"
    path.write_text("the result of yesterday")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((ImageFileError, KeyboardInterrupt)):
        write(path, PLANE)
    assert path.read_text() == "the result of yesterday"
    assert os.listdir(tmp_path) == ["out.npy"]


def test_a_reader_of_the_old_file_is_not_disturbed(tmp_path: Path) -> None:
    """The new file takes the name of the old; it is never the old one half overwritten."""
    path = tmp_path / "out.npy"
    path.write_text("the result of yesterday")
    with path.open() as reader:
        write(path, PLANE)
        assert reader.read() == "the result of yesterday"


def test_a_repr_shows_no_pixel() -> None:
    assert repr(ImageFile(PLANE)) == "ImageFile()"


def test_neither_pydicom_nor_pillow_is_imported_for_an_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", PLANE)
    program = (
        "import sys; from pathlib import Path; from cloudsec.files import read_image;"
        f"read_image(Path({str(tmp_path / 'image.npy')!r}));"
        "sys.exit('pydicom' in sys.modules or 'PIL' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_a_real_mammogram_is_read_exactly(open_data: Path) -> None:
    from PIL import Image

    path = open_data / "mg" / "gmic_0_R-CC.png"
    with Image.open(path) as reference:
        assert np.array_equal(read_image(path).pixels, np.asarray(reference))


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


def test_a_file_that_was_private_stays_so_when_it_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "out.npy"
    path.write_bytes(b"old")
    path.chmod(0o600)
    image = ImageFile(np.ones((3, 3), np.uint8))
    write_image(path, image.pixels, image, description="", offset_gain=1, negation_sign=-1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert np.load(path).tolist() == image.pixels.tolist()
