"""Integer stencils with proven bounds: a linear filter that is exact wherever and however it runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike, NDArray

from regions import Symmetries

T = TypeVar("T", bound=np.generic)

Answers: TypeAlias = NDArray[np.int64 | np.float64]
"""Unrounded answers: exact integers, or float64 for pixels that are floats."""

EXACT_FLOAT = 2**53
"""Integers below this magnitude are exact in float64, whatever the order of additions."""
EXACT_INT = 2**63
"""int64 holds every integer below this magnitude."""

MAX_TAPS = 1001
"""Weights on one axis: beyond them no image has blocks four times as wide as the halo."""

WORD_BITS = 60
"""Bits of an accumulator that weights and pixels may fill together: three fewer than int64 has."""
TILE = 48
"""Pixels of an answer's side that are computed at once: what a matrix product needs stays in a processor's
cache, and is too little for BLAS to wake threads that cost more than they bring."""
TILE_PIXELS = 1 << 16
"""Pixels of a stack that are worked on at once."""
WIDEST_PRODUCT = 16
"""Halos up to which a product with a matrix, most of which is zeros, beats scipy's walk along lines."""
ADDED_AT_ONCE = 33
"""Floats that are added up one after the other, as many as a product adds; their sums are added up then. Of
windows of hundreds of pixels in one go, two orders differ by more than `FLOAT_ROUNDINGS`."""
SCRAMBLE_BITS = 2
"""Bits by which a scramble may widen a pixel (design/decisions.md, Scrambles)."""


class _Tiles(NamedTuple):
    """Tiles along one axis, one after the other from the first pixel on."""

    first: int
    side: int
    number: int


