"""DICOM: pixels as pydicom decodes them, hostile files refused in one line, results valid derived images."""

from __future__ import annotations

import copy
import io
import os
import shutil
import struct
import subprocess
import tempfile
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pydicom import Dataset, uid

from cloudsec.dicom import DicomHeader
from cloudsec.errors import DicomError, ImageFileError
from cloudsec.files import ImageFile, check_output, read_image, write_image

Pixels: TypeAlias = NDArray[np.generic]
PLANE = (np.arange(30, dtype=np.int16).reshape(5, 6) - 7) * 100
NAME = "Doe^Jane"
SHIPPED = Path(__file__).parents[3] / "cloudsec" / "demo" / "lidc-idri-0314.dcm"
CT, MG, US, SC = (
    uid.CTImageStorage,
    uid.DigitalMammographyXRayImageStorageForPresentation,
    *(
        uid.UltrasoundImageStorage,
        uid.SecondaryCaptureImageStorage,
    ),
)


def dataset_of(pixels: Pixels, **changes: Any) -> Dataset:
    """A CT slice of a person; None takes an attribute away."""
    dataset = Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    bits = 8 * pixels.dtype.itemsize
    values: dict[str, Any] = {
        "SOPClassUID": CT,
        "SOPInstanceUID": "1.2.3.4",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.1",
        "Modality": "CT",
        "PatientName": NAME,
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "PixelSpacing": [0.5, 0.5],
        "ImagePositionPatient": [1, 2, 3],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": changes.get("BitsStored", bits) - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "RescaleSlope": "2",
        "RescaleIntercept": "-1024",
        "PixelData": pixels.tobytes() + b"\0" * (pixels.nbytes % 2),
        **changes,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in values.items():
            if value is not None:
                setattr(dataset, keyword, value)
    dataset["PixelData"].VR = "OW"
    return dataset


def file_of(dataset: Dataset, syntax: uid.UID = uid.ExplicitVRLittleEndian) -> bytes:
    buffer = io.BytesIO()
    dataset.file_meta.TransferSyntaxUID = syntax
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def row(dtype: type[np.generic], *values: int) -> Pixels:
    return np.array([values], dtype)


def with_syntax(content: bytes, syntax: str) -> bytes:
    """The same bytes under another transfer syntax of no greater length."""
    old = uid.ExplicitVRLittleEndian.encode() + b"\0"
    position = content.index(b"\x02\x00\x10\x00UI")
    body = syntax.encode() + b"\0" * (len(syntax) % 2)
    rest = content[position + 8 + len(old) :]
    grown = len(body) - len(old)
    (length,) = struct.unpack("<L", content[140:144])
    head = content[:140] + struct.pack("<L", length + grown) + content[144:position]
    return head + b"\x02\x00\x10\x00UI" + struct.pack("<H", len(body)) + body + rest


def read(content: bytes, burned_in: Any = "refuse") -> ImageFile:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "IMG0001"
        path.write_bytes(content)
        return read_image(path, burned_in=burned_in)


def refusal(content: bytes) -> str:
    with pytest.raises(DicomError) as caught:
        read(content)
    message = str(caught.value)
    assert "\n" not in message
    assert "IMG0001: " in message
    assert "Jane" not in message
    return message


def derived(
    dataset: Dataset,
    result: Pixels,
    gain: int | Fraction | None = 1,
    sign: int = -1,
    does: str = "CloudSec 0.1: gaussian sigma=2",
) -> Dataset:
    """What pydicom reads of the derived image, after our own reader gave the same pixels."""
    image = read(file_of(dataset), "accept")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.dcm"
        write_image(path, result, image, description=does, offset_gain=gain, negation_sign=sign)
        assert os.listdir(folder) == ["out.dcm"]
        written = pydicom.dcmread(io.BytesIO(path.read_bytes()))
        assert np.array_equal(read_image(path, burned_in="accept").pixels, written.pixel_array)
    return written


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def images(*dtypes: str) -> st.SearchStrategy[Pixels]:
    shapes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)
    return st.sampled_from(dtypes).flatmap(lambda dtype: hnp.arrays(np.dtype(dtype), shapes))


