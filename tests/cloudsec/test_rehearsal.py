"""What is timed of an operation before a job is planned."""

import numpy as np
import pytest

from cloudsec import rehearsal
from cloudsec.rehearsal import (
    FEWEST_PIECES,
    FIRST,
    MOST_PIECES,
    SIDE,
    WORK_SECONDS,
    kernel_seconds,
    pieces_within,
    random_pixels,
)
from providers import make_operation
from providers.operations import Median


@pytest.mark.parametrize(("seconds", "pieces"), [(1e-9, MOST_PIECES), (1e-3, FEWEST_PIECES)])
def test_what_is_timed_is_a_stack_as_large_as_there_is_time_for(
    seconds: float, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks: list[np.ndarray] = []

    def noted(operation: Median, stack: np.ndarray) -> float:
        stacks.append(stack)
        return seconds * (stack.size - 4 * len(stack) * (stack.shape[-1] - 1))

    monkeypatch.setattr(rehearsal, "_timed", noted)
    operation = make_operation("median", size=3).resolved(2, "uint8")
    assert kernel_seconds(operation, np.dtype("uint16"), 1024) == pytest.approx(seconds)
    first, *_, last = stacks
    assert first.shape == (1, FIRST + 2, FIRST + 2)
    assert last.shape == (pieces, SIDE + 2, SIDE + 2)
    assert last.dtype == np.uint16
    assert last.max() < 1024


def test_an_operation_takes_some_time() -> None:
    operation = make_operation("median", size=3).resolved(2, "uint8")
    assert kernel_seconds(operation, np.dtype("uint16"), 1024) > 0


def test_more_work_for_a_pixel_is_fewer_pieces() -> None:
    assert pieces_within(WORK_SECONDS / (7.5 * SIDE**2)) == 7


@pytest.mark.parametrize("ndim", [2, 3])
def test_random_pixels_have_the_answer_that_is_wanted_and_no_two_stacks_are_alike(ndim: int) -> None:
    operation = make_operation("median", size=5).resolved(ndim, "float32")
    one, other = (random_pixels(operation, (3, 8, 9), np.dtype("float32"), 1) for _ in range(2))
    assert operation.run(one).shape == (3, *[1] * (ndim - 2), 8, 9)
    assert one.dtype == np.float32
    assert (one != other).any()
