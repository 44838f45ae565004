"""Linear smoothing as integer stencils."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import comb, sqrt
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from providers.fixed_point import Rows, fixed_point, room_for_weights
from providers.kernel import Kernel
from providers.operation import MAX_RADIUS, Filter, PerAxis, WindowFilter, derived, parameter
from providers.stencil import Answers, Stencil
from regions import Symmetries

_NARROW = ("uint8", "int16", "uint16", "int32", "uint32")


class LinearFilter(Filter):
    """A filter that is one integer stencil: halo, symmetries and arithmetic follow from its weights."""

    @property
    @abstractmethod
    def stencil(self) -> Stencil | Kernel:
        """The resolved filter's weights."""

    @property
    def halo(self) -> tuple[int, ...]:
        return self.stencil.halo

    @property
    def units(self) -> int:
        return self.stencil.scale

    @property
    def taps(self) -> int:
        return self.stencil.taps

    @property
    def symmetries(self) -> Symmetries:
        return self.stencil.symmetries

    @property
    def float_gain(self) -> float | None:
        return self.stencil.reach / self.units

    @property
    def parts(self) -> tuple[Stencil | Kernel, ...]:
        return (self.stencil,)

    @property
    def shares(self) -> tuple[int, int]:
        """How often the pixel itself and the stencil's answer go into an unrounded answer."""
        return 0, 1

    def unrounded_dtype(self, dtype: DTypeLike) -> np.dtype[Any]:
        if np.dtype(dtype).kind == "f":
            return super().unrounded_dtype(dtype)
        limits = np.iinfo(np.dtype(dtype).name)
        low, high = bounds(self.stencil, self.shares, int(limits.min), int(limits.max))
        for name in _NARROW:
            if np.iinfo(name).min <= low <= high <= np.iinfo(name).max:
                return np.dtype(name)
        return super().unrounded_dtype(dtype)

    def run(self, stack: NDArray[np.generic]) -> Answers:
        return self.stencil.run(stack)

    def _deviations(self, name: str, value: Any, truncate: float) -> float | tuple[float, ...]:
        """Standard deviations of a Gaussian that is not too wide, one or a tuple."""
        if isinstance(value, (tuple, list, np.ndarray)):
            return tuple(self._deviation(name, each, truncate) for each in value)
        return self._deviation(name, value, truncate)

    def _deviation(self, name: str, value: Any, truncate: float) -> float:
        sigma = self._number(name, value, 0, MAX_RADIUS)
        if _radius(sigma, truncate) > MAX_RADIUS:
            raise ValueError(
                f"{self.name}: {name}={sigma:g} with truncate={truncate:g} reaches "
                f"{_radius(sigma, truncate)} pixels; the limit is {MAX_RADIUS}"
            )
        return sigma


@dataclass(frozen=True, kw_only=True)
class Gaussian(LinearFilter):
    """Gaussian smoothing, as scipy.ndimage.gaussian_filter and skimage.filters.gaussian.

    The real-valued kernel is sampled at whole pixels up to ``int(truncate * sigma + 0.5)``, normalised,
    and rounded to integer weights. The answer deviates from the real-valued filter by at most 1 grey
    level on 8- and 16-bit images (with very wide kernels on 16 bit, and in volumes of 16 bit: by at most
    2⁻¹⁰ of the range), and by at most 2⁻¹⁰ of the dtype's range on int32 images; where that cannot be had
    it is refused. On floats weights have 48 bits.

    Parameters
    ----------
    sigma : float or tuple of float
        Standard deviation in pixels, one for all axes or one per axis.
    truncate : float
        Where the kernel ends, in standard deviations.
    """

    name: ClassVar[str] = "gaussian"

    sigma: float | tuple[float, ...] = parameter(
        1.0, "standard deviation in pixels, one for all axes or one per axis"
    )
    truncate: float = parameter(4.0, "where the kernel ends, in standard deviations")
    weights: Rows = derived(())

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("truncate", self._number("truncate", self.truncate, 0, MAX_RADIUS))
        self._set("sigma", self._deviations("sigma", self.sigma, self.truncate))

    def resolved(self, ndim: int, dtype: DTypeLike) -> Self:
        sigmas = self._per_axis("sigma", self.sigma, ndim)
        return dataclasses.replace(
            self, sigma=sigmas, weights=gaussian_weights(sigmas, self.truncate, np.dtype(dtype))
        )

    @property
    def stencil(self) -> Stencil:
        if not self.weights:
            raise ValueError("gaussian is not resolved yet: it has no weights")
        return Stencil(self.weights)


