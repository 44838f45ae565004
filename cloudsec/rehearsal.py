"""Times an operation on this machine, on a piece of the image itself, before it is planned who does it."""

from __future__ import annotations

import time
from statistics import median

import numpy as np
from numpy.typing import NDArray

from providers import Filter
from providers.boxes import filter_box
from regions import Box

SIDE = 64
"""Pixels of the piece, at most; as large as the blocks that providers get."""
REPEATS = 3
"""The median of so many is taken: other work on this machine may hold up one."""
FIRST = 8
"""Pixels of the piece that an operation has before it, for what it does once."""


def kernel_seconds(planes: NDArray[np.generic], operation: Filter) -> float:
    """Seconds that a resolved operation takes here for one pixel, in the middle of planes `(C, M, N)`."""
    filter_box(planes[0], operation, _middle(planes.shape[1:], FIRST))
    piece = _middle(planes.shape[1:], SIDE)
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        filter_box(planes[0], operation, piece)
        taken.append(time.perf_counter() - started)
    return median(taken) / piece.size


def _middle(shape: tuple[int, ...], side: int) -> Box:
    """The square in the middle of a plane, or what there is of it."""
    sides = tuple(min(side, length) for length in shape)
    first = tuple((length - own) // 2 for length, own in zip(shape, sides, strict=True))
    return Box(first, tuple(low + own for low, own in zip(first, sides, strict=True)))
