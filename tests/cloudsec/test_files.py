"""Files of images: NPY exact both ways, what is told from content, and outputs that appear whole."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsec.errors import ImageFileError
from cloudsec.files import checked_form, read_image, write_image
from cloudsec.formats import MAX_PIXELS, check_format
from cloudsec.image_file import ImageFile
from providers.image import FLOAT_DTYPES, IMAGE_DTYPES
from tests.image_files import (
    COLOUR,
    EDITS,
    PLANE,
    Pixels,
    attempt,
    chunk,
    damaged,
    images,
    little_memory,
    npy,
    png,
    refusal,
    through,
    unfiltered,
    write,
)


@given(images(*IMAGE_DTYPES, *FLOAT_DTYPES))
@settings(max_examples=60)
def test_npy_gives_back_what_was_written(pixels: Pixels) -> None:
    back = through(".npy", pixels)
    assert back.dtype == pixels.dtype
    assert np.array_equal(back, pixels)


def test_only_colour_has_a_channel_axis(tmp_path: Path) -> None:
    for name, pixels in (("a.png", PLANE), ("b.npy", PLANE), ("c.png", np.zeros((3, 3), np.uint8))):
        write(tmp_path / name, pixels)
        assert read_image(tmp_path / name).channel_axis is None


def test_a_colour_result_that_is_strided_is_written_exactly(tmp_path: Path) -> None:
    for view in (COLOUR[::-2, ::3], COLOUR[:, :, ::-1], np.asfortranarray(COLOUR), COLOUR.swapaxes(0, 1)):
        write(tmp_path / "out.png", view, -1)
        assert np.array_equal(read_image(tmp_path / "out.png").pixels, view)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32"])
@pytest.mark.parametrize("components", [3, 4])
def test_an_npy_holds_any_colour_result(tmp_path: Path, dtype: str, components: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (5, 4, components)).astype(dtype)
    write(tmp_path / "out.npy", pixels, -1)
    back = np.load(tmp_path / "out.npy")
    assert back.dtype == pixels.dtype
    assert np.array_equal(back, pixels)


def test_an_image_without_a_header_is_refused_as_dicom_before_and_after_the_work(tmp_path: Path) -> None:
    path = tmp_path / "out.dcm"
    image = ImageFile(COLOUR, channel_axis=-1)
    for refused in (lambda: check_format(".dcm", image), lambda: write(path, COLOUR, -1)):
        with pytest.raises(ImageFileError, match=r"only if the input is; write \.png or \.npy") as caught:
            refused()
        assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))
    for form in (".png", ".npy"):
        check_format(form, image)
    assert not os.listdir(tmp_path)


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
    assert "PNG (grey of 8 or 16 bits, RGB and RGBA of 8), TIFF, JPEG, NPY, NIfTI and DICOM" in refusal(
        tmp_path / "notes.png"
    )


@pytest.mark.parametrize(
    "dtype", ["float16", "bool", "int8", "uint32", "int64", "complex64", "S4", "datetime64[s]"]
)
def test_npy_of_other_dtypes_is_refused_with_those_accepted(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "image.npy", np.zeros((3, 3), dtype))
    assert "uint8, int16, uint16, int32" in refusal(tmp_path / "image.npy")


def test_npy_never_unpickles(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.array([[{}]], object), allow_pickle=True)
    refusal(tmp_path / "image.npy")


@pytest.mark.parametrize("shape", [(5, 4, 3), (3, 3, 4), (0, 4, 3)])
def test_an_npy_that_may_be_colour_or_a_volume_is_refused_with_both_readings(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    np.save(tmp_path / "image.npy", np.zeros(shape, np.uint8))
    message = refusal(tmp_path / "image.npy")
    assert "cannot say what its axes mean" in message
    assert "colour (M, N, 3) as PNG or TIFF" in message
    assert "volume (P, M, N)" in message


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4, 5), (0, 4), (0, 4, 5), ()])
def test_npy_that_is_neither_plane_nor_volume_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "image.npy", np.zeros(shape, np.uint8))
    assert "plane" in refusal(tmp_path / "image.npy")


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
@pytest.mark.parametrize("dtype", [*IMAGE_DTYPES, *FLOAT_DTYPES])
def test_a_volume_comes_back_as_one_image(suffix: str, dtype: str, tmp_path: Path) -> None:
    volume = (np.arange(2 * 3 * 5) * 4).reshape(2, 3, 5).astype(dtype)
    write(tmp_path / f"v{suffix}", volume)
    image = read_image(tmp_path / f"v{suffix}")
    assert image.pixels.dtype == volume.dtype
    assert np.array_equal(image.pixels, volume)
    assert (image.count, image.channel_axis) == (1, None)


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_the_way_out(suffix: str, bad: float, tmp_path: Path) -> None:
    pixels = np.ones((2, 4, 5), np.float32)
    pixels[1, 2, 3] = bad
    write(tmp_path / f"v{suffix}", pixels)
    assert "no pixel that is NaN or infinite" in refusal(tmp_path / f"v{suffix}")


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (b"NRRD0004\n", "an NRRD file; convert it to NIfTI"),
        (b"PK\x03\x04", "NPZ"),
        (b"GIF89a", "a GIF; convert it to PNG"),
    ],
)
def test_formats_that_are_not_read_are_named_with_a_way_out(tmp_path: Path, start: bytes, says: str) -> None:
    (tmp_path / "in").write_bytes(start + bytes(600))
    assert says in refusal(tmp_path / "in")


@pytest.mark.parametrize("change", [-1, 1])
def test_npy_of_another_size_than_it_claims_is_refused(tmp_path: Path, change: int) -> None:
    np.save(tmp_path / "image.npy", PLANE)
    content = (tmp_path / "image.npy").read_bytes()
    (tmp_path / "image.npy").write_bytes(content[:change] if change < 0 else content + b"x")
    assert "claims 24 bytes" in refusal(tmp_path / "image.npy")


@pytest.mark.parametrize(
    "shape", ["(1000000, 1000000)", "(16384, 16384)", "(-1, -1)", "(1e9, 1)", "(" * 3000]
)
def test_an_npy_that_claims_much_and_holds_little_takes_no_memory(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "image.npy"
    path.write_bytes(npy(f"{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}", bytes(100)))
    with little_memory():
        refusal(path)


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
        ("out.nii.gz", "NIfTI only if the input is"),
        ("out.jpg", "suffix"),
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
        check_format(checked_form(tmp_path / name, slices=False), ImageFile(PLANE))
    with pytest.raises(ImageFileError, match=reason):
        write(tmp_path / name, PLANE)


def test_outputs_that_can_be_written_are_not_touched_by_the_check(tmp_path: Path) -> None:
    for name in ("out.PNG", "out.npy"):
        check_format(checked_form(tmp_path / name, slices=False), ImageFile(PLANE))
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


def test_no_reader_of_other_formats_is_imported_for_an_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", PLANE)
    program = (
        "import sys; from pathlib import Path; from cloudsec.files import read_image;"
        f"read_image(Path({str(tmp_path / 'image.npy')!r}));"
        "sys.exit(any(each in sys.modules for each in ('pydicom', 'PIL', 'nibabel', 'tifffile')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_a_real_mammogram_is_read_exactly(open_data: Path) -> None:
    from PIL import Image

    path = open_data / "mg" / "gmic_0_R-CC.png"
    with Image.open(path) as reference:
        assert np.array_equal(read_image(path).pixels, np.asarray(reference))


def test_a_file_that_was_private_stays_so_when_it_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "out.npy"
    path.write_bytes(b"old")
    path.chmod(0o600)
    image = ImageFile(np.ones((3, 3), np.uint8))
    write_image(path, image.pixels, image, description="", offset_gain=1, negation_sign=-1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert np.load(path).tolist() == image.pixels.tolist()
