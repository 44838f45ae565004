"""What it costs the broker to send out an operation on whole planes, beside computing it here.

    python -m benchmarks.operators

Processor time on one core, medians of rounds in which all take turns. The broker's steps are the scheme's
own, on Shamir's shares for three providers of which two are needed: share and tag an image, recover, check
and round the answer. Here: the fastest of the product by scipy.sparse, in floats of 32 and of 64 bits and in
whole numbers, and of what skimage or scipy has for it. Matrices are made before, for both. What the checks
need is made once for all images of one shape, and told apart: after so many images, if ever, it has paid.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from skimage.data import shepp_logan_phantom
from skimage.transform import iradon, radon, rescale, resize

import cloudsec
import providers
from benchmarks.plane import processor_seconds
from benchmarks.state import own_state
from cloudsec.fleet import local_providers
from cloudsec.forecast import LANE_COSTS, Forecast
from cloudsec.keystream import Keystream
from cloudsec.schemes import SCHEMES, Job, LinearScheme
from cloudsec.verification.products import Probe
from providers.operation import resolved_for
from providers.operations.plane import PlaneFilter
from providers.plane_map import PlaneMap, Step
from providers.service import computed

SIDE, ANGLES = 256, 180
ROUNDS, REPEATS = 7, 3
PROVIDERS = 3
STEPS = ("protect", "tag", "recover", "check", "finish")


@dataclass(frozen=True)
class Subject:
    """An operation, an image, and what other programs have for it."""

    operation: PlaneFilter
    image: NDArray[np.generic]
    program: Callable[[], object]

    @classmethod
    def of(cls, name: str, image: NDArray[np.generic], program: Callable[[], object]) -> Subject:
        operation = resolved_for(image, providers.make_operation(name))
        assert isinstance(operation, PlaneFilter)
        return cls(operation, image, program)

    def broker(self) -> dict[str, Callable[[], Any]]:
        """The broker's steps for one image; SystemExit if they do not give the right one."""
        scheme, names = SCHEMES["shamir"], tuple(f"cloud {number}" for number in range(PROVIDERS))
        assert isinstance(scheme, LinearScheme)
        present = {name: number for number, name in enumerate(names)}
        forecast = Forecast((LANE_COSTS,) * PROVIDERS)
        job = Job(self.image[None], self.operation, names, present, 1, {}, 0, forecast)
        dealing, keys, (part,) = scheme.plan(job), Keystream.fresh(), self.operation.parts
        pixels = dealing.regions_of(job, dealing.slabs[0])
        wide, probe = pixels[0].astype(np.int64), Probe.drawn(part)
        sealed = scheme.protect(job, dealing, 0, keys)
        answers = {holder: computed(each.task) for holder, each in enumerate(sealed[: dealing.quorum])}
        found, tag = scheme.recovered(job, dealing, answers), probe.tag(wide)
        wanted = providers.apply(self.image, providers.make_operation(self.operation.name))
        right = tag.holds(found[0]).all() and np.array_equal(
            scheme.finished(job, dealing, found, pixels)[0, 0], wanted
        )
        if not right or tag.holds(found[0] + 1).any():
            raise SystemExit(f"{self.operation}: what is recovered is not right, or its check is wrong")
        works = (
            lambda: scheme.protect(job, dealing, 0, Keystream.fresh()),
            partial(probe.tag, wide),
            partial(scheme.recovered, job, dealing, answers),
            partial(tag.holds, found[0]),
            partial(scheme.finished, job, dealing, found, pixels),
        )
        return dict(zip(STEPS, works, strict=True))

    def here(self) -> dict[str, Callable[[], Any]]:
        """Ways to compute it on this machine."""
        (part,) = self.operation.parts
        assert isinstance(part, PlaneMap)
        works: dict[str, Callable[[], Any]] = {
            f"scipy.sparse, {kind}": partial(_product, _in_floats(part, kind), self.image.astype(kind))
            for kind in ("float32", "float64")
        }
        works["scipy.sparse, integers"] = partial(part.run, self.image[None])
        return works | {"skimage or scipy.fft": self.program}


