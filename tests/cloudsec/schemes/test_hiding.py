"""How the blocks of one provider are hidden among one another."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloudsec.keystream import Keystream
from cloudsec.schemes.hiding import TASK_BYTES, blocks_per_task, hidings, wire_values
from providers import Filter, make_operation
from providers.image import IMAGE_DTYPES
from regions import Scramble

KEYS = Keystream(bytes(32))
MEDIAN = make_operation("median").resolved(2, "uint8")

Hiding = tuple[NDArray[np.intp], Scramble]


class Extreme(Keystream):
    """Draws the smallest or the largest integer there is, always."""

    def __init__(self, *, largest: bool) -> None:
        super().__init__(bytes(32))
        self._largest = largest

    def integers(self, label: str, bound: int, count: int) -> NDArray[np.int64]:
        return np.full(count, bound - 1 if self._largest else 0)


def hidden(
    blocks: int, per_task: int, operation: Filter = MEDIAN, keys: Keystream = KEYS, label: str = "provider 0"
) -> list[Hiding]:
    return list(hidings(blocks, per_task, operation, keys, label, 0, 255, 1024))


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
        (2**30, "int32", "int64", 2**34),
        (2**32 - 1, "int32", "int64", 2**34),
    ],
)
def test_scrambled_pixels_travel_in_the_narrowest_dtype_with_room_for_an_offset(
    span: int, dtype: str, wire: str, values: int
) -> None:
    assert wire_values(span, np.dtype(dtype)) == (np.dtype(wire), values)


@given(st.sampled_from(IMAGE_DTYPES), st.data())
def test_there_are_four_times_as_many_values_as_the_image_has_and_at_most_those_of_two_bits_more(
    name: str, data: st.DataObject
) -> None:
    dtype = np.dtype(name)
    span = data.draw(st.integers(0, 2 ** (8 * dtype.itemsize) - 1))
    wire, values = wire_values(span, dtype)
    assert 4 * (span + 1) <= values <= min(2 ** (8 * dtype.itemsize + 2), int(np.iinfo(wire).max) + 1)


@given(st.integers(1, 10**6), st.integers(1, 2 * TASK_BYTES))
def test_tasks_are_equal_and_hold_a_few_mebibytes_each(most: int, block_bytes: int) -> None:
    per_task = blocks_per_task(most, block_bytes)
    tasks = -(-most // per_task)
    assert 1 <= per_task <= most
    assert per_task == 1 or (per_task - 1) * block_bytes < TASK_BYTES
    # No task is wasted, and hardly a block of the last one.
    assert tasks <= max(1, -(-most * block_bytes // TASK_BYTES))
    assert tasks * per_task - most < tasks


@given(st.integers(1, 60), st.integers(1, 20))
def test_every_block_is_sent_once_before_any_is_repeated_and_all_tasks_are_full(
    blocks: int, per_task: int
) -> None:
    tasks = hidden(blocks, per_task)
    assert len(tasks) == -(-blocks // per_task)
    for order, scramble in tasks:
        assert len(order) == len(scramble.sign) == per_task
    order = np.concatenate([order for order, _ in tasks])
    assert sorted(order[:blocks]) == list(range(blocks))
    assert np.isin(order[blocks:], np.arange(blocks)).all()


def test_a_repeat_goes_under_a_scramble_of_its_own() -> None:
    for blocks in range(1, 20):
        order, scramble = hidden(blocks, 40)[0]
        made = np.column_stack([scramble.flips, scramble.swaps, scramble.sign, scramble.shift])
        # Two of eight turns, two signs and hundreds of offsets are equal once in thousands.
        unequal = {(block, *change) for block, change in zip(order, map(tuple, made), strict=True)}
        assert len(unequal) >= 39


@given(st.integers(0, 2**32), st.integers(-1000, 1000), st.integers(0, 255), st.integers(1, 9))
def test_scrambled_pixels_lie_among_the_values_and_come_back(
    seed: int, low: int, span: int, per_task: int
) -> None:
    values = wire_values(span, np.dtype("int16"))[1]
    stack = np.random.default_rng(seed).integers(low, low + span + 1, (13, 6, 6))
    keys = Keystream(seed.to_bytes(32, "big"))
    for order, scramble in hidings(13, per_task, MEDIAN, keys, "a", low, low + span, values):
        sent = scramble.hide(stack[order], np.int64)
        assert sent.min() >= 0
        assert sent.max() < values
        assert (scramble.reveal(sent, MEDIAN.symmetries) == stack[order]).all()


@pytest.mark.parametrize("largest", [True, False])
def test_offsets_reach_the_first_and_the_last_of_the_values_and_no_further(largest: bool) -> None:
    stack = np.array([[[0, 255], [0, 255]]])
    ((_, scramble),) = hidden(1, 40, keys=Extreme(largest=largest))
    sent = scramble.hide(np.repeat(stack, 40, axis=0), np.uint16)
    assert (sent.max() if largest else sent.min()) == (1023 if largest else 0)
    assert set(scramble.sign.tolist()) == {1, -1}
    assert (sent.max(axis=(1, 2)) - sent.min(axis=(1, 2)) == 255).all()


def test_every_turn_and_sign_is_about_as_frequent_and_offsets_spread_over_all_values() -> None:
    ((_, scramble),) = hidden(8000, 8000)
    kinds = np.column_stack([scramble.flips, scramble.swaps, scramble.sign > 0]) @ (1, 2, 4, 8)
    # 500 of each are expected; 5 deviations of the binomial law are 108.
    assert np.abs(np.bincount(kinds, minlength=16) - 500).max() < 108
    low = np.where(scramble.sign > 0, scramble.shift, scramble.shift - 255)
    assert (low.min(), low.max()) == (0, 1024 - 256)
    assert np.abs(np.histogram(low, 8)[0] - 1000).max() < 150


def facts(operation: Filter) -> dict[str, Any]:
    found = hidden(200, 200, operation)[0][1]
    return {
        "flips": tuple(found.flips.any(axis=0).tolist()),
        "swaps": bool(found.swaps.any()),
        "negated": bool((found.sign < 0).any()),
    }


@pytest.mark.parametrize(
    ("name", "parameters", "changes"),
    [
        ("median", {"size": 3}, {"flips": (True, True), "swaps": True, "negated": True}),
        ("mean", {"size": (2, 3)}, {"flips": (False, True), "swaps": False, "negated": True}),
        ("median", {"size": (3, 2)}, {"flips": (True, False), "swaps": False, "negated": False}),
        ("gaussian", {"sigma": (1, 2)}, {"flips": (True, True), "swaps": False, "negated": True}),
    ],
)
def test_blocks_are_changed_only_as_the_operation_says_that_it_carries(
    name: str, parameters: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert facts(make_operation(name, **parameters).resolved(2, "uint8")) == changes


def test_equal_keys_and_labels_give_equal_hidings_and_others_do_not() -> None:
    def drawn(keys: Keystream, label: str) -> list[list[int]]:
        ((order, scramble),) = hidden(30, 30, keys=keys, label=label)
        return [order.tolist(), scramble.shift.tolist(), scramble.sign.tolist(), scramble.swaps.tolist()]

    one = drawn(KEYS, "provider 0")
    assert drawn(KEYS, "provider 0") == one
    for other in (drawn(KEYS, "provider 1"), drawn(KEYS.for_job(), "provider 0")):
        assert all(mine != theirs for mine, theirs in zip(one, other, strict=True))