def header_of(image: ImageFile) -> DicomHeader:
    assert image.source is not None
    return image.source


# Reading


@given(images("uint8", "int16", "uint16", "int32"))
@settings(max_examples=60)
def test_a_result_is_read_back_as_it_was_written(pixels: Pixels) -> None:
    written = derived(dataset_of(pixels), pixels)
    assert np.array_equal(written.pixel_array, pixels)
    assert read(file_of(written)).pixels.dtype == pixels.dtype


@given(images("uint8", "uint16", "int16"), st.sampled_from(["implicit", "big-endian", "run lengths"]))
@settings(max_examples=60)
def test_every_transfer_syntax_that_is_read_gives_the_same_pixels(pixels: Pixels, kind: str) -> None:
    dataset = dataset_of(pixels)
    if kind == "implicit":
        content = file_of(dataset, uid.ImplicitVRLittleEndian)
    elif kind == "big-endian":
        swapped = pixels if pixels.dtype.itemsize > 1 else np.frombuffer(dataset.PixelData, np.uint16)
        dataset.PixelData = swapped.byteswap().tobytes()
        content = file_of(dataset, uid.ExplicitVRBigEndian)
    else:
        dataset.compress(uid.RLELossless)
        content = file_of(dataset, uid.RLELossless)
    back = read(content).pixels
    assert back.dtype == pixels.dtype
    assert back.dtype.isnative
    assert np.array_equal(back, pixels)


def test_run_lengths_of_another_encoder_are_read_as_pydicom_reads_them(open_data: Path) -> None:
    path = open_data / "phi" / "cr_chest_pseudophi_0.dcm"
    assert np.array_equal(read_image(path).pixels, pydicom.dcmread(path).pixel_array)


@given(hnp.arrays(np.uint16, (3, 4)), st.integers(9, 16), st.booleans())
@settings(max_examples=60)
def test_bits_above_those_stored_are_masked_and_signs_extended(
    words: NDArray[np.uint16], stored: int, signed: bool
) -> None:
    """An overlay in the high bits, as files of old have it, is no part of the image."""
    values = words.astype(np.int64) % (1 << stored)
    expected = np.where(signed & (values >= 1 << stored - 1), values - (1 << stored), values)
    dataset = dataset_of(words, BitsStored=stored, PixelRepresentation=int(signed))
    image = read(file_of(dataset))
    assert np.array_equal(image.pixels, expected)
    assert image.pixels.dtype == (np.int16 if signed else np.uint16)
    written = derived(dataset, image.pixels)
    assert np.array_equal(written.pixel_array, expected)
    assert written.BitsStored == stored


def test_signed_bytes_are_read_as_int16_and_written_as_bytes() -> None:
    pixels = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)
    image = read(file_of(dataset_of(pixels)))
    assert image.pixels.dtype == np.int16
    assert np.array_equal(image.pixels, pixels)
    assert derived(dataset_of(pixels), image.pixels).BitsAllocated == 8


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"NumberOfFrames": 2}, "more than one frame"),
        ({"PhotometricInterpretation": "RGB"}, "colour"),
        ({"SamplesPerPixel": 3}, "colour"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour"),
        ({"BitsAllocated": 1}, "1 bits"),
        ({"BitsAllocated": 64}, "64 bits"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31, "PixelRepresentation": 0}, "unsigned 32-bit"),
        ({"BitsStored": 17, "HighBit": 16}, "contradict"),
        ({"BitsStored": 12, "HighBit": 15}, "contradict"),
        ({"Rows": 0}, "without rows"),
        ({"Rows": None}, "Rows"),
        ({"Rows": 65535, "Columns": 65535}, "at most"),
        ({"Rows": 15000, "Columns": 15000}, "but holds 60 bytes"),
        ({"Rows": 1}, "more than one frame"),
    ],
)
def test_what_is_not_read_is_refused_in_one_line_without_memory(changes: dict[str, Any], reason: str) -> None:
    content = file_of(dataset_of(PLANE, **changes))
    with little_memory():
        assert reason in refusal(content)


