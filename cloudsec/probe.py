"""How far away and how fast providers are, measured with data that come from no image."""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, cycle
from math import prod
from statistics import mean

import numpy as np

from cloudsec.dispatch import checked_answer
from cloudsec.endpoints import Endpoint, response_of
from cloudsec.forecast import LANE_COSTS, Lane
from cloudsec.rehearsal import SIDE, pieces_within, random_pixels
from providers import Filter, make_operation
from providers.image import PLANE_AXES
from providers.wire import Task, task_parts

PATIENCE = 1.0
"""Seconds for all probes of a broker together; who takes longer is not known."""
LASTING = 0.2
"""Seconds for which tasks follow one another: providers that share a machine are in one another's way then,
as they are in a job, and a task that met another's changes little."""
ENOUGH = 0.4
"""Seconds after which a provider is sent no further task, though not all kinds were timed."""
SMALL, LARGE = (1, 8, 8), (32, 64, 64)
"""Pixels of a task that is all latency, and of one that is mostly transfer: a quarter of a megabyte."""
LEAST_SHARE = 0.01
"""Of what is typical, no cost is taken to be less, however timings fluctuate."""


def probed(
    endpoints: Sequence[Endpoint],
    operation: Filter,
    dtype: np.dtype[np.generic],
    values: int,
    kernel: float,
    timeout: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Lane]:
    """What the providers cost that answer in time, by name; all are asked side by side, as in a job.

    Parameters
    ----------
    endpoints : sequence of Endpoint
    operation : Filter
        Resolved. It and the dtype are all that a probe shows.
    dtype : dtype
        In which the pixels of tasks travel.
    values : int
        Over how many grey levels they spread.
    kernel : float
        Seconds that the operation takes here for a pixel.
    timeout : float
        Seconds that a provider has for a task; a probe takes less.
    clock : callable
        The time in seconds, from any beginning.
    """
    patience = min(PATIENCE, timeout / 4)
    told: queue.SimpleQueue[tuple[str, Lane | None]] = queue.SimpleQueue()

    pixels = random_pixels(operation, (pieces_within(kernel), SIDE, SIDE), dtype, values)
    rounded = dtype.kind == "f" or operation.finishes_anywhere

    def ask(endpoint: Endpoint) -> None:
        work = Task(secrets.token_hex(16), operation, pixels, rounded)
        try:
            told.put((endpoint.name, _lane(endpoint, work, kernel, patience, clock)))
        except Exception:  # An endpoint may be anybody's code. What is wrong with it, the job will say.
            told.put((endpoint.name, None))

    for endpoint in endpoints:
        threading.Thread(target=ask, args=(endpoint,), daemon=True, name="cloudsec probe").start()
    known: dict[str, Lane] = {}
    due = time.monotonic() + patience
    for _ in endpoints:
        try:
            name, lane = told.get(timeout=max(0.0, due - time.monotonic()))
        except queue.Empty:
            break
        if lane is not None:
            known[name] = lane
    return known


def _lane(endpoint: Endpoint, work: Task, kernel: float, patience: float, clock: Callable[[], float]) -> Lane:
    """What one provider costs, by as many tasks as there is time for."""
    asked, moved, computed = LANE_COSTS
    least = Lane(*(LEAST_SHARE * cost for cost in LANE_COSTS))
    small, large = _cheap(SMALL), _cheap(LARGE)
    taken: dict[str, list[float]] = {}
    began = since = clock()
    # The first also opens the connection, and is forgotten when another one was timed.
    for task in chain([small], cycle((work, small, large))):
        if since - began >= min(LASTING if len(taken) == len(Lane._fields) else ENOUGH, patience) and taken:
            break
        renewed = replace(task, id=secrets.token_hex(16))
        response = response_of(endpoint, task_parts(renewed), patience, renewed.answer_bytes)
        now = clock()
        taken.setdefault(task.id, []).append(now - since)
        checked_answer(renewed, response, endpoint.name)
        since = clock()
    asked = max(mean(taken[small.id][1:] or taken[small.id]), least.asked)
    if large.id in taken:
        moved = max((mean(taken[large.id]) - asked) / (_moved(large) - _moved(small)), least.moved)
    if work.id in taken:
        rest = mean(taken[work.id]) - asked - moved * _moved(work)
        computed = max(rest / (kernel * prod(work.answer_shape)), least.computed)
    return Lane(asked, moved, computed)


def _moved(task: Task) -> int:
    """Pixels up and down."""
    return task.stack.size + prod(task.answer_shape)


def _cheap(core: tuple[int, int, int]) -> Task:
    """A task that is no work: of a window of one pixel the answer is a copy."""
    dtype = np.dtype(np.uint16)
    operation = make_operation("median", size=1).resolved(PLANE_AXES, dtype)
    return Task(secrets.token_hex(16), operation, random_pixels(operation, core, dtype, 1 << 16), True)
