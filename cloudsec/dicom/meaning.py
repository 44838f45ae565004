"""What the grey levels of a result mean: slope, intercept and window, of an image and of its frames."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, uid
from pydicom.valuerep import DSfloat

from cloudsec.rescale import rescaled

_OF_OTHER_VALUES = (
    "WindowCenter",
    "WindowWidth",
    "WindowCenterWidthExplanation",
    "VOILUTFunction",
    "VOILUTSequence",
    "RealWorldValueMappingSequence",
)
"""What no longer holds once grey levels mean something else."""


def drop(dataset: Dataset, keywords: tuple[str, ...]) -> None:
    """Take attributes away, where they are."""
    for keyword in keywords:
        if keyword in dataset:
            del dataset[keyword]


def functional_groups(dataset: Dataset) -> Iterator[Dataset]:
    """What enhanced images say of all frames, and then of each."""
    yield from dataset.get("SharedFunctionalGroupsSequence") or ()
    yield from dataset.get("PerFrameFunctionalGroupsSequence") or ()


def change_meaning(
    dataset: Dataset, measured: NDArray[np.generic], offset_gain: int | Fraction, negation_sign: int
) -> None:
    """Slope, intercept and window of a result whose grey levels are not those of the source."""
    for place in _rescales(dataset):
        slope = float(1 if place.get("RescaleSlope") is None else place.RescaleSlope)
        intercept = float(0 if place.get("RescaleIntercept") is None else place.RescaleIntercept)
        numbers = rescaled(slope, intercept, offset_gain, negation_sign)
        place.RescaleSlope, place.RescaleIntercept = map(_decimal, numbers)
    linear = linear_mappings(dataset)
    for mapping in chain.from_iterable(linear):
        mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = rescaled(
            mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept, offset_gain, negation_sign
        )
    _set_window(dataset, measured)
    for group, mappings in zip(functional_groups(dataset), linear, strict=True):
        if mappings:
            group.RealWorldValueMappingSequence = mappings


def give_own_meaning(dataset: Dataset, measured: NDArray[np.generic]) -> None:
    """Slope, intercept and window of a result whose grey levels are in no unit."""
    for place in _rescales(dataset):
        # Without a type, those of CT would be read as Hounsfield units.
        place.RescaleSlope, place.RescaleIntercept, place.RescaleType = _decimal(1.0), _decimal(0.0), "US"
    _set_window(dataset, measured)


def linear_mappings(dataset: Dataset) -> list[list[Dataset]]:
    """How a Parametric Map's numbers become real-world values: of all frames, and then of each."""
    if dataset.SOPClassUID != uid.ParametricMapStorage:
        return [[] for _ in functional_groups(dataset)]
    return [
        [each for each in group.get("RealWorldValueMappingSequence") or () if "RealWorldValueSlope" in each]
        for group in functional_groups(dataset)
    ]


def _rescales(dataset: Dataset) -> list[Dataset]:
    """Where slope and intercept stand: in the image, or in the groups of all frames or of each."""
    groups = (group.get("PixelValueTransformationSequence") or () for group in functional_groups(dataset))
    places = chain([dataset], *groups)
    return [place for place in places if "RescaleSlope" in place or "RescaleIntercept" in place]


def _set_window(dataset: Dataset, measured: NDArray[np.generic]) -> None:
    """One window that spans the result, where there were any and all frames have one scale."""
    windows = [dataset] if "WindowCenter" in dataset or "VOILUTSequence" in dataset else []
    drop(dataset, _OF_OTHER_VALUES)
    framed = False
    for group in functional_groups(dataset):
        framed |= "FrameVOILUTSequence" in group
        drop(group, ("FrameVOILUTSequence", "RealWorldValueMappingSequence"))
    scales = {(float(place.RescaleSlope), float(place.RescaleIntercept)) for place in _rescales(dataset)}
    if len(scales) > 1:
        return
    if framed and dataset.get("SharedFunctionalGroupsSequence"):
        windows.append(Dataset())
        dataset.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence = [windows[-1]]
    slope, intercept = scales.pop() if scales else (1.0, 0.0)
    low, high = sorted(slope * end.item() + intercept for end in (measured.min(), measured.max()))
    for window in windows:
        # A linear window shows center - 0.5 - (width - 1) / 2 as black (PS3.3 C.11.2.1.2.1).
        window.WindowCenter, window.WindowWidth = _decimal((low + high + 1) / 2), _decimal(high - low + 1)


def _decimal(value: float) -> DSfloat:
    return DSfloat(value, auto_format=True)