def test_files_without_integer_pixels_are_refused() -> None:
    dataset = dataset_of(PLANE)
    del dataset.PixelData
    assert "no pixel data" in refusal(file_of(dataset))
    dataset.FloatPixelData = np.zeros((5, 6), np.float32).tobytes()
    assert "floating-point" in refusal(file_of(dataset))


@pytest.mark.parametrize(
    ("syntax", "package"),
    [
        (uid.JPEGLosslessSV1, "python-gdcm"),
        (uid.JPEGBaseline8Bit, "python-gdcm"),
        (uid.JPEGExtended12Bit, "dcmdjpeg"),
        (uid.JPEG2000Lossless, "pylibjpeg-openjpeg"),
        (uid.JPEGLSLossless, "pyjpegls"),
        (uid.MPEG2MPML, "Explicit VR Little Endian"),
        (uid.DeflatedExplicitVRLittleEndian, "dcmconv"),
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


def test_a_deflated_bomb_is_not_inflated() -> None:
    content = with_syntax(file_of(dataset_of(PLANE)), uid.DeflatedExplicitVRLittleEndian)
    meta = content[: content.index(b"\x08\x00\x08\x00")]
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = meta + b"".join(compressor.compress(bytes(1 << 20)) for _ in range(200)) + compressor.flush()
    with little_memory():
        assert "Deflated" in refusal(bomb)


def run_lengths(code: bytes, shape: tuple[int, int], segments: int = 1) -> bytes:
    dataset = dataset_of(np.zeros(shape, np.uint8))
    frame = struct.pack("<16L", segments, *[64] * segments, *[0] * (15 - segments)) + code
    items = [b"", frame + b"\0" * (len(frame) % 2)]
    dataset.PixelData = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<L", len(item)) + item for item in items)
    dataset["PixelData"].VR = "OB"
    return file_of(dataset, uid.RLELossless)


def test_a_run_length_bomb_is_expanded_no_further_than_its_claim() -> None:
    content = run_lengths(b"\x81\x07" * 1_000_000, (1000, 1000))
    with little_memory():
        assert (read(content).pixels == 7).all()


@pytest.mark.parametrize(
    ("code", "segments", "reason"),
    [
        (b"\x81\x07" * 3, 1, "ends after"),
        (b"\x80" * 90, 1, "ends after 0"),
        (b"\x7f\x01\x02", 1, "ends after"),
        (b"\x81\x07" * 99, 2, "planes"),
        (b"\x81\x07" * 99, 15, "planes"),
    ],
)
def test_run_lengths_that_do_not_fit_are_refused(code: bytes, segments: int, reason: str) -> None:
    assert reason in refusal(run_lengths(code, (40, 30), segments))


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
            check_output(Path(folder) / "out.dcm", image)
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
        check_output(Path(tempfile.gettempdir()) / "out.dcm", image)
    assert not caught
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    assert repr(image) + repr(image.source) == "ImageFile()DicomHeader()"


# Burned-in identity


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
    ],
)
def test_images_that_may_show_a_name_are_refused_unless_accepted(changes: dict[str, Any]) -> None:
    content = file_of(dataset_of(PLANE, **changes))
    assert "--burned-in accept" in refusal(content)
    assert np.array_equal(read(content, "accept").pixels, PLANE)


@pytest.mark.parametrize("changes", [{"BurnedInAnnotation": "NO"}, {"Modality": "MR"}, {"Modality": None}])
def test_other_images_are_read(changes: dict[str, Any]) -> None:
    assert np.array_equal(read(file_of(dataset_of(PLANE, **changes))).pixels, PLANE)


def test_a_word_that_is_no_choice_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="'refuse' or 'accept'"):
        read(file_of(dataset_of(PLANE)), "mask")


# Derived images


