"""Delivers sealed tasks: one thread per provider, each task to its own party only, and all within its time.

What happens to the pieces of a provider that fails is not decided here.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cloudsec.endpoints import Endpoint, failure, late, response_of
from cloudsec.errors import CloudsecError, Dishonest, Unavailable
from cloudsec.schemes import Sealed
from providers.errors import BadTask, ProviderError
from providers.wire import Task, decode_answer, task_parts

_THREAD = "cloudsec delivery"
GRACE = 1.0
"""Seconds that an endpoint gets beyond its time-out to say itself what went wrong."""
RETRIES = 1
"""Times that a provider which could not be had is asked again, within the same time. One that says when to
come again is asked then, as often as the time allows."""


@dataclass(frozen=True, eq=False)
class Delivered:
    """One task's checked answer, and what it took."""

    number: int
    party: int
    stack: NDArray[np.generic] = field(repr=False)
    bytes_up: int
    bytes_down: int
    seconds: float
    retries: int


@dataclass(frozen=True, eq=False)
class Lost:
    """A provider that failed; none of its further answers is taken."""

    party: int
    error: CloudsecError
    retries: int = 0


Outcome: TypeAlias = Delivered | Lost


@dataclass
class _Lane:
    """One provider's tasks, done one after the other by one thread."""

    party: int
    numbers: list[int]
    sent_at: float | None = None
    closed: threading.Event = field(default_factory=threading.Event)

    @property
    def open(self) -> bool:
        return not self.closed.is_set()


class Delivery:
    """Tasks under way; starts sending at once.

    Use as a context manager: leaving it stops what was not sent yet. A thread that hangs in an endpoint
    is left behind and ends with the process; nothing waits for it beyond the time-out.

    Attributes
    ----------
    asked : set of int
        Numbers of the tasks that were sent, or tried to; final once the delivery is left.
    """

    def __init__(self, sealed: Sequence[Sealed], endpoints: Sequence[Endpoint], timeout: float) -> None:
        self._sealed, self._endpoints, self._timeout = sealed, endpoints, timeout
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._lanes: dict[int, _Lane] = {}
        self.asked: set[int] = set()
        self._sending = threading.Lock()
        for number, item in enumerate(sealed):
            self._lanes.setdefault(item.party, _Lane(item.party, [])).numbers.append(number)
        for lane in self._lanes.values():
            threading.Thread(target=self._drive, args=(lane,), daemon=True, name=_THREAD).start()

    def __enter__(self) -> Delivery:
        return self

    def __exit__(self, *_: object) -> None:
        for party in self._lanes:
            self.drop(party)

    def __iter__(self) -> Iterator[Outcome]:
        """Answers as they come, and once for each provider that fails, that it is lost."""
        waiting = {party: len(lane.numbers) for party, lane in self._lanes.items()}
        while any(waiting[party] for party, lane in self._lanes.items() if lane.open):
            outcome = self._next()
            if not self._lanes[outcome.party].open:
                continue
            waiting[outcome.party] -= 1
            if isinstance(outcome, Lost):
                self.drop(outcome.party)
            yield outcome

    def drop(self, party: int) -> None:
        """Send a provider nothing more, and take none of its answers."""
        with self._sending:
            self._lanes[party].closed.set()

    def _next(self) -> Outcome:
        while True:
            try:
                return self._outcomes.get(timeout=self._patience())
            except queue.Empty:
                for lane in self._lanes.values():
                    sent_at = lane.sent_at
                    if (
                        lane.open
                        and sent_at is not None
                        and time.monotonic() > sent_at + self._timeout + GRACE
                    ):
                        return Lost(lane.party, late(self._endpoints[lane.party].name, self._timeout))

    def _patience(self) -> float:
        """Seconds until the first task under way is overdue."""
        sent = [at for lane in self._lanes.values() if lane.open and (at := lane.sent_at) is not None]
        due = min(sent, default=time.monotonic()) + self._timeout + GRACE
        return max(0.001, due - time.monotonic())

    def _drive(self, lane: _Lane) -> None:
        for number in lane.numbers:
            with self._sending:
                if not lane.open:
                    return
                self.asked.add(number)
            lane.sent_at = time.monotonic()
            outcome = self._outcome(number, lane.party, lane.sent_at + self._timeout)
            lane.sent_at = None
            self._outcomes.put(outcome)
            if isinstance(outcome, Lost):
                return

    def _outcome(self, number: int, party: int, deadline: float) -> Outcome:
        """The answer to one task; a provider that cannot be had is asked again while there is time."""
        endpoint, closed = self._endpoints[party], self._lanes[party].closed
        attempts = retries = 0
        while True:
            try:
                return self._deliver(number, party, deadline - time.monotonic(), retries)
            except CloudsecError as error:
                failed: CloudsecError = error
            except Exception as error:  # An endpoint may be anybody's code.
                failed = Unavailable(f"provider {endpoint.name} failed with {type(error).__name__}")
                failed.__cause__ = error
            if not isinstance(failed, Unavailable) or time.monotonic() + failed.pause >= deadline:
                return Lost(party, failed, retries)
            if not failed.pause:
                attempts += 1
            if attempts > RETRIES or closed.wait(failed.pause):
                return Lost(party, failed, retries)
            retries += 1

    def _deliver(self, number: int, party: int, timeout: float, retries: int) -> Delivered:
        endpoint, task = self._endpoints[party], self._sealed[number].task
        request = task_parts(task)
        started = time.monotonic()
        response = response_of(endpoint, request, timeout, task.answer_bytes)
        seconds = time.monotonic() - started
        stack = checked_answer(task, response, endpoint.name)
        return Delivered(number, party, stack, sum(map(len, request)), len(response), seconds, retries)


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
