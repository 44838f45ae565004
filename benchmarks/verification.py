"""What it costs to check every answer, beside computing it with scipy.ndimage, on one core.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.verification

Freivalds: making the tag of an image that is padded, and judging its unrounded answer, in int64 or in the
narrowest dtype that holds it. Certificates: judging a median. Both beside scipy's filter of the same image,
all in turn in one run: its dense kernel, for the Gaussians its walk along the axes. Recomputation: beside the
other ways to check as much, which are the linear parts that `sobel` is made of, held against tags and put
together here, and for floats another provider that is sent the same pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import providers
from benchmarks.plane import processor_seconds
from cloudsec.checks import joined
from cloudsec.forecast import LANE_COSTS, Forecast
from cloudsec.keystream import Keystream
from cloudsec.schemes import HOME, SCHEMES, Job, LinearScheme
from cloudsec.study import Study
from cloudsec.verification.certificates import wrong
from cloudsec.verification.freivalds import COLUMNS, tag
from providers import Filter
from providers.boxes import filter_boxes
from providers.kernel import Kernel, nested
from providers.operation import wider_signed
from providers.operations import Gaussian
from providers.operations.rank import RankFilter
from providers.service import computed
from providers.stencil import Stencil

SHAPE, VOLUME = (512, 512), (24, 128, 128)
ROUNDS, REPEATS = 9, 5
DUPLICATORS = 16
"""Providers, with which most pieces have a stand-in."""
RANKS = (("uint8", 5), ("uint8", 15), ("uint16", 5))


def seconds(*works: Callable[[], object]) -> list[float]:
    """Processor time of each, the median of rounds in which they take turns."""

    def repeated(work: Callable[[], object]) -> float:
        return processor_seconds(lambda: [work() for _ in range(REPEATS)]) / REPEATS

    taken = [[repeated(work) for work in works] for _ in range(1 + ROUNDS)]
    return [median(column) for column in zip(*taken[1:], strict=True)]


def _padded(image: NDArray[np.generic], halo: tuple[int, ...]) -> NDArray[np.generic]:
    return np.pad(image, [(reach, reach) for reach in halo], mode="symmetric")[None]


def linear_rows() -> list[tuple[str, Stencil | Kernel, NDArray[np.generic], NDArray[np.int64] | None]]:
    """Name, map, image, and weights for scipy's dense kernel; None for its walk along each axis."""
    random = np.random.default_rng(0)
    eight, twelve = random.integers(0, 2**8, SHAPE, np.uint8), random.integers(0, 2**12, SHAPE, np.uint16)
    volume = random.integers(0, 2**12, VOLUME, np.uint16)
    row = np.array((1, 4, 6, 4, 1))
    binomial, gaussian = Stencil((tuple(row.tolist()),) * 2), Gaussian(sigma=2.0)
    dense = {side: random.integers(-9, 10, (side, side)) for side in (5, 15, 31)}
    cube = random.integers(-9, 10, (3, 3, 3))
    return [
        ("binomial 5x5, 8 bits", binomial, eight, np.outer(row, row)),
        *((f"dense {n}x{n}, 8 bits", Kernel(nested(each)), eight, each) for n, each in dense.items()),
        ("gaussian sigma=2, 12 bits", gaussian.resolved(2, "uint16").stencil, twelve, None),
        ("dense 3x3x3, a volume of 12 bits", Kernel(nested(cube)), volume, cube),
        ("gaussian sigma=2, a volume", gaussian.resolved(3, "uint16").stencil, volume, None),
    ]


def sobel_by_parts(image: NDArray[np.generic], keys: Keystream) -> tuple[Callable[[], object], ...]:
    """Computing `sobel` again, and checking its derivatives by tags before they are put together."""
    operation = providers.make_operation("sobel").resolved(2, image.dtype)
    padded = _padded(image, operation.halo)
    parts = [part.run(padded).astype(wider_signed(image.dtype)) for part in operation.parts]

    def checked() -> None:
        tags = [tag(part, padded, keys, f"part {at}") for at, part in enumerate(operation.parts)]
        if not all(each.holds(part).all() for each, part in zip(tags, parts, strict=True)):
            raise SystemExit("sobel: the check is wrong")
        operation.combined(parts, image[None])

    return partial(operation.run, padded), checked


def sent_twice(operation: Filter, image: NDArray[np.generic]) -> tuple[Callable[[], object], ...]:
    """Computing all pieces of a job again, and hiding them for stand-ins and comparing what these answer."""
    scheme, keys = SCHEMES["ga-es"], Keystream.fresh()
    assert not isinstance(scheme, LinearScheme)
    names = tuple(f"cloud-{number}" for number in range(DUPLICATORS))
    present = {name: place for place, name in enumerate(names)}
    lanes = Forecast((LANE_COSTS,) * DUPLICATORS)
    job = Job(image[None], operation.resolved(2, image.dtype), names, present, 1, {"block": 64}, 0, lanes)
    plan = scheme.plan(job, Study(), keys)
    pieces = np.flatnonzero(plan.stand_ins != HOME)
    boxes = joined(plan.boxes[pieces])
    protected = scheme.protect(job, plan, pieces, keys)
    answers = [computed(sealed.task) for sealed in protected.sealed]
    first, second = (np.zeros(job.planes.shape, job.operation.result_dtype(image.dtype)) for _ in range(2))

    def again() -> None:
        for _ in filter_boxes(job.planes, job.operation, boxes):
            pass

    def duplicated() -> None:
        sealed = scheme.protect(job, plan, pieces, keys).sealed
        for each, answer, entry in zip(sealed, answers, protected.manifest, strict=True):
            scheme.place(second, answer, each.task, entry)
        np.abs(first - second)

    return again, duplicated


