import json
import struct
from typing import Any

import numpy as np
import pytest

import providers
from providers import ciphertexts, make_operation, service
from providers.errors import BadTask, ProviderError, TooLarge
from providers.registry import example_operation, operations
from providers.residues import MODULI, expanded, integers, reduced
from providers.service import answer
from providers.wire import Task, decode_answer, encode_task

# A window of `equalize_hist` is wider than the stack.
OF_WINDOWS = [name for name, kind in operations().items() if not kind.whole and name != "equalize_hist"]
STACK = np.random.default_rng(0).integers(0, 2**16, (3, 20, 20), np.uint16)


def handled(task: Task) -> bytes:
    return providers.handle(encode_task(task))


def request(name: str = "gaussian", rounded: bool = True, stack: np.ndarray = STACK) -> bytes:
    return encode_task(Task("ab" * 16, example_operation(name).resolved(2, "uint16"), stack, rounded))


@pytest.mark.parametrize("name", OF_WINDOWS)
def test_a_task_is_answered_rounded_or_exact(name: str) -> None:
    operation = example_operation(name).resolved(2, "uint16")
    rounded = decode_answer(providers.handle(request(name)))
    exact = decode_answer(providers.handle(request(name, rounded=False)))
    assert rounded.id == exact.id == "ab" * 16
    assert exact.stack.dtype == operation.unrounded_dtype(np.uint16)
    assert (exact.stack == operation.run(STACK)).all()
    assert (rounded.stack == operation.finish(exact.stack, np.uint16)).all()


def test_a_task_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLarge, match="takes 10"):
        answer(request(), limit=10)


@pytest.mark.parametrize(
    ("name", "parameters", "shape"),
    [
        ("sobel", {"axes": 10**9}, (1, 3, 3)),
        ("sobel", {"axes": True}, (1, 3, 3)),
        ("median", {"size": [101, 101]}, (1, 103, 103)),
        ("percentile", {"size": [101, 101], "percentile": 50.0}, (1, 103, 103)),
        ("convolve", {"weights": [[1] * 999] * 3, "divisor": 1}, (1, 5, 1001)),
        ("convolve", {"weights": [[int("9" * 4000)]], "divisor": 1}, (1, 3, 3)),
        ("convolve", {"weights": [[1]], "divisor": int("9" * 4000)}, (1, 3, 3)),
        ("gaussian", {"sigma": [1.0], "truncate": 4.0, "weights": [[1] * 250_001, [1]]}, (1, 250_500, 2)),
        ("gaussian", {"sigma": [1.0], "truncate": 4.0, "weights": [[int("9" * 4000)], [1]]}, (1, 3, 3)),
        ("gaussian", {"sigma": [1.0], "truncate": 4.0, "weights": [[2**40], [2**40]]}, (1, 3, 3)),
    ],
)
def test_a_small_task_that_claims_endless_work_is_refused(
    name: str, parameters: dict[str, Any], shape: tuple[int, ...]
) -> None:
    size = int(np.prod(shape))
    header = {
        "id": "ab" * 16,
        "operation": {"name": name, "version": 1, "parameters": parameters},
        "rounded": True,
        "dtype": np.dtype(np.uint8).str,
        "shape": shape,
    }
    text = json.dumps(header).encode()
    with pytest.raises(ProviderError):
        decode_answer(providers.handle(b"CST1" + struct.pack("<I", len(text)) + text + bytes(size)))


def test_more_work_or_a_larger_answer_than_the_limits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = request(rounded=False)
    with pytest.raises(TooLarge, match="answer would have"):
        answer(exact, limit=len(exact))
    monkeypatch.setattr(service, "MAX_WORK", 1000)
    with pytest.raises(TooLarge, match="more work"):
        answer(exact)


def test_errors_travel_as_bytes() -> None:
    with pytest.raises(BadTask):
        decode_answer(providers.handle(b"nonsense"))


def test_pixels_that_would_not_be_exact_are_refused() -> None:
    huge = np.full((1, 20, 20), 2**62, np.int64)
    comparing = {"maximum": 2**62, "minimum": 2**62, "threshold": 1, "window": 255}
    comparing |= {"histogram": 2**62, "statistics": 2**62, "brightness": 2**62 + 16}
    for name in set(OF_WINDOWS) - comparing.keys():
        with pytest.raises(BadTask, match="accumulator|exact"):
            decode_answer(providers.handle(request(name, stack=huge)))
    # What only compares or adds is exact on all integers.
    for name, level in comparing.items():
        assert (decode_answer(providers.handle(request(name, stack=huge))).stack == level).all()


