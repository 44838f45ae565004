"""A result as a Parametric Map (PS3.3 A.75), where its source's kind of image cannot hold it.

A map tells where its planes lie in the patient and denies that letters are burned in: what a header does not
say is not made up, so that projections and ultrasound have none.
"""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, uid
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.tag import Tag
from pydicom.valuerep import DSfloat

from cloudsec.dicom.files import burned_in_reason
from cloudsec.dicom.meaning import linear_mappings
from cloudsec.errors import DicomError

Pixels: TypeAlias = NDArray[np.generic]

SINGLE_LIMIT, DOUBLE_LIMIT = 1 << 24, 1 << 53
"""Up to these, single and double precision hold every integer."""
MAX_FRAMES = 2500
"""Of eight elements at most in the header, which `read_dicom` reads no more than 20 000 of."""

_NEEDED = "its kind of image cannot hold the result, and a Parametric Map"
_CONTEXT = (
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "LongitudinalTemporalInformationModified",
    "StudyInstanceUID",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PhysiciansOfRecord",
    "ProcedureCodeSequence",
    "Modality",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDate",
    "SeriesTime",
    "SeriesDescription",
    "BodyPartExamined",
    "PatientPosition",
    "ProtocolName",
    "PerformingPhysicianName",
    "OperatorsName",
    "RequestAttributesSequence",
    "ReferencedPerformedProcedureStepSequence",
    "PerformedProcedureStepID",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "PerformedProcedureStepDescription",
    "PositionReferenceIndicator",
    "FrameOfReferenceUID",
    "SOPInstanceUID",
    "InstanceNumber",
    "SourceImageSequence",
    "DerivationDescription",
    "ImageComments",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
    "Rows",
    "Columns",
)
"""What a map has in common with the derived image that it stands for; so have all of `_PEOPLE`."""
_NEVER_ABSENT = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "AccessionNumber",
    "PositionReferenceIndicator",
)
"""What may be empty only (type 2)."""
_PEOPLE = (0x0010, 0x0012)
"""Groups of attributes of the patient and of clinical trials."""
_EQUIPMENT = (
    "Manufacturer",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "StationName",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
)
_GEOMETRY = {
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
}
"""Functional groups that are kept as they are, and what they are made of in an image that has none."""


def parametric_map(
    derived: Dataset, origin: Dataset, pixels: Pixels, padding: tuple[float, ...], span: tuple[float, float]
) -> Dataset:
    """The map that stands for a derived image, without loss: integers become floating-point numbers.

    Slope and intercept become a mapping to real-world values, and the window spans the result. The equipment
    is this program; that of the source contributed.

    Parameters
    ----------
    derived : pydicom.Dataset
        Grey, and complete but for its pixels.
    origin : pydicom.Dataset
        What it was derived from.
    pixels : (M, N) or (F, M, N) ndarray of integers, float32 or float64
        With the padding in place.
    padding : tuple of float
        Nothing, a value, or the two ends of a range.
    span : (float, float)
        The least and the greatest value outside padding.

    Raises
    ------
    DicomError
        If the source may show a name or does not say where it lies, for integers beyond 53 bits, and for
        more than `MAX_FRAMES`.
    """
    if origin.get("BurnedInAnnotation") != "NO" and (reason := burned_in_reason(origin)):
        raise DicomError(
            f"{_NEEDED} must deny that letters are in the pixels, but {reason}; write a .npy or .tif file"
        )
    frames = pixels.reshape(-1, *pixels.shape[-2:])
    if len(frames) > MAX_FRAMES:
        raise DicomError(f"{_NEEDED} holds no more than {MAX_FRAMES} frames; write a .npy or .tif file")
    result = Dataset()
    for element in derived:
        if element.keyword in _CONTEXT or element.tag.group in _PEOPLE:
            result.add(element)
    for keyword in _NEVER_ABSENT:
        if keyword not in result:
            setattr(result, keyword, None)
    _identify(result, derived, origin)
    _store(result, frames, padding)
    _set_groups(result, derived, len(frames), span)
    return result


