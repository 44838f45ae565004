"""Keys: against vectors that a script makes from the definitions, and that nobody sees one."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsec.bfv import COINS, RINGS, STANDARD_BITS, BfvKey, Ring, errors
from providers.residues import Residues

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "bfv.json").read_text())


def known_key(vector: dict[str, Any]) -> BfvKey:
    secret = np.array(["-0+".index(sign) - 1 for sign in vector["secret"]], np.int8)
    return BfvKey(Ring(vector["bits"], vector["degree"]), secret)


def masks(vector: dict[str, Any]) -> Residues:
    """As the script makes them."""
    octets = vector["bits"] // 8
    drawn = [
        hashlib.shake_128(f"mask {number}".encode()).digest(octets * vector["degree"])
        for number in range(len(vector["messages"]))
    ]
    return np.frombuffer(b"".join(drawn), f"<u{octets}").reshape(len(drawn), -1)


def numbers(rows: list[list[str]], dtype: np.dtype[Any]) -> Residues:
    return np.array([[int(number, 16) for number in row] for row in rows], dtype)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["bits"]))
def test_ciphertexts_made_by_the_definition_are_read(vector: dict[str, Any]) -> None:
    key, own = known_key(vector), masks(vector)
    bodies = np.zeros_like(own)
    bodies[:, ::64] = numbers(vector["bodies"], own.dtype)
    assert (key.phases(bodies, own)[:, ::64] == numbers(vector["messages"], own.dtype)).all()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["bits"]))
def test_what_is_encrypted_is_the_body_of_the_definition_and_a_small_error(vector: dict[str, Any]) -> None:
    own = masks(vector)
    messages = np.zeros_like(own)
    messages[:, ::64] = numbers(vector["messages"], own.dtype)
    bodies = known_key(vector).bodies(messages, own)[:, ::64]
    off = (bodies - numbers(vector["bodies"], own.dtype)).view(f"i{own.itemsize}").astype(np.int64)
    assert 0 < np.abs(off).max() <= COINS


@settings(max_examples=10)
@given(st.sampled_from(RINGS), st.integers(0, 2**32), st.integers(-1000, 1000))
def test_a_combination_of_ciphertexts_hides_that_of_the_messages(ring: Ring, seed: int, weight: int) -> None:
    key, generator = BfvKey.fresh(ring), np.random.default_rng(seed)
    messages, own = generator.integers(0, ring.modulus, (2, 2, ring.degree), ring.dtype)
    bodies = key.bodies(messages, own)
    factor = ring.dtype.type(weight % ring.modulus)
    off = key.phases(bodies[0] + factor * bodies[1], own[0] + factor * own[1])
    off -= messages[0] + factor * messages[1]
    assert np.abs(off.view(f"i{ring.dtype.itemsize}").astype(np.int64)).max() <= COINS * (1 + abs(weight))


def test_the_largest_masks_are_multiplied_exactly() -> None:
    """All words of all bits and all coefficients one: the products that strain floats most."""
    for ring in RINGS:
        key = BfvKey(ring, np.ones(ring.degree, np.int8))
        own = np.full((1, ring.degree), ring.modulus - 1, ring.dtype)
        # Of -1 - X - … times 1 + X + … coefficient i is degree - 2 * (i + 1).
        wanted = (ring.degree - 2 * np.arange(1, ring.degree + 1)).astype(ring.dtype)
        assert (key.phases(np.zeros_like(own), own) == wanted).all()


def test_errors_are_centred_small_and_as_wide_as_the_standard_asks() -> None:
    drawn = errors(bytes(16), (200_000,), RINGS[0]).view(np.int32)
    assert np.abs(drawn).max() <= COINS
    assert abs(drawn.mean()) < 0.05
    assert drawn.std() == pytest.approx((COINS / 2) ** 0.5, rel=0.01)
    assert (COINS / 2) ** 0.5 >= 3.2


def test_equal_messages_under_equal_masks_still_have_other_bodies() -> None:
    key, own = BfvKey.fresh(RINGS[0]), np.ones((2, 2048), np.uint32)
    one, other = key.bodies(np.zeros_like(own), own)
    assert (one != other).mean() > 0.8


@pytest.mark.parametrize(("bits", "degree"), [(32, 1024), (64, 2048), (64, 1000), (54, 2048), (128, 4096)])
def test_a_ring_of_less_than_128_bits_is_refused(bits: int, degree: int) -> None:
    with pytest.raises(ValueError, match="keeps 128 bits of security"):
        Ring(bits, degree)


def test_rings_keep_within_the_standard() -> None:
    assert all(ring.bits <= STANDARD_BITS[ring.degree] for ring in RINGS)


def test_what_makes_no_key_is_refused() -> None:
    for wrong in (np.zeros(1024, np.int8), np.full(2048, 2, np.int8)):
        with pytest.raises(ValueError, match="2048 coefficients from -1 to 1"):
            BfvKey(RINGS[0], wrong)


def test_a_fresh_key_has_all_three_coefficients_alike_and_is_never_shown_nor_written() -> None:
    key, other = BfvKey.fresh(RINGS[1]), BfvKey.fresh(RINGS[1])
    one = np.zeros((1, 4096), np.uint64)
    one[0, 0] = 1
    secret = key.phases(np.zeros_like(one), one).view(np.int64)[0]
    counts = np.bincount(secret + 1, minlength=3)
    assert (np.abs(counts - 4096 / 3) < 250).all()
    assert (secret != other.phases(np.zeros_like(one), one).view(np.int64)[0]).any()
    assert repr(key) == str(key) == "BfvKey(…)"
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(key)
