"""Times an operation on this machine, on a piece of the image itself, before it is planned who does it."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from providers import Filter
from providers.boxes import filter_box
from providers.image import PLANE_AXES
from regions import Box

SIDE = 64
"""Pixels of its sides, at most: of the order of the blocks that providers get."""
FIRST = 8
"""Pixels of the sides of a piece that is filtered before it, untimed, for what an operation does once."""

ROUNDS = 2
"""Times that it is timed; the shortest counts, as the least disturbed."""
LEAST_SECONDS = 1e-7
"""No clock tells less."""


def kernel_seconds(planes: NDArray[np.generic], operation: Filter) -> float:
    """Seconds that a resolved operation takes here for one pixel, in the middle of an image."""
    filter_box(planes[0], operation, _middle(planes.shape[1:], FIRST))
    piece, taken = _middle(planes.shape[1:], SIDE), []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        filter_box(planes[0], operation, piece)
        taken.append(time.perf_counter() - started)
    return max(min(taken), LEAST_SECONDS) / piece.size


def _middle(shape: tuple[int, ...], side: int) -> Box:
    """The square in the middle of a plane, or a cube of as many pixels, or what there is of it."""
    side = round(side ** (PLANE_AXES / len(shape)))
    sides = tuple(min(side, length) for length in shape)
    first = tuple((length - own) // 2 for length, own in zip(shape, sides, strict=True))
    return Box(first, tuple(low + own for low, own in zip(first, sides, strict=True)))
