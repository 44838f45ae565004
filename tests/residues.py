"""Residues and moduli at which sums are most likely to go wrong."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from providers.residues import expanded

SMALL = (5, 7, 251, 40_000)
"""Moduli that no scheme uses."""


def extremes(modulus: int, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[Any]:
    """Residues of which many are the smallest and the largest."""
    drawn = expanded(random.bytes(16), modulus, shape)
    kind = random.integers(0, 3, shape)
    return np.where(kind == 0, drawn.dtype.type(0), np.where(kind == 1, drawn.dtype.type(modulus - 1), drawn))
