"""Pointwise operations: each answer reads one pixel, and is a level on a scale of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from providers.operation import AxesFilter, as_fraction, derived, required
from providers.stencil import Answers, answers_in, largest_magnitude
from regions import Symmetries

FARTHEST = 2**32
"""Grey levels from zero within which a threshold or a window lies: beyond all pixels of all images."""
_WHITE = 255


class PointFilter(AxesFilter):
    """A filter of single pixels. It says nothing of offset and sign, which move pixels across its limits."""

    own_scale: ClassVar[bool] = True

    @property
    def halo(self) -> tuple[int, ...]:
        return (0,) * self.axes

    @property
    def float_gain(self) -> float:
        # Each answer reads one pixel, in the same few steps wherever it lies.
        return 0.0

    @property
    def symmetries(self) -> Symmetries:
        return Symmetries(flips=(True,) * self.axes, quarter_turns=self.axes > 1)


@dataclass(frozen=True, kw_only=True)
class Threshold(PointFilter):
    """1 where a pixel is above a value, 0 elsewhere, as uint8: ``image > value`` as in scikit-image.

    Parameters
    ----------
    value : int or float
        Grey level in stored units, never rescaled.
    """

    name: ClassVar[str] = "threshold"

    value: int | float = required(128, "grey level, in stored units, above which a pixel becomes 1, others 0")

    def __post_init__(self) -> None:
        super().__post_init__()
        value = self._number("value", self.value, -FARTHEST, FARTHEST)
        self._set("value", int(value) if value.is_integer() else value)

    def result_dtype(self, dtype: DTypeLike) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def run(self, stack: NDArray[np.generic]) -> NDArray[np.int64]:
        return (stack.astype(answers_in(stack.dtype)) > self.value).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Window(PointFilter):
    """The linear window of DICOM PS3.3 C.11.2.1.2.1, to levels from 0 to 255 as uint8.

    With centre c and width w, pixels up to ``c - 0.5 - (w - 1) / 2`` become 0, those above
    ``c - 0.5 + (w - 1) / 2`` become 255, and x between them
    ``((x - (c - 0.5)) / (w - 1) + 0.5) * 255``, rounded to the nearest integer, halves to even.

    Parameters
    ----------
    center, width : float
        In stored units: a header's, which are in units of the rescaled pixels, go through slope and
        intercept first. The nearest fraction with a denominator of at most 1000; width is at least 1.
    """

    name: ClassVar[str] = "window"

    center: float = required(128, "centre of the window, in stored units")
    width: float = required(256, "width of the window, in stored units; at least 1")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("center", self._number("center", self.center, -FARTHEST, FARTHEST))
        self._set("width", self._number("width", self.width, 1, FARTHEST))

    @property
    def _whole(self) -> tuple[int, int, int]:
        """A unit, and in such units what is 0.5 below the centre, and one less than the width."""
        middle, span = as_fraction(self.center) - Fraction(1, 2), as_fraction(self.width) - 1
        unit = lcm(middle.denominator, span.denominator)
        return unit, int(middle * unit), int(span * unit)

    @property
    def scale(self) -> int:
        # A window of width 1 has no slope, but a step.
        return 2 * self._whole[2] or 1

    def result_dtype(self, dtype: DTypeLike) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def run(self, stack: NDArray[np.generic]) -> Answers:
        unit, middle, span = self._whole
        # Pixels farther out than the window are as good as those just outside, and their products small.
        low, high = floor(Fraction(2 * middle - span, 2 * unit)), ceil(Fraction(2 * middle + span, 2 * unit))
        near = stack.astype(answers_in(stack.dtype)).clip(low, high + 1) * unit - middle
        if not span:
            return _WHITE * (near > 0).astype(np.int64)
        return (_WHITE * (2 * near + span)).clip(0, _WHITE * 2 * span)


@dataclass(frozen=True, kw_only=True)
class Invert(PointFilter):
    """Black for white, as skimage.util.invert: a dtype's least and largest value, added up, less the pixel.

    The dtype's range counts, whatever the image uses of it: 12 bits in 16 become bright. Floats go
    from 0 to 1.
    """

    name: ClassVar[str] = "invert"

    ends: int = derived(0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -1 <= self._integer("ends", self.ends) <= FARTHEST:
            raise ValueError("invert: the least and the largest value of a dtype add up to -1 or more")

    def resolved(self, ndim: int, dtype: DTypeLike) -> Self:
        if np.dtype(dtype).kind == "f":
            return replace(super().resolved(ndim, dtype), ends=1)
        limits = np.iinfo(np.dtype(dtype).name)
        return replace(super().resolved(ndim, dtype), ends=int(limits.min) + int(limits.max))

    def run(self, stack: NDArray[np.generic]) -> Answers:
        if stack.dtype.kind in "iu" and largest_magnitude(stack) >= 2**62:
            raise ValueError("invert is exact for pixels below 2**62 only")
        return self.ends - stack.astype(answers_in(stack.dtype))
