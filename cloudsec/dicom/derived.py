"""A result as a valid derived image of the DICOM image that it was computed from; nothing is rescaled.

What the kind of that image cannot hold becomes a Parametric Map.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import TypeAlias
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset

from cloudsec.dicom.colours import PALETTE_KEYWORDS
from cloudsec.dicom.files import DicomHeader, foreign_errors
from cloudsec.dicom.meaning import change_meaning, drop, functional_groups, give_own_meaning
from cloudsec.errors import DicomError

Pixels: TypeAlias = NDArray[np.generic]

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_ENHANCED_CT, _ENHANCED_MR = _STORAGE + "2.1", _STORAGE + "4.1"
_ENHANCED = (_ENHANCED_CT, _ENHANCED_MR)
_OF_ORIGINALS = (
    "PulseSequenceName",
    "MRAcquisitionType",
    "EchoPulseSequence",
    "MultipleSpinEcho",
    "MultiPlanarExcitation",
    "PhaseContrast",
    "TimeOfFlightContrast",
    "SteadyStatePulseSequence",
    "EchoPlanarPulseSequence",
    "SaturationRecovery",
    "SpectrallySelectedSuppression",
    "OversamplingPhase",
    "GeometryOfKSpaceTraversal",
    "RectilinearPhaseEncodeReordering",
    "SegmentedKSpaceTraversal",
    "CoverageOfKSpace",
    "NumberOfKSpaceTrajectories",
    "BulkMotionCompensationTechnique",
)
"""What enhanced MR may say of images that were not derived only (PS3.3 C.8.13.4)."""
_FRAME_TYPES = ("CTImageFrameTypeSequence", "MRImageFrameTypeSequence")
_WIDTHS: dict[str, tuple[int, ...]] = {
    _STORAGE + "1": (8, 16),  # CR
    _STORAGE + "2": (16,),  # CT
    _STORAGE + "4": (16,),  # MR
    **dict.fromkeys(_ENHANCED, (16,)),
    _STORAGE + "7": (8, 16),  # Secondary Capture
}
"""Bits Allocated that an information object allows (PS3.3 annex A), for those that allow a sign."""
_UNSIGNED_WIDTHS: dict[str, tuple[int, ...]] = {
    _STORAGE + "1.1": (8, 16),  # DX, for presentation and for processing
    _STORAGE + "1.1.1": (8, 16),
    _STORAGE + "1.2": (8, 16),  # Mammography
    _STORAGE + "1.2.1": (8, 16),
    _STORAGE + "1.3": (8, 16),  # Intra-oral
    _STORAGE + "1.3.1": (8, 16),
    _STORAGE + "12.1": (8, 16),  # XA
    _STORAGE + "12.2": (8, 16),  # XRF
}
"""The same for those that allow no sign. What is in neither table keeps the width and sign it came with."""

_PADDING = ("PixelPaddingValue", "PixelPaddingRangeLimit")
STALE = (
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
    "SmallestValidPixelValue",
    "LargestValidPixelValue",
    "SmallestImagePixelValueInPlane",
    "LargestImagePixelValueInPlane",
    "HistogramSequence",
    "IconImageSequence",
    "DerivationCodeSequence",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "EncapsulatedPixelDataValueTotalLength",
    "MACParametersSequence",
    "DigitalSignaturesSequence",
)
"""What speaks of the source's pixels, of how they were encoded, or signs them."""


@dataclass(frozen=True)
class _Storage:
    """How the result's pixels are stored."""

    allocated: int
    stored: int
    signed: bool

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return np.dtype(f"<{'i' if self.signed else 'u'}{self.allocated // 8}")

    def holds(self, low: float, high: float) -> bool:
        floor = -(1 << self.stored - 1) if self.signed else 0
        return floor <= low and high < floor + (1 << self.stored)


@dataclass(frozen=True)
class _Padding:
    """Grey levels from low to high that stand for no measurement; `ends` as the header gives them."""

    ends: tuple[float, ...]

    def of(self, pixels: Pixels) -> NDArray[np.bool_]:
        # np.generic has no order for mypy; numbers have.
        inside: NDArray[np.bool_] = (pixels >= min(self.ends)) & (pixels <= max(self.ends))  # type: ignore[operator]
        return inside


