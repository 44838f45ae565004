"""What ciphertexts cost: encrypting, filtering and decrypting, in seconds per megapixel, on one core.

    python -m benchmarks.encrypted

The scheme's own code with one provider; the best of a few counts. Seconds are those of an image of so many
rows and columns, by its pixels: a small one has more halo than a large one. A key, with tables of powers of
its base, is made once for a job, and its seconds are not in the others. phe is what the literature uses.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from benchmarks.cost import seconds
from cloudsec.forecast import LANE_COSTS, Forecast
from cloudsec.keystream import Keystream
from cloudsec.schemes import Job
from cloudsec.schemes.paillier import PAILLIER
from providers import Filter, make_operation
from providers.boxes import filter_box, region_around
from providers.service import computed
from providers.stencil import Stencil
from regions import Box

SIDE, WIDE_SIDE, NAIVE_SIDE = 512, 128, 8
ROUNDS = 3
TARGETS = {"protect": 2.5, "of a pool": 0.2, "provider": 0.7, "recover": 24.0}
"""Seconds per megapixel with many pixels in a ciphertext, for the binomial on 8 bits."""
STEPS = ("protect", "of a pool", "provider", "recover")

T = TypeVar("T")


def job_of(operation: Filter, bits: int, side: int, packing: bool) -> Job:
    dtype = np.uint8 if bits == 8 else np.uint16
    image = np.random.default_rng(0).integers(0, 1 << bits, (1, side, side), dtype)
    resolved, choices = operation.resolved(2, dtype), {"packing": packing}
    return Job(image, resolved, ("cloud",), {"cloud": 0}, 0, choices, 0, Forecast((LANE_COSTS,)))


def ours(job: Job) -> dict[str, float]:
    """Seconds of each step for the whole image, and bytes; SystemExit if the result is not right."""
    dealing, keys = PAILLIER.plan(job), Keystream.fresh()
    (slab,) = dealing.slabs
    taken = {"key": seconds(lambda: dealing.key)}
    protect = partial(PAILLIER.protect, job, dealing, 0, keys)
    (sealed,) = protect()
    answers = {0: computed(sealed.task)}
    recover = partial(PAILLIER.recovered, job, dealing, answers)
    found = PAILLIER.finished(job, dealing, recover(), dealing.regions_of(job, slab))[0, 0]
    if not np.array_equal(found, filter_box(job.planes[0], job.operation, Box((0, 0), job.shape))):
        raise SystemExit(f"{job.operation}: what is recovered is not what the filter answers")
    steps = {"protect": protect, "provider": partial(computed, sealed.task), "recover": recover}
    taken |= {name: min(seconds(work) for _ in range(ROUNDS)) for name, work in steps.items()}
    pooled = []
    for _ in range(ROUNDS):
        dealing.key.prepare(sealed.task.stack[..., 0].size)
        pooled.append(seconds(protect))
    taken["of a pool"] = min(pooled)
    return taken | {"up": sealed.task.stack.nbytes, "down": sealed.task.answer_bytes}


def phe(job: Job) -> dict[str, float]:
    """The same as one writes it with phe: a pixel in each ciphertext."""
    from phe import paillier

    started = perf_counter()
    public, private = paillier.generate_paillier_keypair(n_length=2048)
    taken = {"key": perf_counter() - started}
    region = region_around(job.planes[0], job.operation, Box((0, 0), job.shape)).tolist()
    (part,) = job.operation.parts
    assert isinstance(part, Stencil)

    def line(weights: Sequence[int], pixels: Sequence[Any]) -> list[Any]:
        starts = range(len(pixels) - len(weights) + 1)
        return [sum(w * pixels[start + i] for i, w in enumerate(weights)) for start in starts]

    def filtered(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
        down = [line(part.weights[0], column) for column in zip(*rows, strict=True)]
        return [line(part.weights[1], row) for row in zip(*down, strict=True)]

    def timed(name: str, work: Callable[[], T]) -> T:
        started = perf_counter()
        answer = work()
        taken[name] = perf_counter() - started
        return answer

    sent = timed("protect", lambda: [[public.encrypt(pixel) for pixel in row] for row in region])
    answered = timed("provider", lambda: filtered(sent))
    found = timed("recover", lambda: [[private.decrypt(number) for number in row] for row in answered])
    if found != filtered(region):
        raise SystemExit("phe: what is recovered is not what the filter answers")
    octets = 512
    return taken | {"up": octets * sum(map(len, sent)), "down": octets * sum(map(len, answered))}


def print_row(name: str, job: Job, taken: dict[str, float], goals: dict[str, float]) -> None:
    pixels = job.planes.size
    cells = []
    for step in STEPS:
        goal = f" (≤ {goals[step]:g})" if step in goals else ""
        cells.append(f"{taken[step] / pixels * 1e6:.3g}{goal}" if step in taken else "-")
    octets = f"{taken['up'] / pixels:.1f} / {taken['down'] / pixels:.1f}"
    print(
        f"{name:<34}{job.shape[0]:>5}{taken['key']:>8.2f}"
        + "".join(f"{cell:>16}" for cell in cells)
        + f"{octets:>16}"
    )


def print_encrypted() -> None:
    """Print a row for each way, on the binomial and on a wider filter."""
    print("Seconds per megapixel; in brackets the target. Bytes per pixel up and down.\n")
    head = f"{'':<34}{'side':>5}{'key s':>8}" + "".join(f"{step:>16}" for step in STEPS) + f"{'bytes':>16}"
    print(head + "\n" + "-" * len(head))
    binomial, gaussian = make_operation("binomial", size=5), make_operation("gaussian", sigma=2.0)
    job = job_of(binomial, 8, SIDE, packing=True)
    print_row("binomial 5x5, 8 bits: packed", job, ours(job), TARGETS)
    job = job_of(gaussian, 12, WIDE_SIDE, packing=True)
    print_row("gaussian sigma=2, 12 bits: packed", job, ours(job), {})
    naive = job_of(binomial, 8, NAIVE_SIDE, packing=False)
    print_row("binomial 5x5, 8 bits: one pixel", naive, ours(naive), {})
    if find_spec("phe"):
        print_row("binomial 5x5, 8 bits: phe", naive, phe(naive), {})
    else:
        print("phe is not installed (pip install phe): no row of it")


if __name__ == "__main__":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print_encrypted()
