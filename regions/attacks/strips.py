"""The exact strip join: which blocks of a stack travelled with pixels of one another.

Blocks that travel with a halo of r pixels share a strip of width 2r with each neighbour, byte for byte up to
the scramble of each block. The strips' canonical forms, equal under every scramble, are joined by hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SIDES = ("top", "right", "bottom", "left")
"""Names of the sides 0 to 3 of a block as it was received, scrambled."""
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""The odd number next to 2^64 divided by the golden ratio (Knuth, TAOCP 6.4): its powers look random."""


@dataclass(frozen=True, slots=True)
class StripPairs:
    """Pairs of blocks of a stack that the attack takes for neighbours.

    Attributes
    ----------
    blocks : (k, 2) ndarray of intp
        Places in the stack, the lower first; every pair once.
    sides : (k, 2) ndarray of intp
        Which side of each of them (`SIDES`) holds the shared strip.
    widths : (k,) ndarray of intp
        Width of the shared strip in pixels.
    """

    blocks: NDArray[np.intp] = field(repr=False)
    sides: NDArray[np.intp] = field(repr=False)
    widths: NDArray[np.intp] = field(repr=False)


@dataclass(frozen=True, slots=True)
class JoinScore:
    """How right an attack was.

    Attributes
    ----------
    recall : float or None
        Share of the pairs to find that were found; None if there was none to find.
    precision : float or None
        Share of what was found that is right; None if nothing was found.
    to_find, found, right : int
        Pairs of 4-neighbours that are both informative, among the blocks received; pairs that the
        attack names; those of them that are 4-neighbours, informative or not.
    """

    recall: float | None
    precision: float | None
    to_find: int
    found: int
    right: int


def join_strips(
    stack: NDArray[np.generic], halo: int, *, widths: Sequence[int] | None = None, monotone: bool = False
) -> StripPairs:
    """Find neighbours among blocks that are turned, flipped, negated and offset, each in its own way.

    Parameters
    ----------
    stack : (n, S, S) ndarray of integers
        What one party, or a coalition, received: blocks with their halos, in any order. Whole-block
        duplicates are repeats; only the first of each is looked at.
    halo : int
        Pixels of its neighbours around each block.
    widths : sequence of int, optional
        Widths of the strips that are compared. By default 2r, what neighbours share, and 3r, what they
        do where one is shifted inward by r. A window that is shifted by d shares 2r + d, as at the edge of
        an image; ``range(2 * halo, S)`` finds these as well, at the cost of as many joins.
    monotone : bool
        Compare ranks instead of differences: finds blocks that each went through a monotone table.

    Returns
    -------
    StripPairs
        Only strips that are not flat and occur exactly twice are joined.

    >>> import numpy as np
    >>> image = np.random.default_rng(0).integers(0, 999, (16, 28))
    >>> join_strips(np.stack([image[:, :16], 5000 - image[::-1, 12:]]), halo=2).sides
    array([[1, 3]])
    """
    if stack.ndim != 3 or stack.shape[1] != stack.shape[2] or stack.dtype.kind not in "iu":
        raise ValueError(f"a stack of square blocks of integers is needed, not {stack.shape} {stack.dtype}")
    side = stack.shape[1]
    if not 0 <= 2 * halo < side:
        raise ValueError(f"a halo of {halo} does not fit into windows of {side} pixels")
    chosen = sorted({2 * halo, 3 * halo}) if widths is None else sorted(set(widths))
    blocks = stack.astype(np.int64)
    kept = _first_of_each(blocks, monotone)
    found: list[NDArray[np.intp]] = [np.empty((0, 5), np.intp)]
    for width in chosen:
        if 0 < width < side:
            found.append(_joined(blocks[kept], width, monotone))
    pairs = np.concatenate(found)
    # Two blocks may agree at several widths; the narrowest, looked at first, speaks for them.
    _, first = np.unique(pairs[:, :2], axis=0, return_index=True)
    pairs = pairs[first]
    return StripPairs(kept[pairs[:, :2]], pairs[:, 2:4], pairs[:, 4])