@dataclass(frozen=True, kw_only=True)
class Mean(LinearFilter, WindowFilter):
    """Mean over a box window, as scipy.ndimage.uniform_filter, divided and rounded once at the end.

    Equal to the real-valued filter rounded to whole grey levels, halves to even.
    (scipy's own integer result truncates after each axis and may be up to one level per axis lower.)
    """

    name: ClassVar[str] = "mean"

    @property
    def stencil(self) -> Stencil:
        # An even window gets a weight of zero at its far end, so that every stencil has a centre.
        return Stencil(tuple((1,) * side + (0,) * (1 - side % 2) for side in self.sizes))


@dataclass(frozen=True, kw_only=True)
class Binomial(LinearFilter, WindowFilter):
    """Smoothing with a row of Pascal's triangle along each axis: (1, 4, 6, 4, 1) / 16 where the size is 5.

    The sums are exact, and divided and rounded once at the end, halves to even. A size of 2n + 1 is ITK's
    BinomialBlurImageFilter of n repetitions, and near a Gaussian of a deviation of sqrt(n / 2) pixels.

    Parameters
    ----------
    size : int or tuple of int
        Weights along an axis, an odd number; one for all axes or one per axis.
    """

    name: ClassVar[str] = "binomial"

    size: PerAxis = parameter(5, "weights along an axis, odd; one for all axes or one per axis")

    def _side(self, value: object) -> int:
        side = super()._side(value)
        if side % 2 == 0:
            raise ValueError(f"binomial: size must be odd, so that the window has a centre, not {side}")
        return side

    def resolved(self, ndim: int, dtype: DTypeLike) -> Self:
        exact = super().resolved(ndim, dtype)
        bits, room = sum(side - 1 for side in exact.sizes), room_for_weights(dtype)
        if bits > room:
            deviation = sqrt((max(exact.sizes) - 1) / 4)
            raise ValueError(
                f"binomial: weights of these sizes add up to 2**{bits}; on {np.dtype(dtype)} images up to "
                f"2**{room} are exact, so use gaussian with sigma={deviation:.3g}, which is almost the same"
            )
        return exact

    @property
    def stencil(self) -> Stencil:
        return Stencil(tuple(tuple(comb(side - 1, k) for k in range(side)) for side in self.sizes))


def bounds(part: Stencil | Kernel, shares: tuple[int, int], low: int, high: int) -> tuple[int, int]:
    """Between which sums of `shares` of a pixel and a map's answer lie, for pixels from `low` to `high`."""
    terms = [
        sorted(share * end for end in ends)
        for share, ends in zip(shares, ((low, high), part.bounds(low, high)), strict=True)
    ]
    return terms[0][0] + terms[1][0], terms[0][1] + terms[1][1]


def _radius(sigma: float, truncate: float) -> int:
    return int(truncate * sigma + 0.5)


@lru_cache(64)
def gaussian_weights(
    sigmas: tuple[float, ...],
    truncate: float,
    dtype: np.dtype[Any],
    gain: Fraction = Fraction(1),
    taken: int = 0,
) -> Rows:
    """Integer weights of a Gaussian, one row for each axis; `gain` and `taken` as of `fixed_point`."""
    # The search takes a few milliseconds, as long as a small job.
    kernels = [_gaussian_kernel(sigma, _radius(sigma, truncate)) for sigma in sigmas]
    return fixed_point(kernels, dtype, gain=gain, taken=taken)


def _gaussian_kernel(sigma: float, radius: int) -> NDArray[np.float64]:
    if radius == 0:
        return np.ones(1)
    kernel = np.exp(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    return np.asarray(kernel / kernel.sum())