def _identify(result: Dataset, derived: Dataset, origin: Dataset) -> None:
    """Series, equipment, references and the words that a map must say of itself."""
    result.SOPClassUID = uid.ParametricMapStorage
    result.SeriesNumber = derived.get("SeriesNumber") or 1
    result.InstanceNumber = derived.get("InstanceNumber") or 1
    result.FrameOfReferenceUID = derived.get("FrameOfReferenceUID") or uid.generate_uid(prefix=None)
    now = datetime.now()
    result.ContentDate, result.ContentTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    result.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    result.ContentLabel, result.ContentDescription, result.ContentCreatorName = "DERIVED", None, None
    result.ContentQualification = derived.get("ContentQualification") or "RESEARCH"
    result.BurnedInAnnotation, result.PresentationLUTShape = "NO", "IDENTITY"
    # Nobody looked whether there is a face in it.
    result.RecognizableVisualFeatures = derived.get("RecognizableVisualFeatures") or "YES"
    result.LossyImageCompression = derived.get("LossyImageCompression") or "00"
    result.AcquisitionContextSequence = derived.get("AcquisitionContextSequence") or []
    result.Manufacturer = result.ManufacturerModelName = "CloudSec"
    result.SoftwareVersions, result.DeviceSerialNumber = version("cloudsec"), "none"
    devices = [*(derived.get("ContributingEquipmentSequence") or [])]
    if derived.get("Manufacturer"):
        device = _taken(derived, _EQUIPMENT)
        acquired = derived.SOPClassUID != uid.ParametricMapStorage
        purpose = codes.DCM.AcquisitionEquipment if acquired else codes.DCM.ProcessingEquipment
        device.PurposeOfReferenceCodeSequence = [_coded(purpose)]
        devices.append(device)
    if devices:
        result.ContributingEquipmentSequence = devices
    if origin.get("SeriesInstanceUID"):
        series, instance = Dataset(), Dataset()
        instance.ReferencedSOPClassUID = origin.SOPClassUID
        instance.ReferencedSOPInstanceUID = origin.SOPInstanceUID
        series.SeriesInstanceUID, series.ReferencedInstanceSequence = origin.SeriesInstanceUID, [instance]
        result.ReferencedSeriesSequence = [series]


def _store(result: Dataset, frames: Pixels, padding: tuple[float, ...]) -> None:
    wide = frames.dtype == np.float64
    if frames.dtype.kind != "f":
        highest = max(abs(int(end)) for end in (frames.min(), frames.max(), *padding))
        if highest > DOUBLE_LIMIT:
            raise DicomError("DICOM holds no integers of more than 53 bits; write a .npy file")
        wide = highest > SINGLE_LIMIT
    prefix, representation, dtype = ("DoubleFloat", "FD", "<f8") if wide else ("Float", "FL", "<f4")
    for name, end in zip(("PixelPaddingValue", "PixelPaddingRangeLimit"), padding, strict=False):
        result.add_new(f"{prefix}{name}", representation, float(end))
    result.SamplesPerPixel, result.PhotometricInterpretation = 1, "MONOCHROME2"
    result.NumberOfFrames, result.BitsAllocated = len(frames), np.dtype(dtype).itemsize * 8
    result.add_new(f"{prefix}PixelData", "OD" if wide else "OF", frames.astype(dtype).tobytes())


def _set_groups(result: Dataset, derived: Dataset, frames: int, span: tuple[float, float]) -> None:
    """The functional groups of all frames, and those of each (PS3.3 A.75.5)."""
    shared, each = Dataset(), [Dataset() for _ in range(frames)]
    sources = [*(derived.get("SharedFunctionalGroupsSequence") or [Dataset()])]
    sources += derived.get("PerFrameFunctionalGroupsSequence") or [Dataset() for _ in range(frames)]
    places = [shared, *each]
    for place, source in zip(places, sources, strict=True):
        for keyword in (*_GEOMETRY, "FrameAnatomySequence"):
            if keyword in source:
                place.add(source[keyword])
    for keyword, parts in _GEOMETRY.items():
        if parts[0] in derived and not any(keyword in place for place in places):
            setattr(shared, keyword, [_taken(derived, parts)])
        if not (shared.get(keyword) or all(frame.get(keyword) for frame in each)):
            raise DicomError(
                f"{_NEEDED} must say where its planes lie in the patient, of which the header gives no "
                f"{parts[0]}; write a .npy or .tif file"
            )
    if not any("FrameAnatomySequence" in place for place in places):
        shared.FrameAnatomySequence = [_anatomy(derived)]
    _map_values(derived, sources, places, span)
    identity, window, kind = Dataset(), Dataset(), Dataset()
    identity.RescaleIntercept, identity.RescaleSlope, identity.RescaleType = 0, 1, "US"
    low, high = span
    window.VOILUTFunction = "LINEAR_EXACT"
    # The ends may lie further apart than floating-point numbers reach.
    width = min(high - low, np.finfo(float).max) or 1.0
    window.WindowCenter = DSfloat(low / 2 + high / 2, auto_format=True)
    window.WindowWidth = DSfloat(float(width), auto_format=True)
    kind.FrameType = list(result.ImageType)
    shared.PixelValueTransformationSequence, shared.FrameVOILUTSequence = [identity], [window]
    shared.ParametricMapFrameTypeSequence = [kind]
    shared.DerivationImageSequence = [_derivation(result)]
    _number_frames(result, each)
    result.SharedFunctionalGroupsSequence, result.PerFrameFunctionalGroupsSequence = [shared], each


