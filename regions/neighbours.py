"""Which blocks of a grid are neighbours, so that nobody may hold both: the reach of their windows decides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from regions.grid import BlockGrid

HALOS_PER_BLOCK = 4
"""A block is at least so many times as wide as a halo: with half of that, no gap separates its window from
that two blocks on, and a jigsaw joins them."""


def neighbours(grid: BlockGrid) -> NDArray[np.intp]:
    """Pairs of blocks whose windows meet under the widest halo, whatever halo a job uses.

    Windows only grow with the halo, at the image's edge too, where they are shifted inward. So blocks
    that are no pair here have windows that never meet, not even two windows of jobs with different halos.
    Windows that touch without a pixel between them meet: touching edges can be matched like a jigsaw's.

    Parameters
    ----------
    grid : BlockGrid
        Every axis at least one block long.

    Returns
    -------
    (m, 2) ndarray of intp
        Flat indices of blocks in C order, the smaller one first; no pair twice.

    Notes
    -----
    Inside an image these are the eight blocks around a block. A last block that does not fit is shifted
    inward, and may also meet the last but two; on an axis of exactly three blocks the first meets the last.

    >>> neighbours(BlockGrid((16, 64), (16, 16))).tolist()
    [[0, 1], [1, 2], [2, 3]]
    >>> neighbours(BlockGrid((16, 52), (16, 16))).tolist()
    [[0, 1], [1, 2], [1, 3], [2, 3]]
    """
    widest = tuple(
        min(block // HALOS_PER_BLOCK, max(length - block, 0) // 2)
        for length, block in zip(grid.shape, grid.block, strict=True)
    )
    first = second = np.zeros(1, np.intp)
    # Windows meet if they do on every axis.
    for axis, (block, halo) in enumerate(zip(grid.block, widest, strict=True)):
        place = (0,) * axis + (slice(None),) + (0,) * (len(widest) - axis - 1)
        starts = grid.core_starts(widest)[place][:, axis] - halo
        one, other = _meeting_on_axis(starts, block + 2 * halo)
        first = np.add.outer(first * len(starts), one).ravel()
        second = np.add.outer(second * len(starts), other).ravel()
    kept = first < second
    return np.stack([first[kept], second[kept]], axis=-1)


def _meeting_on_axis(starts: NDArray[np.intp], side: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Ordered pairs of windows of one axis that overlap or touch, each with itself too."""
    index = np.arange(len(starts))
    # Starts never decrease, so that a window meets all that follow it up to the last one that it reaches.
    reached = np.searchsorted(starts, starts + side, side="right") - index
    one = np.repeat(index, reached)
    other = one + np.arange(len(one)) - np.repeat(np.cumsum(reached) - reached, reached)
    back = one < other
    return np.concatenate([one, other[back]]), np.concatenate([other, one[back]])