def derived_image(
    header: DicomHeader,
    source: Pixels,
    pixels: Pixels,
    *,
    description: str,
    offset_gain: int | Fraction | None,
    negation_sign: int,
    extremes: tuple[float, float] | None = None,
) -> bytes:
    """A DICOM file, Explicit VR Little Endian, of a result whose geometry is that of its source.

    Slope and intercept go on telling what a grey level means: an operation that adds offset_gain * c
    where all pixels grow by c has its intercept multiplied by that, one that does not see the sign of
    its input (a magnitude) has none. Levels of an operation's own are in no unit. Images that were filtered
    alike from one series make one new series. Padding stays padding where the result can hold its value.

    Parameters
    ----------
    header : DicomHeader
    source : ndarray of uint8, int16, uint16, int32, float32 or float64
        As `read_dicom` gave it with the header: a plane or frames of them, grey or in colour.
    pixels : ndarray of integers, float32 or float64
        Of the same shape.
    description : str
        For people: what was done, by what.
    offset_gain : int, Fraction or None
        As in `regions.Symmetries`; None for grey levels that are in no unit of the source's.
    negation_sign : {1, -1}
        As in `regions.Symmetries`.
    extremes : (number, number) or None
        The least and the greatest value of all images that are to be stored alike, as slices of a volume are;
        None: of this one.

    Raises
    ------
    DicomError
        If neither its kind of image nor a Parametric Map can hold the result; names .npy as the way out.
    """
    if negation_sign not in (1, -1):
        raise ValueError(f"negation_sign must be 1 or -1, not {negation_sign}")
    if pixels.shape != source.shape or pixels.dtype.kind not in "iuf":
        raise ValueError(
            f"a derived image holds numbers of shape {source.shape}, not {pixels.dtype} of {pixels.shape}"
        )
    with foreign_errors("its header cannot be written again as it stands; write the result to a .npy file"):
        dataset = deepcopy(header.dataset)
        _refuse_underivable(dataset)
        # Values that are typed by the sign of the pixels are decoded while that sign is still in the header.
        for _ in dataset.iterall():
            pass
        padding = _padding(dataset) if header.channel_axis is None else None
        measured = _measured(source, pixels, padding)
        if header.channel_axis is not None:
            fits = True
            _store_colours(dataset, pixels)
        else:
            fits = "f" not in (source.dtype.kind, pixels.dtype.kind) and _store_pixels(
                dataset, source, pixels, padding, extremes or _extremes(pixels)
            )
            if offset_gain is None:
                give_own_meaning(dataset, measured)
            elif (offset_gain, negation_sign) != (1, -1):
                change_meaning(dataset, measured, offset_gain, negation_sign)
        _drop_overlays_in_pixels(dataset)
        drop(dataset, STALE)
        if dataset.SOPClassUID == _ENHANCED_MR:
            drop(dataset, _OF_ORIGINALS)
        _drop_private_disorder(dataset)
        _describe(dataset, description)
        if not fits:
            # It knows all codes of DICOM, which take a third of a second to load.
            from cloudsec.dicom.parametric import parametric_map

            span = (measured.min().item(), measured.max().item())
            if padding:
                kept = source.astype(pixels.dtype) if pixels.dtype.kind == "f" else source
                pixels = np.where(padding.of(source), kept, pixels)
            dataset = parametric_map(dataset, header.dataset, pixels, padding.ends if padding else (), span)
        return _encoded(dataset)


def _refuse_underivable(dataset: Dataset) -> None:
    _, little_endian = dataset.original_encoding
    if not little_endian:
        raise DicomError("results of big-endian images are not written as DICOM; write a .npy file")
    if "ModalityLUTSequence" in dataset:
        raise DicomError("results of images with a Modality LUT have no meaning as DICOM; write a .npy file")
    if not dataset.get("SOPInstanceUID") or not dataset.get("SOPClassUID"):
        raise DicomError(
            "an image without SOP class and instance UID cannot be named as a source; write a .npy file"
        )


def _drop_overlays_in_pixels(dataset: Dataset) -> None:
    """Overlays in the high bits of pixels were masked away, so that their description has nothing left."""
    for group in range(0x6000, 0x6020, 2):
        if (group, 0x0010) in dataset and (group, 0x3000) not in dataset:
            for element in dataset.group_dataset(group):
                del dataset[element.tag]


def _drop_private_disorder(dataset: Dataset) -> None:
    """Private elements that no file may hold (PS3.5 section 7.8.1), which validators stop reading at."""
    disorder = [
        element.tag
        for element in dataset
        if element.tag.is_private
        and (element.tag.element < 0x10 or (element.tag.element <= 0xFF and element.VR != "LO"))
    ]
    for tag in disorder:
        del dataset[tag]


def _padding(dataset: Dataset) -> _Padding | None:
    """The padding as pixels show it: many headers give a signed value as if unsigned, or the reverse."""
    for prefix in ("Float", "DoubleFloat"):
        ends = [dataset.get(f"{prefix}{keyword}") for keyword in _PADDING]
        if isinstance(ends[0], float):
            return _Padding(tuple(end for end in ends if isinstance(end, float)))
    given = [dataset.get(keyword) for keyword in _PADDING]
    if not isinstance(given[0], int):
        return None
    bits, signed = dataset.BitsStored, dataset.PixelRepresentation
    values = [value % (1 << bits) for value in given if isinstance(value, int)]
    return _Padding(tuple(v - (1 << bits) if signed and v >= 1 << bits - 1 else v for v in values))


def _measured(source: Pixels, pixels: Pixels, padding: _Padding | None) -> Pixels:
    """The result's pixels outside padding; all of them if nothing else is there."""
    inside = pixels[~padding.of(source)] if padding else pixels
    return inside if inside.size else pixels


def _extremes(pixels: Pixels) -> tuple[float, float]:
    return pixels.min().item(), pixels.max().item()


