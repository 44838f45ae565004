"""Real weights as integers, with the deviation that this costs; only brokers do it, weights travel."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, inf, log2
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from providers.stencil import SCRAMBLE_BITS, WORD_BITS

Rows: TypeAlias = tuple[tuple[int, ...], ...]
T = TypeVar("T")

WORST_DEVIATION = 2**-10
"""Share of the dtype's range by which fixed-point weights may move an answer before we refuse."""
_SCALES = 256
"""Candidate sums of weights tried per number of bits: finds weights about one bit shorter than one try."""
DIRECTION_BITS = 30
"""Bits of the fraction of cosines and sines that say where a pixel lies on a detector."""
FLOAT_BITS = 48
"""Bits of weights on an axis for floats: far below what a float64 sum resolves, and exact in one."""


def room_for_weights(dtype: DTypeLike) -> int:
    """Bits of an accumulator that pixels of this dtype, scrambled, leave to weights."""
    if np.dtype(dtype).kind == "f":
        return FLOAT_BITS
    return WORD_BITS - SCRAMBLE_BITS - 8 * np.dtype(dtype).itemsize


def fixed_point(
    kernels: list[NDArray[np.float64]], dtype: DTypeLike, *, gain: Fraction = Fraction(1), taken: int = 0
) -> Rows:
    """Integer weights for symmetric real kernels, with a proven deviation.

    Takes the fewest bits per axis with which the filter is at most 1 grey level off the real-valued one
    (half a level by the weights, half by rounding), as long as ``ndim * bits + bits of the dtype + 2``
    stays within 60. Where that is impossible, the most bits that fit. The sum of each axis is odd, so
    that no quotient ends in a half and rounding commutes with sign and offset. For floats, `FLOAT_BITS`.

    Parameters
    ----------
    kernels : list of (2r + 1,) ndarray
        Per axis, non-negative and symmetric with sum 1.
    dtype : dtype
        The dtype of the image: its full range counts, so that everyone chooses the same weights.
    gain : Fraction
        By what the filter's answers are multiplied afterwards, and their deviation with them.
    taken : int
        Bits of an accumulator that this needs besides.

    Raises
    ------
    ValueError
        If even the most bits that fit are off by more than 2⁻¹⁰ of the dtype's range before a `gain`.
    """
    if np.dtype(dtype).kind == "f":
        return tuple(_nearest_weights(kernel, FLOAT_BITS)[0] for kernel in kernels)
    levels = 2 ** (8 * np.dtype(dtype).itemsize) - 1

    def rounded(bits: int) -> tuple[Rows, float]:
        rows, errors = zip(*(_nearest_weights(kernel, bits) for kernel in kernels), strict=True)
        # The errors of an axis add up to zero, so that half of their sum times the range bounds the move.
        return rows, float(gain) * levels * sum(errors) / 2

    most = (room_for_weights(dtype) - taken) // len(kernels)
    return _fewest_bits(rounded, most, dtype, WORST_DEVIATION * max(1.0, float(gain)))


