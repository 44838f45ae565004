"""Kernels of any form: exact sums, in time that is bounded, on as many axes as wanted."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

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


@pytest.mark.parametrize("shape", [(300, 40, 40), (1, 700, 300), (2, 3, 90_000), (2, 60, 70, 40)])
def test_large_stacks_are_worked_on_in_parts_as_if_at_once(shape: tuple[int, ...]) -> None:
    stack = np.random.default_rng(0).integers(0, 2**16, shape, np.uint16)
    weights = np.random.default_rng(1).integers(-9, 9, (3,) * (stack.ndim - 1))
    wanted = ndimage.correlate(stack.astype(np.int64), weights[None], mode="nearest")
    core = (slice(None), *(slice(1, -1),) * (stack.ndim - 1))
    assert (Kernel(nested(weights)).run(stack) == wanted[core]).all()


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