def _store_pixels(
    dataset: Dataset,
    source: Pixels,
    pixels: Pixels,
    padding: _Padding | None,
    extremes: tuple[float, float],
) -> bool:
    """Whether this kind of image holds the result, and all that lie between these extremes."""
    for values, kept in _candidates(source, pixels, padding):
        ends = (*extremes, *(kept.ends if kept else ()))
        signed = bool(dataset.PixelRepresentation) if values.dtype == source.dtype else min(ends) < 0
        for storage in _storages(dataset, signed=signed):
            if storage.holds(min(ends), max(ends)):
                _set_pixels(dataset, values, storage, kept)
                return True
    return False


def _store_colours(dataset: Dataset, pixels: Pixels) -> None:
    """A palette and luminance become RGB, as they were read."""
    low, high = pixels.min(), pixels.max()
    if pixels.dtype.kind == "f" or low < 0 or high > 255:
        raise DicomError(
            f"DICOM holds colours of eight bits, and not these from {low} to {high}; "
            "write a .npy or .tif file"
        )
    _set_pixels(dataset, pixels, _Storage(8, 8, signed=False), None)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    drop(dataset, PALETTE_KEYWORDS)


def _candidates(
    source: Pixels, pixels: Pixels, padding: _Padding | None
) -> Iterator[tuple[Pixels, _Padding | None]]:
    if padding:
        # Floats are not stored here, which mypy cannot know.
        limits = np.iinfo(pixels.dtype)  # type: ignore[type-var]
        if limits.min <= min(padding.ends) and max(padding.ends) <= limits.max:
            yield np.where(padding.of(source), source.astype(pixels.dtype), pixels), padding
    yield pixels, None


def _storages(dataset: Dataset, *, signed: bool) -> Iterator[_Storage]:
    """What this kind of image allows, beginning with what it came with."""
    allocated, stored = dataset.BitsAllocated, dataset.BitsStored
    signs = bool(dataset.PixelRepresentation) or dataset.SOPClassUID in _WIDTHS
    if signed and not signs:
        return
    yield _Storage(allocated, stored, signed)
    yield _Storage(allocated, allocated, signed)
    for width in _WIDTHS.get(dataset.SOPClassUID, _UNSIGNED_WIDTHS.get(dataset.SOPClassUID, ())):
        if width > allocated:
            yield _Storage(width, width, signed)


def _set_pixels(dataset: Dataset, values: Pixels, storage: _Storage, padding: _Padding | None) -> None:
    if storage.signed != bool(dataset.PixelRepresentation):
        # Their entries are typed by the sign of the pixels; a window, which is not, may stay.
        for place in (dataset, *functional_groups(dataset)):
            drop(place, ("VOILUTSequence", "RealWorldValueMappingSequence"))
    dataset.BitsAllocated, dataset.BitsStored = storage.allocated, storage.stored
    dataset.HighBit, dataset.PixelRepresentation = storage.stored - 1, int(storage.signed)
    drop(dataset, _PADDING)
    if padding:
        for keyword, end in zip(_PADDING, padding.ends, strict=False):
            dataset.add_new(keyword, "SS" if storage.signed else "US", end)
    raw = values.astype(storage.dtype).tobytes()
    dataset.add_new("PixelData", "OB" if storage.allocated == 8 else "OW", raw + b"\0" * (len(raw) % 2))


def _describe(dataset: Dataset, description: str) -> None:
    plain = description.encode("ascii", "replace").decode().replace("\\", "/")
    source = Dataset()
    source.ReferencedSOPClassUID = dataset.SOPClassUID
    source.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121322", "DCM"
    purpose.CodeMeaning = "Source image for image processing operation"
    source.PurposeOfReferenceCodeSequence = [purpose]
    dataset.SourceImageSequence = [source]
    dataset.DerivationDescription = plain[:1024]
    kinds = dataset.get("ImageType") or []
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    # An enhanced image has no secondary ones: of it, and of each frame, only the first value changes.
    second = kinds[1:2] if dataset.SOPClassUID in _ENHANCED else ["SECONDARY"]
    dataset.ImageType = ["DERIVED", *second, *kinds[2:]]
    for group in functional_groups(dataset):
        for keyword in _FRAME_TYPES:
            for frame in group.get(keyword) or ():
                if frame.get("FrameType"):
                    frame.FrameType = ["DERIVED", *frame.FrameType[1:]]
    series = dataset.get("SeriesDescription")
    dataset.SeriesDescription = (
        f"{series}, {plain}"[:64] if isinstance(series, str) and series else plain[:64]
    )
    # Slices that are filtered one by one, without a memory between them, still make one series.
    origin = str(dataset.get("SeriesInstanceUID") or dataset.SOPInstanceUID)
    dataset.SeriesInstanceUID = (
        f"2.25.{uuid5(NAMESPACE_OID, f'CloudSec series 1 {origin} {description}').int}"
    )
    dataset.SOPInstanceUID = uid.generate_uid(prefix=None)


def _encoded(dataset: Dataset) -> bytes:
    # The source's preamble and file meta may hold anything; the result begins with fresh ones.
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
