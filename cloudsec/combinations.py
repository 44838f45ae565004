"""Sums of a few arrays of residues, each by a weight of its own: what dealing and recovering shares is.

Exact for every modulus: the words of the compiled loops hold what they add up by proven bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import gcd, isqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from providers.modular import Pass, centred, smallest_word
from providers.residues import FIELDS, Residues, residue_dtype, wraps


def combinations(matrix: Sequence[Sequence[int]], planes: Sequence[Residues], modulus: int) -> Residues:
    """For each row of a matrix ``sum of row[i] * planes[i]`` modulo `modulus`, of arrays of one shape."""
    from cloudsec.loops import MOST_PLANES, combine, combine_mersenne

    if len(planes) > MOST_PLANES:
        groups = [slice(first, first + MOST_PLANES) for first in range(0, len(planes), MOST_PLANES)]
        parts = [combinations([row[some] for row in matrix], planes[some], modulus) for some in groups]
        total: Residues = combinations([(1,) * len(parts)], parts, modulus)[0]
        return total
    answer: Residues = np.empty((len(matrix), *planes[0].shape), residue_dtype(modulus))
    flat = [np.ascontiguousarray(plane).reshape(-1).view() for plane in planes]
    for plane in flat:
        # Arrays that may be written to are another type, for which all would be compiled again.
        plane.flags.writeable = False
    room = tuple(flat + flat[:1] * (MOST_PLANES - len(flat)))
    plan = _plan(tuple(map(tuple, matrix)), modulus)
    if plan is None:
        combine_mersenne(room, _words(matrix, modulus), answer.reshape(len(matrix), -1))
    else:
        combine(room, *plan, answer.reshape(len(matrix), -1))
    return answer


class _Plan(NamedTuple):
    """What `cloudsec.loops.combine` is told of a matrix, in words that hold its sums."""

    weights: NDArray[np.unsignedinteger[Any]]
    starts: NDArray[np.unsignedinteger[Any]]
    factors: NDArray[np.unsignedinteger[Any]]
    steps: NDArray[np.int64]
    modulus: NDArray[np.unsignedinteger[Any]]


@lru_cache(256)
def _plan(matrix: tuple[tuple[int, ...], ...], modulus: int) -> _Plan | None:
    """How to combine residues in words that provably hold the sums; None where only a Mersenne prime does."""
    scaled = [_scaled(row, modulus) for row in matrix]
    passes = [Pass((len(row), 1), {(i, 0): w for i, w in enumerate(row)}) for _, row in scaled]
    most = max(factor for factor, _ in scaled)
    words = [smallest_word([each], modulus) for each in (*passes, Pass((1, 1), {(0, 0): most}))]
    if None in words:
        if modulus != FIELDS[-1]:
            raise ValueError(f"sums modulo {modulus} do not fit into 64 bits, and it is no Mersenne prime")
        return None
    word = max((word for word in words if word), key=lambda word: word.itemsize)
    starts, steps = [], []
    for (factor, _), each in zip(scaled, passes, strict=True):
        low, high = each.span(0, modulus - 1)
        starts.append(-(low // modulus) * modulus)
        sums, products = _steps(high + starts[-1], modulus), (0, 0)
        if factor > 1:
            products = _steps(factor * (modulus - 1), modulus)
        steps.append((*sums, *products))
    bits = modulus.bit_length()
    return _Plan(
        _words([row for _, row in scaled], 1 << 8 * word.itemsize).astype(word),
        _words(starts, 1 << 64).astype(word),
        _words([factor for factor, _ in scaled], 1 << 64).astype(word),
        np.array(steps, np.int64),
        _words([modulus, bits, (1 << bits) - modulus], 1 << 64).astype(word),
    )


def _words(numbers: object, modulus: int) -> NDArray[np.uint64]:
    return (np.array(numbers, object) % modulus).astype(np.uint64)


def _scaled(row: Sequence[int], modulus: int) -> tuple[int, list[int]]:
    """A factor, and weights as small as may be that do the same with it: fractions of one denominator."""
    whole, denominator = centred(row, modulus), 1
    if wraps(modulus):
        return 1, whole
    for weight in row:
        denominator *= _denominator(weight * denominator % modulus, modulus)
    small = centred([weight * denominator for weight in row], modulus)
    if sum(map(abs, small)) < sum(map(abs, whole)) and gcd(denominator, modulus) == 1:
        return pow(denominator, -1, modulus), small
    return 1, whole


def _denominator(residue: int, modulus: int) -> int:
    """The denominator of a fraction that is this residue, and whose parts are about roots of the modulus.

    Euclid's remainders lead to it (P. Wang, A p-adic algorithm for univariate partial fractions, 1981).
    """
    (above, before), (remainder, multiple) = (modulus, 0), (residue, 1)
    while remainder > isqrt(modulus):
        quotient = above // remainder
        (above, before), (remainder, multiple) = (
            (remainder, multiple),
            (above - quotient * remainder, before - quotient * multiple),
        )
    return abs(multiple)


def _steps(high: int, modulus: int) -> tuple[int, int]:
    """How often words up to `high` are folded, and the modulus then taken away, until they are residues."""
    if wraps(modulus):
        return 0, 0
    bits, folds = modulus.bit_length(), 0
    gap = (1 << bits) - modulus
    while high >= 2 * modulus and (folded := (1 << bits) - 1 + gap * (high >> bits)) < high:
        high, folds = folded, folds + 1
    return folds, high // modulus
