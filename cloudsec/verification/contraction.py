"""Stacks of pixels between secret vectors, modulo primes: sums of products that are exact in float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from providers.kernel import Kernel
from providers.stencil import EXACT_FLOAT, Stencil

PORTION = 1 << 19
"""Pixels that are worked on at once."""
_TRANSPOSED_AT_ONCE = 1 << 13
"""Multiplications of a matrix product: too few for BLAS to wake threads, and their pixels stay in a cache."""
_LONGEST = 1 << 12
"""Products of two residues that are added up before they are reduced."""
_EXACT = 1 << 52
"""Integers below it are reduced exactly."""
_FEWEST = 1 << 8
"""Products of pixels and residues, at least, that are worth adding up before they are reduced."""


class Along(NamedTuple):
    """Vectors along a line of pixels, of which most are one another's, shifted by a pixel.

    Attributes
    ----------
    first : int
        Pixels before those that are inside.
    inside : (columns inside, different vectors) ndarray
    places : (vectors,) ndarray, or a slice
        Which of these each vector is there.
    before, after : (columns outside, vectors) ndarrays
    """

    first: int
    inside: NDArray[np.float64]
    places: NDArray[np.intp] | slice
    before: NDArray[np.float64]
    after: NDArray[np.float64]


def transposed(
    parts: Sequence[Stencil | Kernel], left: NDArray[np.float64], right: NDArray[np.float64], prime: int
) -> list[tuple[NDArray[np.float64], Along]]:
    """Vectors that give of pixels, added up, what the given ones give of maps' answers side by side.

    A map is a sum of products of one along the lines and one across them: a stencil is one product, and a
    kernel one for each place along a line. There all kernels have the same vectors, and are added up.

    Parameters
    ----------
    parts : sequence of Stencil or Kernel
        All of one halo.
    left : (k, parts, *lines) ndarray
    right : (k, columns) ndarray

    Returns
    -------
    list of pairs
        Vectors across, ``(k, lines of a window, products)``, and those along a line of a window, product by
        product, k of each.
    """
    pairs = [
        _of_stencil(part, left[:, at], right, prime)
        for at, part in enumerate(parts)
        if isinstance(part, Stencil)
    ]
    kernels = [(part, left[:, at]) for at, part in enumerate(parts) if isinstance(part, Kernel)]
    if kernels:
        across = _of_kernels(kernels, prime)
        pairs.append((across, _shifted(right, across.shape[-1])))
    return pairs


def _of_stencil(
    part: Stencil, left: NDArray[np.float64], right: NDArray[np.float64], prime: int
) -> tuple[NDArray[np.float64], Along]:
    for axis, row in enumerate(part.weights[:-1], start=1):
        moved = _reduced(_spread(np.moveaxis(left, axis, -1), _residues(row, prime)[None]), prime)
        left = np.moveaxis(moved[0], -1, axis)
    along = plain(_reduced(_spread(right, _residues(part.weights[-1], prime)[None]), prime)[0])
    return left.reshape(len(left), prod(left.shape[1:]), 1), along


def _of_kernels(kernels: Sequence[tuple[Kernel, NDArray[np.float64]]], prime: int) -> NDArray[np.float64]:
    """The vectors across of all kernels on theirs, added up: one for each place along a line."""
    count, *lines = kernels[0][1].shape
    *across, along = np.shape(kernels[0][0].weights)
    sides = [n + side - 1 for n, side in zip(lines, across, strict=True)]
    total, added = np.zeros((along, count, *sides)), 0
    for kernel, left in kernels:
        weights = np.moveaxis(_residues(kernel.weights, prime), -1, 0)
        for place in np.ndindex(*across[:-1]):
            if added + across[-1] >= _LONGEST:
                total, added = _reduced(total, prime), 1
            shifted = tuple(slice(first, first + n) for first, n in zip(place, lines, strict=False))
            total[(slice(None), slice(None), *shifted)] += _spread(left, weights[:, *place])
            added += across[-1]
    return np.moveaxis(_reduced(total, prime).reshape(along, count, prod(sides)), 0, -1)


def _residues(weights: object, prime: int) -> NDArray[np.float64]:
    return _reduced((np.array(weights, dtype=object) % prime).astype(np.float64), prime)


def plain(vectors: NDArray[np.float64]) -> Along:
    """Vectors ``(k, columns)`` of which none is another's."""
    outside = np.empty((0, len(vectors)))
    return Along(0, vectors.T, slice(None), outside, outside)


def _shifted(right: NDArray[np.float64], side: int) -> Along:
    """Vectors ``(k, columns)``, each of them a window of one, beginning at every pixel of a window's side."""
    count, length = right.shape
    shifts = np.zeros((length + side - 1, side, count))
    for first in range(side):
        shifts[first : first + length, first] = right.T
    vectors = shifts.reshape(len(shifts), side * count)
    # Inside, where no vector has begun late or ended early, vectors that begin at one entry are the same.
    begin = np.arange(side)[:, None] - np.arange(count)
    first, last = min(side - 1, length), max(length, min(side - 1, length))
    _, chosen, places = np.unique(begin, return_index=True, return_inverse=True)
    return Along(first, vectors[first:last, chosen], places.reshape(-1), vectors[:first], vectors[last:])


