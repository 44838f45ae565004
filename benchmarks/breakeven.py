"""Where sending out breaks even: the broker's own work for a job on shares, beside the best kernel at home.

    python -m benchmarks.breakeven

Processor time of the broker's process for whole jobs with `verify=True`, over HTTP to provider processes, and
of the same operation here: by us, and by Fourier transforms in float64, which are exact; in float32 by
scipy, by Fourier transforms, and by OpenCV if it is installed (pip install opencv-python-headless). Medians
of rounds in which all take turns, on one thread each. Back-projection: `python -m benchmarks.operators`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial, reduce
from importlib.util import find_spec
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

import cloudsec
import providers
from benchmarks.plane import medians, processor_seconds
from benchmarks.state import own_state
from cloudsec.fleet import local_providers
from providers import Filter, make_operation
from providers.kernel import Kernel

SHAPE = (1024, 1024)
SIDES = (5, 15, 31)
BANK = make_operation("gabor_bank", frequencies=(0.1, 0.15, 0.2, 0.25), orientations=6)
SCHEMES = (("additive", 2), ("shamir", 3))


def kernels(operation: Filter, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """The kernels of an operation's parts."""
    parts = operation.resolved(2, image.dtype).parts
    return [np.array(part.weights, np.float32) for part in parts if isinstance(part, Kernel)]


def by_scipy(image: NDArray[np.float32], weights: Sequence[NDArray[np.float32]]) -> NDArray[Any]:
    return reduce(np.maximum, (ndimage.correlate(image, each) for each in weights))


def by_fft(image: NDArray[Any], weights: Sequence[NDArray[Any]]) -> Callable[[], NDArray[Any]]:
    """What transforms the image once for all kernels, whose own transforms are made before."""
    reach = weights[0].shape[0] // 2
    sides = [fft.next_fast_len(side + 2 * reach, real=True) for side in image.shape]
    transforms = [fft.rfft2(np.flip(each), sides) for each in weights]
    place = tuple(slice(2 * reach, 2 * reach + side) for side in image.shape)

    def filtered() -> NDArray[Any]:
        whole = fft.rfft2(np.pad(image, reach, "symmetric"), sides)
        return reduce(np.maximum, (fft.irfft2(whole * each, sides)[place] for each in transforms))

    return filtered


def by_opencv(image: NDArray[np.float32], weights: Sequence[NDArray[np.float32]]) -> NDArray[Any]:
    import cv2

    cv2.setNumThreads(1)
    border = cv2.BORDER_REFLECT
    return reduce(np.maximum, (cv2.filter2D(image, cv2.CV_32F, each, borderType=border) for each in weights))


def local_kernels(operation: Filter, image: NDArray[np.uint8]) -> dict[str, Callable[[], Any]]:
    """Ways to compute an operation here, exact ones and in float32; SystemExit if one computes another."""
    weights, real = kernels(operation, image), image.astype(np.float32)
    found: dict[str, Callable[[], Any]] = {
        "scipy": partial(by_scipy, real, weights),
        "FFT": by_fft(real, weights),
    }
    if find_spec("cv2"):
        found["OpenCV"] = partial(by_opencv, real, weights)
    # In float64 rounding to whole numbers gives the exact ones.
    fine = by_fft(image.astype(np.float64), [each.astype(np.float64) for each in weights])
    found["exact FFT"] = lambda: np.rint(fine())
    whole = image.astype(np.int64)
    exact = np.max([ndimage.correlate(whole, each.astype(np.int64)) for each in weights], axis=0)
    for name, way in found.items():
        allowed = 0 if name == "exact FFT" else 1e-3 * np.abs(exact).max()
        if np.abs(way() - exact).max() > allowed:
            raise SystemExit(f"{name} computes something else than {operation}")
    return {"ours": partial(providers.apply, image, operation), **found}


def print_breakeven() -> None:
    image = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    megapixels = prod(SHAPE) / 1e6
    draw = np.random.default_rng(1)
    subjects: list[tuple[str, Filter]] = [
        (f"{side} x {side} dense", make_operation("convolve", weights=draw.integers(-9, 10, (side, side))))
        for side in SIDES
    ]
    subjects.append((f"{len(kernels(BANK, image))} Gabor kernels", BANK))
    print(f"{SHAPE[0]} x {SHAPE[1]}, 8 bits; milliseconds of the broker's processor per megapixel, and in")
    print("brackets the same as a ratio to the best exact kernel here, to the best of all, and to scipy's\n")
    head = (
        f"{'operation':<18}"
        + "".join(f"{f'      {name} of {count}':<34}" for name, count in SCHEMES)
        + "  here"
    )
    print(head + "\n" + "-" * 136)
    with ExitStack() as stack:
        urls = [provider.url for provider in stack.enter_context(local_providers(3))]
        brokers = [
            stack.enter_context(cloudsec.Broker(urls[:count], scheme=name, verify=True))
            for name, count in SCHEMES
        ]
        for label, operation in subjects:
            exact = providers.apply(image, operation)
            jobs = [partial(broker.process, image, operation) for broker in brokers]
            if not all(np.array_equal(job().image, exact) for job in jobs):
                raise SystemExit(f"{label}: the result differs from the unsplit operation")
            local = local_kernels(operation, image)
            taken = medians(*jobs, *local.values(), measure=processor_seconds)
            ours, here = taken[: len(jobs)], dict(zip(local, taken[len(jobs) :], strict=True))
            bars = min(here["ours"], here["exact FFT"]), min(here.values()), here["scipy"]
            row = f"{label:<18}"
            for seconds in ours:
                figures = ", ".join(f"{seconds / bar:.2f}" for bar in bars)
                row += f"{seconds / megapixels * 1e3:>10.0f} ({figures})".ljust(34)
            told = ", ".join(f"{name} {seconds / megapixels * 1e3:.0f}" for name, seconds in here.items())
            print(f"{row}  {told}", flush=True)


if __name__ == "__main__":
    with own_state():
        print_breakeven()