@dataclass(frozen=True, slots=True)
class Stencil:
    """A separable integer stencil: per axis, an odd number of weights centred on the pixel.

    ``answer[i] = sum over k of weights[k] * pixels[i + k - halo]`` on each axis in turn; dividing the
    answer by `scale` gives grey levels.
    """

    weights: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        for row in self.weights:
            if len(row) > MAX_TAPS:
                raise ValueError(f"a stencil has at most {MAX_TAPS} weights on an axis")
            if len(row) % 2 == 0 or not all(type(weight) is int for weight in row):
                raise ValueError("a stencil needs an odd number of integer weights on every axis")
            if sum(row) < 1 or min(row) < 0:
                raise ValueError("a smoothing stencil needs weights of at least 0 with a sum of at least 1")
            if sum(row) >= EXACT_FLOAT:
                raise ValueError("the weights of a stencil must have a sum below 2**53 on every axis")

    @property
    def halo(self) -> tuple[int, ...]:
        return tuple(len(row) // 2 for row in self.weights)

    @property
    def taps(self) -> int:
        """Weights of all axes, which are gone through one after the other."""
        return sum(map(len, self.weights))

    @property
    def scale(self) -> int:
        """Sum of all weights."""
        return prod(sum(row) for row in self.weights)

    @property
    def reach(self) -> int:
        """Sum of the weights' magnitudes."""
        return self.scale

    @property
    def symmetries(self) -> Symmetries:
        return Symmetries(
            flips=tuple(row == row[::-1] for row in self.weights),
            quarter_turns=len(self.weights) > 1 and self.weights[-1] == self.weights[-2],
            offset_gain=1,
            negation_sign=-1,
        )

    def bounds(self, low: int, high: int) -> tuple[int, int]:
        """Unrounded answers between which those to all pixels from `low` to `high` lie."""
        return self.scale * low, self.scale * high

    def run(self, stack: NDArray[np.generic]) -> Answers:
        """Unrounded answers for the pixels of ``(n, *window)`` that have their whole halo.

        Raises ValueError where the largest of integer pixels could overflow the accumulator.
        """
        narrow = len(self.weights) == 2 and max(self.halo) <= WIDEST_PRODUCT
        if stack.dtype.kind == "f":
            return self._run_product(stack) if narrow else self._run_float(stack)
        bound = largest_magnitude(stack) * self.scale
        if bound >= EXACT_INT:
            raise ValueError(
                f"weights of {self.scale.bit_length()} bits on pixels of this size need a "
                f"{bound.bit_length()}-bit accumulator; there are 63"
            )
        # Every partial sum is an integer below the bound, so all paths are exact and equal.
        if bound < EXACT_FLOAT:
            return self._run_product(stack) if narrow else self._run_float(stack).astype(np.int64)
        return self._run_int(stack)

    def _run_product(self, stack: NDArray[np.generic]) -> Answers:
        """Both axes as products with banded matrices, tile by tile: nothing but the core is computed."""
        answer: Answers = np.empty(core(stack, self.halo).shape, answers_in(stack.dtype))
        if not answer.size:
            return answer
        _, height, width = answer.shape
        for rows in _tiles(height):
            for columns in _tiles(width):
                self._run_tiles(stack, answer, rows, columns)
        return answer

    def _run_tiles(self, stack: NDArray[np.generic], answer: Answers, rows: _Tiles, columns: _Tiles) -> None:
        """The tiles of one shape of all regions, so many at a time as fit into a processor's cache."""
        down, across = _band(self.weights[0], rows.side).T, _band(self.weights[1], columns.side)
        window = down.shape[1], len(across)
        (top, left), steps = (rows.first, columns.first), (rows.side, columns.side)
        bottom, right = rows.first + rows.side * rows.number, columns.first + columns.side * columns.number
        inputs = stack[:, top : bottom + 2 * self.halo[0], left : right + 2 * self.halo[1]]
        outputs = answer[:, top:bottom, left:right]
        # (regions, tiles down, tiles across, rows, columns), without a copy
        pixels = sliding_window_view(inputs, window, axis=(1, 2))[:, :: steps[0], :: steps[1]]
        places = sliding_window_view(outputs, steps, axis=(1, 2), writeable=True)[:, :: steps[0], :: steps[1]]
        at_once = max(1, TILE_PIXELS // prod(window))
        regions = max(1, at_once // (rows.number * columns.number))
        lines = max(1, at_once // columns.number)
        for region in range(0, len(stack), regions):
            for line in range(0, rows.number, lines):
                part = slice(region, region + regions), slice(line, line + lines)
                places[part] = down @ pixels[part].astype(np.float64) @ across

    def _run_float(self, stack: NDArray[np.generic]) -> NDArray[np.float64]:
        answer = stack.astype(np.float64)
        for axis, row in enumerate(self.weights, start=1):
            if row != (1,):
                # Integers are exact anyhow; the roundings of floats grow with what is added up in one go.
                at_once = len(row) if stack.dtype.kind in "iu" else ADDED_AT_ONCE
                answer = _correlated(answer, axis, row, at_once)
        return answer

    def _run_int(self, stack: NDArray[np.generic]) -> NDArray[np.int64]:
        answer = stack.astype(np.int64)
        for axis, row in enumerate(self.weights, start=1):
            length = answer.shape[axis] - len(row) + 1
            total = np.zeros((*answer.shape[:axis], length, *answer.shape[axis + 1 :]), np.int64)
            for first, weight in enumerate(row):
                if weight:
                    total += weight * answer[span(axis, first, first + length)]
            answer = total
        return answer


def _tiles(length: int) -> list[_Tiles]:
    """An axis in tiles of at most `TILE` pixels and of one length, and what is left of it."""
    side = -(-length // max(1, -(-length // TILE)))
    whole, rest = divmod(length, side)
    left = [_Tiles(whole * side, rest, 1)] if rest else []
    return [_Tiles(0, side, whole), *left]


@lru_cache(64)
def _band(row: tuple[int, ...], length: int) -> NDArray[np.float64]:
    """The matrix ``(length + 2 * halo, length)`` that does a row of weights on a line of pixels."""
    band = np.zeros((length + len(row) - 1, length))
    for first, weight in enumerate(row):
        np.fill_diagonal(band[first:], weight)
    band.setflags(write=False)
    return band


def _correlated(
    pixels: NDArray[np.float64], axis: int, row: tuple[int, ...], at_once: int
) -> NDArray[np.float64]:
    """A row of weights along one axis, so many at a time, for the pixels that have their whole halo."""
    from scipy.ndimage import correlate1d

    length = pixels.shape[axis] - len(row) + 1
    total = np.zeros((*pixels.shape[:axis], length, *pixels.shape[axis + 1 :]))
    for first in range(0, len(row), at_once):
        some = row[first : first + at_once]
        weights = np.array(some + (0,) * (1 - len(some) % 2), np.float64)
        lines = pixels[span(axis, first, first + length + len(weights) - 1)]
        filtered = correlate1d(lines, weights, axis=axis, mode="nearest")
        total += filtered[span(axis, len(weights) // 2, len(weights) // 2 + length)]
    return total


def span(axis: int, start: int, stop: int) -> tuple[slice, ...]:
    """Of an array, what lies from `start` to before `stop` along an axis, as an index."""
    return (*(slice(None),) * axis, slice(start, stop))


def core(stack: NDArray[T], halo: tuple[int, ...]) -> NDArray[T]:
    """The pixels of ``(n, *window)`` that have their whole halo; a view."""
    inner = (slice(reach, n - reach) for reach, n in zip(halo, stack.shape[1:], strict=True))
    return stack[(slice(None), *inner)]


def answers_in(dtype: DTypeLike) -> np.dtype[np.int64 | np.float64]:
    """What unrounded answers to pixels of a dtype are: float64 for floats, else int64."""
    return np.dtype(np.float64 if np.dtype(dtype).kind == "f" else np.int64)


def largest_magnitude(stack: NDArray[np.generic]) -> int:
    """The largest absolute value in an integer array, as a Python integer."""
    return max(abs(int(stack.min())), abs(int(stack.max()))) if stack.size else 0


def divided(exact: NDArray[np.int64], by: int) -> NDArray[np.int64]:
    """exact / by to the nearest integer, halves to even (as numpy.rint)."""
    if by == 1:
        return exact
    if by % 2:
        return (exact + by // 2) // by
    quotient, remainder = np.divmod(exact, by)
    quotient += (2 * remainder > by) | ((2 * remainder == by) & (quotient % 2 == 1))
    return quotient