def _spread(vectors: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every row of weights on every vector, transposed: what each pixel of a line adds to answers.

    Of rows ``(r, taps)`` and vectors ``(..., n)`` of residues ``(r, ..., n + taps - 1)``, not reduced.
    """
    count, taps = rows.shape
    length = vectors.shape[-1] + taps - 1
    # One line of all vectors, each with zeros before it; those after the last one are the first of nobody's.
    apart = np.zeros((prod(vectors.shape[:-1]) + 1, length))
    apart[:-1, taps - 1 :] = vectors.reshape(-1, vectors.shape[-1])
    step, places = apart.itemsize, length * (len(apart) - 1)
    shifted = as_strided(apart, (taps, places), (step, step), writeable=False)
    backwards = np.ascontiguousarray(rows[:, ::-1])
    spread = np.empty((count, places))
    at_once = max(1, _TRANSPOSED_AT_ONCE // taps)
    for first in range(0, places, at_once):
        some = slice(first, first + at_once)
        np.matmul(backwards, np.ascontiguousarray(shifted[:, some]), out=spread[:, some])
    return spread.reshape(count, *vectors.shape[:-1], length)


def contracted(
    lines: NDArray[np.integer], largest: int, left: NDArray[np.float64], along: Along, prime: int
) -> NDArray[np.int64]:
    """Regions between vectors, modulo a prime: sums of products that are exact in float64.

    Parameters
    ----------
    lines : (n, lines, columns) ndarray
    largest : int
        No pixel is farther from zero.
    left : (k, lines, products) ndarray of residues
    along : vectors along a line, product by product, k of each

    Returns
    -------
    (n, k, k) ndarray
        From 0 up to and without the prime.
    """
    vectors, _, products = left.shape
    total = np.zeros((len(lines), vectors, vectors))
    last = along.first + len(along.inside)
    for some, rows in _portions(lines.shape, max(1, _LONGEST // max(1, products))):
        pixels = lines[some, rows]
        flat = np.ascontiguousarray(pixels.reshape(-1, lines.shape[2]))
        sums = _product(flat, along.first, along.inside, prime, largest)[:, along.places]
        if len(along.before):
            sums += _product(flat, 0, along.before, prime, largest)
            sums += _product(flat, last, along.after, prime, largest)
        sums = _reduced(sums, prime).reshape(len(pixels), pixels.shape[1] * products, vectors)
        total[some] += left[:, rows].reshape(vectors, pixels.shape[1] * products) @ sums
        total[some] = _reduced(total[some], prime)
    return total.astype(np.int64) % prime


def _product(
    pixels: NDArray[np.integer], first: int, vectors: NDArray[np.float64], prime: int, largest: int
) -> NDArray[np.float64]:
    """Residues of the product of lines, from the column `first` on, with vectors ``(columns, vectors)``."""
    from cloudsec.loops import WIDTH, products

    # Compiled loops know the machine's own order of bytes only.
    values: NDArray[Any] = pixels.astype(pixels.dtype.newbyteorder("="), copy=False).view()
    if largest * prime * _FEWEST > _EXACT:
        # Few products of such pixels can be added up; of their residues, many.
        values, largest = _residues_of(pixels, prime, largest), prime // 2 + 2
    # Arrays that may be written to are another type, for which all would be compiled again.
    values.flags.writeable = False
    count = vectors.shape[1]
    wide = np.zeros((-(-count // WIDTH) * WIDTH, len(vectors)))
    wide[:count] = vectors.T
    found = np.zeros((len(pixels), len(wide)))
    at_once = _EXACT // (max(1, largest) * (prime // 2 + 2)) - 1
    products(values, first, wide, at_once, prime, found)
    return found[:, :count]


def _residues_of(pixels: NDArray[np.integer], prime: int, largest: int) -> NDArray[np.float64]:
    if 2 * largest < EXACT_FLOAT:
        return _reduced(pixels.astype(np.float64), prime)
    return (pixels.astype(np.int64) % prime).astype(np.float64)


def _portions(shape: tuple[int, ...], most: int) -> Iterator[tuple[slice, slice]]:
    """Regions, and at most so many lines of them, that are worked on at once."""
    regions, lines, length = shape
    at_once = max(1, PORTION // (lines * length))
    few = min(most, max(1, PORTION // (at_once * length)))
    for first, top in product(range(0, regions, at_once), range(0, lines, few)):
        yield slice(first, first + at_once), slice(top, top + few)


def as_lines(stack: NDArray[np.integer]) -> NDArray[np.integer]:
    """Regions as lines along their last axis, ``(n, lines, columns)``."""
    return stack.reshape(len(stack), prod(stack.shape[1:-1]), stack.shape[-1])


def _reduced(sums: NDArray[np.float64], prime: int) -> NDArray[np.float64]:
    """Integers up to 2**52 as residues about zero: at most 2 beyond half a prime, where a quotient rounds."""
    multiples = sums * (1 / prime)
    np.rint(multiples, out=multiples)
    multiples *= prime
    np.subtract(sums, multiples, out=multiples)
    return multiples
