"""How far away and how fast a provider is, measured with data that comes from no image."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

from cloudsec.dispatch import checked_answer
from cloudsec.endpoints import Endpoint
from cloudsec.errors import Unavailable
from providers import Filter, make_operation
from providers.image import PLANE_AXES
from providers.wire import Task, encode_task

DTYPE = "uint16"
REPEATS = 3
"""The median of so many is taken: one that met another's task on the way changes nothing."""
SMALL = (1, 8, 8)
LARGE = (32, 128, 128)
"""Pixels of a task that is all latency, and of one that is mostly transfer: a megabyte."""
WORK = (16, 64, 64)
"""Pixels that the operation is asked for: enough for its cost to show beside the latency."""


@dataclass(frozen=True)
class Probe:
    """What one provider takes for a task.

    Attributes
    ----------
    latency : float
        Seconds of a task without content.
    per_byte : float
        Seconds for each byte, up or down alike.
    per_pixel : float
        Seconds of the operation for each pixel that it answers.

    >>> Probe(latency=0.5, per_byte=1e-6, per_pixel=1e-7).seconds(sent=500_000, pixels=5_000_000)
    1.5
    """

    latency: float
    per_byte: float
    per_pixel: float

    def seconds(self, sent: int, pixels: int) -> float:
        """Predicted for a task of so many bytes, up and down together, and pixels answered."""
        return self.latency + self.per_byte * sent + self.per_pixel * pixels


@dataclass(frozen=True)
class _Measured:
    seconds: float
    sent: int
    pixels: int


def probed(
    endpoint: Endpoint,
    operation: Filter,
    *,
    seconds: float = 10.0,
    clock: Callable[[], float] = time.monotonic,
) -> Probe:
    """Measure a provider with a few small tasks of random data.

    Parameters
    ----------
    endpoint : Endpoint
    operation : Filter
        Resolved for two axes and uint16.
    seconds : float
        For all tasks together.
    clock : callable
        The time in seconds, from any beginning.

    Raises
    ------
    ProviderFailed
        If the provider cannot be had, answers what is no answer, or takes longer.
    """
    deadline = clock() + seconds

    def measured(task: Task) -> _Measured:
        request = encode_task(task)
        began = clock()
        if began >= deadline:
            raise Unavailable(
                f"provider {endpoint.name} was not measured within {seconds:g} s; try again, or leave it out"
            )
        response = endpoint.send(request, deadline - began)
        took = clock() - began
        return _Measured(
            took, len(request) + len(response), checked_answer(task, response, endpoint.name).size
        )

    # A window of one pixel: nothing is compared, and the answer is a copy.
    cheapest = make_operation("median", size=1).resolved(PLANE_AXES, DTYPE)
    # The first opens the connection, which later tasks find open.
    measured(_task(cheapest, SMALL))
    rounds = [
        [
            measured(_task(filter_, shape))
            for filter_, shape in ((cheapest, SMALL), (cheapest, LARGE), (operation, WORK))
        ]
        for _ in range(REPEATS)
    ]
    return _fitted(*(_typical(same) for same in zip(*rounds, strict=True)))


def _task(operation: Filter, core: tuple[int, int, int]) -> Task:
    """A task of random pixels, since constant ones would be compressed by some ways."""
    count, *sides = core
    window = (count, *(side + 2 * halo for side, halo in zip(sides, operation.halo, strict=True)))
    stack = np.random.default_rng().integers(0, 4096, window, np.dtype(DTYPE))
    return Task(secrets.token_hex(16), operation, stack, rounded=True)


def _typical(measured: tuple[_Measured, ...]) -> _Measured:
    return _Measured(median(each.seconds for each in measured), measured[0].sent, measured[0].pixels)


def _fitted(small: _Measured, large: _Measured, work: _Measured) -> Probe:
    """Latency and rates that explain three measurements; none is below zero, however they fluctuate."""
    per_byte = max(0.0, (large.seconds - small.seconds) / (large.sent - small.sent))
    latency = max(0.0, small.seconds - per_byte * small.sent)
    rest = work.seconds - latency - per_byte * work.sent
    return Probe(latency, per_byte, max(0.0, rest / work.pixels))
