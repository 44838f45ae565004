"""How much of an image parties could assemble that pool their blocks: an upper bound from geometry.

Every link that is there counts as found. What an actual attack finds is in `regions.attacks`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_COALITIONS = 500
"""So many coalitions of one size are tried at most; where there are more, the search is greedy."""
TOLERABLE_AREA = 0.1
"""A coalition that assembles more than this part of the informative blocks sees the image."""


@dataclass(frozen=True, slots=True)
class BlockLinks:
    """Which blocks of a grid can be put together, by whoever holds both.

    Attributes
    ----------
    informative : (rows, columns) ndarray of bool
    exact : (E, 2) ndarray of intp
        Pairs of blocks, numbered row by row, whose windows share pixels that are not all equal:
        sides, and corners of diagonal neighbours.
    touching : (F, 2) ndarray of intp
        Pairs of blocks whose cores share an edge or overlap, whatever they show.
    """

    informative: NDArray[np.bool_] = field(repr=False)
    exact: NDArray[np.intp] = field(repr=False)
    touching: NDArray[np.intp] = field(repr=False)

    def __post_init__(self) -> None:
        for pairs in (self.exact, self.touching):
            if pairs.ndim != 2 or pairs.shape[1] != 2:
                raise ValueError(f"links are pairs of blocks, not an array of shape {pairs.shape}")
            if pairs.size and (pairs.min() < 0 or pairs.max() >= self.informative.size):
                raise ValueError(f"a link names a block that a grid of {self.informative.shape} has not")


@dataclass(frozen=True, slots=True)
class CollusionCurve:
    """Largest assembled piece of the worst coalition of 1, 2, … parties.

    Attributes
    ----------
    areas : tuple of float
        A_1, A_2, …: shares of all informative blocks.
    bound : {"exact", "greedy"}
        Whether all coalitions were tried for every size, or the largest sizes were searched greedily.
    """

    areas: tuple[float, ...]
    bound: Literal["exact", "greedy"]


def block_links(
    image: ArrayLike,
    starts: NDArray[np.intp],
    window: tuple[int, int],
    halo: tuple[int, int],
    informative: NDArray[np.bool_],
    *,
    channel_axis: int | None = None,
) -> BlockLinks:
    """The links between the blocks of an image that travel with a halo.

    Parameters
    ----------
    image : (M, N), (P, M, N) or, with `channel_axis`, (M, N, C) ndarray
        Blocks of a volume are columns of all its planes.
    starts : (rows, columns, 2) ndarray
        First pixel of every block's window for the widest halo used, in the plane: rows of one height,
        columns of one place, as they are sent, shifted at the edges or not.
    window, halo : (int, int)
        Shape of every window, and the halo in it, in pixels.
    informative : (rows, columns) ndarray of bool
    channel_axis : int, optional
        Components are offset one by one, so that a strip is flat where each of them is.
    """
    if starts.shape != (*informative.shape, 2):
        raise ValueError(f"windows at {starts.shape} do not belong to blocks of {informative.shape}")
    tops, lefts = starts[:, 0, 0], starts[0, :, 1]
    if (starts[..., 0] != tops[:, None]).any() or (starts[..., 1] != lefts).any():
        raise ValueError("the windows of a grid lie in rows and columns; these do not")
    one, other = _meeting(tops, lefts, window)
    places = starts.reshape(-1, 2)
    low = np.maximum(places[one], places[other])
    high = np.minimum(places[one], places[other]) + np.array(window)
    pairs = np.stack([one, other], axis=1)
    shared = (high > low).all(axis=1)
    shared[shared] = _varies(image, low[shared], high[shared], channel_axis)
    gap = low - high + 2 * np.array(halo)
    touching = (gap <= 0).all(axis=1) & (gap < 0).any(axis=1)
    return BlockLinks(informative, pairs[shared], pairs[touching])


def assembled_area(holds: NDArray[np.bool_], links: BlockLinks, most: int) -> CollusionCurve:
    """Largest piece that a coalition can join by exact links: every non-flat shared strip counts as found.

    Parameters
    ----------
    holds : (parties, rows, columns) ndarray of bool
        Which party may see which block, as owner or as stand-in.
    links : BlockLinks
    most : int
        Size of the largest coalition, cut down to the number of parties.

    Returns
    -------
    CollusionCurve
        Blocks that are not informative join pieces but do not count; 0 where no block is informative.

    >>> import numpy as np
    >>> links = BlockLinks(np.ones((1, 3), bool), np.array([[0, 1], [1, 2]]), np.array([[0, 1], [1, 2]]))
    >>> assembled_area(np.eye(3, dtype=bool)[:, None], links, most=2).areas
    (0.3333333333333333, 0.6666666666666666)
    """
    return _curve(holds, links.informative, links.exact, most)


def adjacent_area(holds: NDArray[np.bool_], links: BlockLinks, most: int) -> CollusionCurve:
    """As `assembled_area`, but all touching edges count as found too, whatever they show.

    Pessimistic: this is what a perfect jigsaw solver would reach, and the figure that speaks where
    blocks travel without a halo.
    """
    pairs = np.unique(np.concatenate([links.exact, links.touching]), axis=0)
    return _curve(holds, links.informative, pairs, most)


def collusion_threshold(*curves: CollusionCurve) -> int | None:
    """The smallest coalition that assembles more than a tenth on one of the curves; None if none does.

    >>> collusion_threshold(CollusionCurve((0.01, 0.2), "exact"), CollusionCurve((0.01, 0.1), "exact"))
    2
    """
    reached = [
        size for curve in curves for size, area in enumerate(curve.areas, start=1) if area > TOLERABLE_AREA
    ]
    return min(reached, default=None)


def _meeting(
    tops: NDArray[np.intp], lefts: NDArray[np.intp], window: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers of all pairs of blocks whose windows overlap or touch, each pair once."""
    rows, columns = (
        np.nonzero(np.abs(start[:, None] - start) <= length)
        for start, length in zip((tops, lefts), window, strict=True)
    )
    one, other = (
        np.add.outer(row * lefts.size, column).ravel() for row, column in zip(rows, columns, strict=True)
    )
    return one[one < other], other[one < other]


