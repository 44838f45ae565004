"""Whether answers of rank filters are right, pixel by pixel: decided by counting, not by ranking anew.

The value m is the one of rank r in a window (r pixels come before it in rising order) if and only if the
pixels below m are at most r, and those up to m are more than r. It then is one of them. The test is exact,
needs no secret, and holds for floats as for integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from providers.operations.rank import RankFilter

AT_ONCE = 1 << 16
"""Pixels that are worked on at once: they, and what is counted of them, stay in a processor's cache."""
_COUNTED = 255
"""Pixels of a window that are counted in one byte."""


def wrong(
    operation: RankFilter, padded: NDArray[np.generic], answer: NDArray[np.generic]
) -> NDArray[np.bool_]:
    """Which pixels of an answer are not those of the operation's rank.

    Parameters
    ----------
    operation : RankFilter
        Resolved.
    padded : (n, *window) ndarray
        As `operation.run` takes them: each region with its halo.
    answer : (n, *core) ndarray
        Unrounded or finished, in any dtype.

    Returns
    -------
    (n, *core) ndarray of bool

    Raises
    ------
    ValueError
        If the answer has another shape.
    """
    core = tuple(n - 2 * h for n, h in zip(padded.shape[1:], operation.halo, strict=True))
    if answer.shape != (len(padded), *core):
        raise ValueError(
            f"regions of the shape {padded.shape} with their halo have answers of the shape "
            f"{(len(padded), *core)}, not {answer.shape}"
        )
    # What the pixels' dtype does not hold is none of them; NaN is equal to nothing.
    with np.errstate(invalid="ignore", over="ignore"):
        claimed = answer.astype(padded.dtype)
        found = np.asarray(claimed != answer)
    halo = (0, *operation.halo)
    for place in _portions(answer.shape):
        around = (slice(part.start, part.stop + 2 * h) for part, h in zip(place, halo, strict=True))
        below, up_to = _counted(padded[tuple(around)], claimed[place], operation.sizes)
        found[place] |= (below > operation.rank) | (up_to <= operation.rank)
    return found


def _counted(
    pixels: NDArray[np.generic], claimed: NDArray[np.generic], sizes: tuple[int, ...]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """How many pixels of each window are below a value, and how many are not above it."""
    totals = np.zeros((2, *claimed.shape), np.int32)
    counts, holds = np.zeros((2, *claimed.shape), np.uint8), np.empty(claimed.shape, np.bool_)
    for number, first in enumerate(product(*map(range, sizes)), start=1):
        shifted = (slice(start, start + n) for start, n in zip(first, claimed.shape[1:], strict=True))
        window = pixels[(slice(None), *shifted)]
        for compare, count in zip((np.less, np.less_equal), counts, strict=True):
            compare(window, claimed, out=holds)
            count += holds.view(np.uint8)
        if number % _COUNTED == 0:
            totals += counts
            counts[:] = 0
    below, up_to = totals + counts
    return below, up_to


def _portions(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Boxes of an array, of as many pixels as are worked on at once, whole lines first."""
    room, sides = AT_ONCE, list(shape)
    for axis in reversed(range(len(shape))):
        sides[axis] = max(1, min(shape[axis], room))
        room //= sides[axis]
    for first in product(*(range(0, length, side) for length, side in zip(shape, sides, strict=True))):
        yield tuple(
            slice(start, min(start + side, length))
            for start, side, length in zip(first, sides, shape, strict=True)
        )
