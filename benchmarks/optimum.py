"""The smallest J that any thresholds have: what the genetic search is measured by. No part of the product."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from regions.fitness import Speeds, fitness_terms
from regions.thresholds import SortedBlocks


@dataclass(frozen=True)
class Optimum:
    """Thresholds of smallest J, as places between steps, and a bound that no thresholds go below."""

    cuts: tuple[int, ...]
    total: float
    bound: float


def exhaustive(blocks: SortedBlocks, speeds: Speeds, most: int = 4) -> Optimum:
    """Of all thresholds between 2 and `most` regions, one after the other: for some hundred steps."""
    best = (np.inf, np.zeros(0, np.intp))
    for regions in range(2, most + 1):
        for first in range(1, blocks.steps):
            rest = list(combinations(range(first + 1, blocks.steps), regions - 2))
            cuts = np.array(rest, np.intp).reshape(len(rest), regions - 2)
            cuts = np.concatenate([np.full((len(rest), 1), first), cuts], axis=1)
            totals = fitness_terms(blocks, cuts, speeds).sum(axis=1)
            if len(totals) and totals.min() < best[0]:
                best = (float(totals.min()), cuts[totals.argmin()])
    return Optimum(tuple(best[1].tolist()), best[0], best[0])


def optimum(blocks: SortedBlocks, speeds: Speeds) -> Optimum:
    """Of all thresholds, by dynamic programming under a limit of seconds, for 1,024 steps and any N.

    Under a limit that no provider may exceed, what is left of J is a sum over regions, which dynamic
    programming makes smallest. Limits between which J cannot go below the best found are never looked
    into: makespans there are at least the lower limit, and the sum at least what the upper one allows.
    """
    most = min(speeds.most_regions, blocks.steps)
    price = _prices(blocks)
    sizes = np.subtract.outer(blocks.blocks, blocks.blocks).T
    layers = [
        speeds.seconds(np.where(sizes > 0, sizes, 0)[..., None].repeat(k + 1, -1))[..., k]
        for k in range(most)
    ]
    for seconds in layers:
        seconds[sizes <= 0] = np.inf
    ideal = speeds.ideal(int(blocks.blocks[-1]))
    limits = np.unique(np.concatenate([seconds[np.isfinite(seconds)] for seconds in layers]))
    best = Optimum((), np.inf, np.inf)

    def within(limit: float) -> float:
        """The smallest sum under this limit; what it takes is the best if its J is."""
        nonlocal best
        smallest, cuts = _cheapest(price, layers, limit)
        if cuts:
            total = float(fitness_terms(blocks, np.array([cuts]), speeds).sum())
            best = min(best, Optimum(cuts, total, total), key=lambda found: found.total)
        return smallest

    low, high = 0, len(limits) - 1
    sums = within(limits[high])
    queue = [(1 + limits[low] / ideal + sums, low, high, sums)]
    while queue:
        bound, low, high, sums = heappop(queue)
        if bound >= best.total - 1e-9:
            break
        if low == high:
            continue
        middle = (low + high) // 2
        heappush(queue, (1 + limits[middle + 1] / ideal + sums, middle + 1, high, sums))
        sums = within(limits[middle])
        heappush(queue, (1 + limits[low] / ideal + sums, low, middle, sums))
    return Optimum(best.cuts, best.total, min(bound, best.total))


def _prices(blocks: SortedBlocks) -> NDArray[np.float64]:
    """(n_k / n)(Cor_k − NPCR_k) of the region between every two places, infinite where there is none."""
    places = np.arange(blocks.steps + 1)
    price = np.full((len(places), len(places)), np.inf)
    for low in places[:-1]:
        high = places[low + 1 :]
        start = np.full_like(high, low)
        share = (blocks.blocks[high] - blocks.blocks[low]) / blocks.blocks[-1]
        price[low, high] = share * (blocks.correlation(start, high) - blocks.change_rate(start, high))
    return price


def _cheapest(
    price: NDArray[np.float64], layers: list[NDArray[np.float64]], limit: float
) -> tuple[float, tuple[int, ...]]:
    """The smallest sum of prices of 2 or more regions within the limit, and where they are cut."""
    sums, came = np.where(layers[0][0] <= limit, price[0], np.inf), list[NDArray[np.intp]]()
    best, chosen = np.inf, 0
    for layer, seconds in enumerate(layers[1:], 1):
        ways = np.where(seconds <= limit, price, np.inf)
        ways += sums[:, None]
        came.append(ways.argmin(axis=0))
        sums = ways.min(axis=0)
        if sums[-1] < best:
            best, chosen = float(sums[-1]), layer
    cuts, place = list[int](), len(price) - 1
    for origin in reversed(came[:chosen]):
        place = int(origin[place])
        cuts.append(place)
    return best, tuple(reversed(cuts))
