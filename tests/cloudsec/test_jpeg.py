"""JPEG in, as Pillow decodes it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cloudsec.files import read_image
from tests.image_files import COLOUR, EDITS, Pixels, attempt, damaged, little_memory, refusal


@pytest.mark.parametrize("pixels", [COLOUR, COLOUR[..., 0]])
@pytest.mark.parametrize("progressive", [False, True])
def test_grey_and_colour_are_read_as_pillow_reads_them(
    tmp_path: Path, pixels: Pixels, progressive: bool
) -> None:
    Image.fromarray(pixels).save(tmp_path / "in.jpg", progressive=progressive)
    image = read_image(tmp_path / "in.jpg")
    with Image.open(tmp_path / "in.jpg") as reference:
        assert np.array_equal(image.pixels, np.asarray(reference))
    assert image.channel_axis == (None if pixels.ndim == 2 else -1)


def test_other_colours_and_pictures_to_be_turned_are_refused(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "cmyk.jpg")
    assert "grey and RGB" in refusal(tmp_path / "cmyk.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(COLOUR).save(tmp_path / "turned.jpg", exif=exif)
    assert "turn" in refusal(tmp_path / "turned.jpg")


def test_a_jpeg_that_claims_much_takes_no_memory(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "in.jpg")
    content = bytearray((tmp_path / "in.jpg").read_bytes())
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    (tmp_path / "in.jpg").write_bytes(content)
    with little_memory():
        assert "at most" in refusal(tmp_path / "in.jpg")


@given(EDITS, st.integers(0, 10**6))
@settings(max_examples=100)
def test_damaged_jpegs_give_an_image_or_one_line(edits: list[tuple[int, int]], cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.jpg"
        Image.fromarray(COLOUR).save(path)
        path.write_bytes(damaged(path.read_bytes(), edits, cut))
        _, line = attempt(path)
        assert "\n" not in line


def test_a_jpeg_is_never_written(tmp_path: Path) -> None:
    from cloudsec.errors import ImageFileError
    from tests.image_files import write

    with pytest.raises(ImageFileError, match="suffix"):
        write(tmp_path / "out.jpg", COLOUR, -1)
