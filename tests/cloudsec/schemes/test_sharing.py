"""Few shares tell nothing, enough tell all: for every kind of sharing, through every linear map."""

import json
from collections import Counter
from itertools import combinations, islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloudsec.schemes.sharing import Sharing, modulus_for
from providers import make_operation
from providers.modular import run
from providers.residues import FIELDS, MODULI, RINGS, expanded, integers, reduced, residue_dtype

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "sharing.json").read_text())


def sharing_of(vector: dict[str, Any]) -> Sharing:
    if vector["kind"] == "additive":
        return Sharing.additive(vector["parties"], vector["modulus"])
    return Sharing.polynomial(*(vector[name] for name in ("parties", "privacy", "secrets", "modulus")))


def all_shares(sharing: Sharing, secrets: NDArray[Any], random: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([random, sharing.dealt(secrets, random)])


@st.composite
def sharings(draw: st.DrawFn) -> Sharing:
    if draw(st.booleans()):
        return Sharing.additive(draw(st.integers(2, 6)), draw(st.sampled_from(MODULI)))
    privacy, secrets, spare = draw(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(0, 3)))
    return Sharing.polynomial(privacy + secrets + spare, privacy, secrets, draw(st.sampled_from(FIELDS)))


SMALL_SHARINGS = [
    Sharing.additive(2, 5),
    Sharing.additive(3, 4),
    Sharing.polynomial(3, 1, 1, 5),
    Sharing.polynomial(4, 2, 1, 5),
    Sharing.polynomial(4, 3, 1, 7),
    Sharing.polynomial(3, 1, 2, 5),
    Sharing.polynomial(4, 2, 2, 7),
    Sharing.polynomial(5, 1, 3, 11),
]


@pytest.mark.parametrize("vector", VECTORS["sharings"], ids=lambda v: f"{v['kind']}-{v['parties']}")
def test_shares_are_those_of_an_independent_script(vector: dict[str, Any]) -> None:
    sharing, dtype = sharing_of(vector), residue_dtype(vector["modulus"])
    values, noise, shares = (np.array(vector[name], dtype).T for name in ("values", "noise", "shares"))
    assert (all_shares(sharing, values, noise) == shares).all()
    answers = dict(enumerate(np.array(vector["answers"], dtype)[:, None]))
    for quorum in islice(combinations(range(sharing.parties), sharing.quorum), 200):
        recovered = sharing.recovered({party: answers[party] for party in quorum})
        assert recovered[:, 0].tolist() == vector["recovered"]
    assert sharing.agree(answers)


@given(
    sharings(),
    st.sampled_from(["binomial", "gaussian", "laplacian", "sobel", "unsharp"]),
    st.integers(0, 2**32),
    st.data(),
)
def test_any_quorum_recovers_any_secrets_through_any_stencil(
    sharing: Sharing, name: str, seed: int, data: st.DataObject
) -> None:
    generator, modulus = np.random.default_rng(seed), sharing.modulus
    operation = make_operation(name).resolved(2, "uint8")
    shape = (2, *(2 * h + 3 for h in operation.halo))
    secrets = expanded(generator.bytes(16), modulus, (sharing.secrets, *shape))
    random = expanded(generator.bytes(16), modulus, (sharing.privacy, *shape))
    shares = all_shares(sharing, secrets, random)
    chosen = data.draw(st.permutations(range(sharing.parties)))[: sharing.quorum]
    for part in operation.parts:
        answers = {party: run(part, shares[party], modulus) for party in chosen}
        wanted = np.stack([run(part, secret, modulus) for secret in secrets])
        assert (sharing.recovered(answers) == wanted).all()


@pytest.mark.parametrize("sharing", SMALL_SHARINGS, ids=str)
def test_the_shares_of_any_tolerated_coalition_are_uniform_whatever_the_secrets(sharing: Sharing) -> None:
    values = range(sharing.modulus)
    noise = np.array(list(product(values, repeat=sharing.privacy)), np.uint8).T
    for secrets in product(values, repeat=sharing.secrets):
        constant = np.repeat(np.array(secrets, np.uint8)[:, None], noise.shape[1], axis=1)
        shares = all_shares(sharing, constant, noise)
        for coalition in combinations(range(sharing.parties), sharing.privacy):
            # Every tuple of shares comes from exactly one tuple of random ones.
            seen = Counter(map(tuple, shares[list(coalition)].T.tolist()))
            assert len(seen) == sharing.modulus**sharing.privacy
            assert set(seen.values()) == {1}


