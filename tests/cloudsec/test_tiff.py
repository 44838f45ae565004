"""TIFF exactly both ways, and whatever would be read wrongly is refused in one line."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsec.files import read_image, write_image
from cloudsec.image_file import ImageFile
from providers.image import FLOAT_DTYPES, IMAGE_DTYPES
from tests.image_files import (
    COLOUR,
    EDITS,
    PLANE,
    Pixels,
    attempt,
    damaged,
    images,
    little_memory,
    refusal,
    through,
    write,
)

VOLUME = (np.arange(2 * 5 * 7) * 900).astype(np.uint16).reshape(2, 5, 7)


@given(images(*IMAGE_DTYPES, *FLOAT_DTYPES))
@settings(max_examples=40)
def test_a_tiff_gives_back_what_was_written(pixels: Pixels) -> None:
    back = through(".tif", pixels)
    assert back.dtype == pixels.dtype
    assert np.array_equal(back, pixels)


@pytest.mark.parametrize("components", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_comes_back_as_colour(tmp_path: Path, dtype: Any, components: int) -> None:
    colour = np.concatenate([COLOUR, COLOUR[..., :1]], axis=-1)[..., :components]
    pixels = colour.astype(dtype) * (200 if dtype == np.uint16 else 1)
    write(tmp_path / "out.tiff", pixels, -1)
    back = read_image(tmp_path / "out.tiff")
    assert back.channel_axis == -1
    assert back.pixels.dtype == dtype
    assert np.array_equal(back.pixels, pixels)


def test_frames_are_pages_and_results_of_any_width_are_held(tmp_path: Path) -> None:
    frames = np.stack([PLANE, PLANE + 1]).astype(np.int64) - 7
    image = ImageFile(np.stack([PLANE, PLANE]), frame_axes=1)
    path = tmp_path / "out.tif"
    write_image(path, frames, image, description="", offset_gain=1, negation_sign=-1)
    assert np.array_equal(tifffile.imread(path), frames)


@pytest.mark.parametrize(
    "how",
    [
        {"compression": "lzw"},
        {"compression": "zlib", "predictor": True},
        {"compression": "packbits"},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"tile": (16, 16)},
        {"rowsperstrip": 2},
    ],
)
@pytest.mark.parametrize("pixels", [PLANE, COLOUR, VOLUME, VOLUME.astype(np.float32) / 7])
def test_tiffs_of_other_programs_are_read_exactly(
    tmp_path: Path, how: dict[str, Any], pixels: Pixels
) -> None:
    photometric = "rgb" if pixels is COLOUR else "minisblack"
    tifffile.imwrite(tmp_path / "in", pixels, photometric=photometric, **how)
    back = read_image(tmp_path / "in").pixels
    assert back.dtype.isnative
    assert np.array_equal(back, pixels)


@pytest.mark.parametrize(
    ("pixels", "how", "reason"),
    [
        (np.stack([PLANE, PLANE]), {"photometric": "minisblack", "ome": True}, "OME-TIFF"),
        (np.stack([PLANE, PLANE]), {"imagej": True, "metadata": {"axes": "CYX"}}, "hyperstack"),
        (np.stack([PLANE] * 6).reshape(2, 3, 3, 4), {"photometric": "minisblack"}, "more axes"),
        (np.stack([PLANE, PLANE]), {"photometric": "minisblack", "truncate": True}, "more axes"),
        (PLANE, {"photometric": "miniswhite"}, "kind that is not read"),
        (np.zeros((4, 5, 4), np.uint8), {"photometric": "rgb", "extrasamples": ["assocalpha"]}, "alpha"),
        (
            np.zeros((4, 5, 2), np.uint8),
            {"photometric": "minisblack", "planarconfig": "contig"},
            "samples beside",
        ),
        (np.zeros((3, 8, 9), np.uint8), {"photometric": "rgb", "planarconfig": "separate"}, "separate"),
        (PLANE.astype(np.float16), {"photometric": "minisblack"}, "uint8, int16, uint16, int32"),
        (COLOUR.astype(np.int16), {"photometric": "rgb"}, "uint8, uint16"),
        (COLOUR, {"photometric": "rgb", "compression": "jpeg"}, "kind that is not read"),
        (PLANE, {"photometric": "minisblack", "extratags": [(274, 3, 1, 6, True)]}, "turned"),
    ],
)
def test_what_would_be_read_wrongly_is_refused(
    tmp_path: Path, pixels: Pixels, how: dict[str, Any], reason: str
) -> None:
    tifffile.imwrite(tmp_path / "in.tif", pixels, **how)
    assert reason in refusal(tmp_path / "in.tif")


def test_pages_of_one_shape_are_a_volume_and_points_in_time_and_colours_are_frames(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    for axes, count in (("ZYX", 1), ("TYX", 2)):
        tifffile.imwrite(path, VOLUME, imagej=True, metadata={"axes": axes})
        assert read_image(path).count == count
    tifffile.imwrite(path, np.stack([COLOUR, COLOUR]), photometric="rgb")
    image = read_image(path)
    assert (image.count, image.channel_axis, image.frames.shape) == (2, -1, (2, *COLOUR.shape))


def test_pages_of_several_shapes_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "in.tif") as tiff:
        for pixels in (PLANE, PLANE[1:], PLANE):
            tiff.write(pixels, photometric="minisblack", metadata=None)
    assert "differ in shape or type" in refusal(tmp_path / "in.tif")


@pytest.mark.parametrize(
    ("tag", "how"), [("ImageLength", {}), ("ImageWidth", {}), ("TileLength", {"tile": (16, 16)})]
)
@pytest.mark.parametrize("claimed", [1 << 14, 1 << 30])
def test_a_tiff_that_claims_much_and_holds_little_takes_no_memory(
    tmp_path: Path, tag: str, how: dict[str, Any], claimed: int
) -> None:
    pixels = np.zeros((16, 70_000), np.uint16) if tag == "ImageLength" else np.zeros((70_000, 16), np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", pixels, compression="lzw", photometric="minisblack", **how)
    with tifffile.TiffFile(tmp_path / "in.tif", mode="r+b") as tiff:
        tiff.pages.first.tags[tag].overwrite(claimed)
    with little_memory():
        refusal(tmp_path / "in.tif")


@given(EDITS, st.integers(0, 10**6), st.sampled_from(["lzw", None]))
@settings(max_examples=150)
def test_damaged_tiffs_give_an_image_or_one_line(
    edits: list[tuple[int, int]], cut: int, compression: str | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        tifffile.imwrite(path, PLANE, photometric="minisblack", compression=compression)
        path.write_bytes(damaged(path.read_bytes(), edits, cut))
        pixels, line = attempt(path)
        assert "\n" not in line
        assert pixels is None or pixels.ndim in (2, 3)


def test_a_real_picture_is_read_exactly(open_data: Path) -> None:
    path = open_data / "retina" / "drive_21.tif"
    image = read_image(path)
    assert image.channel_axis == -1
    assert np.array_equal(image.pixels, tifffile.imread(path))
