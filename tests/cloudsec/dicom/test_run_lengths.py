"""RLE Lossless: as pydicom expands it, and no further than claimed."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate

from cloudsec.files import read_image
from tests.dicom_files import dataset_of, file_of, little_memory, read, refusal


def test_run_lengths_of_another_encoder_are_read_as_pydicom_reads_them(open_data: Path) -> None:
    path = open_data / "phi" / "cr_chest_pseudophi_0.dcm"
    assert np.array_equal(read_image(path).pixels, pydicom.dcmread(path).pixel_array)


def run_lengths(code: bytes, shape: tuple[int, int], segments: int = 1) -> bytes:
    dataset = dataset_of(np.zeros(shape, np.uint8))
    frame = struct.pack("<16L", segments, *[64] * segments, *[0] * (15 - segments)) + code
    items = [b"", frame + b"\0" * (len(frame) % 2)]
    dataset.PixelData = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<L", len(item)) + item for item in items)
    dataset["PixelData"].VR = "OB"
    return file_of(dataset, uid.RLELossless)


def test_a_run_length_bomb_is_refused_without_being_expanded() -> None:
    content = run_lengths(b"\x81\x07" * 1_000_000, (1000, 1000))
    with little_memory():
        assert "longer than 1000000 pixels" in refusal(content)


@pytest.mark.parametrize("padding", [b"", b"\0", b"\0" * 8, b"\x80" * 3, b"\x81\x07"])
def test_what_fills_a_segment_up_is_no_pixel(padding: bytes) -> None:
    # The longest run, and pixels one by one.
    code = b"\x81\x07" * 9 + b"".join(bytes([0, value]) for value in range(48))
    pixels = read(run_lengths(code + padding, (40, 30))).pixels
    assert pixels.ravel().tolist() == [7] * 1152 + list(range(48))


def test_a_frame_without_room_for_its_header_is_refused() -> None:
    dataset = dataset_of(np.zeros((40, 30), np.uint8), PixelData=encapsulate([b"\1\0\0\0" * 3]))
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    assert "cut short" in refusal(file_of(dataset, uid.RLELossless))


@pytest.mark.parametrize(
    ("code", "segments", "reason"),
    [
        (b"\x81\x07" * 3, 1, "ends after"),
        (b"\x80" * 90, 1, "ends after 0"),
        (b"\x7f\x01\x02", 1, "damaged"),
        (b"\x81\x07" * 99, 2, "planes"),
        (b"\x81\x07" * 99, 15, "planes"),
    ],
)
def test_run_lengths_that_do_not_fit_are_refused(code: bytes, segments: int, reason: str) -> None:
    assert reason in refusal(run_lengths(code, (40, 30), segments))