@pytest.mark.parametrize("sharing", SMALL_SHARINGS, ids=str)
def test_one_party_more_than_a_coalition_can_be_told_something(sharing: Sharing) -> None:
    noise = np.array(list(product(range(sharing.modulus), repeat=sharing.privacy)), np.uint8).T
    seen = []
    for secret in (0, 1):
        constant = np.full((sharing.secrets, noise.shape[1]), secret, np.uint8)
        shares = all_shares(sharing, constant, noise)[: sharing.quorum]
        seen.append(set(map(tuple, shares.T.tolist())))
    assert not seen[0] & seen[1]


@given(sharings(), st.integers(0, 2**32), st.data())
def test_a_changed_answer_beside_a_quorum_is_noticed(
    sharing: Sharing, seed: int, data: st.DataObject
) -> None:
    generator, modulus = np.random.default_rng(seed), sharing.modulus
    secrets = expanded(generator.bytes(16), modulus, (sharing.secrets, 5))
    random = expanded(generator.bytes(16), modulus, (sharing.privacy, 5))
    answers = dict(enumerate(all_shares(sharing, secrets, random)))
    assert sharing.agree(answers)
    liar = data.draw(st.integers(0, sharing.parties - 1))
    lie = answers[liar].copy()
    lie[data.draw(st.integers(0, 4))] ^= 1
    if int(lie.max()) < modulus:
        assert sharing.agree(answers | {liar: lie}) == (sharing.parties == sharing.quorum)


@pytest.mark.parametrize("modulus", MODULI)
def test_negative_answers_come_back_from_a_proven_range(modulus: int) -> None:
    image = np.random.default_rng(1).integers(0, 256, (1, 9, 9), np.uint8)
    (part,) = make_operation("laplacian").resolved(2, "uint8").parts
    sharing = Sharing.additive(3, modulus)
    random = expanded(b"sixteen  octets.", modulus, (2, *image.shape))
    shares = all_shares(sharing, reduced(image, modulus)[None], random)
    answers = {party: run(part, share, modulus) for party, share in enumerate(shares)}
    assert (integers(sharing.recovered(answers)[0], -4 * 255, 4 * 255, modulus) == part.run(image)).all()


def test_weights_stay_small_so_that_shares_cost_little() -> None:
    def largest(*numbers: int) -> int:
        return max(abs(weight) for row in Sharing.polynomial(*numbers, 65521).rows for weight in row)

    assert [largest(3, 1, 1), largest(3, 1, 2), largest(5, 2, 1), largest(5, 1, 4)] == [1, 2, 3, 20]


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({0: 1}, "1 answers are too few: 2 of 3"),
        ({}, "too few"),
        ({0: 1, 3: 1}, "none of the 3"),
        ({-1: 1, 0: 1}, "none of the 3"),
    ],
)
def test_too_few_answers_and_those_of_strangers_are_refused(answers: dict[int, int], says: str) -> None:
    sharing = Sharing.polynomial(3, 1, 1, 65521)
    given_ = {party: np.array([answer], np.uint16) for party, answer in answers.items()}
    for ask in (sharing.recovered, sharing.agree):
        with pytest.raises(ValueError, match=says):
            ask(given_)


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ((3, 2, 2, 65521), "takes at least 1 of each, and 4 parties; these are 3"),
        ((3, 0, 1, 65521), "at least 1 of each"),
        ((3, 1, 0, 65521), "at least 1 of each"),
        ((3, 1, 1, 2**16), "modulo 65536 some differ by what has no inverse: use one of 65521"),
        ((6, 2, 1, 5), "a point for each"),
    ],
)
def test_a_sharing_that_could_not_be_undone_is_refused(numbers: tuple[int, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Sharing.polynomial(*numbers)


def test_additive_sharing_needs_somebody_to_share_with() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Sharing.additive(1, 2**16)


def test_as_many_secrets_and_random_shares_are_taken_as_there_are() -> None:
    plane = np.zeros((1, 4), np.uint16)
    with pytest.raises(ValueError, match="takes 2 secrets, not 1"):
        Sharing.polynomial(3, 1, 2, 65521).dealt(plane, plane)
    with pytest.raises(ValueError, match="takes 2 random shares, not 1"):
        Sharing.additive(3, 2**16).dealt(plane, plane)


@given(st.integers(-(2**61), 2**61), st.integers(0, 2**60), st.sampled_from(["ring", "field"]))
def test_the_modulus_is_the_smallest_that_holds_the_range(low: int, width: int, kind: Any) -> None:
    there = RINGS if kind == "ring" else FIELDS
    modulus = modulus_for(low, low + width, kind)
    assert width < modulus
    assert all(width >= smaller for smaller in there if smaller < modulus)


@pytest.mark.parametrize(("kind", "width"), [("ring", 2**64), ("field", 2**61 - 1)])
def test_a_range_that_no_modulus_holds_is_refused(kind: Any, width: int) -> None:
    with pytest.raises(ValueError, match="use a smaller kernel"):
        modulus_for(0, width, kind)
