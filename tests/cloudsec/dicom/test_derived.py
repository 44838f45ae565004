"""Results are valid derived images of their source, in no more bits than they need."""

from __future__ import annotations

import copy
import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from pydicom import Dataset, uid

from cloudsec.errors import DicomError, ImageFileError
from cloudsec.files import write_image
from cloudsec.formats import check_format
from tests.dicom_files import (
    CT,
    MG,
    PLANE,
    SC,
    US,
    Pixels,
    dataset_of,
    derived,
    file_of,
    header_of,
    images,
    read,
    row,
)


@given(images("uint8", "int16", "uint16", "int32"))
@settings(max_examples=60)
def test_a_result_is_read_back_as_it_was_written(pixels: Pixels) -> None:
    written = derived(dataset_of(pixels), pixels)
    assert np.array_equal(written.pixel_array, pixels)
    assert read(file_of(written)).pixels.dtype == pixels.dtype


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


def test_a_description_is_cut_to_what_the_attributes_hold() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = derived(dataset_of(PLANE, SeriesDescription="x" * 60), PLANE, does="σ\\" * 2000)
        assert written.SeriesDescription == "x" * 60 + ", ?/"
        assert written.DerivationDescription == "?/" * 512


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
def test_results_that_neither_the_image_nor_a_map_can_hold_are_refused_and_npy_is_named(
    source: type[np.generic], sop_class: str, values: Pixels
) -> None:
    with pytest.raises(DicomError, match=r"out\.dcm: .*\.npy"):
        derived(dataset_of(np.zeros((1, 2), source), SOPClassUID=sop_class), values)


def test_headers_that_cannot_carry_a_result_are_refused_before_any_work() -> None:
    table = Dataset()
    big_endian = dataset_of(PLANE, PixelData=PLANE.byteswap().tobytes())
    for content, reason in (
        (file_of(dataset_of(PLANE, ModalityLUTSequence=[table])), "Modality LUT"),
        (file_of(big_endian, uid.ExplicitVRBigEndian), "big-endian"),
    ):
        with pytest.raises(DicomError, match=rf"{reason}.*\.npy"):
            check_format(".dcm", read(content))
    nameless = read(file_of(dataset_of(PLANE)))
    del header_of(nameless).dataset.SOPInstanceUID
    with pytest.raises(DicomError, match=r"UID.*\.npy"):
        check_format(".dcm", nameless)


def test_a_result_of_another_shape_is_a_programming_error() -> None:
    with pytest.raises(ImageFileError) as caught:
        derived(dataset_of(PLANE), PLANE[1:])
    assert isinstance(caught.value.__cause__, ValueError)


def test_every_frame_is_kept_in_its_place() -> None:
    frames = np.stack([PLANE, PLANE + 1, PLANE * 2])
    dataset = dataset_of(PLANE, NumberOfFrames=3, FrameTime=40, PixelData=frames.tobytes())
    written = derived(dataset, -frames)
    assert (written.NumberOfFrames, written.FrameTime) == (3, 40)
    assert np.array_equal(written.pixel_array, -frames)


def test_enhanced_images_stay_primary_and_their_frames_are_derived() -> None:
    group, kind = Dataset(), Dataset()
    kind.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    group.MRImageFrameTypeSequence = [kind]
    dataset = dataset_of(
        PLANE,
        SOPClassUID=uid.EnhancedMRImageStorage,
        SharedFunctionalGroupsSequence=[group],
        PerFrameFunctionalGroupsSequence=[Dataset()],
        NumberOfFrames=1,
        PulseSequenceName="fid",
    )
    written = derived(dataset, PLANE)
    assert written.ImageType == ["DERIVED", "PRIMARY", "AXIAL"]
    (shared,) = written.SharedFunctionalGroupsSequence
    assert shared.MRImageFrameTypeSequence[0].FrameType == ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    assert "PulseSequenceName" not in written


def test_private_elements_that_no_file_may_hold_are_dropped() -> None:
    dataset = dataset_of(PLANE)
    dataset.add_new((0x0011, 0x0001), "SL", 7)
    dataset.add_new((0x0011, 0x0011), "OB", b"\1\2")
    dataset.private_block(0x0013, "MAKER", create=True).add_new(1, "LO", "kept")
    written = derived(dataset, PLANE)
    assert not written.group_dataset(0x0011)
    assert written.private_block(0x0013, "MAKER")[1].value == "kept"
