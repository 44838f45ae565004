"""Delivers sealed tasks: one thread per provider, each task to its own party, everything within its time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cloudsec.endpoints import Endpoint, failure
from cloudsec.errors import CloudsecError, Dishonest, Unavailable
from cloudsec.schemes import Sealed
from providers.errors import BadTask, ProviderError
from providers.wire import Task, decode_answer, encode_task

_THREAD = "cloudsec delivery"
GRACE = 1.0
"""Seconds that an endpoint gets beyond its time-out to say itself what went wrong."""


@dataclass(frozen=True, eq=False)
class Delivered:
    """One task's checked answer, and what it took."""

    number: int
    party: int
    stack: NDArray[np.generic] = field(repr=False)
    bytes_up: int
    bytes_down: int
    seconds: float


@dataclass
class _Lane:
    """One provider's tasks, done one after the other by one thread."""

    party: int
    numbers: list[int]
    sent_at: float | None = None


class Delivery:
    """Tasks under way; starts sending at once.

    Use as a context manager: leaving it stops what was not sent yet. A thread that hangs in an endpoint
    is left behind and ends with the process; nothing waits for it beyond the time-out.
    """

    def __init__(self, sealed: Sequence[Sealed], endpoints: Sequence[Endpoint], timeout: float) -> None:
        self._sealed, self._endpoints, self._timeout = sealed, endpoints, timeout
        self._outcomes: queue.SimpleQueue[Delivered | CloudsecError] = queue.SimpleQueue()
        self._stop = threading.Event()
        lanes: dict[int, _Lane] = {}
        for number, item in enumerate(sealed):
            party = item.parties[0]
            lanes.setdefault(party, _Lane(party, [])).numbers.append(number)
        self._lanes = list(lanes.values())
        for lane in self._lanes:
            threading.Thread(target=self._drive, args=(lane,), daemon=True, name=_THREAD).start()

    def __enter__(self) -> Delivery:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def __iter__(self) -> Iterator[Delivered]:
        """Answers as they come; ProviderFailed, naming the provider, as soon as one task cannot be had."""
        for _ in self._sealed:
            outcome = self._next()
            if isinstance(outcome, CloudsecError):
                raise outcome
            yield outcome

    def _next(self) -> Delivered | CloudsecError:
        while True:
            try:
                return self._outcomes.get(timeout=self._patience())
            except queue.Empty:
                for lane in self._lanes:
                    if lane.sent_at is not None and time.monotonic() > lane.sent_at + self._timeout + GRACE:
                        name = self._endpoints[lane.party].name
                        return Unavailable(
                            f"provider {name} did not answer within {self._timeout:g} s; "
                            "try again, or give it more time"
                        )

    def _patience(self) -> float:
        """Seconds until the first task under way is overdue."""
        sent = [lane.sent_at for lane in self._lanes if lane.sent_at is not None]
        due = min(sent, default=time.monotonic()) + self._timeout + GRACE
        return max(0.001, due - time.monotonic())

    def _drive(self, lane: _Lane) -> None:
        endpoint = self._endpoints[lane.party]
        for number in lane.numbers:
            if self._stop.is_set():
                return
            lane.sent_at = time.monotonic()
            try:
                outcome: Delivered | CloudsecError = self._deliver(number, lane.party, endpoint)
            except CloudsecError as error:
                outcome = error
            except Exception as error:  # An endpoint may be anybody's code.
                outcome = Unavailable(f"provider {endpoint.name} failed with {type(error).__name__}")
                outcome.__cause__ = error
            lane.sent_at = None
            self._outcomes.put(outcome)
            if isinstance(outcome, CloudsecError):
                self._stop.set()

    def _deliver(self, number: int, party: int, endpoint: Endpoint) -> Delivered:
        task = self._sealed[number].task
        request = encode_task(task)
        started = time.monotonic()
        response = endpoint.send(request, self._timeout)
        seconds = time.monotonic() - started
        stack = checked_answer(task, response, endpoint.name)
        return Delivered(number, party, stack, len(request), len(response), seconds)


def checked_answer(task: Task, response: bytes, name: str) -> NDArray[np.generic]:
    """The answer's pixels, if shape and type answer the task; else Dishonest, or the provider's own error."""
    try:
        answer = decode_answer(response)
    except BadTask as error:
        raise Dishonest(f"provider {name} sent something that is no answer: {error}") from error
    except ProviderError as error:
        raise failure(name, error) from error
    if answer.id != task.id:
        raise Dishonest(f"provider {name} answered another task than it was asked")
    wanted = task.answer_shape, task.answer_dtype
    if (answer.stack.shape, answer.stack.dtype) != wanted:
        raise Dishonest(
            f"provider {name} answered {answer.stack.shape} pixels of {answer.stack.dtype}, "
            f"not {wanted[0]} of {wanted[1]}"
        )
    return answer.stack
