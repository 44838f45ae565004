"""What a kind of image cannot hold comes out as a Parametric Map, to the bit, with what the numbers mean."""

from __future__ import annotations

import io
import tempfile
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydicom import Dataset, uid

from cloudsec.dicom.parametric import MAX_FRAMES
from cloudsec.errors import DicomError
from cloudsec.files import write_image
from providers.image import LARGEST_FLOAT
from tests.dicom_files import CT, NAME, PLANE, US, Pixels, dataset_of, enhanced, file_of, read, refusal, row

ORIENTED = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "FrameOfReferenceUID": "1.2.3.5"}
FLOATS = np.linspace(-7, 9, PLANE.size).astype(np.float32).reshape(PLANE.shape)


def written_of(
    dataset: Dataset, result: Pixels, gain: int | Fraction | None = 1, sign: int = -1
) -> pydicom.FileDataset:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.dcm"
        image = read(file_of(dataset), "accept")
        write_image(path, result, image, description="CloudSec: it", offset_gain=gain, negation_sign=sign)
        return pydicom.dcmread(io.BytesIO(path.read_bytes()))


def slice_of(pixels: Pixels, **changes: Any) -> Dataset:
    return dataset_of(pixels, **{**ORIENTED, **changes})


def mapping_of(written: Dataset) -> Dataset:
    (mapping,) = written.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    return mapping


@given(
    st.sampled_from([np.float32, np.float64]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            PLANE.shape,
            elements={"min_value": -LARGEST_FLOAT, "max_value": LARGEST_FLOAT, "allow_subnormal": True},
        )
    )
)
@settings(max_examples=20)
def test_floats_are_read_back_to_the_bit_by_pydicom_and_by_us(result: Pixels) -> None:
    written = written_of(slice_of(PLANE), result)
    assert np.array_equal(read(file_of(written)).pixels, result)
    assert read(file_of(written)).pixels.dtype == result.dtype
    assert written.SOPClassUID == uid.ParametricMapStorage
    assert written.pixel_array.dtype == result.dtype
    assert np.array_equal(written.pixel_array, result)


@pytest.mark.parametrize(
    ("values", "keyword"),
    [
        (row(np.int32, -1, 32768), "FloatPixelData"),
        (row(np.int32, 0, 1 << 24), "FloatPixelData"),
        (row(np.int32, 0, (1 << 24) + 1), "DoubleFloatPixelData"),
        (row(np.int64, -(1 << 53), 0), "DoubleFloatPixelData"),
    ],
)
def test_integers_beyond_the_kind_of_image_are_single_to_24_bits_and_double_beyond(
    values: Pixels, keyword: str
) -> None:
    written = written_of(slice_of(np.zeros((1, 2), np.int16)), values)
    assert keyword in written
    assert "PixelData" not in written
    assert np.array_equal(written.pixel_array, values)


def test_integers_beyond_53_bits_are_refused() -> None:
    with pytest.raises(DicomError, match=r"53 bits.*\.npy"):
        written_of(slice_of(np.zeros((1, 2), np.int16)), row(np.int64, 0, (1 << 53) + 1))


def test_as_many_frames_are_written_as_can_be_read_again() -> None:
    frames = np.zeros((MAX_FRAMES + 1, 1, 2), np.int16)
    dataset = slice_of(frames[0], NumberOfFrames=MAX_FRAMES, PixelData=frames[1:].tobytes())
    written = written_of(dataset, frames[1:].astype(np.float32))
    assert np.array_equal(read(file_of(written)).frames, frames[1:])
    dataset = slice_of(frames[0], NumberOfFrames=MAX_FRAMES + 1, PixelData=frames.tobytes())
    with pytest.raises(DicomError, match=r"no more than 2500 frames.*\.npy"):
        written_of(dataset, frames.astype(np.float32))


@pytest.mark.parametrize(("gain", "sign", "scale"), [(1, -1, (2, -1024)), (0, 1, (2, 0)), (None, -1, (1, 0))])
def test_a_mapping_tells_the_real_world_values(gain: int | None, sign: int, scale: tuple[int, int]) -> None:
    mapping = mapping_of(written_of(slice_of(PLANE), FLOATS, gain, sign))
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == scale
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "1"
    assert mapping.DoubleFloatRealWorldValueFirstValueMapped == FLOATS.min()
    assert mapping.DoubleFloatRealWorldValueLastValueMapped == FLOATS.max()


@pytest.mark.parametrize(
    ("gain", "sign", "scale"), [(1, -1, (2, -1024)), (3, -1, (2, -3072)), (0, 1, (2, 0))]
)
def test_a_map_of_a_map_keeps_its_mapping(gain: int, sign: int, scale: tuple[int, int]) -> None:
    first = written_of(
        slice_of(PLANE, RescaleType="HU", PixelPaddingValue=-700, Manufacturer="Maker"), FLOATS
    )
    second = written_of(first, FLOATS[::-1] * 3, gain, sign)
    mapping = mapping_of(second)
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == scale
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "[hnsf'U]"
    assert second.FloatPixelPaddingValue == -700
    expected = np.where(PLANE == -700, np.float32(-700), FLOATS[::-1] * 3)
    assert np.array_equal(second.pixel_array, expected)
    assert mapping.DoubleFloatRealWorldValueLastValueMapped == expected.max()
    assert [device.Manufacturer for device in second.ContributingEquipmentSequence] == ["Maker", "CloudSec"]


