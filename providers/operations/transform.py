"""Linear transforms of planes by one matrix along the rows and one along the columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from providers.fixed_point import Rows, fixed_point_transform
from providers.operation import derived, parameter, wider_signed
from providers.operations.plane import PlaneFilter
from providers.plane_map import PlaneMap, Sides, Step, sparse
from regions import Symmetries

if TYPE_CHECKING:
    from scipy.sparse import csr_array

LARGEST_BLOCK = 64
LARGEST_FACTOR = 8


@dataclass(frozen=True, kw_only=True)
class Dct(PlaneFilter):
    """Cosine transform of square blocks, as ``scipy.fft.dctn(block, norm="ortho")`` and in JPEG.

    Every block is replaced by its coefficients, the one of the block's mean first, in the next wider
    signed dtype. Weights are rounded to integers: answers deviate from the real-valued transform of blocks
    of 8 by at most 1 on 8-bit images, by at most 2 on 16-bit ones, and on int32 images by at most 2⁻¹⁰
    of the range that answers have; where that cannot be had for larger blocks, they are refused.

    Parameters
    ----------
    size : int
        Side of the blocks in pixels. The image's sides must be multiples of it.
    """

    name: ClassVar[str] = "dct"

    size: int = parameter(8, "side of the blocks in pixels")
    # The broker takes cosines and rounds them: another machine's may differ in their last bit.
    weights: Rows = derived(())
    bits: int = derived(0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("size", self._integer("size", self.size))
        if not 2 <= self.size <= LARGEST_BLOCK:
            raise ValueError(f"dct: size must be from 2 to {LARGEST_BLOCK} pixels, not {self.size}")
        if self.weights:
            flat = [weight for row in self.weights for weight in row]
            if len(self.weights) != self.size or any(len(row) != self.size for row in self.weights):
                raise ValueError("dct: there are as many weights as a block has pixels")
            if not all(type(weight) is int and abs(weight) < 1 << 26 for weight in flat):
                raise ValueError("dct: weights are whole numbers below 2**26")
        if type(self.bits) is not int or not 0 <= self.bits < 26:
            raise ValueError("dct: weights have a fraction of up to 25 bits")

    def resolved(self, ndim: int, dtype: DTypeLike) -> Self:
        weights, bits = _in_integers(self.size, np.dtype(dtype))
        return replace(super().resolved(ndim, dtype), weights=weights, bits=bits)

    def of_planes(self, sides: Sides, dtype: DTypeLike) -> Self:
        if any(side % self.size for side in sides):
            raise ValueError(
                f"dct: the sides of an image must be multiples of {self.size}, and these are {sides[0]} x "
                f"{sides[1]}; crop it, or make it larger with numpy.pad"
            )
        return super().of_planes(sides, dtype)

    @property
    def units(self) -> int:
        if not self.weights:
            raise ValueError("dct is not resolved yet: it has no weights")
        return 1 << 2 * self.bits

    @property
    def map(self) -> PlaneMap:
        rows, columns = self.plane
        if rows % self.size or columns % self.size:
            raise ValueError(f"dct: the sides of planes must be multiples of {self.size}")
        return _cosine_map(self.weights, (rows, columns))

    def result_dtype(self, dtype: DTypeLike) -> np.dtype[Any]:
        return wider_signed(dtype)


@dataclass(frozen=True, kw_only=True)
class Rescale(PlaneFilter):
    """Enlargement by a whole number with linear interpolation: ``skimage.transform.rescale`` of order 1.

    Every pixel becomes ``scale x scale`` of them, whose centres are interpolated between those of pixels.
    Weights are whole multiples of ``1 / (2 * scale)``, so that sums are exact, and are rounded once, halves
    to even. The image goes on beyond its edge by `mode`, of which half a pixel is read: "reflect" is
    skimage's "symmetric", and "mirror" its default, "reflect".

    Parameters
    ----------
    scale : int
    """

    name: ClassVar[str] = "rescale"

    scale: int = parameter(2, "how many times as many rows and columns, from 2 to 8")
    mirrored: bool = derived(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("scale", self._integer("scale", self.scale))
        if not 2 <= self.scale <= LARGEST_FACTOR:
            raise ValueError(f"rescale: scale must be from 2 to {LARGEST_FACTOR}, not {self.scale}")
        if type(self.mirrored) is not bool:
            raise ValueError("rescale: mirrored must be true or false")
        if self.mode == "constant":
            raise ValueError(
                "rescale: levels between the image and a constant are no part of it; use mode reflect, "
                "nearest or mirror"
            )

    def resolved(self, ndim: int, dtype: DTypeLike) -> Self:
        return replace(super().resolved(ndim, dtype), mirrored=self.mode == "mirror")

    @property
    def units(self) -> int:
        return (2 * self.scale) ** 2

    @property
    def symmetries(self) -> Symmetries:
        return replace(super().symmetries, offset_gain=1)

    @property
    def after(self) -> Sides:
        rows, columns = self.plane
        return rows * self.scale, columns * self.scale

    @property
    def map(self) -> PlaneMap:
        return _enlarging_map(self.scale, self.mirrored, self.plane)


@lru_cache(8)
def _cosine_map(weights: Rows, sides: Sides) -> PlaneMap:
    return _separable(*(_blocks(weights, side) for side in sides))


@lru_cache(8)
def _enlarging_map(scale: int, mirrored: bool, sides: Sides) -> PlaneMap:
    return _separable(*(_interpolated(side, scale, mirrored) for side in sides))


def _separable(rows: csr_array, columns: csr_array) -> PlaneMap:
    """One matrix on every column, and then one on every row."""
    sides, between = (rows.shape[1], columns.shape[1]), (rows.shape[0], columns.shape[1])
    steps = (
        Step(rows, "rows", sides, between),
        Step(columns, "columns", between, (rows.shape[0], columns.shape[0])),
    )
    return PlaneMap(steps)


@lru_cache(64)
def _in_integers(size: int, dtype: np.dtype[Any]) -> tuple[Rows, int]:
    weights, bits = fixed_point_transform(_cosines(size), dtype)
    return tuple(map(tuple, weights.tolist())), bits


def _cosines(size: int) -> NDArray[np.float64]:
    """The rows of the orthonormal cosine transform."""
    frequency, place = np.mgrid[:size, :size]
    waves = np.sqrt(2 / size) * np.cos(np.pi * frequency * (2 * place + 1) / (2 * size))
    waves[0] = np.sqrt(1 / size)
    return np.asarray(waves)


def _blocks(weights: Rows, side: int) -> csr_array:
    """The weights on every block of a line."""
    size = len(weights)
    rows, columns = np.mgrid[:size, :size]
    first = np.arange(0, side, size)[:, None]
    flat = np.tile(np.array(weights, np.int64).ravel(), side // size)
    return sparse((first + rows.ravel()).ravel(), (first + columns.ravel()).ravel(), flat, (side, side))


def _interpolated(side: int, scale: int, mirrored: bool) -> csr_array:
    """From the pixels of a line to those between them, in units of 1 / (2 * scale)."""
    place = np.arange(side * scale)
    below, after = np.divmod(2 * place + 1 - scale, 2 * scale)
    columns = np.concatenate([below, below + 1])
    columns[columns < 0] = min(int(mirrored), side - 1)
    columns[columns == side] = max(side - 1 - int(mirrored), 0)
    return sparse(
        np.tile(place, 2), columns, np.concatenate([2 * scale - after, after]), (side * scale, side)
    )
