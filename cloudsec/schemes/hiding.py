"""How blocks are hidden in the tasks of one provider: order, repeats, turns, signs and offsets by key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloudsec.keystream import Keystream
from providers import Filter
from providers.stencil import SCRAMBLE_BITS
from regions import Scramble

TASK_BYTES = 5 << 20
"""Pixels of one task: large enough that requests cost little beside the work, small enough to overlap."""


def grey_range(planes: NDArray[np.generic]) -> tuple[int, int]:
    """The least and the largest pixel; none of floats, which are not offset and keep the zero they have."""
    if planes.dtype.kind == "f":
        return 0, 0
    return int(planes.min()), int(planes.max())


def wire_values(span: int, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], int]:
    """The dtype that scrambled pixels travel in, and how many values they spread over.

    The smallest of uint16, uint32 and int64 that holds four times the image's range, so that an offset
    has room; never more than two bits beyond the image's dtype, so that sums stay within proven bounds.
    Floats travel as they are: an offset would round them, and be no offset of the answer any more.
    """
    if dtype.kind == "f":
        return dtype, 1
    needed = 4 * (span + 1)
    widened = 2 ** (8 * dtype.itemsize + SCRAMBLE_BITS)
    for name, room in (("uint16", 2**16), ("uint32", 2**32)):
        if needed <= room:
            return np.dtype(name), min(room, widened)
    return np.dtype("int64"), widened


def travelling(planes: NDArray[np.generic]) -> tuple[np.dtype[Any], int]:
    """The dtype in which pixels of an image travel, and over how many values they spread."""
    low, high = grey_range(planes)
    return wire_values(high - low, planes.dtype)


def segments(depth: tuple[int, ...], beyond: tuple[int, ...], plane_bytes: int) -> NDArray[np.intp]:
    """Where columns of a volume are cut along the axis, so that one fits into a task.

    Parameters
    ----------
    depth, beyond : (int,), or () for an image of one plane
        Planes, and those that an answer needs before and after its own.
    plane_bytes : int
        Of one plane of a column, as it travels.

    Returns
    -------
    (s, 3, 1) or (1, 3, 0) ndarray
        Per segment, the first plane that is answered, and of what is answered the first plane that is its
        own and the one after the last. All answer as many planes: the last one begins earlier.

    >>> segments((10,), (1,), TASK_BYTES // 6).squeeze(-1)
    array([[0, 0, 4],
           [4, 0, 4],
           [6, 2, 4]])
    """
    if not depth:
        return np.empty((1, 3, 0), np.intp)
    (planes,), (reach,) = depth, beyond
    count = -(-planes // max(1, TASK_BYTES // plane_bytes - 2 * reach))
    long = -(-planes // count)
    own = np.minimum(np.arange(0, planes, long)[:, None] + [0, long], planes)
    firsts = np.minimum(own[:, :1], planes - long)
    return np.hstack([firsts, own - firsts])[..., None]


def blocks_per_task(most: int, block_bytes: int) -> int:
    """Blocks in every task of a job, from the most that one provider has."""
    tasks = max(1, -(-most * block_bytes // TASK_BYTES))
    return -(-most // tasks)


def hidings(
    blocks: int,
    per_task: int,
    operation: Filter,
    keys: Keystream,
    label: str,
    low: int,
    high: int,
    values: int,
) -> Iterator[tuple[NDArray[np.intp], Scramble]]:
    """Per task of one provider: which of its blocks, in which order, under which scramble.

    The last task is filled with repeats under scrambles of their own, so that all tasks are equal.
    """
    total = -(-blocks // per_task) * per_task
    order = np.concatenate(
        [
            keys.permutation(f"{label} order", blocks),
            keys.integers(f"{label} repeats", blocks, total - blocks),
        ]
    )
    facts = operation.symmetries
    axes = len(facts.flips)
    flips = keys.bits(f"{label} flips", total, axes) & np.array(facts.flips)
    swaps = keys.bits(f"{label} swaps", total) & facts.quarter_turns
    negated = keys.bits(f"{label} signs", total) & (facts.negation_sign is not None)
    offset = keys.integers(f"{label} offsets", values - (high - low), total)
    # The scrambled pixels are low-based upward or high-based downward, and lie within 0 … values - 1.
    sign = np.where(negated, -1, 1).astype(np.int64)
    shift = offset + np.where(negated, high, -low)
    for first in range(0, total, per_task):
        part = slice(first, first + per_task)
        yield order[part], Scramble(flips[part], swaps[part], sign[part], shift[part])
