"""GA-ES, Algorithm 1 of papers/002: thresholds found by selection, crossover and mutation.

All chance comes from the seed. Import this module by its name, as that of the search itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from regions.evolution import Genes, evolved
from regions.fitness import Fitness, Speeds, even_cuts, fitness_terms, random_cuts
from regions.thresholds import SortedBlocks, segmented

RENUMBERED = 0.2
"""Share of mutations that remove a region or add one; the others move a threshold."""

TOGETHER = 0.3
"""Share of moves that take all thresholds above along: one region grows, and no other shrinks for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """What the search found: < R1, R2, …, Rn > of Algorithm 1, and how it came there.

    Attributes
    ----------
    regions : int
        How many there are; every one has a block. 1 only if all blocks have one entropy.
    thresholds : (regions - 1,) ndarray of float64
        In bits, rising.
    labels : (rows, columns) ndarray of intp
        The region of each block, by rising entropy.
    fitness : Fitness
        The three terms of J.
    convergence : tuple of float
        J of the best individual, at first and after every generation; it never rises.
    evaluations : int
        How many individuals were judged.
    """

    regions: int
    thresholds: NDArray[np.float64]
    labels: NDArray[np.intp] = field(repr=False)
    fitness: Fitness
    convergence: tuple[float, ...] = field(repr=False)
    evaluations: int


def genetic_thresholds(
    blocks: SortedBlocks,
    speeds: Speeds,
    *,
    seed: int,
    fewest: int = 2,
    population: int = 60,
    generations: int = 100,
    patience: int = 20,
) -> Segmentation:
    """Search the number of regions, from `fewest` to min(12, N), and their thresholds that make J small.

    Parameters
    ----------
    blocks : SortedBlocks
    speeds : Speeds
        Of N providers; the k-th region goes to the k-th.
    seed : int
        The same seed gives the same result.
    fewest : int
        Regions that there must be, where there are so many entropies; at least 2, at most min(12, N), which
        fixes their number.
    population : int
        Individuals of a generation, at least 2.
    generations : int
        At most so many after the first.
    patience : int
        "Until the fitness of the population no longer improves": the search ends after so many generations
        in a row whose best is not better.

    Returns
    -------
    Segmentation

    Notes
    -----
    Algorithm 1 of M. Marwan et al., "A Cloud-based Framework to Secure Medical Image Processing". A
    chromosome is a set of places in the order of entropies, one fewer than there are regions. The first
    generation is random but for one individual of equally many blocks per region for each number of regions
    (section 3.1). The best so far is kept in every generation.

    >>> from regions.thresholds import sorted_blocks
    >>> image = np.random.default_rng(0).binomial(64, 0.5, (64, 64)).astype(np.uint8)
    >>> genetic_thresholds(sorted_blocks(image, 8), Speeds.equal(4), seed=1).regions
    4
    """
    if not 2 <= fewest <= speeds.most_regions:
        raise ValueError(f"there are from 2 to {speeds.most_regions} regions, not at least {fewest}")
    fewest = min(fewest, blocks.steps)
    least, most = fewest - 1, min(speeds.most_regions, blocks.steps) - 1
    rng = np.random.default_rng(seed)
    even = [tuple(even_cuts(blocks, regions).tolist()) for regions in range(speeds.most_regions, 1, -1)]
    # Where steps are large, equal parts are fewer than wanted.
    first = [cuts for cuts in even if len(cuts) >= least][: population // 2]
    while len(first) < population:
        first.append(tuple(random_cuts(blocks, speeds, rng, fewest=fewest).tolist()))
    found = evolved(
        first,
        partial(_judged, blocks=blocks, speeds=speeds, most=most),
        partial(_mated, rng=rng, least=least, most=most, steps=blocks.steps),
        partial(_mutated, rng=rng, least=least, most=most, steps=blocks.steps),
        rng,
        generations=generations,
        patience=patience,
    )
    cuts = np.array(found.best, np.intp)
    thresholds = blocks.thresholds[cuts - 1]
    (terms,) = fitness_terms(blocks, cuts[None], speeds).tolist()
    return Segmentation(
        regions=len(cuts) + 1,
        thresholds=thresholds,
        labels=segmented(blocks.entropy, thresholds),
        fitness=Fitness(*terms),
        convergence=found.convergence,
        evaluations=found.evaluations,
    )


def _judged(people: list[Genes], *, blocks: SortedBlocks, speeds: Speeds, most: int) -> list[float]:
    """J of every individual in one pass over arrays; those of fewer regions are filled up with empty ones."""
    rows = [[*person, *[blocks.steps] * (most - len(person))] for person in people]
    cuts = np.array(rows, np.intp).reshape(len(rows), most)
    totals: list[float] = fitness_terms(blocks, cuts, speeds).sum(axis=1).tolist()
    return totals


def _mated(
    one: Genes, other: Genes, *, rng: np.random.Generator, least: int, most: int, steps: int
) -> tuple[Genes, Genes]:
    """Exchange all thresholds above one place; couples whose children had too many or too few stay."""
    place = int(rng.integers(1, steps + 1))
    first = tuple(cut for cut in one if cut < place) + tuple(cut for cut in other if cut >= place)
    second = tuple(cut for cut in other if cut < place) + tuple(cut for cut in one if cut >= place)
    fit = least <= len(first) <= most and least <= len(second) <= most
    return (first, second) if fit else (one, other)


def _mutated(person: Genes, *, rng: np.random.Generator, least: int, most: int, steps: int) -> Genes:
    """Move a threshold, by a step of any order of magnitude, or change the number of regions by one."""
    if not person:
        return person
    cuts = list(person)
    if rng.random() < RENUMBERED:
        if rng.random() < 0.5:
            if len(cuts) > least:
                cuts.pop(int(rng.integers(len(cuts))))
        elif len(cuts) < most:
            cuts.append(int(rng.integers(1, steps)))
    else:
        size = max(1, round(steps * 2.0 ** -rng.uniform(1, 11)))
        moved = int(rng.integers(len(cuts)))
        last = len(cuts) if rng.random() < TOGETHER else moved + 1
        way = size if rng.random() < 0.5 else -size
        cuts[moved:last] = [cut + way for cut in cuts[moved:last]]
    # Two thresholds at one place, or one beyond the ends, would make a region without blocks.
    fit = len(set(cuts)) == len(cuts) and min(cuts) > 0 and max(cuts) < steps
    return tuple(sorted(cuts)) if fit else person
