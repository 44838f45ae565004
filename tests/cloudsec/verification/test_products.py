"""The check of maps of whole planes: right answers pass, no others do; secrets last until one was refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloudsec.verification import products
from cloudsec.verification.products import MOST_PROBES, PRIME, Probe, Probes
from providers import Filter, make_operation
from providers.plane_map import PlaneMap, Step, sparse

WEIGHTS = np.random.default_rng(0).integers(-(2**20), 2**20, (12, 30))


def operator(weights: NDArray[Any] = WEIGHTS) -> Filter:
    operation = make_operation("operator", matrix=weights, output_shape=(3, 4))
    return operation.resolved(2, "uint16").of_planes((5, 6), "uint16")


def part_of(operation: Filter) -> PlaneMap:
    (part,) = operation.parts
    assert isinstance(part, PlaneMap)
    return part


@given(st.integers(0, 2**32), st.sampled_from([1, 2**8, 2**16, 2**31]), st.integers(1, 3))
def test_right_answers_pass_and_any_other_number_in_one_of_them_does_not(
    seed: int, largest: int, count: int
) -> None:
    random, part = np.random.default_rng(seed), part_of(operator())
    planes = random.integers(-largest, largest, (2, count, 5, 6))
    tag, answer = Probe.drawn(part).tag(planes), part.run(planes)
    assert tag.holds(answer).tolist() == [True, True]
    for change in (1, -1, 2**15, PRIME, -PRIME, 2**32):
        wrong = answer.copy()
        wrong[1, 0, 2, random.integers(4)] += change
        assert tag.holds(wrong).tolist() == [True, False]
    assert not tag.holds(answer[::-1].copy()).any() or np.array_equal(answer[0], answer[1])
    assert tag.odds == 2**-60


def test_products_are_those_of_integers_of_any_size() -> None:
    random = np.random.default_rng(0)
    secrets = random.integers(PRIME - 5, PRIME, 70_000).astype(np.uint64)
    for low, high in ((-(2**60), 2**60), (0, 2**61 - 2), (-5, 5), (0, 0)):
        planes = random.choice(np.array([low, high, low + 1 if low < high else low]), (2, 70_000))
        wanted = [int(value) for value in planes.astype(object) @ secrets.astype(object) % PRIME]
        assert list(products._products(secrets, planes, low, high)) == wanted


def test_a_range_that_one_prime_does_not_tell_apart_is_refused() -> None:
    part = PlaneMap((Step(sparse([0], [0], [2**58], (1, 1)), "plane", (1, 1), (1, 1)),))
    with pytest.raises(ValueError, match="use smaller weights"):
        Probe.drawn(part).tag(np.array([[[0]], [[8]]]))


def test_secrets_are_kept_for_equal_operations_until_they_are_forgotten() -> None:
    probes = Probes()
    first = probes.of(operator())
    assert probes.of(operator()) is first
    other = probes.of(operator(-WEIGHTS))
    assert other is not first
    probes.forget(operator())
    fresh = probes.of(operator())
    assert fresh is not first
    assert (fresh.answers != first.answers).any()
    assert probes.of(operator(-WEIGHTS)) is other


def test_of_many_maps_the_secrets_of_those_used_last_are_kept() -> None:
    probes, operations = Probes(), [operator(WEIGHTS + at) for at in range(MOST_PROBES + 1)]
    drawn = [probes.of(each) for each in operations[:-1]]
    assert probes.of(operations[0]) is drawn[0]
    probes.of(operations[-1])
    assert probes.of(operations[0]) is drawn[0]
    assert probes.of(operations[1]) is not drawn[1]


def test_no_secret_is_in_the_text_of_a_probe_or_a_tag() -> None:
    part = part_of(operator())
    probe = Probe.drawn(part)
    assert repr(probe) == "Probe()"
    assert "Probe" not in repr(probe.tag(np.zeros((1, 5, 6), np.int64)))
