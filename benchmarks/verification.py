"""What it costs to check every answer, beside computing it with scipy.ndimage, on one core.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.verification

Freivalds: making the tag of an image that is padded, and judging its unrounded answer, in int64 or in the
narrowest dtype that holds it. Certificates: judging a median. Both beside scipy's filter of the same image,
all in turn in one run: its dense kernel, for the Gaussians its walk along the axes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import providers
from benchmarks.plane import processor_seconds
from cloudsec.keystream import Keystream
from cloudsec.verification.certificates import wrong
from cloudsec.verification.freivalds import COLUMNS, tag
from providers.kernel import Kernel, nested
from providers.operations import Gaussian
from providers.operations.rank import RankFilter
from providers.stencil import Stencil

SHAPE, VOLUME = (512, 512), (24, 128, 128)
ROUNDS, REPEATS = 9, 5
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
        made, *judged, computed = seconds(
            partial(tag, part, padded, keys, name),
            partial(judge.holds, answer),
            partial(judge.holds, narrow),
            scipy,
        )
        figures = "".join(f"{1e3 * each:>10.2f}{(made + each) / computed:>8.3f}" for each in judged)
        print(f"{name:<34}{judge.odds:>9.0e}{made * 1e3:>8.2f}{figures}{computed * 1e3:>10.2f}", flush=True)
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
        counted, computed = seconds(
            partial(wrong, operation, padded, answer), partial(ndimage.median_filter, image, size)
        )
        name = f"median {size}x{size}, {dtype}"
        print(f"{name:<34}{0:>9}{counted * 1e3:>10.2f}{computed * 1e3:>10.2f}{counted / computed:>8.3f}")


if __name__ == "__main__":
    print_verification()
