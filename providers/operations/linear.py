"""Linear smoothing as integer stencils."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from providers.operation import MAX_RADIUS, Filter, WindowFilter, derived, parameter
from providers.stencil import Stencil, fixed_point
from regions import Symmetries

Weights: TypeAlias = tuple[tuple[int, ...], ...]


class LinearFilter(Filter):
    """A filter that is one integer stencil: halo, symmetries and arithmetic follow from its weights."""

    @property
    @abstractmethod
    def stencil(self) -> Stencil:
        """The resolved filter's weights."""

    @property
    def halo(self) -> tuple[int, ...]:
        return self.stencil.halo

    @property
    def scale(self) -> int:
        return self.stencil.scale

    @property
    def taps(self) -> int:
        return sum(map(len, self.stencil.weights))

    @property
    def symmetries(self) -> Symmetries:
        return self.stencil.symmetries

    def run(self, stack: NDArray[np.generic]) -> NDArray[np.int64]:
        return self.stencil.run(stack)


@dataclass(frozen=True, kw_only=True)
class Gaussian(LinearFilter):
    """Gaussian smoothing, as scipy.ndimage.gaussian_filter and skimage.filters.gaussian.

    The real-valued kernel is sampled at whole pixels up to ``int(truncate * sigma + 0.5)``, normalised,
    and rounded to integer weights. The answer deviates from the real-valued filter by at most 1 grey
    level on 8- and 16-bit images (with very wide kernels on 16 bit: by at most 2⁻¹⁰ of the range), and by
    at most 2⁻¹⁰ of the dtype's range on int32 images; where that cannot be had it is refused.

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
    weights: Weights = derived(())

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("truncate", self._number("truncate", self.truncate, 0, MAX_RADIUS))
        if isinstance(self.sigma, (tuple, list, np.ndarray)):
            self._set("sigma", tuple(self._number("sigma", sigma, 0, MAX_RADIUS) for sigma in self.sigma))
        else:
            self._set("sigma", self._number("sigma", self.sigma, 0, MAX_RADIUS))
        for sigma in self.sigma if isinstance(self.sigma, tuple) else (self.sigma,):
            if _radius(sigma, self.truncate) > MAX_RADIUS:
                raise ValueError(
                    f"gaussian: sigma={sigma:g} with truncate={self.truncate:g} reaches "
                    f"{_radius(sigma, self.truncate)} pixels; the limit is {MAX_RADIUS}"
                )

    def resolved(self, ndim: int, dtype: DTypeLike) -> Self:
        sigmas = self._per_axis("sigma", self.sigma, ndim)
        return dataclasses.replace(
            self, sigma=sigmas, weights=_gaussian_weights(sigmas, self.truncate, np.dtype(dtype))
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


def _radius(sigma: float, truncate: float) -> int:
    return int(truncate * sigma + 0.5)


@lru_cache(64)
def _gaussian_weights(sigmas: tuple[float, ...], truncate: float, dtype: np.dtype[Any]) -> Weights:
    # The search takes a few milliseconds, as long as a small job.
    kernels = [_gaussian_kernel(sigma, _radius(sigma, truncate)) for sigma in sigmas]
    return fixed_point(kernels, dtype)


def _gaussian_kernel(sigma: float, radius: int) -> NDArray[np.float64]:
    if radius == 0:
        return np.ones(1)
    kernel = np.exp(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    return np.asarray(kernel / kernel.sum())
