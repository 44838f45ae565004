"""Banks of Gabor kernels: how strongly an image looks like waves of some frequencies, in all directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, reduce
from math import ceil, cos, log, pi, sin, sqrt
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from providers.fixed_point import fixed_point_kernels
from providers.kernel import Kernel, Nested, nested, tuples
from providers.operation import Filter, derived, parameter, wider_signed
from providers.operations.convolution import MAX_WEIGHTS
from providers.stencil import Answers, core
from regions import Symmetries

MAX_KERNELS = 64
LOWEST_FREQUENCY, HIGHEST_FREQUENCY = 0.05, 0.5
"""Cycles per pixel: a wave of twice the pixels' distance is the shortest that they show."""


@dataclass(frozen=True, kw_only=True)
class GaborBank(Filter):
    """The largest answer of a bank of Gabor kernels: one for each frequency and orientation.

    Kernels are the real parts of skimage.filters.gabor_kernel with a bandwidth of one octave, for angles
    evenly spaced over half a turn, all cut to the window of the widest, and less so much of their envelope
    that nothing is left of what is flat. The answer is rounded to whole grey levels, halves to even, and
    deviates from the real-valued one by at most 1 of them on 8- and 16-bit images. It has the next wider
    signed dtype. Volumes are filtered plane by plane.

    Parameters
    ----------
    frequencies : float or tuple of float
        Cycles per pixel, from 0.05 to 0.5.
    orientations : int
        Angles for each frequency.
    n_stds : float
        Where kernels end, in standard deviations of their envelopes, as of gabor_kernel.
    """

    name: ClassVar[str] = "gabor_bank"

    frequencies: tuple[float, ...] = parameter((0.25,), "cycles per pixel, one or a list")
    orientations: int = parameter(4, "angles for each frequency, evenly spaced over half a turn")
    n_stds: float = parameter(2.0, "where kernels end, in standard deviations of their envelopes")
    weights: tuple[Nested, ...] = derived(())
    divisor: int = derived(1)

    def __post_init__(self) -> None:
        super().__post_init__()
        given: Any = self.frequencies
        several = given if isinstance(given, (tuple, list, np.ndarray)) else (given,)
        ends = LOWEST_FREQUENCY, HIGHEST_FREQUENCY
        self._set("frequencies", tuple(self._number("frequencies", each, *ends) for each in several))
        self._set("orientations", self._integer("orientations", self.orientations))
        self._set("n_stds", self._number("n_stds", self.n_stds, 1, 5))
        if not 1 <= len(self.frequencies) * self.orientations <= MAX_KERNELS or self.orientations < 1:
            raise ValueError(
                f"gabor_bank: frequencies times orientations must be from 1 to {MAX_KERNELS} kernels, not "
                f"{len(self.frequencies)} times {self.orientations}"
            )
        self._set("weights", tuples(self.weights))
        if self._integer("divisor", self.divisor) < 1:
            raise ValueError("gabor_bank: divisor must be at least 1")
        array = np.array(self.weights, dtype=object)
        if not all(type(weight) is int for weight in array.flat) or array.size > MAX_KERNELS * MAX_WEIGHTS:
            raise ValueError("gabor_bank: weights must be whole numbers, of kernels that are equally large")

    def resolved(self, ndim: int, dtype: DTypeLike) -> Self:
        if ndim < 2:
            raise ValueError("gabor_bank: an image has at least 2 axes")
        kernels, divisor = _in_integers(self.frequencies, self.orientations, self.n_stds, np.dtype(dtype))
        planar = (1,) * (ndim - 2)
        weights = tuple(nested(kernel.reshape(*planar, *kernel.shape)) for kernel in kernels)
        return replace(self, weights=weights, divisor=divisor)

    @cached_property
    def parts(self) -> tuple[Kernel, ...]:
        if not self.weights:
            raise ValueError("gabor_bank is not resolved yet: it has no weights")
        return tuple(Kernel(weights, self.divisor) for weights in self.weights)

    @property
    def halo(self) -> tuple[int, ...]:
        return self.parts[0].halo

    @property
    def units(self) -> int:
        return self.divisor

    @property
    def taps(self) -> int:
        return sum(part.taps for part in self.parts)

    @property
    def symmetries(self) -> Symmetries:
        # One kernel may look in a direction that no other of the bank is the mirror image of.
        return Symmetries(flips=(False,) * len(self.halo), offset_gain=0)

    @property
    def float_gain(self) -> float:
        return max(part.reach / part.scale for part in self.parts)

    def result_dtype(self, dtype: DTypeLike) -> np.dtype[Any]:
        return wider_signed(dtype)

    def run(self, stack: NDArray[np.generic]) -> Answers:
        return self.combined([part.run(stack) for part in self.parts], core(stack, self.halo))

    def combined(self, parts: Sequence[Answers], pixels: NDArray[np.generic]) -> Answers:
        return np.asarray(reduce(np.maximum, parts))


@lru_cache(16)
def _in_integers(
    frequencies: tuple[float, ...], orientations: int, n_stds: float, dtype: np.dtype[Any]
) -> tuple[NDArray[np.int64], int]:
    waves = [
        (frequency, pi * turn / orientations) for frequency in frequencies for turn in range(orientations)
    ]
    radius = ceil(n_stds * _deviation(min(frequencies)))
    if (2 * radius + 1) ** 2 > MAX_WEIGHTS:
        raise ValueError(
            f"gabor_bank: kernels of {2 * radius + 1} x {2 * radius + 1} weights are too large; use "
            f"frequencies above {min(frequencies):g}, or a smaller n_stds"
        )
    return fixed_point_kernels(np.stack([_kernel(*wave, radius) for wave in waves]), dtype)


def _deviation(frequency: float) -> float:
    """Pixels that an envelope with a bandwidth of one octave is wide."""
    return sqrt(log(2) / 2) / pi * 3 / frequency


def _kernel(frequency: float, angle: float, radius: int) -> NDArray[np.float64]:
    """The real part of a Gabor kernel. Half a turn leaves it as it is: to convolve is to correlate."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    along, across = x * cos(angle) + y * sin(angle), y * cos(angle) - x * sin(angle)
    variance = _deviation(frequency) ** 2
    envelope = np.exp(-(along**2 + across**2) / (2 * variance)) / (2 * pi * variance)
    wave = np.cos(2 * pi * frequency * along)
    return np.asarray(envelope * (wave - np.sum(envelope * wave) / envelope.sum()))
