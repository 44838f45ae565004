"""DICOM in: hostile files refused in one line that names nobody; what may show a name, only when accepted."""

from __future__ import annotations

import os
import struct
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, uid

from cloudsec.errors import ImageFileError
from cloudsec.files import read_image
from cloudsec.formats import check_format
from tests.dicom_files import (
    PLANE,
    SC,
    US,
    dataset_of,
    file_of,
    little_memory,
    read,
    refusal,
    with_syntax,
)


def test_files_without_pixels_are_refused() -> None:
    dataset = dataset_of(PLANE)
    del dataset.PixelData
    assert "no pixel data" in refusal(file_of(dataset))


@pytest.mark.parametrize(
    ("syntax", "package"),
    [
        (uid.UID("1.2.840.10008.1.2.4.53"), "python-gdcm"),
        (uid.JPEG2000MCLossless, "pylibjpeg-openjpeg"),
        (uid.MPEG2MPML, "Explicit VR Little Endian"),
    ],
)
def test_other_transfer_syntaxes_are_named_with_what_would_decode_them(syntax: uid.UID, package: str) -> None:
    message = refusal(with_syntax(file_of(dataset_of(PLANE)), syntax))
    assert syntax.name in message
    assert package in message
    assert "not read yet" in message


@pytest.mark.parametrize("syntax", ["1.2.3.4", "", "Doe^Jane"])
def test_an_unknown_transfer_syntax_is_not_repeated(syntax: str) -> None:
    assert "transfer syntax" in refusal(with_syntax(file_of(dataset_of(PLANE)), syntax))


@pytest.mark.parametrize(
    "filling",
    [
        struct.pack("<HH2s2xL", 8, 0x1115, b"SQ", 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\0\0\0\0" * 70_000,
        (struct.pack("<HH2s2xL", 8, 0x1115, b"SQ", 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 5_000,
        struct.pack("<HH2s2xL", 8, 0x2112, b"OB", 0xFFFFFFF0),
        struct.pack("<HH2s2xL", 8, 0x2112, b"OB", 17 << 20) + bytes(17 << 20),
    ],
    ids=["many items", "deep nesting", "claims four gigabytes", "header of 17 MiB"],
)
def test_hostile_headers_are_refused_without_much_memory(filling: bytes) -> None:
    content = file_of(dataset_of(PLANE))
    start = content.index(b"\x08\x00\x08\x00")
    with little_memory():
        refusal(content[:start] + filling + content[start:])


EDITS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5)


@given(EDITS, st.integers(0, 10**6), st.sampled_from(["explicit", "implicit", "run lengths"]))
@settings(max_examples=300)
def test_damaged_files_give_an_image_or_one_line_that_names_nobody(
    edits: list[tuple[int, int]], cut: int, kind: str
) -> None:
    dataset = dataset_of(PLANE, WindowCenter=3, WindowWidth=4, PixelPaddingValue=-700, NumberOfFrames=1)
    dataset.ReferencedImageSequence = [Dataset(), Dataset()]
    if kind == "run lengths":
        dataset.compress(uid.RLELossless)
    syntaxes = {"explicit": uid.ExplicitVRLittleEndian, "implicit": uid.ImplicitVRLittleEndian}
    content = bytearray(file_of(dataset, syntaxes.get(kind, uid.RLELossless)))
    for position, value in edits:
        content[132 + position % (len(content) - 132)] = value
    line = ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        path.write_bytes(content[: len(content) - cut % len(content)] if cut % 3 == 0 else content)
        try:
            image = read_image(path, burned_in="accept")
            check_format(".dcm", image)
        except ImageFileError as error:
            line = str(error)
        assert "\n" not in line
        assert "Jane" not in line
        assert os.listdir(folder) == ["image"]


def test_nothing_of_a_header_is_printed_logged_or_shown(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    dataset = dataset_of(PLANE, PatientID="x" * 80, SpecificCharacterSet="ISO_IR 999", StudyDate="yesterday")
    content = file_of(dataset)
    caplog.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image = read(content)
        check_format(".dcm", image)
    assert not caught
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    assert repr(image) + repr(image.source) == "ImageFile()DicomHeader()"


@pytest.mark.parametrize(
    "changes",
    [
        {"Modality": "US"},
        {"Modality": "SC"},
        {"Modality": "RF"},
        {"Modality": "OT"},
        {"Modality": "us "},
        {"Modality": ["CT", "US"]},
        {"SOPClassUID": SC},
        {"SOPClassUID": US},
        {"BurnedInAnnotation": "YES"},
        {"ConversionType": "DF"},
        {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
        {"SOPClassUID": "1.2.840.10008.5.1.1.29"},
    ],
)
def test_images_that_may_show_a_name_are_refused_unless_accepted(changes: dict[str, Any]) -> None:
    content = file_of(dataset_of(PLANE, **changes))
    assert "--burned-in accept" in refusal(content)
    assert np.array_equal(read(content, "accept").pixels, PLANE)


@pytest.mark.parametrize(
    "changes",
    [
        {"BurnedInAnnotation": "NO"},
        {"Modality": "MR"},
        {"Modality": None},
        {"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED"]},
        {"ConversionType": "DI"},
    ],
)
def test_other_images_are_read(changes: dict[str, Any]) -> None:
    assert np.array_equal(read(file_of(dataset_of(PLANE, **changes))).pixels, PLANE)


def test_a_word_that_is_no_choice_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="'refuse' or 'accept'"):
        read(file_of(dataset_of(PLANE)), "mask")


@pytest.mark.parametrize("preamble", [b"II*\0", b"\x93NUMPY", b"\x1f\x8b", b"\xff\xd8\xff"])
def test_a_preamble_of_another_format_does_not_hide_that_it_is_dicom(preamble: bytes) -> None:
    content = file_of(dataset_of(PLANE, BurnedInAnnotation="YES"))
    assert "--burned-in accept" in refusal(preamble + content[len(preamble) :])