def _anatomy(derived: Dataset) -> Dataset:
    """The region that the header names, in code or in a word that the standard has a code for."""
    anatomy = Dataset()
    side = str(derived.get("ImageLaterality") or derived.get("Laterality") or "U")
    anatomy.FrameLaterality = side if side in ("R", "L", "B") else "U"
    regions = derived.get("AnatomicRegionSequence")
    if not regions:
        word = str(derived.get("BodyPartExamined") or "").upper()
        known = {name.upper(): name for name in dir(codes.cid4031)}
        region = getattr(codes.cid4031, known[word]) if word in known else codes.SCT.AnatomicalStructure
        regions = [_coded(region)]
    anatomy.AnatomicRegionSequence = regions
    return anatomy


def _map_values(
    derived: Dataset, sources: list[Dataset], places: list[Dataset], span: tuple[float, float]
) -> None:
    """What numbers mean is told by the mappings of a map, and by slope and intercept of other images."""
    linear = linear_mappings(derived)
    if any(linear):
        for place, mappings in zip(places, linear, strict=True):
            for mapping in mappings:
                _set_ends(mapping, span)
            if mappings:
                place.RealWorldValueMappingSequence = mappings
        return
    scales = [source.get("PixelValueTransformationSequence") for source in sources]
    scales[0] = scales[0] or (None if any(scales) else [derived])
    for place, scale in zip(places, scales, strict=True):
        if scale:
            place.RealWorldValueMappingSequence = [_mapping(scale[0], span)]


def _set_ends(mapping: Dataset, span: tuple[float, float]) -> None:
    mapping.DoubleFloatRealWorldValueFirstValueMapped = float(span[0])
    mapping.DoubleFloatRealWorldValueLastValueMapped = float(span[1])


def _mapping(scale: Dataset, span: tuple[float, float]) -> Dataset:
    """Slope and intercept, and their unit if the header names one."""
    mapping = Dataset()
    mapping.LUTLabel, mapping.LUTExplanation = "RESCALED", "Slope and intercept of the derived image"
    _set_ends(mapping, span)
    slope, intercept = scale.get("RescaleSlope"), scale.get("RescaleIntercept")
    mapping.RealWorldValueSlope = float(1 if slope is None else slope)
    mapping.RealWorldValueIntercept = float(0 if intercept is None else intercept)
    if scale.get("RescaleType") == "HU":
        mapping.MeasurementUnitsCodeSequence = [_coded(Code("[hnsf'U]", "UCUM", "Hounsfield unit"))]
        quantity = Dataset()
        quantity.ValueType = "CODE"
        quantity.ConceptNameCodeSequence = [_coded(codes.SCT.Quantity)]
        quantity.ConceptCodeSequence = [_coded(codes.DCM.AttenuationCoefficient)]
        mapping.QuantityDefinitionSequence = [quantity]
    else:
        mapping.MeasurementUnitsCodeSequence = [_coded(Code("1", "UCUM", "no units"))]
    return mapping


def _derivation(result: Dataset) -> Dataset:
    derivation = Dataset()
    derivation.DerivationDescription = result.DerivationDescription
    derivation.DerivationCodeSequence = [_coded(codes.DCM.ImageProcessing)]
    derivation.SourceImageSequence = result.SourceImageSequence
    return derivation


def _number_frames(result: Dataset, each: list[Dataset]) -> None:
    """The one dimension that every image of frames has: their order."""
    organization, index = Dataset(), Dataset()
    organization.DimensionOrganizationUID = uid.generate_uid(prefix=None)
    index.DimensionOrganizationUID = organization.DimensionOrganizationUID
    index.DimensionIndexPointer, index.FunctionalGroupPointer = (
        Tag("InStackPositionNumber"),
        Tag("FrameContentSequence"),
    )
    index.DimensionDescriptionLabel = "Order of frames"
    result.DimensionOrganizationSequence, result.DimensionIndexSequence = [organization], [index]
    for place, group in enumerate(each, start=1):
        content = Dataset()
        content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", place, place
        group.FrameContentSequence = [content]


def _taken(source: Dataset, keywords: tuple[str, ...]) -> Dataset:
    taken = Dataset()
    for keyword in keywords:
        if keyword in source:
            taken.add(source[keyword])
    return taken


def _coded(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = (
        code.value,
        code.scheme_designator,
        code.meaning,
    )
    return item
