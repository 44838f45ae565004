"""Rank filters: the answer is one of the pixels."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from providers.operation import WindowFilter, parameter
from providers.selection import ranked_by_comparison
from providers.stencil import EXACT_FLOAT, Answers, answers_in, core, largest_magnitude, span
from regions import Symmetries

MAX_RANKED = 51 * 51
"""Pixels in a window: scipy's tables grow with their square, to 54 MB at this size."""
MOST_COMPARED = 9 * 9
"""Pixels in a window up to which whole arrays are compared with each other, which is faster than scipy."""


class RankFilter(WindowFilter):
    """A filter that answers, of all pixels in a box window, the one of a rank."""

    @property
    @abstractmethod
    def rank(self) -> int:
        """How many pixels of the resolved window come before the answer in rising order."""

    @property
    def float_gain(self) -> float:
        return 0.0

    @property
    def symmetries(self) -> Symmetries:
        return Symmetries(
            flips=tuple(side % 2 == 1 for side in self.sizes),
            quarter_turns=len(self.sizes) > 1 and self.sizes[-1] == self.sizes[-2],
            offset_gain=1,
            # Negation turns the order round: only the middle of an odd number stays where it is.
            negation_sign=-1 if 2 * self.rank + 1 == prod(self.sizes) else None,
        )


class SelectingFilter(RankFilter):
    """A rank filter of any rank; a window has at most 51 x 51 pixels, or as many in another form."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.size, tuple) and prod(self.size) > MAX_RANKED:
            raise ValueError(f"{self.name}: a window has at most {MAX_RANKED} pixels, not {prod(self.size)}")

    def run(self, stack: NDArray[np.generic]) -> Answers:
        # scipy ranks 8-byte integers as float64.
        if stack.dtype.kind in "iu" and stack.dtype.itemsize == 8 and largest_magnitude(stack) >= EXACT_FLOAT:
            raise ValueError(f"{self.name} is exact for pixels below 2**53 only")
        if 2 <= len(self.sizes) <= 3 and prod(self.sizes) <= MOST_COMPARED:
            return ranked_by_comparison(stack, self.sizes, self.rank)
        from scipy.ndimage import rank_filter

        filtered: NDArray[np.generic] = rank_filter(stack, self.rank, size=(1, *self.sizes), mode="nearest")
        answer: Answers = core(filtered, self.halo).astype(answers_in(stack.dtype))
        return answer


class ExtremeFilter(RankFilter):
    """A rank filter of the first or the last rank, which each axis has by itself; windows of any size."""

    extreme: ClassVar[np.ufunc]

    @property
    def taps(self) -> int:
        return sum(self.sizes)

    def run(self, stack: NDArray[np.generic]) -> Answers:
        answer = stack
        for axis, side in enumerate(self.sizes, start=1):
            answer = self._along(answer, axis, side)
        exact: Answers = answer.astype(answers_in(stack.dtype))
        return exact

    def _along(self, pixels: NDArray[np.generic], axis: int, side: int) -> NDArray[np.generic]:
        """Extremes of `side` pixels in a row, of windows that are doubled until two of them cover it."""
        length = pixels.shape[axis] - 2 * (side // 2)
        wide = 1
        while wide < side:
            step = min(wide, side - wide)
            count = pixels.shape[axis] - step
            pixels = self.extreme(pixels[span(axis, 0, count)], pixels[span(axis, step, step + count)])
            wide += step
        # An even window has a pixel less than its halo provides for.
        return pixels[span(axis, 0, length)]


@dataclass(frozen=True, kw_only=True)
class Minimum(ExtremeFilter):
    """Smallest pixel in a box window, equal to scipy.ndimage.minimum_filter."""

    name: ClassVar[str] = "minimum"
    extreme: ClassVar[np.ufunc] = np.minimum

    @property
    def rank(self) -> int:
        return 0


@dataclass(frozen=True, kw_only=True)
class Maximum(ExtremeFilter):
    """Largest pixel in a box window, equal to scipy.ndimage.maximum_filter."""

    name: ClassVar[str] = "maximum"
    extreme: ClassVar[np.ufunc] = np.maximum

    @property
    def rank(self) -> int:
        return prod(self.sizes) - 1


@dataclass(frozen=True, kw_only=True)
class Median(SelectingFilter):
    """Median over a box window, equal to scipy.ndimage.median_filter.

    Of an even number of pixels it is the upper of the two in the middle, as there. A window has at
    most 51 x 51 pixels, or as many in another form.
    """

    name: ClassVar[str] = "median"

    @property
    def rank(self) -> int:
        return prod(self.sizes) // 2


@dataclass(frozen=True, kw_only=True)
class Percentile(SelectingFilter):
    """Percentile over a box window, equal to scipy.ndimage.percentile_filter.

    Of n pixels in rising order, counted from 0, it is number ``int(n * percentile / 100)``, and the last
    one for 100: always a pixel, never a value between two. A window has at most 51 x 51 pixels, or as many
    in another form.

    Parameters
    ----------
    percentile : float
        From 0, the smallest pixel, to 100, the largest. (scipy also counts back from 100 below 0.)
    """

    name: ClassVar[str] = "percentile"

    percentile: float = parameter(50.0, "share of the window's pixels below the answer, from 0 to 100")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("percentile", self._number("percentile", self.percentile, 0, 100))

    @property
    def rank(self) -> int:
        count = prod(self.sizes)
        # A product and a quotient of doubles are the same on every processor.
        return min(int(count * self.percentile / 100), count - 1)
