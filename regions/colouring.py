"""Keyed colourings: classes that keep neighbours apart, and stand-ins that keep it so.

Whoever is random passes arrays in: equal arrays give equal colourings.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from regions.grid import BlockGrid
from regions.neighbours import neighbours

NO_CLASS = -1
"""The label of a block that finds no class."""
FEWEST_GREEDY = 5
"""Visited by rows, a block has at most four neighbours before it, so that five classes suffice."""


def greedy(
    grid: BlockGrid, preference: NDArray[np.float64], *, loads: NDArray[np.float64] | None = None
) -> NDArray[np.intp]:
    """Give every block a class that no neighbour has: among those free the one most behind its load.

    Blocks are visited by rows, and not in a random order, because a block then has at most four neighbours
    before it, and five classes always suffice for blocks that lie where the grid puts them. A random order
    leaves some of them without a class. Shifted blocks come last.

    Parameters
    ----------
    grid : BlockGrid
        Of a plane, every axis at least one block long.
    preference : (blocks, classes) ndarray of float64
        At least 0 and less than 1, random; one row per block in C order. Among classes about equally far
        behind their loads the lowest wins.
    loads : (classes,) ndarray of float64, optional
        Share of the blocks that each class should have, in any unit; equal by default.

    Returns
    -------
    (rows, columns) ndarray of intp
        Classes, and `NO_CLASS` where none was free: only at blocks shifted inward and, with fewer than nine
        classes, on an axis of exactly three blocks.

    Notes
    -----
    Separated blocks of one class are at most about a quarter of all, so that a load above a quarter
    is not reached, and the rest of it goes to the others.

    >>> import numpy as np
    >>> greedy(BlockGrid((32, 64), (16, 16)), np.tile(np.arange(5) / 5, (8, 1)))
    array([[0, 1, 2, 3],
           [4, 3, 0, 1]])
    """
    _refuse_volumes(grid)
    weights = _loads(preference, loads, grid)
    if len(weights) < FEWEST_GREEDY:
        raise ValueError(f"greedy colouring needs at least {FEWEST_GREEDY} classes, not {len(weights)}")
    order = np.argsort(_shifted(grid) > 0, kind="stable")
    return _swept(grid, order, [0] * len(order), preference, weights)


def stand_ins(
    grid: BlockGrid,
    classes: NDArray[np.intp],
    preference: NDArray[np.float64],
    *,
    loads: NDArray[np.float64] | None = None,
) -> NDArray[np.intp]:
    """Plan for every block a second class, so that still no class holds two neighbours.

    A class holds its own blocks and those that it stands in for, whether or not it is ever asked to. So the
    second classes of two neighbours differ as well, and any number of classes can be lost at once.

    Parameters
    ----------
    grid : BlockGrid
        Of a plane, every axis at least one block long.
    classes : (rows, columns) ndarray of intp
        First classes; a block with `NO_CLASS` gets no second one.
    preference : (blocks, classes) ndarray of float64
        At least 0 and less than 1, random; another draw than that of the first classes.
    loads : (classes,) ndarray of float64, optional
        Share of the second places that each class should have, in any unit; equal by default.

    Returns
    -------
    (rows, columns) ndarray of intp
        Second classes, and `NO_CLASS` where there is none.

    Notes
    -----
    Four blocks around a corner hold different classes, so that of five classes at most every fourth block has
    a stand-in, and all blocks can have one from eight classes on.
    """
    _refuse_volumes(grid)
    weights = _loads(preference, loads, grid)
    labels = classes.ravel()
    if classes.shape != grid.counts or labels.min() < NO_CLASS or labels.max() >= len(weights):
        raise ValueError(f"stand-ins need one of {len(weights)} classes for each of {grid.counts} blocks")
    held = [1 << label if label >= 0 else 0 for label in labels.tolist()]
    return _swept(grid, np.flatnonzero(labels >= 0), held, preference, weights)


def _swept(
    grid: BlockGrid,
    order: NDArray[np.intp],
    held: list[int],
    preference: NDArray[np.float64],
    loads: NDArray[np.float64],
) -> NDArray[np.intp]:
    """Visit blocks in order and give each a class that neither it nor a neighbour holds.

    `held` has the classes of each block as bits. Each class depends on the ones given before, so that this is
    a loop over blocks, of some microseconds each: bits and lists are faster here than arrays.
    """
    held = list(held)
    around = _around(neighbours(grid), len(held))
    given = [NO_CLASS] * len(held)
    sizes = [0.0] * len(loads)
    per_block = (1 / loads).tolist()
    for block, wishes in zip(order.tolist(), preference[order].tolist(), strict=True):
        taken = held[block]
        for neighbour in around[block]:
            taken |= held[neighbour]
        free = [k for k in range(len(sizes)) if not taken >> k & 1]
        if not free:
            continue
        # The preference weighs less than one block: sizes stay balanced, and unequal loads, which never
        # tie, leave room for chance.
        chosen = min(free, key=lambda k: (sizes[k] + wishes[k]) * per_block[k])
        sizes[chosen] += 1
        given[block] = chosen
        held[block] |= 1 << chosen
    return np.array(given, np.intp).reshape(grid.counts)


def _around(pairs: NDArray[np.intp], blocks: int) -> list[list[int]]:
    """The neighbours of every block."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    ends = np.cumsum(np.bincount(both[:, 0], minlength=blocks))
    others, bounds = both[:, 1].tolist(), [0, *ends.tolist()]
    return [others[low:high] for low, high in pairwise(bounds)]


def _shifted(grid: BlockGrid) -> NDArray[np.intp]:
    """On how many axes each block, in C order, is shifted inward because it does not fit."""
    last = [
        (np.arange(count) + 1) * block > length
        for count, block, length in zip(grid.counts, grid.block, grid.shape, strict=True)
    ]
    return np.add.outer(*(axis.astype(np.intp) for axis in last)).ravel()


def _loads(
    preference: NDArray[np.float64], loads: NDArray[np.float64] | None, grid: BlockGrid
) -> NDArray[np.float64]:
    blocks = int(np.prod(grid.counts))
    if preference.ndim != 2 or len(preference) != blocks or not preference.shape[1]:
        raise ValueError(f"preference needs a row for each of {blocks} blocks, not shape {preference.shape}")
    if not ((preference >= 0) & (preference < 1)).all():
        raise ValueError("preference must be at least 0 and less than 1")
    weights = np.ones(preference.shape[1]) if loads is None else np.asarray(loads, np.float64)
    if weights.shape != preference.shape[1:] or not (np.isfinite(weights) & (weights > 0)).all():
        raise ValueError(f"loads must be {preference.shape[1]} positive numbers")
    return weights


def _refuse_volumes(grid: BlockGrid) -> None:
    if len(grid.shape) != 2:
        raise ValueError(
            f"colourings are of planes, not of {len(grid.shape)} axes; volumes use their planes' colouring"
        )
