"""GA-ES, Algorithm 1 of papers/002: thresholds found by selection, crossover and mutation.

All chance comes from the seed; DEAP's own operators draw from Python's global generator and are not used.
Import this module by its name: DEAP takes a tenth of a second, which whoever imports `regions` is spared.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from deap import base, tools
from numpy.typing import NDArray

from regions.fitness import Fitness, Speeds, even_cuts, fitness_terms, random_cuts
from regions.thresholds import SortedBlocks, segmented

TOURNAMENT = 3
"""Of so many individuals drawn at random the best becomes a parent."""
CROSSOVER = 0.8
"""Share of couples whose children mix their thresholds; the other children are copies."""
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


class _Smallest(base.Fitness):  # type: ignore[misc]  # DEAP has no types
    weights = (-1.0,)


class _Chromosome(list[int]):
    """The places of the thresholds, rising; as many as there are regions, less one."""

    def __init__(self, cuts: list[int]) -> None:
        super().__init__(cuts)
        self.fitness = _Smallest()


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
    if population < 2 or generations < 0 or patience < 1:
        raise ValueError(
            "a search needs a population of at least 2, at least 0 generations and a patience of at least 1, "
            f"not {population}, {generations} and {patience}"
        )
    if not 2 <= fewest <= speeds.most_regions:
        raise ValueError(f"there are from 2 to {speeds.most_regions} regions, not at least {fewest}")
    fewest = min(fewest, blocks.steps)
    toolbox = _toolbox(blocks, speeds, np.random.default_rng(seed), fewest)
    even = [even_cuts(blocks, regions).tolist() for regions in range(speeds.most_regions, 1, -1)]
    # Where steps are large, equal parts are fewer than wanted.
    people = [_Chromosome(cuts) for cuts in even if len(cuts) >= fewest - 1][: population // 2]
    people += [toolbox.individual() for _ in range(population - len(people))]
    best = tools.HallOfFame(1)
    evaluations, convergence = 0, list[float]()
    while True:
        new = [person for person in people if not person.fitness.valid]
        for person, value in zip(new, toolbox.map(toolbox.evaluate, new), strict=True):
            person.fitness.values = (value,)
        evaluations += len(new)
        best.update(people)
        convergence.append(best[0].fitness.values[0])
        improves = len(convergence) <= patience or convergence[-1] < convergence[-1 - patience]
        if not improves or len(convergence) > generations:
            break
        people = _children(people, best[0], toolbox)
    cuts = np.array(best[0], np.intp)
    thresholds = blocks.thresholds[cuts - 1]
    (terms,) = fitness_terms(blocks, cuts[None], speeds).tolist()
    return Segmentation(
        regions=len(cuts) + 1,
        thresholds=thresholds,
        labels=segmented(blocks.entropy, thresholds),
        fitness=Fitness(*terms),
        convergence=tuple(convergence),
        evaluations=evaluations,
    )


def _toolbox(blocks: SortedBlocks, speeds: Speeds, rng: np.random.Generator, fewest: int = 2) -> base.Toolbox:
    """Operators on chromosomes for these blocks, all drawing from one generator."""
    least, most = fewest - 1, min(speeds.most_regions, blocks.steps) - 1
    toolbox = base.Toolbox()
    toolbox.register(
        "individual", lambda: _Chromosome(random_cuts(blocks, speeds, rng, fewest=fewest).tolist())
    )
    toolbox.register("clone", _copy)
    toolbox.register("select", _select, rng=rng)
    toolbox.register("mate", _mate, rng=rng, least=least, most=most, steps=blocks.steps)
    toolbox.register("mutate", _mutate, rng=rng, least=least, most=most, steps=blocks.steps)
    toolbox.register("evaluate", _evaluate, blocks=blocks, speeds=speeds, most=most)
    # A generation is judged in one pass over arrays, not one individual after the other.
    toolbox.register("map", lambda evaluate, people: evaluate(people))
    return toolbox


def _evaluate(people: list[_Chromosome], *, blocks: SortedBlocks, speeds: Speeds, most: int) -> list[float]:
    """J of every individual; chromosomes of fewer regions are filled up with empty ones."""
    rows = [person + [blocks.steps] * (most - len(person)) for person in people]
    cuts = np.array(rows, np.intp).reshape(len(rows), most)
    totals: list[float] = fitness_terms(blocks, cuts, speeds).sum(axis=1).tolist()
    return totals


def _children(people: list[_Chromosome], elite: _Chromosome, toolbox: base.Toolbox) -> list[_Chromosome]:
    """The next generation, not judged yet, with the elite in it."""
    parents = [toolbox.clone(person) for person in toolbox.select(people, len(people))]
    for one, other in zip(parents[::2], parents[1::2], strict=False):
        toolbox.mate(one, other)
    for person in parents:
        toolbox.mutate(person)
    parents[-1] = toolbox.clone(elite)
    return parents


def _copy(person: _Chromosome) -> _Chromosome:
    twin = _Chromosome(person)
    twin.fitness.values = person.fitness.values
    return twin


def _select(people: list[_Chromosome], count: int, *, rng: np.random.Generator) -> list[_Chromosome]:
    """The winners of tournaments."""
    drawn = rng.integers(len(people), size=(count, TOURNAMENT)).tolist()
    values = [person.fitness.values[0] for person in people]
    return [people[min(rivals, key=values.__getitem__)] for rivals in drawn]


def _mate(
    one: _Chromosome, other: _Chromosome, *, rng: np.random.Generator, least: int, most: int, steps: int
) -> None:
    """Exchange all thresholds above one place; couples whose children had too many or too few stay."""
    if rng.random() >= CROSSOVER:
        return
    place = int(rng.integers(1, steps + 1))
    first = [cut for cut in one if cut < place] + [cut for cut in other if cut >= place]
    second = [cut for cut in other if cut < place] + [cut for cut in one if cut >= place]
    if least <= len(first) <= most and least <= len(second) <= most:
        _become(one, first)
        _become(other, second)


def _mutate(person: _Chromosome, *, rng: np.random.Generator, least: int, most: int, steps: int) -> None:
    """Move a threshold, by a step of any order of magnitude, or change the number of regions by one."""
    if not person:
        return
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
    if len(set(cuts)) == len(cuts) and min(cuts) > 0 and max(cuts) < steps:
        _become(person, sorted(cuts))


def _become(person: _Chromosome, cuts: list[int]) -> None:
    if cuts != person:
        person[:] = cuts
        del person.fitness.values
