"""Linear filters whose weights no product of axes gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from math import lcm, prod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from providers.fixed_point import fixed_point_kernels, room_for_weights
from providers.image import LARGEST_FLOAT, MOST_AXES
from providers.kernel import Kernel, Nested, nested
from providers.operation import AxesFilter, as_fraction, derived, required, wider_signed
from providers.operations.linear import LinearFilter
from providers.stencil import MAX_TAPS

MAX_WEIGHTS = 51 * 51
"""Weights of a kernel: more would be more work for the tasks of one job than providers do at one time."""


@dataclass(frozen=True, kw_only=True)
class Laplacian(AxesFilter, LinearFilter):
    """Sum of the second differences along all axes, as scipy.ndimage.laplace.

    On a plane the kernel is ``[[0, 1, 0], [1, -4, 1], [0, 1, 0]]`` (skimage.filters.laplace has the opposite
    sign). Exact, in the next wider signed dtype.
    """

    name: ClassVar[str] = "laplacian"

    @property
    def stencil(self) -> Kernel:
        if not self.axes:
            raise ValueError("laplacian is not resolved yet: it has no axes")
        weights = np.zeros((3,) * self.axes, np.int64)
        for axis in range(self.axes):
            line = (1,) * axis + (slice(None),) + (1,) * (self.axes - axis - 1)
            weights[line] += (1, -2, 1)
        return Kernel(nested(weights))

    def result_dtype(self, dtype: DTypeLike) -> np.dtype[Any]:
        return wider_signed(dtype)


@dataclass(frozen=True, kw_only=True)
class Convolve(LinearFilter):
    """Convolution with any kernel, as scipy.ndimage.convolve: the kernel is turned round, its centre at
    ``side // 2`` of each side.

    Integer weights give exact sums, and fractions such as 0.25 or 1 / 9, with denominators up to 1000, sums
    that are rounded once, halves to even. Other weights are rounded to integers over an odd scale; answers
    then deviate from the real-valued filter by at most 1 grey level on 8- and 16-bit images, and by at
    most 2⁻¹⁰ of the dtype's range on int32 images; where that cannot be had it is refused.

    The answer has the image's dtype where no weight is negative and their sum is at most 1. Otherwise it
    has the next wider signed dtype, or the first one after it that holds the answers of all images: it
    is never clipped. On floats it has their dtype, and weights have 48 bits.

    Parameters
    ----------
    weights : array of numbers
        With as many axes as the image, and at most 51 x 51 of them, or as many in another form.
    """  # noqa: D205 - the first sentence needs two lines

    name: ClassVar[str] = "convolve"

    weights: Nested = required(
        ((1, 2, 1), (2, 4, 2), (1, 2, 1)), "kernel, a list of rows; whole numbers are exact"
    )
    divisor: int = derived(1)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("weights", self._rows(self.weights, MOST_AXES))
        try:
            sides = np.shape(self.weights)
        except ValueError:
            raise ValueError("convolve: all rows of weights must have the same length") from None
        if not sides or prod(sides) == 0:
            raise ValueError("convolve: weights must be a list of rows of numbers")
        if prod(sides) > MAX_WEIGHTS or max(sides) > MAX_TAPS:
            raise ValueError(
                f"convolve: there can be {MAX_WEIGHTS} weights, {MAX_TAPS} on an axis; "
                f"these are {' x '.join(map(str, sides))}"
            )
        if self._integer("divisor", self.divisor) < 1:
            raise ValueError("convolve: divisor must be at least 1")

    def _rows(self, value: Any, deepest: int) -> Any:
        """Nested tuples of numbers; those that are whole become integers."""
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if isinstance(value, (tuple, list)) and deepest:
            return tuple(self._rows(part, deepest - 1) for part in value)
        if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
            return int(value)
        number = self._number("weights", value, -(2.0**53), 2.0**53)
        return int(number) if number.is_integer() else number

    def resolved(self, ndim: int, dtype: DTypeLike) -> Self:
        axes = len(np.shape(self.weights))
        if axes != ndim:
            raise ValueError(
                f"convolve: weights have {axes} axes, but the image has {ndim}; nest lists of them as deep, "
                "or filter a volume plane by plane (--one-by-one)"
            )
        exact = self
        if not self._whole:
            weights, divisor = _in_integers(self.weights, np.dtype(dtype))
            exact = replace(self, weights=weights, divisor=divisor)
        bits, room = exact.stencil.reach.bit_length(), room_for_weights(dtype)
        if bits > room:
            raise ValueError(
                f"convolve: the magnitudes of the weights add up to {bits} bits; on {np.dtype(dtype)} images "
                f"up to {room} are exact, so use smaller weights"
            )
        gain = exact.stencil.reach / exact.units
        if np.dtype(dtype).kind == "f" and gain * LARGEST_FLOAT > float(np.finfo(dtype).max):
            raise ValueError(
                f"convolve: the magnitudes of the weights add up to {gain:g}; on "
                f"{np.dtype(dtype)} images some answers would be infinite, so use smaller weights, or float64"
            )
        return exact

    @property
    def _whole(self) -> bool:
        flat: Any = self.weights
        for _ in np.shape(self.weights)[1:]:
            flat = chain.from_iterable(flat)
        return all(type(weight) is int for weight in flat)

    @property
    def stencil(self) -> Kernel:
        if not self._whole:
            raise ValueError("convolve is not resolved yet: its weights are not whole")
        return Kernel(nested(_centred(np.array(self.weights, dtype=object))), self.divisor)

    def result_dtype(self, dtype: DTypeLike) -> np.dtype[Any]:
        kernel = self.stencil
        if kernel.smooths or np.dtype(dtype).kind == "f":
            return np.dtype(dtype)
        limits = np.iinfo(np.dtype(dtype).name)
        ends = kernel.bounds(int(limits.min), int(limits.max))
        low, high = (round(end / self.divisor) for end in ends)
        wide = wider_signed(dtype)
        while not np.iinfo(wide).min <= low <= high <= np.iinfo(wide).max and wide.itemsize < 8:
            wide = wider_signed(wide)
        return wide


def _centred(weights: NDArray[Any]) -> NDArray[Any]:
    """Turned round, as a convolution has it; an even side gets a zero in front, so that it has a centre."""
    turned = np.flip(weights)
    return np.pad(turned, [(1 - side % 2, 0) for side in weights.shape])


@lru_cache(64)
def _in_integers(weights: Nested, dtype: np.dtype[Any]) -> tuple[Nested, int]:
    # The search takes a while for large kernels, and would be done again for every image.
    values = np.array(weights, dtype=object)
    fractions = [as_fraction(value) for value in values.flat]
    divisor = lcm(*(fraction.denominator for fraction in fractions))
    exact = [int(fraction * divisor) for fraction in fractions]
    as_they_are = all(
        float(fraction) == value for fraction, value in zip(fractions, values.flat, strict=True)
    )
    if as_they_are and sum(map(abs, exact)).bit_length() <= room_for_weights(dtype):
        return nested(np.array(exact, dtype=object).reshape(values.shape)), divisor
    (found,), divisor = fixed_point_kernels(np.array([weights], np.float64), dtype)
    return nested(found), divisor
