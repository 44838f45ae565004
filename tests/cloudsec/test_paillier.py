"""Keys: against vectors that a script makes from the definitions, and that nobody sees one."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsec.paillier import PaillierKey
from providers.ciphertexts import as_numbers

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "paillier.json").read_text())
P, Q = (int(VECTORS[name], 16) for name in "pq")
KEY = PaillierKey.fresh()
HALF = KEY.modulus // 2


def test_ciphertexts_made_by_the_definition_are_read() -> None:
    numbers = as_numbers([int(number, 16) for row in VECTORS["ciphertexts"] for number in row])
    wanted = [int(message) for row in VECTORS["messages"] for message in row]
    assert PaillierKey(P, Q).decrypted(numbers) == wanted


def test_what_is_encrypted_is_read_by_the_definition() -> None:
    n, order = P * Q, (P - 1) * (Q - 1)
    for message, number in zip([0, 1, n - 1], PaillierKey(P, Q).encrypted([0, 1, n - 1]), strict=True):
        raised = pow(int(number), order, n * n)
        assert raised % n == 1
        assert (raised - 1) // n * pow(order, -1, n) % n == message


@settings(max_examples=25)
@given(st.lists(st.integers(-HALF, HALF), max_size=3), st.booleans())
def test_what_is_encrypted_comes_back_with_its_sign(messages: list[int], prepared: bool) -> None:
    if prepared:
        KEY.prepare(2)
    assert KEY.decrypted(KEY.encrypted(messages)) == messages


def test_equal_messages_never_have_equal_ciphertexts_prepared_or_not() -> None:
    KEY.prepare(3)
    assert len({int(number) for number in KEY.encrypted([5] * 8)}) == 8


@pytest.mark.parametrize("count", [1, 20, 10_000])
def test_windows_of_all_widths_make_masks_that_vanish(count: int) -> None:
    key = PaillierKey(P, Q, count)
    assert key.decrypted(key.encrypted(range(-3, 3))) == list(range(-3, 3))


@pytest.mark.parametrize("bits", [-1, 0, 128, 2046, 4098])
def test_keys_that_are_short_or_endless_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="2048 to 4096 bits"):
        PaillierKey.fresh(bits)


def test_factors_that_make_no_key_are_refused() -> None:
    with pytest.raises(ValueError, match="different primes"):
        PaillierKey(P, P)


def test_a_key_is_never_shown_nor_written_anywhere() -> None:
    assert repr(KEY) == str(KEY) == "PaillierKey(…)"
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(KEY)


def test_a_fresh_key_is_another_one_every_time_and_has_all_bits() -> None:
    other = PaillierKey.fresh()
    assert other.modulus != KEY.modulus
    assert other.modulus.bit_length() == KEY.modulus.bit_length() == 2048
