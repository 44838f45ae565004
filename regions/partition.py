"""Which block belongs to which region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LATTICE_PERIODS = {4: 2, 9: 3}
"""Regions → period of the lattice that separates them on a plane: 2×2 and 3×3."""


def lattice(counts: tuple[int, ...], period: int) -> NDArray[np.intp]:
    """Label blocks by their position modulo `period` on every axis.

    Two blocks with one label are at least `period` blocks apart on some axis, so that no block has
    the same label as one of its neighbours.

    >>> lattice((2, 4), 2)
    array([[0, 1, 0, 1],
           [2, 3, 2, 3]])
    """
    if period < 1:
        raise ValueError(f"a lattice has a period of at least 1, not {period}")
    labels = np.zeros(counts, np.intp)
    for index in np.ogrid[tuple(slice(n) for n in counts)]:
        labels = labels * period + index % period
    return labels
