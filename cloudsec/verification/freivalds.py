"""Freivalds' check of linear filters: whether a whole integer answer is right, by products with secrets.

Before an image leaves, the broker draws secret vectors `left`, over the lines of an answer, and `right`,
along a line, uniform modulo a prime, and makes the tag ``left @ F(image) @ right`` without computing F: the
transposed filter is applied to the vectors instead, of which there are few. An answer y is accepted only if
all of it lies within the proven range of F and ``left @ y @ right`` is the tag.

Soundness. Let E = y - F(image) be other than zero. Both lie in the range, so that no entry of E is a multiple
of all primes if their product exceeds its width: modulo one prime p, E has a row e that is not zero. The k
columns of `right` are windows of one vector, each an entry farther on, so that the last entry of e that is
not zero meets an entry in each that those before did not: the k products of e are uniform and independent
(a Toeplitz hash), and all zero with a chance of p**-k. Otherwise E @ right has a column that is not zero, and
the rows of `left` send it to zero with a chance of p**-k again. So a wrong answer is accepted with a chance
of at most 2 * p**-k, whoever made it and whatever they know but the secrets. Each that is tried on one tag
has that chance.

Sources: R. Freivalds, Probabilistic machines can use less running time (IFIP 1977); F. Tramèr and D. Boneh,
Slalom (arXiv 1806.03287), for tags that are made before; H. Krawczyk, LFSR-based hashing and authentication
(CRYPTO 1994), for Toeplitz matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from cloudsec.keystream import Keystream
from providers.kernel import Kernel
from providers.operations.linear import bounds
from providers.stencil import EXACT_FLOAT, EXACT_INT, MAX_TAPS, Stencil, core

PRIMES = (2097143, 2097133, 2097131, 2097097)
"""The largest below 2**21: three span nearly all of int64, and float64 adds up 4096 products of two."""
COLUMNS = 4
"""Secret vectors on either side: a wrong answer is accepted with a chance of 2**-82."""

PORTION = 1 << 19
"""Pixels that are worked on at once."""
AT_ONCE = 1 << 17
"""Multiplications of a matrix product: too few for BLAS to wake threads, and their pixels stay in a cache."""
_TRANSPOSED_AT_ONCE = 1 << 13
"""The same of a matrix and a vector, for which BLAS wakes threads earlier."""
_LONGEST = 1 << 12
"""Products of two residues that are added up before they are reduced."""


class _Along(NamedTuple):
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


@dataclass(frozen=True, eq=False)
class _Probe:
    """Secrets modulo a prime, ``(k, lines)`` and ``(k, columns)``, and each region's tag, ``(n, k, k)``."""

    prime: int
    left: NDArray[np.float64] = field(repr=False)
    right: NDArray[np.float64] = field(repr=False)
    tags: NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Tag:
    """What tells the right answers to a stack of regions from all others. It holds secrets.

    Attributes
    ----------
    low, high : int
        Between which all right answers lie, proven from the pixels' least and greatest.
    odds : float
        The chance, at most, with which a wrong answer is accepted.
    shape : (n, *core)
        Of the answers.
    """

    low: int
    high: int
    odds: float
    shape: tuple[int, ...]
    _probes: tuple[_Probe, ...] = field(repr=False)

    def holds(self, answer: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Which regions are answered rightly, all their pixels.

        Parameters
        ----------
        answer : (n, *core) ndarray of integers
            Unrounded, in the units of the linear map.

        Returns
        -------
        (n,) ndarray of bool

        Raises
        ------
        ValueError
            If the answer is not of integers, or of another shape.
        """
        if answer.shape != self.shape or answer.dtype.kind not in "iu":
            raise ValueError(
                f"a tag of answers of the shape {self.shape} cannot judge {answer.dtype} of the shape "
                f"{answer.shape}; give it the unrounded integers of all regions that it was made of"
            )
        lines = _lines(answer)
        holds = _within(lines, self.low, self.high)
        inside = holds.copy()
        within, largest = lines if inside.all() else lines[inside], max(abs(self.low), abs(self.high))
        for probe in self._probes:
            found = _contracted(within, largest, probe.left[..., None], _plain(probe.right), probe.prime)
            holds[inside] &= (found == probe.tags[inside]).all(axis=(1, 2))
        return holds


def tag(
    part: Stencil | Kernel,
    padded: NDArray[np.integer],
    keys: Keystream,
    label: str,
    *,
    shares: tuple[int, int] = (0, 1),
    columns: int = COLUMNS,
    primes: Sequence[int] = PRIMES,
) -> Tag:
    """The tag of what a linear map answers to a stack of regions, made from their pixels alone.

    Parameters
    ----------
    part : Stencil or Kernel
        Of two axes, or of three for volumes.
    padded : (n, *window) ndarray of integers
        As `part.run` takes them: planes, colour components, a volume, or blocks, each with its halo.
    keys : Keystream
        Of the job.
    label : str
        A name that no other tag of these keys has.
    shares : (int, int)
        How often the pixel itself and the map's answer go into what is judged (`LinearFilter.shares`).
    columns : int
        Secret vectors on either side.
    primes : sequence of int
        As many as it takes, in this order, for a product above the width of the proven range.

    Raises
    ------
    ValueError
        If the pixels are floats, or the range is wider than int64 or all primes.
    """
    if padded.dtype.kind not in "iu":
        raise ValueError(
            f"answers to {padded.dtype} pixels are not exact, and cannot be told from almost right ones by a "
            "tag; make the image one of integers, or have a sample computed again"
        )
    if max(part.halo) > MAX_TAPS // 2:
        raise ValueError(
            f"a linear map to be checked reaches at most {MAX_TAPS // 2} pixels; this: {part.halo}"
        )
    least, greatest = int(padded.min()), int(padded.max())
    low, high = bounds(part, shares, least, greatest)
    sides, largest = core(padded, part.halo).shape[1:], max(abs(least), abs(greatest))
    probes = []
    for prime in _sufficient(primes, low, high):
        left, right = _drawn(keys, f"{label} {prime}", prime, columns, sides)
        vectors = _transposed(part, left, right, prime)
        tags = shares[1] % prime * _contracted(_lines(padded), largest, *vectors, prime) % prime
        flat = left.reshape(columns, prod(sides[:-1]))
        if shares[0]:
            own = _lines(core(padded, part.halo))
            tags += shares[0] % prime * _contracted(own, largest, flat[..., None], _plain(right), prime)
        probes.append(_Probe(prime, flat, right, tags % prime))
    odds = 2 * float(min(probe.prime for probe in probes)) ** -columns
    return Tag(low, high, odds, (len(padded), *sides), tuple(probes))


def _sufficient(primes: Sequence[int], low: int, high: int) -> Sequence[int]:
    """The first primes whose product exceeds what two answers in a range can differ by."""
    for count in range(1, len(primes) + 1):
        if prod(primes[:count]) > high - low and -EXACT_INT <= low <= high < EXACT_INT:
            return primes[:count]
    raise ValueError(
        f"answers from {low} to {high} are more than int64 holds, or than {' x '.join(map(str, primes))} "
        "tell apart; use smaller weights, or pixels of fewer bits"
    )


def _drawn(
    keys: Keystream, label: str, prime: int, columns: int, core: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Secret vectors, uniform modulo a prime: ``(k, *lines)`` and ``(k, columns of the core)``."""
    *planes, lines, length = core
    longer = [*planes, lines + columns - 1]
    split = prod(longer)
    drawn = keys.integers(f"freivalds {label}", prime, split + length + columns - 1).astype(np.float64)
    # As near to zero as they can be: sums of them are exact twice as long.
    drawn -= prime * (drawn > prime // 2)
    left, right = drawn[:split].reshape(longer), drawn[split:]
    return _windows(left, lines), _windows(right, length)


def _windows(drawn: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """All windows of a length along the last axis, in order along a first one."""
    shape = drawn.shape[-1] - length + 1, *drawn.shape[:-1], length
    # Copied, since BLAS takes no matrix whose lines overlap.
    return np.ascontiguousarray(as_strided(drawn, shape, drawn.strides[-1:] + drawn.strides))


def _within(lines: NDArray[np.integer], low: int, high: int) -> NDArray[np.bool_]:
    """Which regions have no pixel below `low`, nor one above `high`."""
    if low:
        return np.asarray((lines.min(axis=(1, 2)) >= low) & (lines.max(axis=(1, 2)) <= high))
    # What is below zero is large as an unsigned number.
    return np.asarray(lines.view(lines.dtype.str.replace("i", "u")).max(axis=(1, 2)) <= high)


def _transposed(
    part: Stencil | Kernel, left: NDArray[np.float64], right: NDArray[np.float64], prime: int
) -> tuple[NDArray[np.float64], _Along]:
    """Vectors that give of pixels what the given ones give of a map's answers to them.

    A map is a sum of products of one along the lines and one across them: a stencil is one product, and a
    kernel one for each place along a line.

    Parameters
    ----------
    left : (k, *lines) ndarray
    right : (k, columns) ndarray

    Returns
    -------
    left : (k, lines of a window, products) ndarray
    right : vectors along a line of a window, product by product, k of each
    """
    if isinstance(part, Stencil):
        for axis, row in enumerate(part.weights[:-1], start=1):
            moved = _spread(np.moveaxis(left, axis, -1), _residues(row, prime)[None], prime)
            left = np.moveaxis(moved[0], -1, axis)
        along = _plain(_spread(right, _residues(part.weights[-1], prime)[None], prime)[0])
        return left.reshape(len(left), prod(left.shape[1:]), 1), along
    across = np.moveaxis(_residues(part.weights, prime), -1, 0)
    sides = [n + side - 1 for n, side in zip(left.shape[1:], across.shape[1:], strict=True)]
    spread = np.zeros((len(across), len(left), *sides))
    for place in np.ndindex(across.shape[1:-1]):
        shifted = tuple(slice(first, first + n) for first, n in zip(place, left.shape[1:], strict=False))
        spread[(slice(None), slice(None), *shifted)] += _spread(left, across[:, *place], prime)
    lines = _reduced(spread, prime).reshape(*spread.shape[:2], prod(sides))
    return np.moveaxis(lines, 0, -1), _shifted(right, len(across))


def _residues(weights: object, prime: int) -> NDArray[np.float64]:
    return (np.array(weights, dtype=object) % prime).astype(np.float64)


def _plain(vectors: NDArray[np.float64]) -> _Along:
    """Vectors ``(k, columns)`` of which none is another's."""
    outside = np.empty((0, len(vectors)))
    return _Along(0, vectors.T, slice(None), outside, outside)


def _shifted(right: NDArray[np.float64], side: int) -> _Along:
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
    return _Along(first, vectors[first:last, chosen], places.reshape(-1), vectors[:first], vectors[last:])


def _spread(vectors: NDArray[np.float64], rows: NDArray[np.float64], prime: int) -> NDArray[np.float64]:
    """Every row of weights on every vector, transposed: what each pixel of a line adds to answers.

    Of rows ``(r, taps)`` and vectors ``(..., n)`` residues ``(r, ..., n + taps - 1)``.
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
    return _reduced(spread, prime).reshape(count, *vectors.shape[:-1], length)


def _contracted(
    lines: NDArray[np.integer], largest: int, left: NDArray[np.float64], along: _Along, prime: int
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
    # Residues of pixels are taken only where sums would not be exact.
    reduced = largest if largest * lines.shape[2] * prime >= EXACT_FLOAT else None
    last = along.first + len(along.inside)
    for some, rows in _portions(lines.shape, max(1, _LONGEST // max(1, products))):
        pixels = lines[some, rows]
        flat = pixels.reshape(-1, lines.shape[2])
        sums = _product(flat[:, along.first : last], along.inside, prime, reduced)[:, along.places]
        if len(along.before):
            sums += _product(flat[:, : along.first], along.before, prime, reduced)
            sums += _product(flat[:, last:], along.after, prime, reduced)
        sums = _reduced(sums, prime).reshape(len(pixels), pixels.shape[1] * products, vectors)
        total[some] += left[:, rows].reshape(vectors, pixels.shape[1] * products) @ sums
        total[some] = _reduced(total[some], prime)
    return total.astype(np.int64) % prime


def _product(
    pixels: NDArray[np.integer], vectors: NDArray[np.float64], prime: int, largest: int | None
) -> NDArray[np.float64]:
    """A product modulo a prime; of the pixels' residues if their `largest` is given, and in parts."""
    found = np.zeros((len(pixels), vectors.shape[1]))
    height = max(1, min(len(pixels), AT_ONCE // max(1, vectors.size)))
    if largest is None:
        reals = np.empty((height, pixels.shape[1]))
        for top in range(0, len(pixels), height):
            some = pixels[top : top + height]
            reals[: len(some)] = some
            np.matmul(reals[: len(some)], vectors, out=found[top : top + height])
        return found
    for top, first in product(range(0, len(pixels), height), range(0, pixels.shape[1], _LONGEST)):
        residues = _residues_of(pixels[top : top + height, first : first + _LONGEST], prime, largest)
        part = residues @ vectors[first : first + _LONGEST]
        found[top : top + height] = _reduced(found[top : top + height] + part, prime)
    return found


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


def _lines(stack: NDArray[np.integer]) -> NDArray[np.integer]:
    """Regions as lines along their last axis, ``(n, lines, columns)``."""
    return stack.reshape(len(stack), prod(stack.shape[1:-1]), stack.shape[-1])


def _reduced(sums: NDArray[np.float64], prime: int) -> NDArray[np.float64]:
    """Integers up to 2**52 as residues about zero: at most 2 beyond half a prime, where a quotient rounds."""
    multiples = sums * (1 / prime)
    np.rint(multiples, out=multiples)
    multiples *= prime
    np.subtract(sums, multiples, out=multiples)
    return multiples