def score_pairs(pairs: StripPairs, positions: NDArray[np.intp], informative: NDArray[np.bool_]) -> JoinScore:
    """Compare what the attack found with where the blocks really lie.

    Parameters
    ----------
    pairs : StripPairs
    positions : (n, 2) ndarray of intp
        Row and column, in the grid, of every block of the stack; repeats have the same.
    informative : (rows, columns) ndarray of bool
    """
    held = np.zeros(informative.shape, bool)
    held[tuple(positions.T)] = True
    shown = held & informative
    to_find = int((shown[1:] & shown[:-1]).sum() + (shown[:, 1:] & shown[:, :-1]).sum())
    one, other = positions[pairs.blocks[:, 0]], positions[pairs.blocks[:, 1]]
    neighbours = np.abs(one - other).sum(axis=1) == 1
    counted = neighbours & informative[tuple(one.T)] & informative[tuple(other.T)]
    found, right = len(neighbours), int(neighbours.sum())
    return JoinScore(
        recall=int(counted.sum()) / to_find if to_find else None,
        precision=right / found if found else None,
        to_find=to_find,
        found=found,
        right=right,
    )


def _joined(blocks: NDArray[np.int64], width: int, monotone: bool) -> NDArray[np.intp]:
    """Blocks, sides and width, (k, 5), of the strips of one width that occur exactly twice."""
    count = len(blocks)
    turned = blocks.swapaxes(1, 2)
    # Long axis first; which end comes first does not matter to the canonical form.
    strips = np.concatenate(
        [turned[:, :, :width], blocks[:, :, -width:], turned[:, :, -width:], blocks[:, :, :width]]
    )
    varied = np.flatnonzero(strips.min(axis=(1, 2)) < strips.max(axis=(1, 2)))
    forms = _canonical(strips[varied], monotone)
    _, which, times = np.unique(_hashes(forms), return_inverse=True, return_counts=True)
    twice = np.flatnonzero(times[which] == 2)
    first, second = twice[np.argsort(which[twice], kind="stable")].reshape(-1, 2).T
    same = (forms[first] == forms[second]).all(axis=1)
    ends = np.stack([varied[first[same]], varied[second[same]]], axis=1)
    block, side = ends % count, ends // count
    order = np.argsort(block, axis=1, kind="stable")
    block, side = np.take_along_axis(block, order, axis=1), np.take_along_axis(side, order, axis=1)
    pairs = np.concatenate([block, side, np.full((len(block), 1), width)], axis=1)
    return np.asarray(pairs[block[:, 0] < block[:, 1]])


def _first_of_each(blocks: NDArray[np.int64], monotone: bool) -> NDArray[np.intp]:
    """Places of the blocks that are no repeat of an earlier one under another scramble."""
    forms = np.minimum(*(_hashes(_canonical(turned, monotone)) for turned in (blocks, blocks.swapaxes(1, 2))))
    return np.sort(np.unique(forms, return_index=True)[1])


def _canonical(pieces: NDArray[np.int64], monotone: bool) -> NDArray[np.generic]:
    """One row per (n, h, w) piece, the same for all flips, negations, offsets (and monotone tables) of it.

    The lexicographically smallest of the eight forms with the minimum at zero.
    """
    count, height, width = pieces.shape
    flat = np.ascontiguousarray(pieces).reshape(count, height * width)
    levels = _ranks(flat) if monotone else flat - flat.min(axis=1, keepdims=True)
    top = levels.max(axis=1, keepdims=True)
    # Levels of 16 bits, the rule, are compared four times as fast as those of 64.
    narrow = np.uint16 if int(top.max(initial=0)) < 2**16 else np.int64
    best: NDArray[np.generic] | None = None
    for signed in (levels, top - levels):
        picture = signed.astype(narrow).reshape(pieces.shape)
        for flips in ((), (1,), (2,), (1, 2)):
            form = np.flip(picture, flips).reshape(flat.shape)
            best = form.copy() if best is None else _smaller(best, form)
    assert best is not None
    return best


def _smaller(one: NDArray[np.generic], other: NDArray[np.generic]) -> NDArray[np.generic]:
    """Row by row the lexicographically smaller of two arrays of one shape."""
    rows = np.arange(len(one))
    first = (one != other).argmax(axis=1)
    take = other[rows, first] < one[rows, first]
    return np.where(take[:, None], other, one)


def _ranks(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Dense ranks within each row: 0 for the smallest value, 1 for the next that differs."""
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    steps = np.zeros_like(values)
    np.cumsum(ordered[:, 1:] != ordered[:, :-1], axis=1, out=steps[:, 1:])
    ranks = np.empty_like(values)
    np.put_along_axis(ranks, order, steps, axis=1)
    return ranks


def _hashes(rows: NDArray[np.generic]) -> NDArray[np.uint64]:
    """64 bits per row; equal rows have equal ones."""
    # A polynomial in an odd number, modulo 2^64: strips that differ collide by chance only.
    return np.asarray(rows.astype(np.uint64) @ np.cumprod(np.full(rows.shape[1], MULTIPLIER)))
