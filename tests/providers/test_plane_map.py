"""Maps of whole planes: exact on pixels and residues, transposed, and refused where they would not be."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from providers import modular
from providers.ciphertexts import work as work_on_ciphertexts
from providers.plane_map import MOST_NONZEROS, PlaneMap, Step, sparse
from providers.residues import MODULI, expanded, reduced

P = 2**61 - 1


def dense(step: Step) -> NDArray[Any]:
    """What a step does to all pixels of a plane, in integers of any size."""
    weights = step.matrix.toarray().astype(object)
    if step.axis == "rows":
        return np.kron(weights, np.eye(step.before[1], dtype=int).astype(object))
    if step.axis == "columns":
        return np.kron(np.eye(step.before[0], dtype=int).astype(object), weights)
    return weights


def whole(part: PlaneMap) -> NDArray[Any]:
    product = dense(part.steps[0])
    for step in part.steps[1:]:
        product = dense(step) @ product
    return product


@st.composite
def maps(draw: st.DrawFn, largest: int = 2**28) -> PlaneMap:
    """One to three steps of random matrices, some of them all zeros, over planes of a few pixels."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    sides = st.integers(1, 5)
    before, steps = (draw(sides), draw(sides)), []
    for _ in range(draw(st.integers(1, 3))):
        axis = draw(st.sampled_from(["rows", "columns", "plane"]))
        after = (draw(sides), draw(sides))
        after = {"rows": (after[0], before[1]), "columns": (before[0], after[1]), "plane": after}[axis]
        shape = {
            "rows": (after[0], before[0]),
            "columns": (after[1], before[1]),
            "plane": (after[0] * after[1], before[0] * before[1]),
        }[axis]
        bound = draw(st.sampled_from([1, 100, largest // 2**10]))
        weights = random.integers(-bound, bound, shape, endpoint=True) * random.integers(0, 2, shape)
        if draw(st.booleans()):
            weights = abs(weights)
        steps.append(Step(csr_array(weights), axis, before, after))
        before = after
    return PlaneMap(tuple(steps))


@given(maps(), st.sampled_from(MODULI), st.integers(0, 2**32), st.booleans())
def test_residues_are_mapped_as_integers_of_any_size(
    part: PlaneMap, modulus: int, seed: int, extreme: bool
) -> None:
    shape = (2, 3, *part.before)
    stack = expanded(seed.to_bytes(16), modulus, shape)
    if extreme:
        stack[0] = modulus - 1
    answers = modular.run(part, stack, modulus)
    wanted = stack.reshape(6, -1).astype(object) @ whole(part).T % modulus
    assert answers.shape == (2, 3, *part.after)
    assert answers.dtype == stack.dtype
    assert (answers.reshape(6, -1) == wanted).all()


@given(maps(2**14), st.integers(0, 2**32))
def test_pixels_are_mapped_exactly_and_within_the_bounds(part: PlaneMap, seed: int) -> None:
    stack = np.random.default_rng(seed).choice(np.array([-300, 0, 7, 500]), (2, *part.before))
    answers = part.run(stack)
    assert (answers.reshape(2, -1) == stack.reshape(2, -1).astype(object) @ whole(part).T).all()
    low, high = part.bounds(-300, 500)
    assert low <= answers.min() <= answers.max() <= high


@given(maps(), st.integers(0, 2**32))
def test_a_product_with_answers_is_one_with_pixels_by_the_transposed_map(part: PlaneMap, seed: int) -> None:
    secret = expanded(seed.to_bytes(16), P, part.after)
    found = part.transposed(secret, P)
    assert found.shape == part.before
    assert (found.ravel() == secret.ravel().astype(object) @ whole(part) % P).all()


def test_weights_so_large_that_single_bits_of_residues_are_mapped_are_exact_too() -> None:
    part = PlaneMap((Step(sparse([0, 0], [0, 1], [2**57, -(2**57) + 1], (1, 2)), "plane", (1, 2), (1, 1)),))
    stack = np.array([[[P - 1, P - 2]]], np.uint64)
    assert modular.run(part, stack, P) == (-(2**57) + 2 * (2**57 - 1)) % P
    assert part.work(P) > 10 * part.work()


def test_a_map_that_would_not_be_exact_or_fits_no_plane_is_refused() -> None:
    one = csr_array(np.array([[1, -2]]))
    with pytest.raises(ValueError, match="maps no columns"):
        Step(one, "columns", (2, 3), (2, 1))
    with pytest.raises(ValueError, match=r"sum below 2\*\*60"):
        Step(csr_array(np.array([[2**59, 1]])), "plane", (1, 2), (1, 1))
    step = Step(one, "columns", (3, 2), (3, 1))
    with pytest.raises(ValueError, match="follow one another"):
        PlaneMap((step, step))
    part = PlaneMap((step,))
    with pytest.raises(ValueError, match="64-bit accumulator; there are 63"):
        part.run(np.full((1, 3, 2), 2**62))
    with pytest.raises(ValueError, match="takes integers, not float64"):
        part.run(np.ones((1, 3, 2)))
    with pytest.raises(ValueError, match="'shamir'"):
        work_on_ciphertexts(part, 2**2047 + 1)


def test_a_matrix_of_too_many_weights_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_NONZEROS * 12 < 2**29
    monkeypatch.setattr("providers.plane_map.MOST_NONZEROS", 3)
    with pytest.raises(ValueError, match="at most 3 weights"):
        Step(csr_array(np.ones((2, 2), int)), "rows", (2, 2), (2, 2))


def test_negative_weights_are_large_residues_of_a_ring() -> None:
    part = PlaneMap((Step(csr_array(np.array([[-1]])), "plane", (1, 1), (1, 1)),))
    for modulus in MODULI:
        assert modular.run(part, reduced(np.array([[[1]]]), modulus), modulus) == modulus - 1
