"""Pointwise operations: each answer reads one pixel, and is a level on a scale of its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from providers.kernel import Kernel, nested
from providers.operation import AxesFilter, as_fraction, derived, parameter, required
from providers.stencil import EXACT_INT, Answers, answers_in, largest_magnitude
from regions import Symmetries

FARTHEST = 2**32
"""Grey levels from zero within which a threshold or a window lies: beyond all pixels of all images."""
MAX_FACTOR = 100
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
    def units(self) -> int:
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


class LinearPointFilter(PointFilter):
    """A multiple of the pixel and a constant: linear, then clipped to the range of the image's dtype."""

    @property
    @abstractmethod
    def gain(self) -> Fraction:
        """What pixels are multiplied by."""

    @property
    @abstractmethod
    def constant(self) -> Fraction:
        """What is added then, in grey levels: a multiple of one over the gain's denominator."""

    @property
    def units(self) -> int:
        return lcm(self.gain.denominator, self.constant.denominator)

    @property
    def parts(self) -> tuple[Kernel, ...]:
        return (Kernel(nested(np.full((1,) * self.axes, int(self.gain * self.units)))),)

    def run(self, stack: NDArray[np.generic]) -> Answers:
        (part,) = self.parts
        return self.combined((part.run(stack),), stack)

    def combined(self, parts: Sequence[Answers], pixels: NDArray[np.generic]) -> Answers:
        (multiple,) = parts
        multiple = multiple.astype(answers_in(pixels.dtype), copy=False)
        constant = int(self.constant * self.units)
        if multiple.dtype.kind != "f" and largest_magnitude(multiple) + abs(constant) >= EXACT_INT:
            raise ValueError(
                f"{self.name} is not exact for pixels of this size: answers must stay below 2**63"
            )
        return multiple + constant

    def fitted(self, rounded: Answers, dtype: DTypeLike) -> NDArray[np.generic]:
        target = self.result_dtype(dtype)
        if target.kind == "f":
            return super().fitted(rounded, dtype)
        limits = np.iinfo(target)
        return rounded.clip(int(limits.min), int(limits.max)).astype(target)


@dataclass(frozen=True, kw_only=True)
class Brightness(LinearPointFilter):
    """A number of grey levels more, clipped to the range of the image's dtype; floats are not clipped.

    Parameters
    ----------
    offset : int
        In stored units; below 0 makes the image darker.
    """

    name: ClassVar[str] = "brightness"

    offset: int = required(16, "grey levels, in stored units, that are added; below 0 they are taken away")

    def __post_init__(self) -> None:
        super().__post_init__()
        if abs(self._integer("offset", self.offset)) > FARTHEST:
            raise ValueError(f"brightness: offset must be from {-FARTHEST} to {FARTHEST}, not {self.offset}")
        self._set("offset", self._integer("offset", self.offset))

    @property
    def gain(self) -> Fraction:
        return Fraction(1)

    @property
    def constant(self) -> Fraction:
        return Fraction(self.offset)


@dataclass(frozen=True, kw_only=True)
class Contrast(LinearPointFilter):
    """Distances from a grey level, multiplied: ``pivot + factor * (image - pivot)``, rounded, and clipped.

    Rounded to the nearest grey level, halves to even, and clipped to the range of the image's dtype;
    floats are neither rounded nor clipped.

    Parameters
    ----------
    factor : float
        Above 1 for more contrast, from -100 to 100; the nearest fraction with a denominator of at most 1000.
    pivot : int
        The grey level, in stored units, that stays as it is.
    """

    name: ClassVar[str] = "contrast"

    factor: float = parameter(
        1.5, "by what distances from the pivot are multiplied; above 1 for more contrast"
    )
    pivot: int = required(128, "grey level, in stored units, that stays as it is")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("factor", self._number("factor", self.factor, -MAX_FACTOR, MAX_FACTOR))
        if abs(self._integer("pivot", self.pivot)) > FARTHEST:
            raise ValueError(f"contrast: pivot must be from {-FARTHEST} to {FARTHEST}, not {self.pivot}")
        self._set("pivot", self._integer("pivot", self.pivot))

    @property
    def gain(self) -> Fraction:
        return as_fraction(self.factor)

    @property
    def constant(self) -> Fraction:
        return (1 - self.gain) * self.pivot
