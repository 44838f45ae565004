"""Separable stencils: exact sums on every path, refused where they could overflow."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import make_operation
from providers.operation import float_tolerance
from providers.stencil import EXACT_FLOAT, TILE, Stencil

ROWS = st.integers(0, 3).flatmap(
    lambda h: st.lists(st.integers(0, 2**20), min_size=2 * h + 1, max_size=2 * h + 1).filter(any)
)


@given(st.tuples(ROWS.map(tuple), ROWS.map(tuple)), st.integers(0, 2**32))
def test_the_answer_is_the_sum_over_the_window_in_unbounded_integers(
    weights: tuple[tuple[int, ...], ...], seed: int
) -> None:
    stencil = Stencil(weights)
    window = tuple(2 * h + 2 for h in stencil.halo)
    stack = np.random.default_rng(seed).integers(-(2**15), 2**15, (2, *window))
    answer = stencil.run(stack)
    for n, i, j in product(range(2), range(2), range(2)):
        exact = sum(
            wa * wb * int(stack[n, i + a, j + b])
            for (a, wa), (b, wb) in product(enumerate(weights[0]), enumerate(weights[1]))
        )
        assert int(answer[n, i, j]) == exact


def test_the_float_path_and_the_integer_path_agree_at_the_bound() -> None:
    stencil = Stencil(((1, 2, 1), (3, 5, 3)))
    largest = EXACT_FLOAT // stencil.scale
    stack = np.random.default_rng(0).integers(-largest + 1, largest, (3, 8, 8))
    assert (stencil._run_float(stack) == stencil._run_int(stack)).all()
    assert (stencil._run_product(stack) == stencil._run_int(stack)).all()


@pytest.mark.parametrize("window", [(3, 7), (TILE + 4, TILE + 5), (3 * TILE + 9, 20)])
@pytest.mark.parametrize("count", [1, 50])
def test_products_tile_by_tile_give_what_integer_sums_give(window: tuple[int, int], count: int) -> None:
    stencil = Stencil(((1, 2, 1), (0, 5, 4, 1, 7)))
    stack = np.random.default_rng(0).integers(0, 2**16, (count, *window), np.uint16)
    assert (stencil._run_product(stack) == stencil._run_int(stack)).all()


def test_a_sum_that_could_overflow_is_refused() -> None:
    with pytest.raises(ValueError, match="accumulator"):
        Stencil(((2**20,), (2**20,))).run(np.full((1, 2, 2), 2**23))


@pytest.mark.parametrize("weights", [((1, 2),), ((1, -1, 1),), ((0,),), ((1.0,),), ((True,),), ((),)])
def test_what_is_no_smoothing_stencil_is_refused(weights: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="stencil"):
        Stencil(weights)


@pytest.mark.parametrize("side", [201, 401])
def test_the_errors_of_wide_windows_of_floats_stay_within_the_tolerance(side: int) -> None:
    operation = make_operation("mean", size=side).resolved(2, "float64")
    ramp = np.linspace(0, 1, side + 39) * np.ones((1, side + 39, 1))
    whole = operation.run(ramp) / operation.units
    turned = operation.run(ramp.swapaxes(1, 2)).swapaxes(1, 2) / operation.units
    assert np.abs(whole - turned).max() <= float_tolerance(operation, ramp)
