"""Palettes and luminance are read as RGB, and written as RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from pydicom.pixels import apply_color_lut, convert_color_space
from pydicom.pixels.utils import expand_ybr422

from cloudsec.dicom.colours import rgb_of_luminance
from cloudsec.errors import DicomError
from tests.dicom_files import Pixels, dataset_of, derived, file_of, read, refusal

INDICES = (np.arange(30) % 6).astype(np.uint8).reshape(5, 6)
COLOUR = (np.arange(90) * 457 % 251).astype(np.uint8).reshape(5, 6, 3)
RGB: dict[str, Any] = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}


def palette(entries: dict[str, bytes], descriptor: list[int]) -> dict[str, Any]:
    tables = {f"{colour}PaletteColorLookupTableData": data for colour, data in entries.items()}
    descriptors = {f"{colour}PaletteColorLookupTableDescriptor": descriptor for colour in entries}
    return {"PhotometricInterpretation": "PALETTE COLOR", **tables, **descriptors}


def levels(*values: int) -> bytes:
    return np.array(values, "<u2").tobytes()


DEEP = palette(
    {
        "Red": levels(0, 0x1234, 0xFFFF, 0x80FF),
        "Green": levels(9, 0x4321, 0, 0xFF00),
        "Blue": levels(0, 0x100, 2, 0xABCD),
    },
    [4, 1, 16],
)


def test_a_palette_is_looked_up_as_pydicom_does_it_in_the_upper_eight_bits() -> None:
    dataset = dataset_of(INDICES, **DEEP)
    image = read(file_of(dataset))
    assert image.channel_axis == -1
    assert np.array_equal(image.pixels, apply_color_lut(INDICES, dataset) >> 8)


@pytest.mark.parametrize("packed", [True, False])
def test_a_palette_of_eight_bits_may_be_packed(packed: bool) -> None:
    entries = {"Red": [1, 2, 3, 4], "Green": [5, 6, 7, 8], "Blue": [9, 10, 11, 255]}
    tables = {k: bytes(v) if packed else levels(*v) for k, v in entries.items()}
    image = read(file_of(dataset_of(INDICES, **palette(tables, [4, 0, 8]))))
    assert image.pixels[0].tolist() == [
        [entries[c][min(i, 3)] for c in ("Red", "Green", "Blue")] for i in range(6)
    ]


@pytest.mark.parametrize("descriptor", [[9, 0, 16], [4, 0, 12], [0, 0, 16]])
def test_a_palette_that_is_not_as_long_as_it_says_is_refused(descriptor: list[int]) -> None:
    tables = dict.fromkeys(("Red", "Green", "Blue"), levels(1, 2, 3, 4))
    assert "palette" in refusal(file_of(dataset_of(INDICES, **palette(tables, descriptor))))


def test_a_palette_without_a_table_or_with_tables_of_several_lengths_is_refused() -> None:
    assert "palette is missing" in refusal(
        file_of(dataset_of(INDICES, **{**DEEP, "GreenPaletteColorLookupTableData": None}))
    )
    other = {
        "GreenPaletteColorLookupTableData": levels(1, 2),
        "GreenPaletteColorLookupTableDescriptor": [2, 1, 16],
    }
    assert "differ in length" in refusal(file_of(dataset_of(INDICES, **{**DEEP, **other})))


SEGMENTED = palette(
    {
        # Four entries, a line of three to a lower one, a line of two that stays, and one more.
        "SegmentedRed": levels(0, 4, 0, 0x1234, 0xFFFF, 0x80FF, 1, 3, 0x1000, 1, 2, 0x1000, 0, 1, 7),
        "SegmentedGreen": levels(0, 1, 0, 1, 9, 0xFFF0),
        "SegmentedBlue": levels(0, 2, 0xFFFF, 0xFFFF, 1, 8, 0),
    },
    [10, 0, 16],
)


def segmented(bits: int) -> dict[str, Any]:
    entries = {key: value for key, value in SEGMENTED.items() if not key.endswith("Descriptor")}
    if bits == 8:
        halved = {k: np.frombuffer(v, "<u2") for k, v in entries.items() if isinstance(v, bytes)}
        entries |= {
            k: bytes(int(n) >> 8 or int(n) for n in v) + b"\0" * (len(v) % 2) for k, v in halved.items()
        }
    descriptors = {f"{c}PaletteColorLookupTableDescriptor": [10, 0, bits] for c in ("Red", "Green", "Blue")}
    return {**entries, **descriptors}


@pytest.mark.parametrize("bits", [8, 16])
def test_segments_of_a_palette_are_expanded_as_pydicom_does_it(bits: int) -> None:
    indices = np.arange(10, dtype=np.uint8).reshape(2, 5)
    dataset = dataset_of(indices, **segmented(bits))
    assert np.array_equal(read(file_of(dataset)).pixels, apply_color_lut(indices, dataset) >> bits - 8)
    assert not [each for each in derived(dataset, COLOUR[:2, :5]) if "Palette" in each.name]


@pytest.mark.parametrize(
    "red",
    [
        levels(1, 10, 5),
        levels(0, 11, 1, 2),
        levels(0, 0, 0, 0),
        levels(0, 1, 5, 2, 1, 0, 0),
        levels(0, 2, 1, 2),
        levels(0, 1),
    ],
    ids=["line first", "cut short", "empty run", "refers to another", "too few", "nothing"],
)
def test_segments_that_are_damaged_or_refer_to_others_are_refused(red: bytes) -> None:
    changes = {**segmented(16), "SegmentedRedPaletteColorLookupTableData": red}
    assert "palette" in refusal(file_of(dataset_of(INDICES, **changes)))


def test_a_result_of_a_palette_is_rgb_and_its_palette_is_gone() -> None:
    written = derived(dataset_of(INDICES, **DEEP), COLOUR)
    assert (written.PhotometricInterpretation, written.SamplesPerPixel) == ("RGB", 3)
    assert (written.BitsAllocated, written.BitsStored, written.HighBit) == (8, 8, 7)
    assert not [element for element in written if "Palette" in element.name]
    assert np.array_equal(written.pixel_array, COLOUR)


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_are_read_plane_by_plane_and_pixel_by_pixel(planar: int) -> None:
    stored = np.ascontiguousarray(np.moveaxis(COLOUR, -1, 0) if planar else COLOUR)
    dataset = dataset_of(COLOUR, **{**RGB, "PlanarConfiguration": planar, "PixelData": stored.tobytes()})
    assert np.array_equal(read(file_of(dataset)).pixels, COLOUR)
    assert derived(dataset, COLOUR).PlanarConfiguration == 0


def test_run_lengths_hold_one_colour_after_the_other() -> None:
    dataset = dataset_of(COLOUR, **RGB)
    dataset.compress(pydicom.uid.RLELossless)
    assert np.array_equal(read(file_of(dataset, pydicom.uid.RLELossless)).pixels, COLOUR)


@pytest.mark.parametrize("frames", [1, 3])
def test_subsampled_colours_that_are_not_compressed_share_their_differences_in_pairs(frames: int) -> None:
    stored = (np.arange(frames * 5 * 6 * 2) * 457 % 251).astype(np.uint8)
    content = {
        **RGB,
        "PhotometricInterpretation": "YBR_FULL_422",
        "PixelData": stored.tobytes(),
        "NumberOfFrames": frames,
    }
    full = np.frombuffer(expand_ybr422(stored.tobytes(), 8), np.uint8).reshape(frames, 5, 6, 3)
    image = read(file_of(dataset_of(COLOUR, **content)))
    assert np.array_equal(image.frames, np.stack([rgb_of_luminance(frame) for frame in full]))
    assert "convert it to RGB" in refusal(file_of(dataset_of(COLOUR, **content, Columns=5)))


@given(hnp.arrays(np.uint8, (4, 5, 3)))
def test_luminance_becomes_rgb_to_rounding(frame: Any) -> None:
    other = convert_color_space(frame, "YBR_FULL", "RGB")
    assert np.abs(rgb_of_luminance(frame).astype(int) - other).max() <= 1


def test_luminance_is_read_and_written_as_rgb() -> None:
    dataset = dataset_of(COLOUR, **{**RGB, "PhotometricInterpretation": "YBR_FULL"})
    image = read(file_of(dataset))
    assert np.array_equal(image.pixels, rgb_of_luminance(COLOUR))
    assert derived(dataset, image.pixels).PhotometricInterpretation == "RGB"


@pytest.mark.parametrize("result", [COLOUR.astype(np.uint16) * 9, COLOUR.astype(np.int16) - 3])
def test_colours_beyond_eight_bits_are_refused_and_npy_is_named(result: Pixels) -> None:
    with pytest.raises(DicomError, match=r"eight bits.*\.npy or \.tif"):
        derived(dataset_of(COLOUR, **RGB), result)


def test_a_real_palette_of_many_frames_is_read_as_pydicom_reads_it(open_data: Path) -> None:
    path = open_data / "us" / "US-PAL-8-10x-echo.dcm"
    dataset = pydicom.dcmread(path)
    image = read(path.read_bytes(), "accept")
    assert image.frame_axes
    assert np.array_equal(image.frames, apply_color_lut(dataset.pixel_array, dataset) >> 8)
