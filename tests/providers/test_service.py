import numpy as np
import pytest

import providers
from providers import make_operation
from providers.errors import BadTask, TooLarge
from providers.service import answer
from providers.wire import Task, decode_answer, encode_task

STACK = np.random.default_rng(0).integers(0, 2**16, (3, 20, 20), np.uint16)


def request(name: str = "gaussian", rounded: bool = True, stack: np.ndarray = STACK) -> bytes:
    return encode_task(Task("ab" * 16, make_operation(name).resolved(2, "uint16"), stack, rounded))


@pytest.mark.parametrize("name", providers.operation_names())
def test_a_task_is_answered_rounded_or_exact(name: str) -> None:
    operation = make_operation(name).resolved(2, "uint16")
    rounded = decode_answer(providers.handle(request(name)))
    exact = decode_answer(providers.handle(request(name, rounded=False)))
    assert rounded.id == exact.id == "ab" * 16
    assert exact.stack.dtype == np.int64
    assert (exact.stack == operation.run(STACK)).all()
    assert (rounded.stack == operation.finish(exact.stack, np.uint16)).all()


def test_a_task_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLarge, match="takes 10"):
        answer(request(), limit=10)


def test_errors_travel_as_bytes() -> None:
    with pytest.raises(BadTask):
        decode_answer(providers.handle(b"nonsense"))


def test_pixels_that_would_not_be_exact_are_refused() -> None:
    huge = np.full((1, 20, 20), 2**62, np.int64)
    for name in providers.operation_names():
        with pytest.raises(BadTask, match="accumulator|exact"):
            decode_answer(providers.handle(request(name, stack=huge)))