def test_integers_computed_from_a_map_make_a_map_in_no_unit() -> None:
    first = written_of(slice_of(PLANE, RescaleType="HU"), FLOATS)
    second = written_of(first, (FLOATS > 0).astype(np.uint8), None)
    assert np.array_equal(second.pixel_array, FLOATS > 0)
    assert mapping_of(second).MeasurementUnitsCodeSequence[0].CodeValue == "1"


def test_frames_of_a_map_that_lie_evenly_are_a_volume() -> None:
    frames = np.stack([FLOATS, -FLOATS]).astype(np.float64)
    image = read(file_of(written_of(enhanced(np.stack([PLANE, PLANE])), frames)))
    assert image.count == 1
    assert np.array_equal(image.frames[0], frames)


@pytest.mark.parametrize(
    ("dtype", "keyword", "value"),
    [
        (np.float32, "BitsAllocated", 64),
        (np.float64, "BitsAllocated", 32),
        (np.float32, "BitsAllocated", 16),
        (np.float64, "NumberOfFrames", 2),
        (np.float32, "PhotometricInterpretation", "PALETTE COLOR"),
    ],
)
def test_a_map_that_contradicts_itself_is_refused(
    dtype: type[np.generic], keyword: str, value: int | str
) -> None:
    written = written_of(slice_of(PLANE), FLOATS.astype(dtype))
    setattr(written, keyword, value)
    refusal(file_of(written))


def test_hounsfield_units_are_told_in_code() -> None:
    mapping = mapping_of(written_of(slice_of(PLANE, RescaleType="HU"), FLOATS))
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "[hnsf'U]"
    assert mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeValue == "112031"


def test_a_map_is_a_new_instance_of_the_same_patient_that_names_its_source() -> None:
    written = written_of(slice_of(PLANE, Manufacturer="Maker", BodyPartExamined="CHEST"), FLOATS)
    assert (written.PatientName, written.StudyInstanceUID) == (NAME, "1.2.3")
    assert (written.Modality, written.FrameOfReferenceUID) == ("CT", "1.2.3.5")
    assert written.SOPInstanceUID != "1.2.3.4"
    assert written.SeriesInstanceUID != "1.2.3.1"
    (series,) = written.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == "1.2.3.1"
    shared = written.SharedFunctionalGroupsSequence[0]
    (source,) = shared.DerivationImageSequence[0].SourceImageSequence
    assert (source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID) == (CT, "1.2.3.4")
    assert shared.DerivationImageSequence[0].DerivationDescription == "CloudSec: it"
    assert shared.FrameAnatomySequence[0].AnatomicRegionSequence[0].CodeMeaning == "Chest"
    assert written.Manufacturer == "CloudSec"
    assert written.ContributingEquipmentSequence[0].Manufacturer == "Maker"


def test_a_map_lies_where_its_source_lies() -> None:
    shared = written_of(slice_of(PLANE), FLOATS).SharedFunctionalGroupsSequence[0]
    assert shared.PixelMeasuresSequence[0].PixelSpacing == [0.5, 0.5]
    assert shared.PlanePositionSequence[0].ImagePositionPatient == [1, 2, 3]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]


def test_every_frame_keeps_its_place_and_its_scale() -> None:
    written = written_of(enhanced(np.stack([PLANE, PLANE + 1])), np.stack([FLOATS, -FLOATS]))
    assert np.array_equal(written.pixel_array, np.stack([FLOATS, -FLOATS]))
    groups = written.PerFrameFunctionalGroupsSequence
    assert [group.PlanePositionSequence[0].ImagePositionPatient[2] for group in groups] == [0, 10]
    assert [group.FrameContentSequence[0].DimensionIndexValues for group in groups] == [1, 2]
    assert mapping_of(written).RealWorldValueIntercept == -1024


def test_frames_of_several_scales_are_mapped_one_by_one() -> None:
    dataset = enhanced(np.stack([PLANE, PLANE]))
    (shared,) = dataset.SharedFunctionalGroupsSequence
    (scale,) = shared.PixelValueTransformationSequence
    del shared.PixelValueTransformationSequence
    for number, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        group.PixelValueTransformationSequence = [deepcopy(scale)]
        group.PixelValueTransformationSequence[0].RescaleIntercept = number
    groups = written_of(dataset, np.stack([FLOATS, FLOATS])).PerFrameFunctionalGroupsSequence
    mappings = [group.RealWorldValueMappingSequence[0] for group in groups]
    assert [mapping.RealWorldValueIntercept for mapping in mappings] == [0, 1]


def test_padding_stays_padding_and_the_window_spans_the_rest() -> None:
    written = written_of(slice_of(PLANE, PixelPaddingValue=-700), FLOATS)
    assert PLANE[0, 0] == -700
    expected = np.where(PLANE == -700, np.float32(-700), FLOATS)
    assert written.FloatPixelPaddingValue == -700
    assert np.array_equal(written.pixel_array, expected)
    (window,) = written.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence
    assert window.WindowWidth == pytest.approx(float(FLOATS.max() - FLOATS[0, 1]))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"SOPClassUID": US}, "letters"),
        ({"BurnedInAnnotation": "YES"}, "letters"),
        ({"PixelSpacing": None}, "PixelSpacing"),
        ({"ImagePositionPatient": None}, "ImagePositionPatient"),
        ({"ImageOrientationPatient": None}, "ImageOrientationPatient"),
    ],
)
def test_what_a_map_must_say_is_never_made_up(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(DicomError, match=rf"{reason}.*\.npy or \.tif"):
        written_of(slice_of(PLANE, **changes), FLOATS)
