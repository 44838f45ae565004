"""Sums and filters of residues equal those of unbounded integers, for every modulus and at every bound."""

import json
from itertools import product
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from providers import make_operation, modular
from providers.kernel import Kernel, nested
from providers.modular import combinations, run, work
from providers.residues import FIELDS, MODULI, are_residues, expanded, reduced, residue_dtype
from providers.stencil import Stencil

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "sharing.json").read_text())
SMALL = (5, 7, 251, 40_000)
SIDES = st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=3)


def combination(row: Any, planes: Any, modulus: int) -> NDArray[Any]:
    (answer,) = combinations([row], planes, modulus)
    return answer


def extremes(modulus: int, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[Any]:
    """Residues of which many are the smallest and the largest."""
    drawn = expanded(random.bytes(16), modulus, shape)
    kind = random.integers(0, 3, shape)
    return np.where(kind == 0, drawn.dtype.type(0), np.where(kind == 1, drawn.dtype.type(modulus - 1), drawn))


def weights_of(part: Stencil | Kernel) -> NDArray[Any]:
    if isinstance(part, Kernel):
        return np.array(part.weights, dtype=object)
    whole = np.array(1, dtype=object)
    for row in part.weights:
        whole = np.multiply.outer(whole, np.array(row, dtype=object))
    return whole


def expected(part: Stencil | Kernel, stack: NDArray[Any], modulus: int) -> NDArray[Any]:
    weights, wide = weights_of(part), stack.astype(object)
    core = [n - side + 1 for n, side in zip(stack.shape[1:], weights.shape, strict=True)]
    total = np.zeros((len(stack), *core), object)
    for place in product(*map(range, weights.shape)):
        shifted = (slice(start, start + n) for start, n in zip(place, core, strict=True))
        total = total + weights[place] * wide[(slice(None), *shifted)]
    return total % modulus


@pytest.mark.parametrize("vector", VECTORS["maps"], ids=lambda vector: vector["modulus"])
def test_a_kernel_answers_as_an_independent_script_does(vector: dict[str, Any]) -> None:
    modulus = vector["modulus"]
    window = np.array(vector["window"], residue_dtype(modulus))
    kernel = Kernel(tuple(map(tuple, vector["kernel"])))
    assert run(kernel, window[None], modulus)[0].tolist() == vector["answer"]


@given(st.sampled_from([*MODULI, *SMALL]), SIDES, st.integers(0, 62), st.integers(0, 2**32))
def test_a_kernel_of_any_size_and_sign_is_exact_modulo_everything(
    modulus: int, sides: list[int], bits: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    largest = max(1, 2**bits // int(np.prod(sides)))
    kernel = Kernel(nested(random.integers(-largest, largest, sides, endpoint=True)))
    stack = extremes(modulus, (2, *(side + 1 for side in sides)), random)
    answer = run(kernel, stack, modulus)
    assert are_residues(answer, modulus)
    assert (answer == expected(kernel, stack, modulus)).all()


@given(st.sampled_from([*MODULI, *SMALL]), SIDES, st.integers(1, 52), st.integers(0, 2**32))
def test_a_stencil_of_any_size_is_exact_modulo_everything(
    modulus: int, sides: list[int], bits: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    rows = (random.integers(0, max(1, 2**bits // side), side, endpoint=True) for side in sides)
    stencil = Stencil(tuple((1, *map(int, row[1:])) for row in rows))
    stack = extremes(modulus, (2, *(side + 1 for side in sides)), random)
    answer = run(stencil, stack, modulus)
    assert are_residues(answer, modulus)
    assert (answer == expected(stencil, stack, modulus)).all()


@pytest.mark.parametrize("modulus", MODULI)
@pytest.mark.parametrize("shape", [(60, 9, 11), (1, 700, 300), (2, 3, 90_000), (2, 30, 40, 30)])
def test_large_stacks_are_worked_on_in_tiles_as_if_at_once(modulus: int, shape: tuple[int, ...]) -> None:
    stack = expanded(b"sixteen  octets.", modulus, shape)
    stencil = Stencil(((1, 2, 1),) * (len(shape) - 1))
    answer = run(stencil, stack, modulus)
    for corner in (0, -1):
        window = tuple(slice(None, 5) if corner == 0 else slice(-5, None) for _ in shape[1:])
        cut = stack[(slice(None), *window)]
        core = tuple(slice(None, n - 2) if corner == 0 else slice(2 - n, None) for n in cut.shape[1:])
        assert (answer[(slice(None), *core)] == expected(stencil, cut, modulus)).all()


def test_the_tiles_of_a_stack_do_not_show_in_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = expanded(b"sixteen  octets.", 65521, (3, 40, 50))
    part = make_operation("binomial").resolved(2, "uint8").parts[0]
    whole = run(part, stack, 65521)
    summed = combination((3, -2, 9), stack, 65521)
    monkeypatch.setattr(modular, "TILE_BYTES", 1000)
    assert (run(part, stack, 65521) == whole).all()
    assert (combination((3, -2, 9), stack, 65521) == summed).all()


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


def test_filters_of_strided_and_read_only_residues_leave_them_as_they_are() -> None:
    stack = expanded(b"sixteen  octets.", 65521, (2, 20, 30))
    part = make_operation("gaussian").resolved(2, "uint8").parts[0]
    whole, before = run(part, stack, 65521), stack.copy()
    stack.flags.writeable = False
    assert (run(part, np.asfortranarray(stack), 65521) == whole).all()
    assert (run(part, stack[::-1], 65521)[::-1] == whole).all()
    assert (stack == before).all()


def test_a_large_modulus_that_is_no_mersenne_prime_is_refused() -> None:
    with pytest.raises(ValueError, match="no Mersenne prime"):
        combination((2**50, 1), np.zeros((2, 3), np.uint64), 2**61 - 3)


def test_a_kernel_of_zeros_answers_zeros() -> None:
    assert not run(Kernel(((0,),)), np.ones((1, 4, 4), np.uint16), 65521).any()
    assert not combination((0, 65521), np.ones((2, 4), np.uint16), 65521).any()


def test_work_counts_every_part_that_residues_are_cut_into() -> None:
    (part,) = make_operation("binomial").resolved(2, "uint8").parts
    assert [work(part, modulus) for modulus in (2**16, 65521, 2**31 - 1)] == [10, 10, 10]
    assert work(part, 2**61 - 1) == 20
    large = Kernel(((2**60, 1, -(2**60)),))
    assert work(large, 2**61 - 1) == 3 * (2 + 3)


@pytest.mark.parametrize("modulus", MODULI)
def test_shares_filtered_and_added_up_are_the_image_filtered(modulus: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 30, 40), np.uint8)
    (part,) = make_operation("binomial").resolved(2, "uint8").parts
    mask = expanded(b"sixteen  octets.", modulus, image.shape)
    other = combination((1, -1), (reduced(image, modulus), mask), modulus)
    answers = [run(part, share, modulus) for share in (mask, other)]
    assert (combination((1, 1), answers, modulus) == part.run(image)).all()
