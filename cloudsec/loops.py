"""Loops that numpy would take many passes for: compiled when first run, and kept on disk.

Importing this module imports numba, which takes half a second: import it where it is used. What bounds keep
words from overflowing is proven by who calls; these loops only add and multiply.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from providers.residues import FIELDS

MOST_PLANES = 8
"""Arrays that are combined at once: so many have a place in the loops' argument."""
WIDTH = 4
"""Vectors that a pixel is multiplied by at once."""
_BLOCK = 4096
"""Words that are worked on at once, and stay in a processor's first cache."""
_MERSENNE = FIELDS[-1]


def _compiled(**options: Any) -> Callable[[Any], Any]:
    """A decorator of loops, with numba's options."""

    def decorated(function: Any) -> Any:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:
            # Neither beside the file nor in the user's cache may be written: every process compiles anew.
            return njit(**options)(function)

    return decorated


@_compiled()
def combine(
    planes: tuple[NDArray[Any], ...],
    weights: NDArray[Any],
    starts: NDArray[Any],
    factors: NDArray[Any],
    steps: NDArray[np.int64],
    modulus: NDArray[Any],
    answer: NDArray[Any],
) -> None:
    """For each row of an answer residues of ``factor * (start + sum of weight * plane)``.

    Parameters
    ----------
    planes : `MOST_PLANES` arrays of residues, of one axis
        The first ones are used, and the others there for their place in a type.
    weights : (rows, planes used) ndarray of words
    starts, factors : (rows,) ndarrays of words
    steps : (rows, 4) ndarray
        How often a sum is folded, the modulus then taken away, and both again after a factor that is not one.
    modulus : words
        Itself, its bits, and how much less it is than 2 to their power: what a bit above them is worth.
    answer : (rows, length of a plane) ndarray of residues
    """
    word = weights.dtype.type
    one, bits, gap = modulus
    mask = word(one + gap - word(1))
    room = np.empty(min(_BLOCK, answer.shape[1]), weights.dtype)
    for first in range(0, answer.shape[1], _BLOCK):
        words = room[: min(_BLOCK, answer.shape[1] - first)]
        count = len(words)
        for row in range(answer.shape[0]):
            start, weight, plane = starts[row], weights[row, 0], planes[0][first : first + count]
            for at in range(count):
                words[at] = word(start + word(word(plane[at]) * weight))
            for i in range(1, weights.shape[1]):
                weight, plane = weights[row, i], planes[i][first : first + count]
                for at in range(count):
                    words[at] = word(words[at] + word(word(plane[at]) * weight))
            for half in range(2):
                if half and factors[row] != 1:
                    for at in range(count):
                        words[at] = word(words[at] * factors[row])
                for _ in range(steps[row, 2 * half]):
                    for at in range(count):
                        # Left to itself `>>` is of 64 bits.
                        above = np.right_shift(words[at], bits)
                        words[at] = word(word(words[at] & mask) + word(gap * above))
                # The last time is when what is found is stored.
                for _ in range(steps[row, 2 * half + 1] - (half == 1 or factors[row] == 1)):
                    for at in range(count):
                        # What is below the modulus wraps to something larger.
                        words[at] = min(words[at], word(words[at] - one))
            out = answer[row, first : first + count]
            for at in range(count):
                out[at] = min(words[at], word(words[at] - one))


@_compiled()
def combine_mersenne(planes: tuple[NDArray[Any], ...], weights: NDArray[Any], answer: NDArray[Any]) -> None:
    """For each row of an answer ``sum of weight * plane`` modulo 2**61 - 1, of weights that are residues too.

    Both are cut in two, of which products fit into words; 2**61 is one.
    """
    prime = np.uint64(_MERSENNE)
    low, rest, half, most = np.uint64(2**31 - 1), np.uint64(2**30 - 1), np.uint64(31), np.uint64(61)
    for row in range(answer.shape[0]):
        out = answer[row]
        out[:] = 0
        for i in range(weights.shape[1]):
            top, bottom = weights[row, i] >> half, weights[row, i] & low
            plane = planes[i]
            for at in range(len(out)):
                upper, lower = plane[at] >> half, plane[at] & low
                # Below 2**62; times 2**31 its bits from the thirtieth on go round.
                middle = upper * bottom + lower * top
                around = (middle >> np.uint64(30)) + ((middle & rest) << half)
                # Below 2**61, 2**62, 2**61 + 2**32 and 2**61.
                total = (upper * top << np.uint64(1)) + lower * bottom + around + out[at]
                total = (total & prime) + (total >> most)
                out[at] = min(total, total - prime)


@_compiled(fastmath={"reassoc", "contract", "nsz"})
def products(
    pixels: NDArray[Any], first: int, vectors: NDArray[Any], at_once: int, prime: int, found: NDArray[Any]
) -> None:
    """Residues about zero of the products of lines of pixels, from the column `first` on, with vectors.

    A pixel is read once, where numpy would write it as a float first.
    Sums of `at_once` products, and a residue, are integers below 2**52, so that floats hold them in whatever
    order they are added up.

    Parameters
    ----------
    pixels : (lines, columns) ndarray of numbers
    vectors : (vectors, columns of a part) ndarray of floats
        A multiple of `WIDTH` of them.
    found : (lines, vectors) ndarray of floats
    """
    inverse = 1.0 / prime
    length = vectors.shape[1]
    for row in range(pixels.shape[0]):
        line = pixels[row, first : first + length]
        for j in range(0, vectors.shape[0], WIDTH):
            for begin in range(0, length, at_once):
                # Only what begins at zero is a loop of vector instructions.
                some = slice(begin, begin + at_once)
                part, one, two = line[some], vectors[j, some], vectors[j + 1, some]
                three, four = vectors[j + 2, some], vectors[j + 3, some]
                a, b, c, d = 0.0, 0.0, 0.0, 0.0
                for at in range(len(part)):
                    pixel = np.float64(part[at])
                    a += pixel * one[at]
                    b += pixel * two[at]
                    c += pixel * three[at]
                    d += pixel * four[at]
                for i, added in enumerate((a, b, c, d)):
                    total = found[row, j + i] + added
                    found[row, j + i] = total - prime * np.rint(total * inverse)
