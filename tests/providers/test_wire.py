"""Bytes: vectors written by hand from the description in `providers.wire`, and what is refused."""

import contextlib
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from providers import make_operation
from providers.errors import BadTask, Busy, ProviderError, TooLarge
from providers.operation import Filter
from providers.residues import expanded
from providers.wire import (
    Answer,
    Task,
    decode_answer,
    decode_error,
    decode_task,
    encode_answer,
    encode_error,
    encode_task,
    task_parts,
)

IDENTITY = "00112233445566778899aabbccddeeff"


def message(marker: bytes, header: dict[str, Any] | bytes, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return marker + struct.pack("<I", len(text)) + text + body


HEADER: dict[str, Any] = {
    "id": IDENTITY,
    "operation": {"name": "median", "version": 1, "parameters": {"size": [3, 3]}},
    "rounded": True,
    "dtype": "<u2",
    "shape": [1, 3, 3],
}
VECTOR = message(b"CST1", HEADER, bytes(range(18)))


def test_a_task_written_by_hand_is_read() -> None:
    task = decode_task(VECTOR)
    assert task.id == IDENTITY
    assert task.operation == make_operation("median", size=(3, 3))
    assert task.rounded
    assert task.stack.tolist() == [
        [[0x0100, 0x0302, 0x0504], [0x0706, 0x0908, 0x0B0A], [0x0D0C, 0x0F0E, 0x1110]]
    ]


def test_a_task_is_written_as_described() -> None:
    task = decode_task(VECTOR)
    written = encode_task(task)
    (length,) = struct.unpack("<I", written[4:8])
    assert written[:4] == b"CST1"
    assert (8 + length) % 64 == 0
    assert json.loads(written[8 : 8 + length]) == HEADER
    assert written[8 + length :] == bytes(range(18))


@given(
    st.sampled_from(["gaussian", "mean", "median", "sobel"]),
    st.sampled_from(["uint8", "int16", "uint16", "int32", "uint32", "int64"]),
    st.booleans(),
)
def test_what_is_written_is_read_again(name: str, dtype: str, rounded: bool) -> None:
    operation: Filter = make_operation(name).resolved(2, "uint8")
    stack = np.arange(2 * 11 * 12).reshape(2, 11, 12).astype(dtype)
    task = decode_task(encode_task(Task(IDENTITY, operation, stack, rounded)))
    assert (task.operation, task.rounded, task.stack.dtype) == (operation, rounded, dtype)
    assert (task.stack == stack).all()
    answer = decode_answer(encode_answer(Answer(IDENTITY, stack)))
    assert (answer.stack == stack).all()
    assert answer.stack.dtype == dtype


def test_the_parts_of_a_task_are_its_bytes_and_its_pixels_are_not_copied() -> None:
    task = Task(IDENTITY, make_operation("median").resolved(2, "uint16"), np.ones((2, 9, 9), np.uint16), True)
    head, pixels = task_parts(task)
    assert head + pixels == encode_task(task)
    assert np.shares_memory(np.frombuffer(pixels, np.uint8), task.stack)


def test_tasks_of_equal_shape_and_operation_have_equally_many_bytes() -> None:
    operation = make_operation("gaussian").resolved(2, "uint8")
    stacks = np.random.default_rng(0).integers(0, 2**16, (2, 3, 16, 16), np.uint16)
    sizes = {len(encode_task(Task(f"{i:032x}", operation, stack, True))) for i, stack in enumerate(stacks)}
    assert len(sizes) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "short"},
        {"id": 7},
        {"id": IDENTITY.upper()},
        {"rounded": 1},
        {"operation": "median"},
        {"operation": {"name": "median"}},
        {"dtype": "|O"},
        {"dtype": ">u2"},
        {"dtype": "<f8"},
        {"dtype": ["<u2"]},
        {"shape": [1, 3, 4]},
        {"shape": [1, 3, -3]},
        {"shape": [1, 3.0, 3]},
        {"shape": [True, 3, 3]},
        {"shape": [9]},
        {"shape": [1, 1, 1, 1, 9]},
        {"shape": [0, 3, 3]},
        {"shape": [2**62, 2**62, 2**62]},
        {"shape": "9"},
        {"patient": "somebody"},
        {"shape": [1, 9, 1]},
        {"shape": [9, 1]},
    ],
)
def test_a_task_with_a_wrong_field_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ProviderError):
        decode_task(message(b"CST1", HEADER | changes, bytes(18)))


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"CST1",
        b"CST2" + VECTOR[4:],
        b"CSA1" + VECTOR[4:],
        VECTOR[:-1],
        VECTOR + b"\0",
        b"CST1\xff\xff\xff\xff{}",
        message(b"CST1", b"[]"),
        message(b"CST1", b"\xff\xfe"),
        message(b"CST1", b"{" * 5000),
        message(b"CST1", b"[" * 100_000),
        message(b"CST1", b'{"id": ' + b"9" * 10_000 + b"}"),
        message(b"CST1", b"null"),
        b"\x80\x05cos\nsystem\n(S'id'\ntR.",
    ],
)
def test_bytes_that_are_no_task_are_refused(request_: bytes) -> None:
    with pytest.raises(BadTask):
        decode_task(request_)


