from math import isqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.schemes.ga_es import GaEs, wire_values
from providers import make_operation

KEYS = Keystream(bytes(32))


@pytest.mark.parametrize(
    ("span", "dtype", "wire", "values"),
    [
        (255, "uint8", "uint16", 1024),
        (0, "uint8", "uint16", 1024),
        (4095, "uint16", "uint16", 2**16),
        (2**14 - 1, "uint16", "uint16", 2**16),
        (2**14, "uint16", "uint32", 2**18),
        (2**16 - 1, "int16", "uint32", 2**18),
        (2**30 - 1, "int32", "uint32", 2**32),
        (2**32 - 1, "int32", "int64", 2**34),
    ],
)
def test_scrambled_pixels_travel_in_the_narrowest_dtype_with_room_for_an_offset(
    span: int, dtype: str, wire: str, values: int
) -> None:
    assert wire_values(span, np.dtype(dtype)) == (np.dtype(wire), values)


class Extreme(Keystream):
    """Draws the smallest or the largest integer there is, always."""

    def __init__(self, *, largest: bool) -> None:
        super().__init__(bytes(32))
        self._largest = largest

    def integers(self, label: str, bound: int, count: int) -> NDArray[np.int64]:
        return np.full(count, bound - 1 if self._largest else 0)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_scrambled_pixels_reach_the_first_and_the_last_of_their_values_and_no_further(dtype: str) -> None:
    limits = np.iinfo(dtype)
    image = np.random.default_rng(0).choice(np.array([limits.min, limits.max], dtype), (200, 200))
    operation = make_operation("median").resolved(2, dtype)
    plan = GaEs().plan(image.shape, operation, 4, {})
    _, values = wire_values(limits.max - limits.min, image.dtype)
    for largest in (True, False):
        sealed = GaEs().protect(image, operation, plan, Extreme(largest=largest)).sealed
        reached = [int((each.task.stack.max if largest else each.task.stack.min)()) for each in sealed]
        assert set(reached) == {values - 1 if largest else 0}


def test_equal_keys_give_equal_tasks_and_other_keys_do_not() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    operation = make_operation("median").resolved(2, "uint8")
    plan = GaEs().plan(image.shape, operation, 4, {})
    one, same, other = (
        GaEs().protect(image, operation, plan, keys).sealed for keys in (KEYS, KEYS, Keystream(b"k" * 32))
    )
    for a, b, c in zip(one, same, other, strict=True):
        assert a.parties == b.parties
        assert a.task.id == b.task.id != c.task.id
        assert (a.task.stack == b.task.stack).all()
        assert not (a.task.stack == c.task.stack).all()


def test_an_operation_whose_facts_forbid_a_turn_is_never_turned() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    operation = make_operation("mean", size=(2, 3)).resolved(2, "uint8")
    plan = GaEs().plan(image.shape, operation, 4, {})
    protected = GaEs().protect(image, operation, plan, KEYS)
    for entry in protected.manifest:
        assert not entry.scramble.flips[:, 0].any()
        assert entry.scramble.flips[:, 1].any()
        assert not entry.scramble.swaps.any()
    assert not any(sealed.task.rounded for sealed in protected.sealed)


def test_the_order_of_sending_differs_from_job_to_job() -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 300), np.uint8)
    operation = make_operation("median").resolved(2, "uint8")
    plan = GaEs().plan(image.shape, operation, 9, {"block": 16})
    orders = {
        tuple(s.parties[0] for s in GaEs().protect(image, operation, plan, KEYS.for_job()).sealed)
        for _ in range(10)
    }
    assert len(orders) == 10


def test_what_stays_at_home_never_shows_itself() -> None:
    image = np.full((200, 200), 77, np.uint8)
    operation = make_operation("median").resolved(2, "uint8")
    protected = GaEs().protect(image, operation, GaEs().plan(image.shape, operation, 4, {}), KEYS)
    assert "shift" not in repr(protected)
    assert "array" not in repr(protected)


@pytest.mark.parametrize("count", [4, 9])
def test_an_image_goes_out_from_four_whole_blocks_a_provider_and_one_of_each_class_on(count: int) -> None:
    operation = make_operation("median").resolved(2, "uint8")
    side = 2 * isqrt(count) * 16

    def at_home(*shape: int) -> bool:
        plan = GaEs().plan(shape, operation, count, {"block": 16})
        assert sum(plan.pixel_shares) == 0 or min(plan.pixel_shares) > 0
        return not any(plan.pixel_shares)

    assert not at_home(side, side)
    assert at_home(side, side - 1)
    assert at_home(16, 8000)
    assert at_home(16 * (isqrt(count) - 1) + 15, 8000)
    assert not at_home(16 * isqrt(count), 8000)


def test_a_halo_of_a_quarter_of_the_block_is_the_widest() -> None:
    operation = make_operation("median", size=9).resolved(2, "uint8")
    GaEs().plan((200, 200), operation, 4, {"block": 16})
    with pytest.raises(IncompatibleScheme, match="needs 4 pixels around a block"):
        GaEs().plan((200, 200), operation, 4, {"block": 15})
