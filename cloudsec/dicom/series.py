"""Slices and frames in the order of their positions; what is wrong is named, never guessed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import atan2, degrees

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from cloudsec.dicom.files import DicomHeader, foreign_errors
from cloudsec.errors import DicomError

TOLERANCE = 0.01
"""Of a step between slices: positions are written with few decimals."""
PARALLEL = 1e-4
"""Of direction cosines, for the same reason."""
_ALIKE = ("SeriesInstanceUID", "Rows", "Columns", "PixelSpacing")
_OF_LEVELS = ("RescaleSlope", "RescaleIntercept", "PhotometricInterpretation")
_OF_FRAMES = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SpacingBetweenSlices"),
    "PixelValueTransformationSequence": _OF_LEVELS[:2],
    "FrameContentSequence": ("StackID",),
}
"""Where functional groups say of a frame what the header of a slice says of it."""


@dataclass(frozen=True)
class Series:
    """Slices of one series from the lowest position to the highest, along their normal.

    Attributes
    ----------
    names : tuple of str
        In that order.
    step : float
        From slice to slice, in mm, by ImagePositionPatient: the (lower) median. NaN of a single slice.
    irregularities : tuple of str
        Sentences on gaps, uneven steps and tilt; empty of a regular grid, which is a volume.
    remarks : tuple of str
        A sentence on a header that gives another step, which is not believed.
    """

    names: tuple[str, ...]
    step: float
    irregularities: tuple[str, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class SliceHeaders:
    """The headers of the slices of a volume, from its first plane to its last; in no repr."""

    headers: tuple[DicomHeader, ...] = field(repr=False)

    @property
    def study(self) -> str | None:
        """The UID of their study, if they say it."""
        return self.headers[0].study

    @property
    def letters(self) -> str | None:
        """Why pixels of one of them may show a name, if they may."""
        return next((why for header in self.headers if (why := header.letters)), None)


def ordered_series(slices: Sequence[tuple[str, Dataset]]) -> Series:
    """The order of some slices, by the name of each and its header.

    Parameters
    ----------
    slices : sequence of (str, pydicom.Dataset)

    Raises
    ------
    DicomError
        If they are of several series, sizes or directions, have no position, or share one: then no
        order is theirs.
    """
    if not slices:
        raise DicomError("holds no slices; name a directory of DICOM files")
    first, like = slices[0]
    directions = _numbers(first, like, "ImageOrientationPatient", 6)
    for name, header in slices[1:]:
        for keyword in _ALIKE:
            if header.get(keyword) != like.get(keyword):
                raise DicomError(
                    f"{name} and {first} differ in {keyword}; put each series in a directory of its own"
                )
        if not np.allclose(
            _numbers(name, header, "ImageOrientationPatient", 6), directions, rtol=0, atol=PARALLEL
        ):
            raise DicomError(f"{name} and {first} are not parallel; put each stack in a directory of its own")
    places = np.array([_numbers(name, header, "ImagePositionPatient", 3) for name, header in slices])
    normal = np.cross(directions[:3], directions[3:])
    order = np.argsort(places @ normal, kind="stable")
    names = tuple(slices[each][0] for each in order)
    moves = np.diff(places[order], axis=0)
    steps = moves @ normal
    for (one, other), step in zip(pairwise(names), steps, strict=True):
        if step < PARALLEL:
            raise DicomError(f"{one} and {other} lie at the same position; take one of them away")
    # One that is there: the mean of two would be no slice's.
    step = float(np.percentile(steps, 50, method="lower")) if len(steps) else float("nan")
    found = [*_uneven(names, steps, step), *_tilted(moves, steps, normal)]
    return Series(names, step, tuple(found), tuple(_contradicted(like, step)))


def differing_levels(header: DicomHeader, other: DicomHeader) -> str | None:
    """The first attribute that gives the grey levels of two slices other meanings."""
    one, two = header.dataset, other.dataset
    return next((keyword for keyword in _OF_LEVELS if one.get(keyword) != two.get(keyword)), None)


def frame_order(header: DicomHeader) -> tuple[tuple[int, ...] | None, tuple[str, ...]]:
    """The frames of an image from the lowest to the highest, if they are the planes of one volume.

    Returns
    -------
    order : tuple of int or None
        None of frames that say nothing of their positions (a cine), or that make no volume.
    remarks : tuple of str
        Why those that have positions make none; a step that is not believed.
    """
    frames = header.dataset.get("PerFrameFunctionalGroupsSequence") or ()
    if len(frames) < 2 or not any("PlanePositionSequence" in frame for frame in frames):
        return None, ()
    try:
        with foreign_errors("its functional groups cannot be read"):
            shared = header.dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
            flat = {f"frame {n}": _flat(shared[0], frame) for n, frame in enumerate(frames, start=1)}
            series = ordered_series(tuple(flat.items()))
            first = next(iter(flat.values()))
            for keyword in ("StackID", *_OF_LEVELS):
                if any(each.get(keyword) != first.get(keyword) for each in flat.values()):
                    raise DicomError(f"its frames differ in {keyword}")
    except DicomError as error:
        why: tuple[str, ...] = (str(error),)
    else:
        if not series.irregularities and len(frames) == header.dataset.get("NumberOfFrames"):
            places = {name: place for place, name in enumerate(flat)}
            return tuple(places[name] for name in series.names), series.remarks
        why = series.irregularities
    return None, tuple(f"its frames make no volume: {sentence}" for sentence in why)


def _flat(shared: Dataset, own: Dataset) -> Dataset:
    """What is said of a frame, as the header of a slice would say it."""
    slice_ = Dataset()
    for sequence, keywords in _OF_FRAMES.items():
        groups = own.get(sequence) or shared.get(sequence) or [Dataset()]
        for keyword in keywords:
            if keyword in groups[0]:
                slice_[keyword] = groups[0][keyword]
    return slice_


def _numbers(name: str, header: Dataset, keyword: str, count: int) -> NDArray[np.float64]:
    try:
        numbers = np.array([float(number) for number in header.get(keyword) or ()])
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise DicomError(f"{name} gives no {keyword}, so that its place among the slices is unknown")
    return numbers


def _uneven(names: tuple[str, ...], steps: NDArray[np.float64], step: float) -> list[str]:
    found = []
    for (one, other), each in zip(pairwise(names), steps, strict=True):
        ratio = each / step
        if abs(ratio - 1) <= TOLERANCE:
            continue
        missing = round(ratio) - 1
        if missing > 0 and abs(ratio - missing - 1) <= TOLERANCE * (missing + 1):
            found.append(f"slices are missing between {one} and {other}: {missing}, of {step:.3f} mm each")
        else:
            found.append(f"{one} and {other} are {each:.3f} mm apart, and most slices {step:.3f} mm")
    return found


def _tilted(moves: NDArray[np.float64], steps: NDArray[np.float64], normal: NDArray[np.float64]) -> list[str]:
    aside = np.linalg.norm(moves - np.outer(steps, normal), axis=1)
    if not (aside > TOLERANCE * steps).any():
        return []
    angle = degrees(atan2(float(aside.max()), float(steps[aside.argmax()])))
    return [f"the slices are shifted against each other, as by a gantry tilted by {angle:.1f} degrees"]


def _contradicted(header: Dataset, step: float) -> list[str]:
    stated = header.get("SpacingBetweenSlices")
    if not isinstance(stated, float | int) or abs(abs(float(stated)) - step) <= TOLERANCE * step:
        return []
    return [f"the header says {float(stated):g} mm between slices, and their positions {step:.3f} mm"]