def print_recomputation() -> None:
    """A row for each operation that is computed again, and for those that are sampled in its stead."""
    random, keys = np.random.default_rng(0), Keystream.fresh()
    rows = [
        (f"sobel, {bits} bits, by its parts", sobel_by_parts(random.integers(0, 2**bits, SHAPE, dtype), keys))
        for bits, dtype in ((8, np.uint8), (12, np.uint16))
    ]
    image = random.normal(100, 10, SHAPE).astype(np.float32)
    plain: dict[str, dict[str, Any]] = {"gaussian": {"sigma": 2.0}, "mean": {"size": 5}}
    for name in ("gaussian", "mean", "unsharp", "laplacian", "sobel"):
        operation = providers.make_operation(name, **plain.get(name, {}))
        rows.append((f"{operation}, float32, by a second", sent_twice(operation, image)))
    for side in (5, 7, 9, 15):
        dense = providers.make_operation("convolve", weights=random.normal(0, 1, (side, side)))
        rows.append((f"dense {side}x{side}, float32, by a second", sent_twice(dense, image)))
    bank, twelve = providers.make_operation("gabor_bank"), random.integers(0, 2**12, SHAPE, np.uint16)
    rows.append(("gabor_bank, 12 bits, by a second", sent_twice(bank, twelve)))
    head = f"{'recomputation':<43}{'again ms':>10}{'other ms':>10}{'ratio':>8}"
    print(head + "\n" + "-" * len(head))
    for name, works in rows:
        again, other = seconds(*works)
        print(f"{name:<43}{again * 1e3:>10.2f}{other * 1e3:>10.2f}{again / other:>8.3f}", flush=True)


def print_verification() -> None:
    """A row for each linear map and rank filter."""
    keys = Keystream.fresh()
    print(f"{SHAPE[0]} x {SHAPE[1]} pixels, volumes of {' x '.join(map(str, VOLUME))}, k={COLUMNS}; ", end="")
    print(f"processor time, median of {ROUNDS} rounds.\n")
    head = (
        f"{'freivalds':<34}{'odds':>9}{'tag ms':>8}{'int64 ms':>10}{'ratio':>8}{'narrow ms':>10}{'ratio':>8}"
    )
    head += f"{'scipy ms':>10}"
    print(head + "\n" + "-" * len(head))
    for name, part, image, dense in linear_rows():
        padded = _padded(image, part.halo)
        answer, judge = part.run(padded), tag(part, padded, keys, name)
        if (
            not judge.holds(answer).all()
            or judge.holds(answer + np.eye(1, answer.shape[-1], dtype=int)).any()
        ):
            raise SystemExit(f"{name}: the check is wrong")
        if dense is None:
            scipy = partial(ndimage.gaussian_filter, image.astype(np.float64), 2.0)
        else:
            scipy = partial(ndimage.correlate, image, dense, output=np.int64)
        narrow = answer.astype(
            np.promote_types(np.min_scalar_type(judge.low), np.min_scalar_type(judge.high))
        )
        made, *judged, took = seconds(
            partial(tag, part, padded, keys, name),
            partial(judge.holds, answer),
            partial(judge.holds, narrow),
            scipy,
        )
        figures = "".join(f"{1e3 * each:>10.2f}{(made + each) / took:>8.3f}" for each in judged)
        print(f"{name:<34}{judge.odds:>9.0e}{made * 1e3:>8.2f}{figures}{took * 1e3:>10.2f}", flush=True)
    head = f"\n{'certificates':<34}{'odds':>9}{'check ms':>10}{'scipy ms':>10}{'ratio':>8}"
    print(head + "\n" + "-" * (len(head) - 1))
    for dtype, size in RANKS:
        operation = providers.make_operation("median", size=size).resolved(2, dtype)
        assert isinstance(operation, RankFilter)
        image = np.random.default_rng(0).integers(0, 256, SHAPE).astype(dtype)
        padded = _padded(image, operation.halo)
        answer = operation.run(padded)
        if wrong(operation, padded, answer).any() or not wrong(operation, padded, answer + 1).all():
            raise SystemExit(f"{operation}: the certificate is wrong")
        counted, took = seconds(
            partial(wrong, operation, padded, answer), partial(ndimage.median_filter, image, size)
        )
        name = f"median {size}x{size}, {dtype}"
        print(f"{name:<34}{0:>9}{counted * 1e3:>10.2f}{took * 1e3:>10.2f}{counted / took:>8.3f}")
    print()
    print_recomputation()


if __name__ == "__main__":
    print_verification()
