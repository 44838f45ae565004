"""Kernels of any form: exact sums, in time that is bounded, on as many axes as wanted."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.kernel import Kernel, nested
from regions import Symmetries

SIDES = st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=3)


@given(SIDES, st.integers(0, 2**32))
def test_the_answer_is_the_sum_over_the_window_in_unbounded_integers(sides: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.integers(-(2**20), 2**20, sides)
    stack = random.integers(-(2**30), 2**30, (2, *(side + 1 for side in sides)))
    answer = Kernel(nested(weights)).run(stack)
    assert answer.shape == (2, *(2 for _ in sides))
    for place in product(range(2), repeat=len(sides) + 1):
        window = stack[(place[0], *(slice(i, i + side) for i, side in zip(place[1:], sides, strict=True)))]
        assert int(answer[place]) == sum(
            int(w) * int(x) for w, x in zip(weights.flat, window.flat, strict=True)
        )


def test_many_regions_are_worked_on_in_parts_as_if_at_once() -> None:
    stack = np.random.default_rng(0).integers(0, 2**16, (300, 40, 40), np.uint16)
    kernel = Kernel(((1, 2, 3), (4, -5, 6), (7, 8, 9)))
    answer = kernel.run(stack)
    assert (answer[::7] == np.concatenate([kernel.run(stack[n : n + 1]) for n in range(0, 300, 7)])).all()


def test_a_sum_that_could_overflow_is_refused() -> None:
    kernel = Kernel(((2**40, 0, -(2**40)),))
    kernel.run(np.full((1, 1, 3), 2**21))
    with pytest.raises(ValueError, match="accumulator"):
        kernel.run(np.full((1, 1, 3), 2**22))


@pytest.mark.parametrize("weights", [((1, 2),), ((2**62, 0, 2**62),), ((1,), (1,))])
def test_what_has_no_centre_or_is_too_large_is_no_kernel(weights: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="kernel"):
        Kernel(weights)


@pytest.mark.parametrize(
    ("weights", "scale", "facts"),
    [
        (((0, 1, 0), (1, -4, 1), (0, 1, 0)), 1, Symmetries((True, True), True, 0, -1)),
        (((1, 2, 1),), 4, Symmetries((True, True), False, 1, -1)),
        (((1, 2, 3),), 2, Symmetries((True, False), False, 3, -1)),
        (((1, 0, 2), (0, 5, 0), (2, 0, 1)), 11, Symmetries((False, False), True, 1, -1)),
    ],
)
def test_facts_follow_from_the_weights(
    weights: tuple[tuple[int, ...], ...], scale: int, facts: Symmetries
) -> None:
    assert Kernel(weights, scale).symmetries == facts
