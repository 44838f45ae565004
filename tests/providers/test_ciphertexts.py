"""Linear maps of ciphertexts against vectors that a script makes from the definitions, and refusals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from providers import ciphertexts
from providers.kernel import Kernel
from providers.stencil import Stencil

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "paillier.json").read_text())
MODULUS = int(VECTORS["p"], 16) * int(VECTORS["q"], 16)


def stack(rows: list[list[str]]) -> np.ndarray:
    numbers = ciphertexts.as_numbers([int(number, 16) for row in rows for number in row])
    return ciphertexts.rows(numbers.reshape(1, len(rows), -1), MODULUS)


SENT = stack(VECTORS["ciphertexts"])


@pytest.mark.parametrize("vector", VECTORS["answers"], ids=lambda vector: str(vector["weights"]))
def test_answers_are_products_of_powers(vector: dict[str, Any]) -> None:
    kernel = Kernel(tuple(map(tuple, vector["weights"])))
    assert (ciphertexts.run(kernel, SENT, MODULUS) == stack(vector["ciphertexts"])).all()


def test_a_stencil_and_the_kernel_of_all_its_weights_answer_alike() -> None:
    rows = ((1, 4, 1), (3, 0, 5))
    kernel = Kernel(tuple(tuple(a * b for b in rows[1]) for a in rows[0]))
    assert (ciphertexts.run(Stencil(rows), SENT, MODULUS) == ciphertexts.run(kernel, SENT, MODULUS)).all()


def test_of_weights_that_are_all_zero_comes_a_ciphertext_of_zero() -> None:
    answer = ciphertexts.run(Kernel(((0,),)), SENT, MODULUS)
    assert (ciphertexts.numbers(answer, MODULUS) == 1).all()


def test_rows_of_bytes_come_back_as_the_numbers_that_they_were() -> None:
    numbers = ciphertexts.as_numbers([1, MODULUS**2 - 1])
    assert ciphertexts.numbers(ciphertexts.rows(numbers, MODULUS), MODULUS).tolist() == numbers.tolist()


@pytest.mark.parametrize(
    ("number", "says"),
    [(0, "above zero"), (MODULUS**2, "below the square"), (2**4096 - 1, "below the square")],
)
def test_what_is_no_ciphertext_is_refused(number: int, says: str) -> None:
    wrong = ciphertexts.rows(ciphertexts.as_numbers([number]), MODULUS)
    assert not ciphertexts.are_ciphertexts(wrong, MODULUS)
    with pytest.raises(ValueError, match=says):
        ciphertexts.run(Kernel((1,)), wrong[None], MODULUS)


def test_what_shares_a_divisor_with_the_modulus_is_taken_for_no_ciphertext_by_what_divides() -> None:
    wrong = ciphertexts.rows(ciphertexts.as_numbers([int(VECTORS["p"], 16)]), MODULUS)
    with pytest.raises(ValueError, match="no divisor in common"):
        ciphertexts.run(Kernel((-1,)), wrong[None], MODULUS)


def test_rows_of_another_length_or_type_are_no_ciphertexts() -> None:
    assert ciphertexts.are_ciphertexts(SENT, MODULUS)
    assert not ciphertexts.are_ciphertexts(SENT[..., :-1], MODULUS)
    assert not ciphertexts.are_ciphertexts(SENT.astype(np.uint16), MODULUS)


@pytest.mark.parametrize("modulus", [2**2046 + 1, 2**2048, 2**4096 + 1, -(2**2048) - 1, 0])
def test_a_modulus_that_is_small_even_or_endless_is_refused(modulus: int) -> None:
    with pytest.raises(ValueError, match="odd and has 2048 to 4096 bits"):
        ciphertexts.checked_modulus(modulus)


def test_larger_weights_more_of_them_and_wider_moduli_are_more_work() -> None:
    def work(*weights: int, modulus: int = MODULUS) -> int:
        return ciphertexts.work(Kernel(weights), modulus)

    assert 0 < work(0) <= work(1) < work(3) < work(2**40 - 1)
    assert work(1, 1, 1) < work(1, 2, 1) < work(1, -2, 1)
    assert work(3, modulus=2**4096 - 1) > 3 * work(3)
