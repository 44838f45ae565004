"""The compiled loop of checks by products: a pixel is read once, where numpy would write it as a float first.

Importing this module imports numba: import it where it is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from providers.loops import compiled

WIDTH = 4
"""Vectors that a pixel is multiplied by at once."""


@compiled(fastmath={"reassoc", "contract", "nsz"})
def products(
    pixels: NDArray[Any], first: int, vectors: NDArray[Any], at_once: int, prime: int, found: NDArray[Any]
) -> None:
    """Residues about zero of the products of lines of pixels, from the column `first` on, with vectors.

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
