import random
from collections import Counter
from itertools import product

import numpy as np
import pytest

from regions.evolution import Genes, evolved, genetic_choice

FAR = (7, 3, 11, 0)
COUNTS = (9, 5, 12, 6)


def distance(people: list[Genes]) -> list[float]:
    """From the one choice that is best; several are as good as each other otherwise."""
    return [sum(abs(a - b) for a, b in zip(genes, FAR, strict=True)) / 10 for genes in people]


def test_the_best_of_all_that_were_judged_is_found_though_children_are_drawn_anew() -> None:
    rng = np.random.default_rng(0)
    seen: list[float] = []

    def judge(people: list[Genes]) -> list[float]:
        values = [float(genes[0]) for genes in people]
        seen.extend(values)
        return values

    def anything(*_: Genes) -> Genes:
        return (int(rng.integers(100_000)),)

    first = [anything() for _ in range(10)]
    found = evolved(first, judge, lambda one, other: (one, other), anything, rng, generations=30)
    assert found.best == (min(seen),)
    assert found.convergence[-1] == min(seen)
    assert (np.diff(found.convergence) <= 0).all()
    assert found.evaluations == len(seen)


def test_an_individual_that_comes_through_unchanged_is_not_judged_again() -> None:
    judged: list[Genes] = []

    def judge(people: list[Genes]) -> list[float]:
        judged.extend(people)
        return [0.0] * len(people)

    rng = np.random.default_rng(0)
    evolved([(1,), (2,), (3,)], judge, lambda one, other: (one, other), lambda one: one, rng)
    assert judged == [(1,), (2,), (3,)]


def test_the_choice_that_is_best_by_far_is_found_with_few_of_all_judged() -> None:
    assert np.prod(COUNTS) == 3240
    for seed in range(10):
        found = genetic_choice(COUNTS, distance, seed=seed, generations=200, patience=25)
        assert found.best == FAR
        assert found.convergence[-1] == 0
        assert found.evaluations < 900


def test_few_choices_are_all_judged_and_none_twice() -> None:
    judged: Counter[Genes] = Counter()

    def judge(people: list[Genes]) -> list[float]:
        judged.update(people)
        return [float(a * b) for a, b in people]

    found = genetic_choice((5, 8), judge, seed=3)
    assert judged == Counter(product(range(5), range(8)))
    assert (found.convergence, found.evaluations) == ((0.0,), 40)
    judged.clear()
    found = genetic_choice((9, 30), judge, seed=3)
    assert set(judged.values()) == {1}
    assert found.evaluations == len(judged) < 270


def test_the_seed_alone_decides_a_choice() -> None:
    state = random.getstate()
    # All are worth the same, so that chance decides.
    found = [
        genetic_choice(COUNTS, lambda people: [0.0] * len(people), seed=seed) for seed in (1, 1, 2, 3, 4)
    ]
    assert found[0] == found[1]
    assert len({each.best for each in found}) > 2
    assert random.getstate() == state


@pytest.mark.parametrize("wrong", [{"first": [(1,)]}, {"generations": -1}, {"patience": 0}])
def test_a_search_without_room_is_refused(wrong: dict[str, object]) -> None:
    options = {"first": [(1,), (2,)]} | wrong
    with pytest.raises(ValueError, match="population of at least 2"):
        evolved(
            judge=lambda people: [0.0] * len(people),
            mate=lambda one, other: (one, other),
            mutate=lambda one: one,
            rng=np.random.default_rng(0),
            **options,
        )
