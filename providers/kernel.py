"""Integer kernels of any form: sums over a window, exact wherever they run."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from providers.stencil import EXACT_INT, TILE_PIXELS, Answers, answers_in, core, largest_magnitude
from regions import Symmetries

Nested: TypeAlias = "tuple[Nested | int | float, ...]"
"""Numbers of an array, row by row, as a value that can be compared and hashed."""


@dataclass(frozen=True)
class Kernel:
    """``answer[i] = sum over k of weights[k] * pixels[i + k - halo]``; `scale` units make one grey level.

    Attributes
    ----------
    weights : nested tuples of int
        One level for each axis; odd sides, centred on the pixel.
    scale : int
    """

    weights: Nested
    scale: int = 1

    def __post_init__(self) -> None:
        if self.scale < 1:
            raise ValueError("the scale of a kernel must be at least 1")
        if not all(side % 2 for side in np.shape(self.weights)):
            raise ValueError("a kernel needs an odd number of weights on every axis")
        if self.reach >= EXACT_INT:
            raise ValueError("the magnitudes of a kernel's weights must have a sum below 2**63")

    @cached_property
    def _array(self) -> NDArray[np.object_]:
        # Python's integers, so that sums of weights that somebody else chose cannot wrap.
        return np.array(self.weights, dtype=object)

    @property
    def halo(self) -> tuple[int, ...]:
        return tuple(side // 2 for side in np.shape(self.weights))

    @property
    def taps(self) -> int:
        """Weights that are not zero; one at least."""
        return max(1, int(np.count_nonzero(self._array)))

    @cached_property
    def reach(self) -> int:
        """Sum of the weights' magnitudes."""
        return int(np.abs(self._array).sum())

    @property
    def smooths(self) -> bool:
        """Whether no answer lies beyond the pixels that lead to it, and zero."""
        return bool((self._array >= 0).all()) and self.reach <= self.scale

    @property
    def symmetries(self) -> Symmetries:
        array = self._array
        gain = Fraction(int(array.sum()), self.scale)
        turned = array.swapaxes(-1, -2) if array.ndim > 1 else array
        return Symmetries(
            flips=tuple(bool((np.flip(array, axis) == array).all()) for axis in range(array.ndim)),
            quarter_turns=array.ndim > 1 and turned.shape == array.shape and bool((turned == array).all()),
            offset_gain=gain.numerator if gain.denominator == 1 else gain,
            negation_sign=-1,
        )

    def bounds(self, low: int, high: int) -> tuple[int, int]:
        """Unrounded answers between which those to all pixels from `low` to `high` lie."""
        array = self._array
        up, down = int(array[array > 0].sum()), int(array[array < 0].sum())
        return up * low + down * high, up * high + down * low

    def run(self, stack: NDArray[np.generic]) -> Answers:
        """Unrounded answers for the pixels of ``(n, *window)`` that have their whole halo.

        Raises ValueError where the largest of integer pixels could overflow the accumulator.
        """
        dtype = answers_in(stack.dtype)
        bound = 0 if dtype.kind == "f" else largest_magnitude(stack) * self.reach
        if bound >= EXACT_INT:
            raise ValueError(
                f"weights of {self.reach.bit_length()} bits on pixels of this size need a "
                f"{bound.bit_length()}-bit accumulator; there are 63"
            )
        answer: NDArray[Any] = np.zeros(core(stack, self.halo).shape, dtype)
        array = self._array
        places = [(place, int(array[place])) for place in zip(*np.nonzero(array), strict=True)]
        # So many regions, or lines of one, at a time as fit into a processor's cache.
        regions = max(1, TILE_PIXELS // prod(stack.shape[1:]))
        lines = max(1, TILE_PIXELS // (regions * prod(stack.shape[2:])))
        for first, top in product(range(0, len(stack), regions), range(0, answer.shape[1], lines)):
            total = answer[first : first + regions, top : top + lines]
            pixels = stack[first : first + regions, top : top + total.shape[1] + 2 * self.halo[0]]
            pixels, part = pixels.astype(dtype), np.empty_like(total)
            for place, weight in places:
                shifted = (slice(start, start + n) for start, n in zip(place, total.shape[1:], strict=True))
                np.multiply(pixels[(slice(None), *shifted)], weight, out=part)
                total += part
        return answer


def nested(array: NDArray[np.generic]) -> Nested:
    """An array as nested tuples of Python numbers."""
    values: Nested = tuples(array.tolist())
    return values


def tuples(value: Any) -> Any:
    """Nested lists as nested tuples; anything else as it is."""
    return tuple(map(tuples, value)) if isinstance(value, list) else value