@given(st.binary(max_size=200), st.integers(0, len(VECTOR) - 1), st.integers(0, 255))
@example(b"", 4, 0)
def test_changed_bytes_are_read_or_refused_and_nothing_else(garbage: bytes, place: int, value: int) -> None:
    for request in (garbage, VECTOR[:place] + bytes([value]) + VECTOR[place + 1 :], VECTOR[:place] + garbage):
        with contextlib.suppress(ProviderError):
            decode_task(request)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_carried_finished_and_finite_or_refused(dtype: str) -> None:
    operation = make_operation("gaussian").resolved(2, dtype)
    stack = np.random.default_rng(0).normal(size=(2, 11, 12)).astype(dtype)
    task = decode_task(encode_task(Task(IDENTITY, operation, stack, True)))
    assert task.stack.dtype == dtype
    assert (task.stack == stack).all()
    with pytest.raises(BadTask, match="not without finishing them"):
        decode_task(encode_task(Task(IDENTITY, operation, stack, False)))
    for wrong in (np.nan, np.inf, -np.inf):
        spoilt = stack.copy()
        spoilt[1, 2, 3] = wrong
        with pytest.raises(BadTask, match="not NaN or infinite"):
            decode_task(encode_task(Task(IDENTITY, operation, spoilt, True)))


def test_an_error_is_read_as_what_it_was_written_as() -> None:
    for error in (Busy("come again"), TooLarge("by far"), BadTask("no")):
        with pytest.raises(type(error), match=str(error)):
            decode_answer(encode_error(error))


@pytest.mark.parametrize("body", [b"", b"x", b"{}", b"[]", b'{"code": 1}', b"{" * 100_000])
def test_an_error_that_is_none_of_ours_is_still_an_error(body: bytes) -> None:
    assert type(decode_error(body)) is ProviderError


def test_what_a_provider_says_fits_on_one_line() -> None:
    said = decode_error(json.dumps({"code": "busy", "message": "a\nb\x1b[2J" + "c" * 999}).encode())
    assert isinstance(said, Busy)
    assert str(said).isprintable()
    assert len(str(said)) <= 300


SEED = "0f" * 16
SHARE: dict[str, Any] = {
    "id": IDENTITY,
    "operation": {"name": "mean", "version": 1, "parameters": {"size": [3, 3]}},
    "rounded": False,
    "modulus": 65521,
    "dtype": "<u2",
    "shape": [1, 3, 3],
}


def test_a_task_on_residues_written_by_hand_is_read_and_written_again() -> None:
    task = decode_task(message(b"CST1", SHARE, bytes(range(18))))
    assert (task.modulus, task.seed, task.answer_dtype, task.answer_shape) == (65521, None, "u2", (1, 1, 1))
    written = encode_task(task)
    (length,) = struct.unpack("<I", written[4:8])
    assert json.loads(written[8 : 8 + length]) == SHARE


def test_a_seed_is_read_as_what_it_expands_to_and_sent_in_its_place() -> None:
    header = SHARE | {"seed": SEED, "shape": [2, 300, 400]}
    task = decode_task(message(b"CST1", header))
    assert (task.stack == expanded(bytes.fromhex(SEED), 65521, (2, 300, 400))).all()
    written = encode_task(task)
    assert len(written) < 400
    (length,) = struct.unpack("<I", written[4:8])
    assert json.loads(written[8 : 8 + length]) == header
    assert (decode_task(written).stack == task.stack).all()
    assert SEED not in repr(task)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"modulus": 65519}, "must be one of 65536, "),
        ({"modulus": "65521"}, "must be one of"),
        ({"modulus": 65521.0}, "must be one of"),
        ({"modulus": None}, "must be one of"),
        ({"modulus": [65521]}, "must be one of"),
        ({"modulus": 2**31 - 1}, "must be uint32 below it"),
        ({"modulus": True}, "must be one of"),
        ({"rounded": True}, "residues cannot be rounded"),
        ({"operation": HEADER["operation"]}, "median is not linear.*such as ga-es"),
        ({"seed": SEED}, "no others beside it"),
        ({"share": 1}, "exactly the fields"),
    ],
)
def test_a_task_on_residues_with_a_wrong_field_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BadTask, match=says):
        decode_task(message(b"CST1", SHARE | changes, bytes(18)))


