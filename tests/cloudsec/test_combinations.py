"""Sums of arrays of residues equal those of unbounded integers, for every modulus and at every bound."""

from math import gcd
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloudsec.combinations import combinations
from providers import make_operation
from providers.modular import run
from providers.residues import FIELDS, MODULI, are_residues, expanded, reduced, residue_dtype
from tests.residues import SMALL, extremes


def combination(row: Any, planes: Any, modulus: int) -> NDArray[Any]:
    (answer,) = combinations([row], planes, modulus)
    return answer


@given(
    st.sampled_from([*MODULI, *SMALL]),
    st.lists(st.sampled_from([-2, -1, 0, 1, 2]) | st.integers(-(2**58), 2**58), min_size=1, max_size=5),
    st.integers(0, 2**32),
)
def test_a_combination_is_that_of_unbounded_integers(
    modulus: int, coefficients: list[int], seed: int
) -> None:
    planes = extremes(modulus, (len(coefficients), 4, 30), np.random.default_rng(seed))
    answer = combination(coefficients, planes, modulus)
    assert are_residues(answer, modulus)
    wanted = sum(c * plane.astype(object) for c, plane in zip(coefficients, planes, strict=True)) % modulus
    assert (answer == wanted).all()
    assert not np.shares_memory(answer, planes)


@given(
    st.sampled_from([*FIELDS, *SMALL]),
    st.lists(st.tuples(st.integers(-400, 400), st.integers(1, 400)), min_size=1, max_size=9),
    st.integers(0, 2**32),
)
def test_a_combination_by_fractions_is_that_by_the_residues_that_they_are(
    modulus: int, fractions: list[tuple[int, int]], seed: int
) -> None:
    row = [above * pow(below, -1, modulus) for above, below in fractions if gcd(below, modulus) == 1] or [1]
    planes = extremes(modulus, (len(row), 50), np.random.default_rng(seed))
    wanted = sum(weight * plane.astype(object) for weight, plane in zip(row, planes, strict=True)) % modulus
    assert (combination(row, planes, modulus) == wanted).all()


@pytest.mark.parametrize("modulus", [*MODULI, *SMALL])
@pytest.mark.parametrize("planes", [1, 2, 7, 8, 9, 17, 65])
def test_a_combination_of_any_number_is_exact_where_residues_and_weights_are_largest(
    modulus: int, planes: int
) -> None:
    stack = np.full((planes, 5), modulus - 1, residue_dtype(modulus))
    half = modulus // 2
    rows = [[half] * planes, [-half] * planes, [half, -half] * planes, [modulus - 1] * planes, [1] * planes]
    # With this one weights are fractions of 3, where 3 has an inverse.
    rows = [row[:planes] for row in (*rows, [(modulus + 1) // 3] * planes)]
    answer = combinations(rows, stack, modulus)
    assert are_residues(answer, modulus)
    assert answer.tolist() == [[-sum(row) % modulus] * 5 for row in rows]


@pytest.mark.parametrize("modulus", MODULI)
@pytest.mark.parametrize("length", [0, 1, 31, 4095, 4096, 4097, 10_000])
def test_long_and_empty_planes_are_combined_to_their_last_residue(modulus: int, length: int) -> None:
    planes = extremes(modulus, (3, length), np.random.default_rng(length))
    row = (2, -1, modulus // 3)
    wanted = sum(weight * plane.astype(object) for weight, plane in zip(row, planes, strict=True)) % modulus
    assert (combination(row, planes, modulus) == wanted).all()


@pytest.mark.parametrize("modulus", MODULI)
def test_strided_and_read_only_planes_are_combined_and_stay_as_they_are(modulus: int) -> None:
    stack = expanded(b"sixteen  octets.", modulus, (40, 2, 30))
    one, other, before = stack[::2, 0], np.asfortranarray(stack[1::2, 1]), stack.copy()
    stack.flags.writeable = False
    wanted = (one.astype(object) - 3 * other.astype(object)) % modulus
    assert (combination((1, -3), (one, other), modulus) == wanted).all()
    assert (stack == before).all()
    assert other.flags.writeable


@pytest.mark.parametrize("modulus", FIELDS)
@pytest.mark.parametrize("pair", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_sums_and_differences_of_two_are_exact_at_the_ends(modulus: int, pair: tuple[int, int]) -> None:
    ends = np.array([0, 1, 2, modulus // 2, modulus - 2, modulus - 1], residue_dtype(modulus))
    one, other = (np.ascontiguousarray(axis) for axis in np.meshgrid(ends, ends))
    wanted = (pair[0] * one.astype(object) + pair[1] * other.astype(object)) % modulus
    assert (combination(pair, (one, other), modulus) == wanted).all()


def test_a_large_modulus_that_is_no_mersenne_prime_is_refused() -> None:
    with pytest.raises(ValueError, match="no Mersenne prime"):
        combination((2**50, 1), np.zeros((2, 3), np.uint64), 2**61 - 3)


def test_weights_of_zero_give_zeros() -> None:
    assert not combination((0, 65521), np.ones((2, 4), np.uint16), 65521).any()


@pytest.mark.parametrize("modulus", MODULI)
def test_shares_filtered_and_added_up_are_the_image_filtered(modulus: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 30, 40), np.uint8)
    (part,) = make_operation("binomial").resolved(2, "uint8").parts
    mask = expanded(b"sixteen  octets.", modulus, image.shape)
    other = combination((1, -1), (reduced(image, modulus), mask), modulus)
    answers = [run(part, share, modulus) for share in (mask, other)]
    assert (combination((1, 1), answers, modulus) == part.run(image)).all()
