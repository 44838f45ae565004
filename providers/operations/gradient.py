"""Gradient magnitudes, exact to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from providers.kernel import Kernel, nested
from providers.operation import AxesFilter, wider
from providers.stencil import Answers, largest_magnitude, span
from regions import Symmetries

T = TypeVar("T", np.int64, np.float64)

LARGEST_DERIVATIVE = 2**44
"""Below it the root of a sum of squares is rounded exactly."""


@dataclass(frozen=True, kw_only=True)
class Sobel(AxesFilter):
    """Magnitude of the Sobel gradient: the root of the sum of squares of scipy.ndimage.sobel per axis.

    The kernels are not normalised, as in scipy.ndimage; skimage.filters.sobel divides by a further
    ``4 * sqrt(ndim)``. The root is rounded to the nearest integer exactly (never a tie: no integer
    is the square of an odd number of halves), in the next wider dtype; on floats not rounded, in theirs.
    """

    name: ClassVar[str] = "sobel"

    @property
    def halo(self) -> tuple[int, ...]:
        return (1,) * self.axes

    @property
    def float_gain(self) -> float:
        # A derivative's weights, for every axis: a root of squares is no more than the sum.
        return float(self.axes * 2 * 4 ** (self.axes - 1))

    @property
    def symmetries(self) -> Symmetries:
        return Symmetries(
            flips=(True,) * self.axes, quarter_turns=self.axes > 1, offset_gain=0, negation_sign=1
        )

    def result_dtype(self, dtype: DTypeLike) -> np.dtype[Any]:
        return wider(dtype)

    def run(self, stack: NDArray[np.generic]) -> Answers:
        # What the kernels of `parts` answer, in half their time.
        if stack.dtype.kind == "f":
            return self._norm([_derivative(stack.astype(np.float64), axis) for axis in range(1, stack.ndim)])
        if largest_magnitude(stack) * 2 * 4 ** (self.axes - 1) >= LARGEST_DERIVATIVE:
            raise ValueError("sobel is not exact for pixels of this size: derivatives must stay below 2**44")
        pixels = stack.astype(np.int64)
        return self._norm([_derivative(pixels, axis) for axis in range(1, pixels.ndim)])

    @property
    def parts(self) -> tuple[Kernel, ...]:
        return tuple(_kernel(self.axes, along) for along in range(self.axes))

    def combined(self, parts: Sequence[Answers], pixels: NDArray[np.generic]) -> Answers:
        if pixels.dtype.kind != "f" and max(map(largest_magnitude, parts)) >= LARGEST_DERIVATIVE:
            raise ValueError("sobel is exact for derivatives below 2**44 only")
        return self._norm(parts)

    def _norm(self, derivatives: Sequence[Answers]) -> Answers:
        if derivatives[0].dtype.kind == "f":
            return np.asarray(np.sqrt(sum(part.astype(np.float64) ** 2 for part in derivatives)))
        return rounded_norm([part.astype(np.int64, copy=False) for part in derivatives])


def _kernel(axes: int, along: int) -> Kernel:
    rows = [np.array((-1, 0, 1) if axis == along else (1, 2, 1)) for axis in range(axes)]
    return Kernel(nested(reduce(np.multiply.outer, rows)))


def _derivative(pixels: NDArray[T], along: int) -> NDArray[T]:
    """[-1, 0, 1] along one axis, [1, 2, 1] along the others, without the outermost pixels."""
    answer = pixels
    for axis in range(1, pixels.ndim):
        length = answer.shape[axis] - 2
        before, here, after = (answer[span(axis, step, step + length)] for step in range(3))
        answer = after - before if axis == along else before + 2 * here + after
    return answer


def rounded_norm(components: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The nearest integer to sqrt(sum of squares), exact for components below 2**44.

    The float64 root is within 1 of it. The true m is the integer with ``-m < S - m² <= m``; S - m² is
    small, so that arithmetic modulo 2**64 gives it exactly although S itself may not fit.
    """
    root = np.rint(np.sqrt(sum(c.astype(np.float64) ** 2 for c in components))).astype(np.int64)
    excess = sum(c * c for c in components) - root * root
    return root + (excess > root) - (excess <= -root) * (root > 0)