def fixed_point_kernels(kernels: NDArray[np.float64], dtype: DTypeLike) -> tuple[NDArray[np.int64], int]:
    """Integer weights and one odd scale for real kernels of any form, with a proven deviation.

    As `fixed_point`, with as many bits for the sum of the weights' magnitudes. The weights add up to a
    kernel's sum times the scale, rounded, so that what is flat stays flat under a kernel of sum 1, and
    nothing is left of it under one of sum 0; the middle weight takes what rounding the others leaves.

    Parameters
    ----------
    kernels : (n, *sides) ndarray
        Of any number of axes, of odd sides.
    dtype : dtype
        Of the image, as for `fixed_point`.

    Raises
    ------
    ValueError
        As `fixed_point`.
    """
    low, high = _range(np.dtype(dtype))
    flat = kernels.reshape(len(kernels), -1)
    magnitude = max(1.0, float(np.abs(flat).sum(axis=1).max()))

    def weights(one: NDArray[np.float64], scales: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.rint(one * scales)
        found[:, one.size // 2] += np.rint(one.sum() * scales[:, 0]) - found.sum(axis=1)
        return found

    def moved(one: NDArray[np.float64], scales: NDArray[np.float64], bits: int) -> NDArray[np.float64]:
        found = weights(one, scales)
        errors = found / scales - one
        up, down = errors.clip(min=0).sum(axis=1), errors.clip(max=0).sum(axis=1)
        moves: NDArray[np.float64] = np.maximum(
            np.abs(up * high + down * low), np.abs(up * low + down * high)
        )
        moves[np.abs(found).sum(axis=1) >= 2.0**bits] = inf
        return moves

    def rounded(bits: int) -> tuple[tuple[NDArray[np.int64], int], float]:
        wanted = np.linspace(2.0 ** (bits - 1), 2.0**bits - 1, _SCALES)[:, None] / magnitude
        scales = 2 * np.floor(wanted / 2) + 1
        moves = np.max([moved(one, scales, bits) for one in flat], axis=0)
        best = int(moves.argmin())
        found = np.concatenate([weights(one, scales[best : best + 1]) for one in flat])
        return (found.astype(np.int64).reshape(kernels.shape), int(scales[best, 0])), float(moves[best])

    if np.dtype(dtype).kind == "f":
        return rounded(FLOAT_BITS)[0]
    return _fewest_bits(rounded, room_for_weights(dtype), dtype, WORST_DEVIATION)


def fixed_point_transform(matrix: NDArray[np.float64], dtype: DTypeLike) -> tuple[NDArray[np.int64], int]:
    """Integer weights over ``2**bits`` for a matrix M that is used on both axes, ``M x M.T``; and the bits.

    The fewest bits with which the weights move an answer by half a level at most; where that is impossible,
    the most that fit. ValueError if even these move one by more than 2⁻¹⁰ of the answers' range.
    """
    largest = max(map(abs, _range(np.dtype(dtype))))
    magnitude = float(np.abs(matrix).sum(axis=1).max())

    def rounded(bits: int) -> tuple[tuple[NDArray[np.int64], int], float]:
        weights = np.rint(matrix * 2.0**bits)
        error = float(np.abs(weights / 2.0**bits - matrix).sum(axis=1).max())
        found = weights.astype(np.int64), bits
        return found, largest * ((magnitude + error) ** 2 - magnitude**2)

    most = (room_for_weights(dtype) - ceil(2 * log2(magnitude))) // 2
    return _fewest_bits(rounded, most, dtype, WORST_DEVIATION * magnitude**2)


def fixed_point_projection(
    taps: NDArray[np.float64], angles: int, reach: int, dtype: DTypeLike
) -> tuple[int, int]:
    """Bits of a filter's weights and of an interpolation's between its answers, whose mean is taken.

    As `fixed_point`, of answers to projections of a dtype.

    Parameters
    ----------
    taps : ndarray
        Of the filter.
    angles : int
        Of so many interpolated answers the mean is taken.
    reach : int
        Pixels from the axis of rotation to the farthest one: what rounded directions move answers by.
    """
    largest = max(map(abs, _range(np.dtype(dtype))))
    magnitude = float(np.abs(taps).sum())
    errors = {
        bits: float(np.abs(np.rint(taps * 2.0**bits) / 2.0**bits - taps).sum()) for bits in range(1, 61)
    }

    def rounded(bits: int) -> tuple[tuple[int, int], float]:
        splits = [(one, bits - one) for one in range(1, bits) if max(one, bits - one) < DIRECTION_BITS]
        moves = [
            largest * (errors[one] + (magnitude + errors[one]) * (2.0**-other + reach * 2.0**-DIRECTION_BITS))
            for one, other in splits
        ]
        least = min(range(len(splits)), key=moves.__getitem__, default=0)
        return (splits[least], moves[least]) if splits else ((1, 1), inf)

    most = room_for_weights(dtype) - ceil(log2(magnitude * angles)) - 1
    return _fewest_bits(rounded, most, dtype, WORST_DEVIATION * max(1.0, magnitude))


def _range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Between which values pixels are assumed to lie; of floats only their ratio counts."""
    if dtype.kind == "f":
        return -1, 1
    limits = np.iinfo(dtype.name)
    return int(limits.min), int(limits.max)


def _fewest_bits(rounded: Callable[[int], tuple[T, float]], most: int, dtype: DTypeLike, worst: float) -> T:
    """The first weights that move an answer by half a grey level at most, or those of the most bits.

    ValueError if even these move one by more than the `worst` share of the dtype's range.
    """
    deviation = inf
    for bits in range(1, most + 1):
        weights, deviation = rounded(bits)
        if deviation <= 0.5:
            return weights
    if deviation > 2 ** (8 * np.dtype(dtype).itemsize) * worst:
        raise ValueError(
            f"on {np.dtype(dtype)} images these weights do not fit into {most} bits closely enough: answers "
            f"would move by up to {deviation:.0f} grey levels; use a smaller window or a narrower dtype"
        )
    return weights


def _nearest_weights(kernel: NDArray[np.float64], bits: int) -> tuple[tuple[int, ...], float]:
    """Integer weights with an odd sum below 2**bits nearest to a kernel, and sum |weights/sum - kernel|."""
    scales = np.linspace(2.0 ** (bits - 1), 2.0**bits - 1, _SCALES)[:, None]
    weights = np.rint(kernel * scales)
    centre = len(kernel) // 2
    weights[:, centre] = 2 * np.floor(kernel[centre] * scales[:, 0] / 2) + 1
    sums = weights.sum(axis=1, keepdims=True)
    errors = np.abs(weights / sums - kernel).sum(axis=1)
    errors[sums[:, 0] >= 2.0**bits] = np.inf
    best = int(errors.argmin())
    return tuple(int(weight) for weight in weights[best]), float(errors[best])