def test_a_derived_image_is_a_new_instance_that_names_its_source() -> None:
    dataset = dataset_of(PLANE, SeriesDescription="Thorax")
    written = derived(dataset, PLANE)
    assert written.SOPInstanceUID != "1.2.3.4"
    assert written.SOPInstanceUID == written.file_meta.MediaStorageSOPInstanceUID
    assert written.SOPClassUID == written.file_meta.MediaStorageSOPClassUID == CT
    assert written.SeriesInstanceUID != "1.2.3.1"
    assert uid.UID(written.SeriesInstanceUID).is_valid
    assert written.StudyInstanceUID == "1.2.3"
    assert written.ImageType == ["DERIVED", "SECONDARY", "AXIAL"]
    assert written.DerivationDescription == "CloudSec 0.1: gaussian sigma=2"
    assert written.SeriesDescription == "Thorax, CloudSec 0.1: gaussian sigma=2"
    (source,) = written.SourceImageSequence
    assert (source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID) == (CT, "1.2.3.4")
    assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    assert written.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert (written.PixelSpacing, written.ImagePositionPatient) == ([0.5, 0.5], [1, 2, 3])


def test_levels_of_an_operations_own_are_in_no_unit() -> None:
    mask = (PLANE > 0).astype(np.uint8)
    written = derived(dataset_of(PLANE, WindowCenter=40, WindowWidth=400), mask, gain=None)
    assert (written.RescaleSlope, written.RescaleIntercept, written.RescaleType) == (1, 0, "US")
    assert (written.WindowCenter, written.WindowWidth) == (1, 2)
    assert (written.pixel_array == mask).all()
    plain = derived(dataset_of(PLANE, RescaleSlope=None, RescaleIntercept=None), mask, gain=None)
    assert "RescaleType" not in plain
    assert "RescaleSlope" not in plain