def _in_floats(part: PlaneMap, kind: str) -> list[tuple[Step, Any]]:
    """Steps with their matrices in floats; one that is half full is dense, which BLAS does faster."""
    found = []
    for step in part.steps:
        rows, columns = step.matrix.shape
        full = step.matrix.nnz > rows * columns / 4
        found.append((step, (step.matrix.toarray() if full else step.matrix).astype(kind)))
    return found


def _product(steps: list[tuple[Step, Any]], image: NDArray[Any]) -> NDArray[Any]:
    for step, matrix in steps:
        if step.axis == "plane":
            image = (matrix @ image.ravel()).reshape(step.after)
        else:
            image = matrix @ image if step.axis == "rows" else (matrix @ image.T).T
    return image


def timed(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Processor time of each, the median of rounds in which they take turns."""

    def repeated(work: Callable[[], object]) -> None:
        for _ in range(REPEATS):
            work()

    rounds = [
        {name: processor_seconds(partial(repeated, work)) / REPEATS for name, work in works.items()}
        for _ in range(1 + ROUNDS)
    ]
    return {name: median(each[name] for each in rounds[1:]) for name in works}


def subjects() -> list[Subject]:
    angles = np.linspace(0, 180, ANGLES, endpoint=False)
    phantom = resize(shepp_logan_phantom(), (SIDE, SIDE))
    sinogram = np.rint(255 * radon(phantom, theta=angles)).astype(np.uint16)
    levels = np.rint(4095 * phantom).astype(np.uint16)
    blocks = levels.reshape(SIDE // 8, 8, SIDE // 8, 8).swapaxes(1, 2).astype(np.float64)
    double = partial(rescale, levels.astype(np.float64), 2, order=1, mode="symmetric", anti_aliasing=False)
    return [
        Subject.of("backprojection", sinogram, partial(iradon, sinogram.astype(np.float64), theta=angles)),
        Subject.of("dct", levels, partial(dctn, blocks, axes=(2, 3), norm="ortho")),
        Subject.of("rescale", levels, double),
    ]


def print_subject(subject: Subject, urls: list[str]) -> None:
    (part,) = subject.operation.parts
    assert isinstance(part, PlaneMap)
    once = processor_seconds(lambda: Probe.drawn(part))
    here, broker = subject.here(), subject.broker()
    taken = timed({**here, **broker})
    best = min(here, key=taken.__getitem__)
    local, own = taken[best], sum(taken[step] for step in STEPS)
    rows, columns = subject.image.shape
    weights = sum(step.matrix.nnz for step in part.steps)
    print(f"{subject.operation.name} of {rows} x {columns} {subject.image.dtype}, {weights:,} weights")
    for title, names in (("here", here), ("broker", broker)):
        print(f"  {title}, ms: " + ", ".join(f"{name} {1e3 * taken[name]:.2f}" for name in names))
    paid = f"has paid after {ceil(once / (local - own))} images" if own < local else "never pays"
    print(f"  broker {1e3 * own:.2f} ms, {own / local:.2f} of the best here ({best}), ", end="")
    print(f"and once {1e3 * once:.0f} ms for the checks: {paid}")
    with cloudsec.Broker(urls, scheme="shamir") as sender:
        jobs = [sender.process(subject.image, subject.operation.name).report for _ in range(1 + ROUNDS)]
    cpu = median(report.timings["cpu"] for report in jobs[1:])
    up, down = (
        sum(getattr(each, way) for each in jobs[-1].providers) / 1e6 for way in ("bytes_up", "bytes_down")
    )
    print(
        f"  a whole job over HTTP: {1e3 * cpu:.1f} ms of the broker's processor, {cpu / local:.2f} of the ",
        end="",
    )
    print(f"best here; {up:.2f} MB up, {down:.2f} MB down\n", flush=True)


def print_operators() -> None:
    """A few lines for each operation; ratios to the fastest way here, in the same run."""
    print(f"Shamir's shares, 2 of {PROVIDERS}; one core; median of {ROUNDS} rounds.\n")
    with local_providers(PROVIDERS) as fleet:
        for subject in subjects():
            print_subject(subject, [provider.url for provider in fleet])


if __name__ == "__main__":
    # BLAS would take more cores for one row than for another.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with own_state():
        print_operators()
