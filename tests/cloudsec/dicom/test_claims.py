"""What a header claims of its pixels, refused where it cannot be kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dicom_files import (
    PLANE,
    dataset_of,
    file_of,
    little_memory,
    refusal,
)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"NumberOfFrames": 2}, "2 frames"),
        ({"NumberOfFrames": 0}, "without frames"),
        ({"NumberOfFrames": 99_999_999}, "at most"),
        ({"PhotometricInterpretation": "RGB"}, "colour"),
        ({"SamplesPerPixel": 3}, "colour"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "palette"),
        ({"PhotometricInterpretation": "YBR_PARTIAL_420"}, "colour"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "16 bits"),
        ({"BitsAllocated": 1}, "1 bits"),
        ({"BitsAllocated": 64}, "64 bits"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31, "PixelRepresentation": 0}, "unsigned 32-bit"),
        ({"BitsStored": 17, "HighBit": 16}, "contradict"),
        ({"BitsStored": 12, "HighBit": 15}, "contradict"),
        ({"Rows": 0}, "rows"),
        ({"Rows": None}, "Rows"),
        ({"Rows": 65535, "Columns": 65535}, "at most"),
        ({"Rows": 15000, "Columns": 15000}, "but holds 60 bytes"),
        ({"Rows": 1}, "more frames than it names"),
    ],
)
def test_what_is_not_read_is_refused_in_one_line_without_memory(changes: dict[str, Any], reason: str) -> None:
    content = file_of(dataset_of(PLANE, **changes))
    with little_memory():
        assert reason in refusal(content)
