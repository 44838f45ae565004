"""What residues are, and that uniform ones come out as an independent script has them."""

import hashlib
import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.residues import (
    FIELDS,
    MODULI,
    are_residues,
    expanded,
    integers,
    reduced,
    residue_dtype,
    shifted,
    uniform,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "sharing.json").read_text())
ANY_MODULUS = st.one_of(st.sampled_from(MODULI), st.integers(2, 2**61))


@pytest.mark.parametrize("vector", VECTORS["expansions"], ids=lambda vector: vector["modulus"])
def test_a_seed_expands_to_what_the_definition_says(vector: dict[str, Any]) -> None:
    drawn = expanded(bytes.fromhex(vector["seed"]), vector["modulus"], (vector["count"],))
    assert drawn[:4].tolist() == vector["first"]
    little = drawn.astype(drawn.dtype.newbyteorder("<")).tobytes()
    assert hashlib.sha256(little).hexdigest() == vector["sha256"]


def test_the_vectors_hold_words_that_are_no_residue() -> None:
    assert sum(vector["refused"] for vector in VECTORS["expansions"]) > 0


def test_a_word_that_is_no_residue_is_replaced_by_the_next_that_is_one() -> None:
    words = np.array([7, 0xFFFF, 9, 0xFFF1, 0xFFF2, 4, 65520, 1], "<u2").tobytes()
    asked: list[int] = []

    def source(count: int) -> bytes:
        start = sum(asked)
        asked.append(count)
        return words[start : start + count]

    assert uniform(source, 65521, (2, 2)).tolist() == [[7, 4], [9, 65520]]


@given(st.sampled_from([5, 65521, 2**31 - 1]), st.integers(0, 400), st.integers(0, 2**32))
def test_every_word_that_is_no_residue_is_replaced_wherever_it_lies(
    modulus: int, count: int, seed: int
) -> None:
    random, dtype = np.random.default_rng(seed), residue_dtype(modulus)
    mask = (1 << modulus.bit_length()) - 1
    # As many are none as are, and those that are tell where they lay.
    stream = np.where(random.integers(0, 2, 20 * count + 99) == 1, mask, np.arange(20 * count + 99) % modulus)
    stream = stream.astype(dtype)
    taken = 0

    def source(wanted: int) -> bytes:
        nonlocal taken
        taken += wanted
        return stream.tobytes()[taken - wanted : taken]

    wanted = stream[:count].tolist()
    following = iter(stream[count:])
    refused = [at for at, word in enumerate(wanted) if word >= modulus]
    while refused:
        fresh = [int(word) for word in islice(following, len(refused)) if word < modulus]
        for at, word in zip(refused, fresh, strict=False):
            wanted[at] = word
        refused = refused[len(fresh) :]
    assert uniform(source, modulus, (count,)).tolist() == wanted


@pytest.mark.parametrize("modulus", [5, 7, 65521, 2**16])
def test_the_systems_generator_gives_every_residue_as_often(modulus: int) -> None:
    drawn = uniform(os.urandom, modulus, (200, 1000))
    assert are_residues(drawn, modulus)
    bins = min(modulus, 64)
    counts = np.bincount(drawn.ravel().astype(np.int64) * bins // modulus, minlength=bins)
    edges = np.array([-(-i * modulus // bins) for i in range(bins + 1)])
    expected = np.diff(edges) / modulus * drawn.size
    # Chi-square of up to 63 degrees of freedom exceeds 180 once in 10**12 times.
    assert ((counts - expected) ** 2 / expected).sum() < 180


@given(
    ANY_MODULUS, st.one_of(st.integers(-(2**62), 2**62), st.sampled_from([0, -1, -(2**15), 2**20])), st.data()
)
def test_integers_are_found_again_from_their_residues(modulus: int, low: int, data: st.DataObject) -> None:
    most = min(low + modulus, 2**63) - 1
    high = data.draw(st.one_of(st.just(most), st.integers(low, most)))
    values = data.draw(st.lists(st.integers(low, high), min_size=1, max_size=9)) + [low, high]
    residues = reduced(np.array(values, np.int64), modulus)
    assert residues.dtype == residue_dtype(modulus)
    assert residues.tolist() == [value % modulus for value in values]
    assert integers(residues, low, high, modulus).tolist() == values


@given(st.sampled_from(MODULI), st.integers(-(2**40), 2**20), st.data())
def test_residues_of_no_integer_in_the_range_become_one_outside_it(
    modulus: int, low: int, data: st.DataObject
) -> None:
    high = data.draw(st.integers(low, min(low + modulus, 2**63) - 2))
    residues = reduced(np.array([high + 1], np.int64), modulus)
    (found,) = integers(residues, low, high, modulus).tolist()
    assert not low <= found <= high
    assert (found - high - 1) % modulus == 0


def test_a_range_that_is_wider_than_the_modulus_is_refused() -> None:
    with pytest.raises(ValueError, match="have the same residues"):
        integers(np.zeros(1, np.uint16), 0, 65521, 65521)


@given(
    ANY_MODULUS,
    st.sampled_from(["uint8", "int8", "uint16", "int16", "int32", "uint32", "int64", "uint64"]),
    st.data(),
)
def test_integers_of_every_dtype_are_reduced(modulus: int, dtype: str, data: st.DataObject) -> None:
    limits = np.iinfo(dtype)
    values = data.draw(st.lists(st.integers(limits.min, limits.max), max_size=9))
    given_ = np.array([*values, limits.min, limits.max], dtype)
    assert reduced(given_, modulus).tolist() == [int(value) % modulus for value in given_]


@pytest.mark.parametrize(
    ("stack", "modulus", "holds"),
    [
        (np.array([65520], np.uint16), 65521, True),
        (np.array([65521], np.uint16), 65521, False),
        (np.array([65535], np.uint16), 2**16, True),
        (np.array([1], np.uint32), 65521, False),
        (np.array([1], np.int32), 2**31 - 1, False),
        (np.array([2**31 - 1], np.uint32), 2**31 - 1, False),
        (np.array([2**64 - 1], np.uint64), 2**64, True),
        (np.array([2**61], np.uint64), 2**61 - 1, False),
        (np.empty(0, np.uint16), 65521, True),
    ],
)
def test_residues_have_their_dtype_and_lie_below_the_modulus(stack: Any, modulus: int, holds: bool) -> None:
    assert are_residues(stack, modulus) is holds


@given(st.sampled_from([7, 251, 40_000, *FIELDS]), st.data())
def test_shifted_residues_are_those_times_a_power_of_two(modulus: int, data: st.DataObject) -> None:
    words = data.draw(st.lists(st.integers(0, modulus - 1), min_size=1))
    bits = data.draw(st.integers(0, modulus.bit_length()))
    found = shifted(np.array(words, np.uint64), bits, modulus)
    assert (found <= modulus).all()
    assert [int(word) % modulus for word in found] == [word * 2**bits % modulus for word in words]


def test_shifts_that_words_cannot_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="no Mersenne prime"):
        shifted(np.ones(1, np.uint64), 1, 2**61 - 3)


@pytest.mark.parametrize("modulus", [-5, 0, 1, 2**63, 2**64 + 1])
def test_what_can_be_no_modulus_is_refused(modulus: int) -> None:
    with pytest.raises(ValueError, match="from 2 to"):
        residue_dtype(modulus)


@pytest.mark.parametrize("seed", [b"", b"x" * 15, b"x" * 32])
def test_a_seed_of_another_length_is_refused_and_not_shown(seed: bytes) -> None:
    with pytest.raises(ValueError, match="a seed has 16 bytes"):
        expanded(seed, 65521, (3,))
