"""Selection, crossover and mutation of integer chromosomes under one seed, on DEAP (Algorithm 1, papers/002).

DEAP's own operators draw from Python's global generator and are not used. Import this module by its name:
DEAP takes a tenth of a second, which whoever imports `regions` is spared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import TypeAlias

import numpy as np
from deap import base, tools

TOURNAMENT = 3
"""Of so many individuals drawn at random the best becomes a parent."""
CROSSOVER = 0.8
"""Share of couples whose children mix; the other children are copies."""

Genes: TypeAlias = tuple[int, ...]
Judge: TypeAlias = Callable[[list[Genes]], Sequence[float]]
Mate: TypeAlias = Callable[[Genes, Genes], tuple[Genes, Genes]]
Mutate: TypeAlias = Callable[[Genes], Genes]


@dataclass(frozen=True, slots=True)
class Evolved:
    """What a search found, and how it came there.

    Attributes
    ----------
    best : tuple of int
    convergence : tuple of float
        What the best individual is worth, at first and after every generation; it never rises.
    evaluations : int
        How many individuals were judged.
    """

    best: Genes
    convergence: tuple[float, ...] = field(repr=False)
    evaluations: int


def genetic_choice(
    counts: Sequence[int],
    judge: Judge,
    *,
    seed: int,
    population: int = 40,
    generations: int = 60,
    patience: int = 8,
) -> Evolved:
    """Choose one option of every kind, so that what `judge` says of the choice is small.

    Parameters
    ----------
    counts : sequence of int
        How many options there are of each kind, at least one; a chromosome has the number of one of each.
    judge : callable
        What each of several choices is worth; no choice is judged twice.
    seed : int
        The same seed gives the same choice.
    population, generations, patience : int
        As of `evolved`; where there are no more choices than a population, all are judged, once.

    >>> genetic_choice([3, 4], lambda people: [abs(a - 1) + b for a, b in people], seed=0).best
    (1, 0)
    """
    rng = np.random.default_rng(seed)
    known: dict[Genes, float] = {}

    def judged(people: list[Genes]) -> list[float]:
        new = [genes for genes in dict.fromkeys(people) if genes not in known]
        known.update(zip(new, judge(new), strict=True))
        return [known[genes] for genes in people]

    def mated(one: Genes, other: Genes) -> tuple[Genes, Genes]:
        swapped = (rng.random(len(counts)) < 0.5).tolist()
        pairs = [(b, a) if swap else (a, b) for a, b, swap in zip(one, other, swapped, strict=True)]
        first, second = zip(*pairs, strict=True)
        return first, second

    def mutated(person: Genes) -> Genes:
        changes = (rng.random(len(counts)) < 1 / len(counts)).tolist()
        drawn = rng.integers(counts).tolist()
        return tuple(new if change else old for old, new, change in zip(person, drawn, changes, strict=True))

    if prod(counts) <= population:
        everything = list(product(*map(range, counts)))
        values = judged(everything)
        return Evolved(min(everything, key=known.__getitem__), (min(values),), len(known))
    first = [tuple(rng.integers(counts).tolist()) for _ in range(population)]
    found = evolved(first, judged, mated, mutated, rng, generations=generations, patience=patience)
    return replace(found, evaluations=len(known))


class _Smallest(base.Fitness):  # type: ignore[misc]  # DEAP has no types
    weights = (-1.0,)


class _Chromosome(tuple[int, ...]):
    fitness: _Smallest


def evolved(
    first: Iterable[Genes],
    judge: Judge,
    mate: Mate,
    mutate: Mutate,
    rng: np.random.Generator,
    *,
    generations: int = 100,
    patience: int = 20,
) -> Evolved:
    """Make what `judge` says of chromosomes small, until it no longer improves.

    Parameters
    ----------
    first : iterable of tuple of int
        The first generation, at least two; every other one has as many.
    judge : callable
        What each of several individuals is worth, all at once.
    mate, mutate : callable
        Two children of two, a changed one of one; they may give back what they were given.
    rng : numpy.random.Generator
        Selection and crossover draw from it.
    generations : int
        At most so many after the first.
    patience : int
        The search ends after so many generations in a row whose best is not better.

    Notes
    -----
    The best so far is kept in every generation. An individual that comes through unchanged is not judged
    again.
    """
    toolbox = base.Toolbox()
    toolbox.register("select", _select, rng=rng)
    toolbox.register("mate", mate)
    toolbox.register("mutate", mutate)
    people = [_individual(genes) for genes in first]
    if len(people) < 2 or generations < 0 or patience < 1:
        raise ValueError(
            "a search needs a population of at least 2, at least 0 generations and a patience of at least 1, "
            f"not {len(people)}, {generations} and {patience}"
        )
    best = tools.HallOfFame(1)
    evaluations, convergence = 0, list[float]()
    while True:
        new = [person for person in people if not person.fitness.valid]
        for person, value in zip(new, judge([tuple(person) for person in new]), strict=True):
            person.fitness.values = (value,)
        evaluations += len(new)
        best.update(people)
        convergence.append(best[0].fitness.values[0])
        improves = len(convergence) <= patience or convergence[-1] < convergence[-1 - patience]
        if not improves or len(convergence) > generations:
            return Evolved(tuple(best[0]), tuple(convergence), evaluations)
        people = _children(people, best[0], toolbox, rng)


def _children(
    people: list[_Chromosome], elite: _Chromosome, toolbox: base.Toolbox, rng: np.random.Generator
) -> list[_Chromosome]:
    """The next generation, the changed ones not judged yet, with the elite in it."""
    parents = toolbox.select(people, len(people))
    for one in range(0, len(parents) - 1, 2):
        if rng.random() < CROSSOVER:
            couple = toolbox.mate(parents[one], parents[one + 1])
            parents[one : one + 2] = [_changed(*each) for each in zip(parents[one:], couple, strict=False)]
    parents = [_changed(person, toolbox.mutate(person)) for person in parents]
    parents[-1] = elite
    return parents


def _individual(genes: Genes) -> _Chromosome:
    person = _Chromosome(genes)
    person.fitness = _Smallest()
    return person


def _changed(person: _Chromosome, genes: Genes) -> _Chromosome:
    """The individual with these genes; itself, with what it is worth, if they are the same."""
    return person if genes == person else _individual(genes)


def _select(people: list[_Chromosome], count: int, *, rng: np.random.Generator) -> list[_Chromosome]:
    """The winners of tournaments."""
    drawn = rng.integers(len(people), size=(count, TOURNAMENT)).tolist()
    values = [person.fitness.values[0] for person in people]
    return [people[min(rivals, key=values.__getitem__)] for rivals in drawn]
