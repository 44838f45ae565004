"""Linear operations that need whole planes: any matrix of integers, from the pixels to those of an answer."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from providers.fixed_point import room_for_weights
from providers.image import PLANE_AXES
from providers.operation import AxesFilter, derived, parameter, required, wider_signed
from providers.packed_matrix import MOST_TEXT, packed, unpacked
from providers.plane_map import PlaneMap, Sides, Step
from providers.stencil import EXACT_INT, Answers
from regions import Symmetries

LONGEST_SIDE = 1 << 16
"""Rows or columns of a plane."""


@dataclass(frozen=True, kw_only=True)
class PlaneFilter(AxesFilter):
    """A linear map of whole planes, by a matrix that its parameters and the planes' shape give.

    Planes of a volume and components of a colour image are mapped each by itself. The answer may have
    another shape. There is nothing beyond the border that it would read, unless it says so.
    """

    whole: ClassVar[bool] = True

    sides: tuple[int, ...] = derived(())

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = isinstance(self.sides, tuple) and len(self.sides) in (0, PLANE_AXES)
        if not fits or not all(type(side) is int and 1 <= side <= LONGEST_SIDE for side in self.sides):
            raise ValueError(f"{self.name}: planes have two sides of up to {LONGEST_SIDE} pixels")

    def of_planes(self, sides: Sides, dtype: DTypeLike) -> Self:
        found = dataclasses.replace(self, sides=sides)
        # Weights that are too many, or an image that the matrix does not fit, are told now.
        _ = found.map
        return found

    @property
    @abstractmethod
    def map(self) -> PlaneMap:
        """The map, of an operation that is resolved for planes; the same object as long as it is in use."""

    @property
    def after(self) -> Sides:
        """Rows and columns of the answer, known before the map is made: here those of the planes."""
        return self.plane

    @property
    def plane(self) -> Sides:
        """Rows and columns of the planes that it is resolved for."""
        if not self.sides:
            raise ValueError(f"{self.name} is not resolved yet: it needs the sides of whole planes")
        rows, columns = self.sides
        return rows, columns

    @property
    def halo(self) -> tuple[int, ...]:
        return (0,) * self.axes

    @property
    def symmetries(self) -> Symmetries:
        return Symmetries(flips=(False,) * self.axes, negation_sign=-1)

    @property
    def linear(self) -> bool:
        return True

    @property
    def parts(self) -> tuple[PlaneMap, ...]:
        return (self.map,)

    @property
    def taps(self) -> int:
        return self.map.work()

    def answered(self, window: tuple[int, ...]) -> tuple[int, ...]:
        if window[-PLANE_AXES:] != self.plane or len(window) != self.axes:
            raise ValueError(f"{self.name} is for planes of {self.plane}, and cannot be given {window}")
        return (*window[:-PLANE_AXES], *self.after)

    def run(self, stack: NDArray[np.generic]) -> Answers:
        self.answered(stack.shape[1:])
        return self.map.run(stack)


@dataclass(frozen=True, kw_only=True)
class Operator(PlaneFilter):
    """A sparse matrix of whole numbers on the pixels of a plane in row-major order.

    Answers are exact sums, divided by `divisor` and rounded once, halves to even. They have the image's
    dtype where no weight is negative and no row adds up to more than the divisor. Otherwise they have the
    next wider signed dtype, or the first one after it that holds the answers to all images.

    Parameters
    ----------
    matrix : matrix of scipy.sparse, or rows of whole numbers
        A column for each pixel, and a row for each pixel of the answer. It travels with every task, packed
        into at most 900,000 characters: some 200,000 weights without any order, many times as many with one.
    output_shape : (int, int)
        Rows and columns of the answer.
    divisor : int
        What weights were multiplied by to make them whole.
    """

    name: ClassVar[str] = "operator"

    matrix: Any = required(((1, 1, 0, 0), (0, 0, 1, -1)), "rows of whole numbers, a column for each pixel")
    output_shape: tuple[int, ...] = required((2, 1), "rows and columns of the answer")
    divisor: int = parameter(1, "by which answers are divided, and then rounded")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.matrix, str):
            try:
                self._set("matrix", packed(self.matrix))
            except ValueError as error:
                raise ValueError(f"operator: matrix {error}") from error
        if len(self.matrix) > MOST_TEXT:
            raise ValueError(f"operator: a matrix has at most {MOST_TEXT} characters")
        given = self.output_shape
        if not isinstance(given, (tuple, list, np.ndarray)) or len(given) != PLANE_AXES:
            raise ValueError(f"operator: output_shape must be rows and columns, not {given!r}")
        self._set("output_shape", tuple(self._integer("output_shape", side) for side in given))
        self._set("divisor", self._integer("divisor", self.divisor))
        if not 1 <= self.divisor < EXACT_INT:
            raise ValueError(f"operator: divisor must be a number from 1 to 2**63, not {self.divisor}")
        rows, _ = unpacked(self.matrix).shape
        if min(self.output_shape) < 1 or prod(self.output_shape) != rows:
            raise ValueError(
                f"operator: the matrix has {rows} rows, one for each pixel of the answer, and output_shape "
                f"is {self.output_shape}"
            )

    def of_planes(self, sides: Sides, dtype: DTypeLike) -> Self:
        _, columns = unpacked(self.matrix).shape
        if prod(sides) != columns:
            raise ValueError(
                f"operator: the matrix has {columns} columns, one for each pixel, and the image's planes "
                f"have {sides[0]} x {sides[1]} pixels"
            )
        return super().of_planes(sides, dtype)

    def resolved(self, ndim: int, dtype: DTypeLike) -> Self:
        matrix, room = unpacked(self.matrix), room_for_weights(dtype)
        bits = int(np.abs(matrix.astype(np.float64)).sum(axis=1).max()).bit_length()
        if bits > room:
            raise ValueError(
                f"operator: the magnitudes of a row's weights add up to {bits} bits; on {np.dtype(dtype)} "
                f"images up to {room} are exact, so use smaller weights"
            )
        return super().resolved(ndim, dtype)

    @property
    def units(self) -> int:
        return self.divisor

    @property
    def after(self) -> Sides:
        rows, columns = self.output_shape
        return rows, columns

    @property
    def map(self) -> PlaneMap:
        return _operator(self.matrix, self.plane, self.output_shape)

    def result_dtype(self, dtype: DTypeLike) -> np.dtype[Any]:
        up, down = _sums(self.matrix)
        if not down and up <= self.divisor:
            return np.dtype(dtype)
        limits = np.iinfo(np.dtype(dtype).name)
        low, high = min(int(limits.min), 0), max(int(limits.max), 0)
        ends = round((up * low + down * high) / self.divisor), round((up * high + down * low) / self.divisor)
        wide = wider_signed(dtype)
        while not np.iinfo(wide).min <= ends[0] <= ends[1] <= np.iinfo(wide).max and wide.itemsize < 8:
            wide = wider_signed(wide)
        return wide

    def __str__(self) -> str:
        matrix = unpacked(self.matrix)
        rows, columns = matrix.shape
        shape = ",".join(map(str, self.output_shape))
        return (
            f"operator matrix={rows}x{columns} with {matrix.nnz} weights output_shape={shape} "
            f"divisor={self.divisor}"
        )


@lru_cache(4)
def _operator(text: str, sides: Sides, after: tuple[int, ...]) -> PlaneMap:
    return PlaneMap((Step(unpacked(text), "plane", sides, (after[0], after[1])),))


@lru_cache(8)
def _sums(text: str) -> tuple[int, int]:
    matrix = unpacked(text)
    return _operator(text, (1, matrix.shape[1]), (matrix.shape[0], 1)).steps[0].sums