def test_what_is_no_residue_is_refused() -> None:
    with pytest.raises(BadTask, match="residues modulo 65521 must be uint16 below it"):
        decode_task(message(b"CST1", SHARE, b"\xf1\xff" * 9))
    decode_task(message(b"CST1", SHARE, b"\xf0\xff" * 9))


def test_unsigned_pixels_of_64_bits_are_residues_or_nothing() -> None:
    header = {key: value for key, value in SHARE.items() if key != "modulus"} | {"dtype": "<u8"}
    with pytest.raises(BadTask, match="need a modulus"):
        decode_task(message(b"CST1", header, bytes(72)))
    decode_task(message(b"CST1", header | {"modulus": 2**64}, bytes(72)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": "0f"}, "a seed is 32 hexadecimal digits"),
        ({"seed": SEED.upper()}, "a seed is"),
        ({"seed": 7}, "a seed is"),
        ({"seed": None}, "a seed is"),
        ({"dtype": "<u4"}, "needs a modulus and their dtype"),
        ({"shape": [0, 3, 3]}, "at least one pixel"),
    ],
)
def test_a_malformed_seed_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BadTask, match=says):
        decode_task(message(b"CST1", SHARE | {"seed": SEED} | changes))


def test_a_seed_without_a_modulus_is_refused() -> None:
    header = {key: value for key, value in SHARE.items() if key != "modulus"} | {"seed": SEED}
    with pytest.raises(BadTask, match="needs a modulus"):
        decode_task(message(b"CST1", header))


def test_a_seed_that_stands_for_more_than_the_limit_is_refused_before_it_is_expanded() -> None:
    header = SHARE | {"seed": SEED, "shape": [2**20, 2**20, 2**20]}
    with pytest.raises(TooLarge, match="stands for"):
        decode_task(message(b"CST1", header))
    with pytest.raises(TooLarge, match="stands for 18 bytes; this provider takes 17"):
        decode_task(message(b"CST1", SHARE | {"seed": SEED}), largest=17)


MODULUS = 2**2047 + 1
CIPHERTEXTS = SHARE | {"modulus": f"{MODULUS:x}", "dtype": "|u1", "shape": [1, 3, 4, 512]}


def test_a_task_on_ciphertexts_written_by_hand_is_read_and_written_again() -> None:
    task = decode_task(message(b"CST1", CIPHERTEXTS, bytes(12 * 512)))
    assert (task.modulus, task.is_encrypted, task.answer_dtype) == (MODULUS, True, "u1")
    assert task.answer_shape == (1, 1, 2, 512)
    assert decode_task(encode_task(task)).modulus == MODULUS


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"modulus": MODULUS}, "must be one of"),
        ({"modulus": f"{MODULUS + 1:x}"}, "odd and of 2048 to 4096 bits"),
        ({"modulus": f"{2**1023 + 1:x}"}, "odd and of 2048 to 4096 bits"),
        ({"modulus": "f" * 100_000}, "odd and of 2048 to 4096 bits"),
        ({"modulus": ""}, "odd and of 2048 to 4096 bits"),
        ({"modulus": f"-{MODULUS:x}"}, "in hexadecimal digits"),
        ({"shape": [1, 3, 8, 256]}, "twice as many as the modulus"),
        ({"shape": [1, 3, 3, 4, 512 // 3]}, "holds 6144 bytes"),
        ({"shape": [12, 512]}, "for 2 axes, the regions have 0"),
        ({"dtype": "<u2", "shape": [1, 3, 4, 256]}, "must be bytes"),
        ({"seed": SEED}, "no others beside it"),
    ],
)
def test_a_task_on_ciphertexts_with_a_wrong_field_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BadTask, match=says):
        decode_task(message(b"CST1", CIPHERTEXTS | changes, bytes(12 * 512)))
