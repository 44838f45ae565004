"""Filters of residues equal those of unbounded integers, for every modulus and at every bound."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from providers import make_operation, modular
from providers.kernel import Kernel, nested
from providers.modular import run, work
from providers.residues import MODULI, are_residues, expanded, residue_dtype
from providers.stencil import Stencil
from tests.residues import SMALL, extremes

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "sharing.json").read_text())
SIDES = st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=3)


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
    monkeypatch.setattr(modular, "TILE_BYTES", 1000)
    assert (run(part, stack, 65521) == whole).all()


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
        run(Kernel(((2**50, 1, 0),)), np.zeros((1, 1, 3), np.uint64), 2**61 - 3)


def test_a_kernel_of_zeros_answers_zeros() -> None:
    assert not run(Kernel(((0,),)), np.ones((1, 4, 4), np.uint16), 65521).any()


def test_work_counts_every_part_that_residues_are_cut_into() -> None:
    (part,) = make_operation("binomial").resolved(2, "uint8").parts
    assert [work(part, modulus) for modulus in (2**16, 65521, 2**31 - 1)] == [10, 10, 10]
    assert work(part, 2**61 - 1) == 20
    large = Kernel(((2**60, 1, -(2**60)),))
    assert work(large, 2**61 - 1) == 3 * (2 + 3)