def test_an_intercept_gains_a_fraction_where_the_operation_does() -> None:
    written = derived(dataset_of(PLANE), PLANE // 4, gain=Fraction(1, 4))
    assert (written.RescaleSlope, written.RescaleIntercept) == (2, -256)


def test_slices_of_one_series_filtered_alike_make_one_new_series() -> None:
    first, second = (derived(dataset_of(PLANE, SOPInstanceUID=u), PLANE) for u in ("1.2.3.4", "1.2.3.5"))
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    other = derived(dataset_of(PLANE), PLANE, does="CloudSec 0.1: gaussian sigma=3")
    assert other.SeriesInstanceUID != first.SeriesInstanceUID


def test_the_header_that_was_read_is_not_changed() -> None:
    image = read(file_of(dataset_of(PLANE, PixelPaddingValue=-700)))
    before = copy.deepcopy(header_of(image).dataset)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.dcm"
        write_image(path, PLANE, image, description="a test", offset_gain=0, negation_sign=1)
    assert header_of(image).dataset == before


def test_what_speaks_of_the_source_pixels_is_dropped() -> None:
    dataset = dataset_of(PLANE, SmallestImagePixelValue=-700, LargestImagePixelValue=2200)
    dataset.IconImageSequence = [Dataset()]
    dataset.add_new((0x0008, 0x0000), "UL", 999)
    inner = Dataset()
    inner.add_new((0x0008, 0x0000), "UL", 999)
    inner.ReferencedSOPInstanceUID = "1.2.3.9"
    dataset.ReferencedImageSequence = [inner]
    dataset.add_new((0x6000, 0x0010), "US", 5)
    dataset.add_new((0x6000, 0x0102), "US", 12)
    dataset.add_new((0x6002, 0x0010), "US", 5)
    dataset.add_new((0x6002, 0x3000), "OW", bytes(4))
    written = derived(dataset, PLANE)
    for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue", "IconImageSequence"):
        assert keyword not in written
    assert (0x0008, 0x0000) not in written
    assert (0x0008, 0x0000) not in written.ReferencedImageSequence[0]
    assert written.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.9"
    assert (0x6000, 0x0010) not in written
    assert (0x6002, 0x3000) in written


def test_values_that_are_typed_by_the_sign_of_the_pixels_keep_theirs_when_it_changes() -> None:
    dataset = dataset_of(np.zeros((1, 2), np.uint16))
    dataset.add_new("ZeroVelocityPixelValue", "US", 40_000)
    implicit = pydicom.dcmread(io.BytesIO(file_of(dataset, uid.ImplicitVRLittleEndian)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.dcm"
        image = read(file_of(implicit, uid.ImplicitVRLittleEndian))
        write_image(path, row(np.int32, -5, 5), image, description="a test", offset_gain=0, negation_sign=-1)
        written = pydicom.dcmread(path)
        assert (written.PixelRepresentation, written.ZeroVelocityPixelValue) == (1, 40_000)


def test_tables_that_are_typed_by_the_sign_of_the_pixels_go_when_it_changes() -> None:
    dataset = dataset_of(np.zeros((1, 2), np.uint16), WindowCenter=1, WindowWidth=2)
    dataset.RealWorldValueMappingSequence = [Dataset()]
    assert "RealWorldValueMappingSequence" in derived(dataset, row(np.uint16, 5, 5))
    written = derived(dataset, row(np.int32, -5, 5))
    assert "RealWorldValueMappingSequence" not in written
    assert (written.WindowCenter, written.WindowWidth) == (1, 2)


def test_a_description_is_cut_to_what_the_attributes_hold() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = derived(dataset_of(PLANE, SeriesDescription="x" * 60), PLANE, does="σ\\" * 2000)
        assert written.SeriesDescription == "x" * 60 + ", ?/"
        assert written.DerivationDescription == "?/" * 512


@pytest.mark.parametrize(
    ("slope", "gain", "sign", "expected"),
    [
        (2, 1, -1, (2, -1024)),
        (2, 0, -1, (2, 0)),
        (2, 3, -1, (2, -3072)),
        (-2, 0, -1, (-2, 0)),
        (2, 0, 1, (2, 0)),
        (-2, 0, 1, (2, 0)),
    ],
)
def test_slope_and_intercept_follow_the_operation(
    slope: int, gain: int, sign: int, expected: tuple[int, int]
) -> None:
    written = derived(dataset_of(PLANE, RescaleSlope=slope), PLANE, gain, sign)
    assert (written.RescaleSlope, written.RescaleIntercept) == expected
    assert not str(written.RescaleIntercept).startswith("-0")


def test_an_image_without_rescale_is_given_none() -> None:
    bare = dataset_of(PLANE, RescaleSlope=None, RescaleIntercept=None)
    assert "RescaleSlope" not in derived(bare, PLANE, 0, -1)


def test_the_window_is_kept_where_grey_levels_keep_their_meaning() -> None:
    written = derived(dataset_of(PLANE, WindowCenter=[40, 50], WindowWidth=[80, 90]), PLANE)
    assert (written.WindowCenter, written.WindowWidth) == ([40, 50], [80, 90])


def test_the_window_spans_the_result_where_grey_levels_mean_something_else() -> None:
    lookup = Dataset()
    lookup.LUTDescriptor, lookup.LUTData = [2, 0, 16], [0, 1]
    dataset = dataset_of(PLANE, WindowCenter=[4, 5], WindowWidth=[8, 9], VOILUTFunction="SIGMOID")
    dataset.VOILUTSequence = [lookup]
    dataset.VOILUTSequence[0]["LUTDescriptor"].VR = "US"
    dataset.VOILUTSequence[0]["LUTData"].VR = "US"
    written = derived(dataset, PLANE, 0, -1)
    lowest, highest = 2 * PLANE.min(), 2 * PLANE.max()
    assert written.WindowWidth == highest - lowest + 1
    assert written.WindowCenter - 0.5 - (written.WindowWidth - 1) / 2 == lowest
    assert "VOILUTSequence" not in written
    assert "VOILUTFunction" not in written


# Padding


@pytest.mark.parametrize("given", [-700, 64836])
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
def test_padding_stays_padding_whatever_sign_the_header_gives_it(given: int, syntax: uid.UID) -> None:
    dataset = dataset_of(PLANE)
    dataset.add_new("PixelPaddingValue", "SS" if given < 0 else "US", given)
    source = pydicom.dcmread(io.BytesIO(file_of(dataset, syntax)))
    written = derived(source, (PLANE // 2).astype(np.int16))
    assert written["PixelPaddingValue"].VR == "SS"
    assert written.PixelPaddingValue == -700
    assert np.array_equal(written.pixel_array == -700, PLANE == -700)


def test_padding_of_a_range_keeps_every_pixel_in_it() -> None:
    dataset = dataset_of(PLANE, PixelPaddingValue=-700, PixelPaddingRangeLimit=-500)
    written = derived(dataset, np.full_like(PLANE, 9).astype(np.int32), 0, -1)
    assert (written.PixelPaddingValue, written.PixelPaddingRangeLimit) == (-700, -500)
    assert np.array_equal(written.pixel_array, np.where(PLANE <= -500, PLANE, 9))


def test_padding_that_the_result_cannot_hold_is_no_longer_declared() -> None:
    result = np.full(PLANE.shape, 40_000, np.uint32)
    written = derived(dataset_of(PLANE, PixelPaddingValue=-700), result, 0, 1)
    assert "PixelPaddingValue" not in written
    assert np.array_equal(written.pixel_array, result)


def test_the_window_of_a_result_does_not_see_padding() -> None:
    dataset = dataset_of(PLANE, PixelPaddingValue=-700, WindowCenter=1, WindowWidth=1, RescaleSlope=1)
    written = derived(dataset, np.where(PLANE == -700, 9999, 5).astype(np.int32), 0, -1)
    assert (written.WindowCenter, written.WindowWidth) == (5.5, 1)


# What an information object can hold


@pytest.mark.parametrize(
    ("source", "changes", "values", "stored"),
    [
        (np.uint16, {"BitsStored": 12}, row(np.uint16, 0, 4095), (16, 12, 0)),
        (np.uint16, {"BitsStored": 12}, row(np.uint16, 0, 4096), (16, 16, 0)),
        (np.uint16, {"BitsStored": 12}, row(np.uint32, 0, 65535), (16, 16, 0)),
        (np.uint16, {"BitsStored": 12}, row(np.int32, -2048, 2047), (16, 12, 1)),
        (np.uint16, {"BitsStored": 12}, row(np.int32, -32768, 32767), (16, 16, 1)),
        (np.int16, {}, row(np.int32, 0, 65535), (16, 16, 0)),
        (np.int16, {}, row(np.uint32, 0, 65535), (16, 16, 0)),
        (np.int16, {}, row(np.int16, 3, 4), (16, 16, 1)),
        (np.uint8, {"SOPClassUID": SC}, row(np.uint16, 0, 256), (16, 16, 0)),
        (np.uint8, {"SOPClassUID": US}, row(np.uint16, 0, 255), (8, 8, 0)),
        (np.uint16, {"SOPClassUID": MG}, row(np.uint32, 0, 65535), (16, 16, 0)),
    ],
)
def test_results_take_no_more_bits_than_they_need(
    source: type[np.generic], changes: dict[str, Any], values: Pixels, stored: tuple[int, int, int]
) -> None:
    written = derived(dataset_of(np.zeros((1, 2), source), **changes), values)
    assert (written.BitsAllocated, written.BitsStored, written.PixelRepresentation) == stored
    assert written.HighBit == written.BitsStored - 1
    assert np.array_equal(written.pixel_array, values)


@pytest.mark.parametrize(
    ("source", "sop_class", "values"),
    [
        (np.uint16, CT, row(np.uint32, 0, 65536)),
        (np.int16, CT, row(np.int32, -1, 32768)),
        (np.uint16, MG, row(np.int32, -1, 3)),
        (np.uint8, US, row(np.uint16, 0, 256)),
        (np.uint8, US, row(np.int16, -1, 3)),
    ],
)
def test_results_that_the_image_cannot_hold_are_refused_and_npy_is_named(
    source: type[np.generic], sop_class: str, values: Pixels
) -> None:
    with pytest.raises(DicomError, match=r"out\.dcm: .*\.npy"):
        derived(dataset_of(np.zeros((1, 2), source), SOPClassUID=sop_class), values)


def test_headers_that_cannot_carry_a_result_are_refused_before_any_work(tmp_path: Path) -> None:
    table = Dataset()
    big_endian = dataset_of(PLANE, PixelData=PLANE.byteswap().tobytes())
    for content, reason in (
        (file_of(dataset_of(PLANE, ModalityLUTSequence=[table])), "Modality LUT"),
        (file_of(dataset_of(PLANE, SharedFunctionalGroupsSequence=[table])), "enhanced"),
        (file_of(dataset_of(PLANE, NumberOfFrames=1, PerFrameFunctionalGroupsSequence=[table])), "enhanced"),
        (file_of(big_endian, uid.ExplicitVRBigEndian), "big-endian"),
    ):
        with pytest.raises(DicomError, match=rf"{reason}.*\.npy"):
            check_output(tmp_path / "out.dcm", read(content))
    nameless = read(file_of(dataset_of(PLANE)))
    del header_of(nameless).dataset.SOPInstanceUID
    with pytest.raises(DicomError, match=r"UID.*\.npy"):
        check_output(tmp_path / "out.dcm", nameless)
    assert not os.listdir(tmp_path)


def test_a_result_of_another_shape_is_a_programming_error() -> None:
    with pytest.raises(ImageFileError) as caught:
        derived(dataset_of(PLANE), PLANE[1:])
    assert isinstance(caught.value.__cause__, ValueError)


# An independent judge


def complaints(path: Path) -> set[str]:
    answer = subprocess.run(["dciodvfy", str(path)], capture_output=True, check=False)
    text = (answer.stdout + answer.stderr).decode("utf-8", "replace")
    assert text.strip(), "dciodvfy names at least the kind of image"
    return {line for line in text.splitlines() if line.startswith("Error")}


@pytest.fixture(scope="module")
def validator() -> None:
    if shutil.which("dciodvfy") is None:
        missing = "dciodvfy is missing: apt-get install dicom3tools"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)


def check_with_validator(source: Path, folder: Path) -> None:
    image = read_image(source, burned_in="accept")
    before, out = complaints(source), folder / "out.dcm"
    pixels = image.pixels.astype(np.int64)
    smooth = ((pixels + np.roll(pixels, 1, 0)) // 2).astype(image.pixels.dtype)
    change = np.clip(pixels - np.roll(pixels, 1, 1), -32768, 32767).astype(np.int32)
    results: list[tuple[Pixels, int, int]] = [(smooth, 1, -1), (np.abs(change).astype(np.uint32), 0, 1)]
    if image.pixels.dtype != np.uint8:
        results.append((change, 0, -1))
    for result, gain, sign in results:
        write_image(out, result, image, description="CloudSec: a test", offset_gain=gain, negation_sign=sign)
        assert complaints(out) <= before
        assert np.array_equal(pydicom.dcmread(out).pixel_array, result)


@pytest.mark.usefixtures("validator")
def test_the_shipped_slice_gives_results_without_new_complaints(tmp_path: Path) -> None:
    check_with_validator(SHIPPED, tmp_path)


@pytest.mark.usefixtures("validator")
@pytest.mark.parametrize(
    "name",
    [
        "ct/ct_chest_lidc0314_20x6mm.zip",
        "mr/mr_wrist_dcm4che_16.zip",
        "phi/ct_pseudophi_2.dcm",
        "phi/cr_chest_pseudophi_0.dcm",
        "phi/us_grey_burnedin.dcm",
    ],
)
def test_real_images_give_results_without_new_complaints(open_data: Path, tmp_path: Path, name: str) -> None:
    if name.endswith(".zip"):
        with zipfile.ZipFile(open_data / name) as archive:
            members = [archive.extract(member, tmp_path / "in") for member in sorted(archive.namelist())[::9]]
    else:
        members = [str(open_data / name)]
    for member in members:
        check_with_validator(Path(member), tmp_path)
