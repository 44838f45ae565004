"""Sharpening, exact up to the last step, which clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from providers.fixed_point import Rows
from providers.operation import as_fraction, derived, parameter
from providers.operations.linear import LinearFilter, gaussian_weights
from providers.stencil import EXACT_INT, Answers, Stencil, answers_in, core, largest_magnitude

MAX_AMOUNT = 100
TRUNCATE = 4.0
"""Where the Gaussian ends, in standard deviations: as in scikit-image."""


@dataclass(frozen=True, kw_only=True)
class Unsharp(LinearFilter):
    """Unsharp masking, as skimage.filters.unsharp_mask: ``image + amount * (image - blurred)``.

    The blurred image is a Gaussian of integer weights, not rounded; the sum is rounded once, halves to
    even, and clipped to the range of the image's dtype, as scikit-image does it to the range of its floats.
    Apart from clipping it deviates from the real-valued filter by at most 1 grey level on 8- and 16-bit
    images. With very wide kernels or large amounts on 16 bit, in volumes of 16 bit, and on int32 images, the
    blurred image is off by at most 2⁻¹⁰ of the dtype's range; where that cannot be had it is refused. On
    floats nothing is rounded or clipped.

    Parameters
    ----------
    radius : float or tuple of float
        Standard deviation of the Gaussian in pixels, one for all axes or one per axis.
    amount : float
        How much of the details is added, from -100 to 100; the nearest fraction with a denominator of at
        most 1000.
    """

    name: ClassVar[str] = "unsharp"

    radius: float | tuple[float, ...] = parameter(
        1.0, "standard deviation of the blur in pixels, one for all axes or one per axis"
    )
    amount: float = parameter(1.0, "how much of the details is added; below 0 takes them away")
    weights: Rows = derived(())

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("radius", self._deviations("radius", self.radius, TRUNCATE))
        self._set("amount", self._number("amount", self.amount, -MAX_AMOUNT, MAX_AMOUNT))

    @property
    def _amount(self) -> Fraction:
        return as_fraction(self.amount)

    @property
    def _gains(self) -> tuple[int, int]:
        """How often the pixel and the blurred pixel go into an answer, in units of the blur's scale."""
        amount = self._amount
        return amount.numerator + amount.denominator, -amount.numerator

    @property
    def shares(self) -> tuple[int, int]:
        own, blurred = self._gains
        return own * self.stencil.scale, blurred

    def resolved(self, ndim: int, dtype: DTypeLike) -> Self:
        radii = self._per_axis("radius", self.radius, ndim)
        taken = sum(map(abs, self._gains)).bit_length()
        weights = gaussian_weights(radii, TRUNCATE, np.dtype(dtype), abs(self._amount), taken)
        return replace(self, radius=radii, weights=weights)

    @property
    def stencil(self) -> Stencil:
        if not self.weights:
            raise ValueError("unsharp is not resolved yet: it has no weights")
        return Stencil(self.weights)

    @property
    def units(self) -> int:
        return self.stencil.scale * self._amount.denominator

    @property
    def finishes_anywhere(self) -> bool:
        # Grey levels that are offset or negated are clipped elsewhere.
        return False

    @property
    def float_gain(self) -> float:
        return sum(map(abs, self._gains)) / self._amount.denominator

    def run(self, stack: NDArray[np.generic]) -> Answers:
        return self.combined((self.stencil.run(stack),), core(stack, self.halo))

    def combined(self, parts: Sequence[Answers], pixels: NDArray[np.generic]) -> Answers:
        (blur,), (own, blurred) = parts, self.shares
        dtype = answers_in(pixels.dtype)
        if dtype.kind != "f":
            bound = abs(own) * largest_magnitude(pixels) + abs(blurred) * largest_magnitude(blur)
            if bound >= EXACT_INT:
                raise ValueError(f"unsharp needs a {bound.bit_length()}-bit accumulator here; there are 63")
        answer: Answers = np.asarray(own * pixels.astype(dtype) + blurred * blur.astype(dtype), dtype)
        return answer

    def fitted(self, rounded: Answers, dtype: DTypeLike) -> NDArray[np.generic]:
        target = self.result_dtype(dtype)
        if target.kind == "f":
            return super().fitted(rounded, dtype)
        limits = np.iinfo(target)
        # Details are no larger than the range, so that what lies farther out comes from no image.
        beyond = ceil(abs(self._amount) * (int(limits.max) - int(limits.min)))
        low, high = int(limits.min) - beyond, int(limits.max) + beyond
        if rounded.size and not low <= int(rounded.min()) <= int(rounded.max()) <= high:
            raise ValueError(f"unsharp on {np.dtype(dtype)} images cannot answer so far outside {target}")
        return rounded.clip(int(limits.min), int(limits.max)).astype(target)
