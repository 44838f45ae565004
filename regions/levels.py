"""Floats as grey levels, for figures that count how often a value occurs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MOST = 2**16 - 1


def grey_levels(pixels: NDArray[np.generic]) -> NDArray[np.integer]:
    """Integers as they are; floats as 65536 levels, equally far apart between the least and the largest.

    Real-valued pixels hardly ever occur twice: counted as they are, every block would have the entropy of
    noise. 16 bits are as many as scanners give.

    >>> grey_levels(np.array([-1.0, 0.0, 1.0]))
    array([    0, 32768, 65535], dtype=uint16)
    """
    if pixels.dtype.kind != "f":
        return pixels  # type: ignore[return-value]
    low, high = float(pixels.min()), float(pixels.max())
    shares = (pixels.astype(np.float64) - low) / ((high - low) or 1.0)
    return np.rint(shares * _MOST).astype(np.uint16)