@pytest.mark.parametrize("modulus", MODULI)
@pytest.mark.parametrize("name", ["binomial", "gaussian", "laplacian", "sobel", "unsharp"])
def test_residues_are_answered_part_by_part_for_each_region(name: str, modulus: int) -> None:
    operation = example_operation(name).resolved(2, "uint16")
    residues = reduced(STACK, modulus)
    answered = decode_answer(handled(Task("ab" * 16, operation, residues, False, modulus)))
    by_region = answered.stack.reshape(len(STACK), len(operation.parts), *answered.stack.shape[1:])
    for number, part in enumerate(operation.parts):
        assert (by_region[:, number] == reduced(part.run(STACK), modulus)).all()


def test_a_seed_is_answered_as_the_residues_that_it_stands_for() -> None:
    operation, seed = example_operation("sobel").resolved(2, "uint16"), b"sixteen  octets."
    stack = expanded(seed, 65521, (2, 30, 40))
    whole = handled(Task("ab" * 16, operation, stack, False, 65521))
    assert handled(Task("ab" * 16, operation, stack, False, 65521, seed)) == whole


def test_volumes_of_residues_are_filtered_along_every_axis() -> None:
    volume = np.random.default_rng(0).integers(0, 256, (1, 8, 9, 10), np.uint8)
    operation = example_operation("sobel").resolved(3, "uint8")
    answered = decode_answer(handled(Task("ab" * 16, operation, reduced(volume, 65521), False, 65521)))
    parts = [integers(part, -(2**15), 2**15 - 16, 65521)[None] for part in answered.stack]
    core = volume[:, 1:-1, 1:-1, 1:-1]
    assert (operation.combined(parts, core) == operation.run(volume)).all()


def test_limits_of_size_and_work_hold_for_residues_too(monkeypatch: pytest.MonkeyPatch) -> None:
    operation = example_operation("sobel").resolved(2, "uint16")
    seeded = Task("ab" * 16, operation, np.zeros((1, 100, 100), np.uint16), False, 65521, bytes(16))
    with pytest.raises(TooLarge, match="seed stands for"):
        answer(encode_task(seeded), limit=10_000)
    # Two parts answer nearly twice as many bytes as there were.
    with pytest.raises(TooLarge, match="answer would have 38416 bytes"):
        answer(encode_task(seeded), limit=30_000)
    monkeypatch.setattr(service, "MAX_WORK", 100 * 100 * 12 - 1)
    with pytest.raises(TooLarge, match="more work"):
        answer(encode_task(seeded))


def test_limits_of_work_hold_for_ciphertexts_whatever_the_modulus(monkeypatch: pytest.MonkeyPatch) -> None:
    operation, modulus = make_operation("mean", size=3).resolved(2, "uint8"), 2**2047 + 1
    stack = ciphertexts.rows(ciphertexts.as_numbers([1] * 12).reshape(1, 3, 4), modulus)
    task = encode_task(Task("ab" * 16, operation, stack, False, modulus))
    assert (decode_answer(answer(task)).stack == stack[:, :1, :2]).all()
    (part,) = operation.parts
    monkeypatch.setattr(service, "MAX_WORK", 12 * ciphertexts.work(part, modulus) - 1)
    with pytest.raises(TooLarge, match="more work"):
        answer(task)


def test_what_is_no_ciphertext_is_refused() -> None:
    operation, modulus = make_operation("mean", size=1).resolved(2, "uint8"), 2**2047 + 1
    task = Task("ab" * 16, operation, np.zeros((1, 1, 1, 512), np.uint8), False, modulus)
    with pytest.raises(BadTask, match="a ciphertext is above zero"):
        answer(encode_task(task))


def test_an_operation_that_is_not_linear_is_refused_on_residues_with_a_way_out() -> None:
    operation = example_operation("median").resolved(2, "uint16")
    with pytest.raises(BadTask, match="median is not linear.*ga-es"):
        decode_answer(handled(Task("ab" * 16, operation, STACK % np.uint16(65521), False, 65521)))
