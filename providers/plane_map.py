"""Sparse integer maps of whole planes: exact on pixels, on residues modulo anything, and transposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from providers.residues import Residues, reduced, residue_dtype, shifted, wraps
from providers.stencil import EXACT_INT, largest_magnitude

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Sides: TypeAlias = tuple[int, int]
Axis: TypeAlias = Literal["rows", "columns", "plane"]

MOST_NONZEROS = 1 << 25
"""Weights of a matrix: 400 MB of them and their places, and less work than a provider does at one time."""
_HEAVIEST = 1 << 60
"""Sums of the weights' magnitudes stay below: then even single bits of residues have sums within int64."""


@dataclass(frozen=True, eq=False)
class Step:
    """A sparse matrix of integers on each column of a plane, on each of its rows, or on all of its pixels.

    Attributes
    ----------
    matrix : csr_array or csc_array of int64
        As many columns as there are rows, columns or pixels before, and as many rows as there are after.
    axis : {"rows", "columns", "plane"}
        Which of them it adds up; all pixels are in row-major order.
    before, after : (int, int)
        Rows and columns of the plane.
    """

    matrix: csr_array = field(repr=False)
    axis: Axis
    before: Sides
    after: Sides

    def __post_init__(self) -> None:
        if self.matrix.shape != (self._length(self.after), self._length(self.before)):
            raise ValueError(
                f"a matrix of {self.matrix.shape} maps no {self.axis} of {self.before} to {self.after}"
            )
        if self.matrix.nnz > MOST_NONZEROS:
            raise ValueError(
                f"a matrix has at most {MOST_NONZEROS} weights that are not zero; this one {self.matrix.nnz}"
            )
        if self.heaviest >= _HEAVIEST:
            raise ValueError("the magnitudes of a row's weights must have a sum below 2**60")

    def _length(self, sides: Sides) -> int:
        return {"rows": sides[0], "columns": sides[1], "plane": prod(sides)}[self.axis]

    @cached_property
    def heaviest(self) -> int:
        """No row's magnitudes of weights add up to more."""
        if not self.matrix.nnz:
            return 0
        if self.matrix.format == "csr":
            longest = int(np.diff(self.matrix.indptr).max())
        else:
            longest = int(np.bincount(self.matrix.indices, minlength=1).max())
        return longest * largest_magnitude(self.matrix.data)

    @cached_property
    def sums(self) -> tuple[int, int]:
        """The largest sum of a row's positive weights, and the least of its negative ones."""
        if not self.matrix.nnz:
            return 0, 0
        if int(self.matrix.data.min()) >= 0:
            return int(self.matrix.sum(axis=1).max()), 0
        up, down = (self._with(clipped(self.matrix.data, 0)) for clipped in (np.maximum, np.minimum))
        return int(up.sum(axis=1).max()), int(down.sum(axis=1).min())

    @property
    def transposed(self) -> Step:
        return Step(self.matrix.T, self.axis, self.after, self.before)

    def bounds(self, low: int, high: int) -> tuple[int, int]:
        """Between which answers to pixels from `low` to `high` lie."""
        up, down = self.sums
        above, below = max(high, 0), min(low, 0)
        return up * below + down * above, up * above + down * below

    def run(self, stack: NDArray[np.int64]) -> NDArray[np.int64]:
        """Answers for planes ``(..., *before)``, where they fit into int64."""
        return self._on(self.matrix, stack)

    def residues(self, stack: Residues, modulus: int) -> Residues:
        """Residues of the answers for planes of residues."""
        if wraps(modulus):
            # Twos are complemented: a negative weight is a large one. Words of 64 bits hold all others.
            words = self._on(self._with(self.matrix.data.view(np.uint64)), stack.astype(np.uint64))
            return words.astype(residue_dtype(modulus))
        total: NDArray[np.uint64] | None = None
        words, bits = stack.astype(np.uint64, copy=False), self._limb(modulus)
        for shift in reversed(range(0, modulus.bit_length(), bits)):
            limb = (words >> np.uint64(shift)) & np.uint64((1 << bits) - 1)
            below = reduced(self._on(self.matrix, limb.view(np.int64)), modulus).astype(np.uint64)
            if total is not None:
                below += shifted(total, bits, modulus)
                below %= np.uint64(modulus)
            total = below
        assert total is not None  # a modulus has bits
        return total.astype(residue_dtype(modulus))

    def products(self, modulus: int | None = None) -> int:
        """Multiplications for a plane, of pixels or of residues, and sums that are stored."""
        lines = {"rows": self.before[1], "columns": self.before[0], "plane": 1}[self.axis]
        limbs = 1 if modulus is None or wraps(modulus) else -(-modulus.bit_length() // self._limb(modulus))
        return int(self.matrix.nnz + self.matrix.shape[0]) * lines * limbs

    def _limb(self, modulus: int) -> int:
        """Bits of residues whose sums fit into int64."""
        return min(modulus.bit_length(), 62 - self.heaviest.bit_length())

    def _with(self, data: NDArray[Any]) -> csr_array:
        """Another matrix whose weights stand in the same places."""
        matrix = self.matrix
        return type(matrix)((data, matrix.indices, matrix.indptr), shape=matrix.shape, copy=False)

    def _on(self, matrix: csr_array, stack: NDArray[Any]) -> NDArray[Any]:
        others = stack.shape[:-2]
        if self.axis == "plane":
            answers = (matrix @ stack.reshape(-1, prod(self.before)).T).T
        elif self.axis == "columns":
            answers = (matrix @ stack.reshape(-1, self.before[1]).T).T
        else:
            lines = np.moveaxis(stack, -2, 0).reshape(self.before[0], -1)
            rows = (matrix @ lines).reshape(self.after[0], *others, self.before[1])
            return np.ascontiguousarray(np.moveaxis(rows, 0, -2))
        return np.ascontiguousarray(answers).reshape(*others, *self.after)


@dataclass(frozen=True, eq=False)
class PlaneMap:
    """Steps one after the other, from planes of one shape to planes of one that may be another."""

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if any(one.after != other.before for one, other in zip(self.steps, self.steps[1:], strict=False)):
            raise ValueError("the steps of a map must follow one another")

    @property
    def before(self) -> Sides:
        """Rows and columns of the planes that it takes."""
        return self.steps[0].before

    @property
    def after(self) -> Sides:
        """Rows and columns of those that it gives."""
        return self.steps[-1].after

    def bounds(self, low: int, high: int) -> tuple[int, int]:
        """Unrounded answers between which those to all pixels from `low` to `high` lie."""
        for step in self.steps:
            low, high = step.bounds(low, high)
        return low, high

    def run(self, stack: NDArray[np.generic]) -> NDArray[np.int64]:
        """Unrounded answers for integer planes ``(..., *before)``.

        Raises ValueError where the largest of pixels could overflow the accumulator.
        """
        if stack.dtype.kind not in "iu":
            raise ValueError(f"a map of whole planes takes integers, not {stack.dtype}")
        largest = largest_magnitude(stack)
        for step in self.steps:
            largest = max(-end if end < 0 else end for end in step.bounds(-largest, largest))
            if largest >= EXACT_INT:
                raise ValueError(
                    f"answers of these weights to pixels of this size need a {largest.bit_length()}-bit "
                    "accumulator; there are 63"
                )
        words: NDArray[np.int64] = stack.astype(np.int64, copy=False)
        for step in self.steps:
            words = step.run(words)
        return words

    def residues(self, stack: Residues, modulus: int) -> Residues:
        """Residues of the answers for planes of residues ``(..., *before)``."""
        for step in self.steps:
            stack = step.residues(stack, modulus)
        return stack

    def transposed(self, plane: Residues, modulus: int) -> Residues:
        """Of a plane of shape `after`, r, the plane with whose pixels' sum r times every answer agrees."""
        for step in reversed(self.steps):
            plane = step.transposed.residues(plane, modulus)
        return plane

    def work(self, modulus: int | None = None) -> int:
        """Pixels, or residues, read for each that a plane has."""
        return -(-sum(step.products(modulus) for step in self.steps) // prod(self.before))


def sparse(rows: Sequence[int] | NDArray[Any], columns: Any, weights: Any, shape: Sides) -> csr_array:
    """A matrix of int64 from the places of its weights; those at one place are added up."""
    from scipy.sparse import coo_array

    places = np.asarray(rows, np.int32), np.asarray(columns, np.int32)
    return coo_array((np.asarray(weights, np.int64), places), shape=shape).tocsr()