def _varies(
    image: ArrayLike, low: NDArray[np.intp], high: NDArray[np.intp], channel_axis: int | None
) -> NDArray[np.bool_]:
    """Which boxes, each from `low` up to `high` in the plane, hold two pixels that differ.

    A box is flat exactly if no pixel in it differs from the one to its right, the one below, or the
    same place in the next plane. Cumulative counts of such differences answer for all boxes at once.
    """
    pixels = np.asarray(image)
    parts = pixels[None] if channel_axis is None else np.moveaxis(pixels, channel_axis, 0)
    planes = parts[:, None] if parts.ndim == 3 else parts
    found = np.zeros(len(low), bool)
    for axis in (3, 2, 1):
        before = (slice(None),) * axis
        differs = (planes[*before, 1:] != planes[*before, :-1]).any(axis=(0, 1))
        # The last pixel of a box differs from one outside it, which is not counted.
        last = high - np.array([axis == 2, axis == 3])
        counts = np.zeros((differs.shape[0] + 1, differs.shape[1] + 1), np.int32)
        np.cumsum(np.cumsum(differs, axis=0, dtype=np.int32), axis=1, out=counts[1:, 1:])
        (top, left), (bottom, right) = low.T, last.T
        found |= counts[bottom, right] - counts[top, right] - counts[bottom, left] + counts[top, left] > 0
    return found


def _curve(
    holds: NDArray[np.bool_], informative: NDArray[np.bool_], pairs: NDArray[np.intp], most: int
) -> CollusionCurve:
    if holds.shape[1:] != informative.shape:
        raise ValueError(f"holdings of {holds.shape[1:]} do not belong to blocks of {informative.shape}")
    if most < 1:
        raise ValueError(f"a coalition has at least 1 party, not {most}")
    parties = len(holds)
    own = holds.reshape(parties, -1)
    counted = informative.ravel()
    areas: list[float] = []
    bound: Literal["exact", "greedy"] = "exact"
    best: list[tuple[int, ...]] = [()]
    for size in range(1, min(most, parties) + 1):
        exhaustive = comb(parties, size) <= MOST_COALITIONS
        coalitions = combinations(range(parties), size) if exhaustive else _extended(best, parties)
        if not exhaustive:
            bound = "greedy"
        tried = [
            (_largest_piece(np.logical_or.reduce(own[list(members)]), counted, pairs), members)
            for members in coalitions
        ]
        # By area, then by name: the same holdings give the same figure on every machine.
        tried.sort(key=lambda entry: (-entry[0], entry[1]))
        best = [members for _, members in tried[: max(1, MOST_COALITIONS // parties)]]
        areas.append(tried[0][0])
    return CollusionCurve(tuple(areas), bound)


def _extended(best: Iterable[tuple[int, ...]], parties: int) -> list[tuple[int, ...]]:
    """The coalitions that are one of the best of a size and one party more."""
    grown = {
        tuple(sorted({*members, party}))
        for members in best
        for party in range(parties)
        if party not in members
    }
    return sorted(grown)


def _largest_piece(held: NDArray[np.bool_], counted: NDArray[np.bool_], pairs: NDArray[np.intp]) -> float:
    """Most counted blocks in one connected piece of the held ones, as a share of all that are counted."""
    from scipy.sparse import coo_array  # takes a while to load, and few who import this need graphs
    from scipy.sparse.csgraph import connected_components

    total = int(counted.sum())
    if total == 0:
        return 0.0
    one, other = pairs[held[pairs].all(axis=1)].T
    graph = coo_array((np.ones(one.size, np.bool_), (one, other)), shape=(held.size, held.size))
    _, piece = connected_components(graph, directed=False)
    return float(np.bincount(piece, weights=held & counted).max()) / total
