"""What the broker itself costs, what small blocks cost a provider, and what two providers save."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import cloudsec
import providers
from benchmarks.state import own_state
from cloudsec.exposure import Exposure
from cloudsec.fleet import local_providers
from providers.operation import WindowFilter
from providers.registry import operations
from regions import Symmetries

SHAPE = (2048, 2048)
SMALL_SHAPE = (1024, 1024)
ROUNDS = 5
COSTLY_SECONDS = 0.5
"""Processor seconds that the costly operation takes for a megapixel of output."""
STACK_PIXELS = 1 << 21
_ENTRY_POINTS = "[cloudsec.operations]\nbenchmark-costly = benchmarks.plane:Costly\n"


@dataclass(frozen=True, kw_only=True)
class Costly(WindowFilter):
    """The pixel in the middle of a window, after a fixed processor time for each pixel of output."""

    name: ClassVar[str] = "benchmark-costly"

    @property
    def symmetries(self) -> Symmetries:
        odd = tuple(side % 2 == 1 for side in self.sizes)
        return Symmetries(flips=odd, quarter_turns=all(odd), offset_gain=1, negation_sign=-1)

    def run(self, stack: NDArray[np.generic]) -> NDArray[np.int64]:
        core = tuple(slice(h, n - h) for h, n in zip(self.halo, stack.shape[1:], strict=True))
        answer = stack[(slice(None), *core)].astype(np.int64)
        ends = time.thread_time() + COSTLY_SECONDS * answer.size / 1e6
        work = np.ones(1 << 15)
        while time.thread_time() < ends:
            np.sqrt(work, out=work)
        return answer


@contextmanager
def costly_plug_in() -> Iterator[None]:
    """Make the costly operation an installed plug-in, here and in provider processes that start meanwhile."""
    root = str(Path(__file__).parents[1])
    with TemporaryDirectory() as place:
        described = Path(place) / "cloudsec_benchmark-1.dist-info"
        described.mkdir()
        (described / "METADATA").write_text("Metadata-Version: 2.1\nName: cloudsec-benchmark\nVersion: 1\n")
        (described / "entry_points.txt").write_text(_ENTRY_POINTS)
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (place, root, before)))
        sys.path.insert(0, place)
        operations.cache_clear()
        try:
            yield
        finally:
            sys.path.remove(place)
            operations.cache_clear()
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before


def processor_seconds(work: Callable[[], object]) -> float:
    """Of this process, all its threads; providers are other processes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def wall_seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def medians(*works: Callable[[], object], measure: Callable[[Callable[[], object]], float]) -> list[float]:
    """The median of what each takes, in turn, after one round to warm up."""
    taken = [[measure(work) for work in works] for _ in range(1 + ROUNDS)]
    return [median(column) for column in zip(*taken[1:], strict=True)]


def print_plane() -> None:
    """Measure all, each figure beside its target."""
    print(f"{'figure':<66}{'measured':>9}{'target':>8}")
    print("-" * 83)
    with costly_plug_in():
        _print_broker()
        _print_small_blocks()
        _print_two_providers()


def _row(figure: str, measured: float, target: float | None = None) -> None:
    shown = "" if target is None else f"{target:.2f}"
    print(f"{figure:<66}{measured:>9.2f}{shown:>8}", flush=True)


def _image(shape: tuple[int, int]) -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 4096, shape, np.uint16)


def _print_broker() -> None:
    """Processor time of the broker for jobs after the first of a study, beside two local kernels."""
    image = _image(SHAPE)
    real = image.astype(np.float32)
    operation = providers.make_operation("gaussian", sigma=2.0)
    exact = providers.apply(image, operation)
    settings: tuple[tuple[str, dict[str, Any], float], ...] = (
        ("shared halos, B=64", {"block": 64, "halo": "shared"}, 0.45),
        ("shared halos, B=32", {"block": 32, "halo": "shared"}, 0.55),
        ("ring, B=64", {"block": 64, "halo": "ring"}, 0.80),
    )
    with local_providers(4) as fleet:
        urls = [provider.url for provider in fleet]
        for label, plan, target in settings:
            with (
                cloudsec.Broker(urls, plan=plan, scheme="ga-es", verify="sample") as broker,
                cloudsec.Broker(urls, plan=plan, scheme="ga-es", verify=True) as strict,
            ):
                study = f"plane {label} {time.time_ns()}"

                def job(broker: cloudsec.Broker = broker, study: str = study) -> cloudsec.Result:
                    result = broker.process(image, operation, study=study)
                    shown = result.report.exposure
                    assert isinstance(shown, Exposure)
                    _ = shown.pixel_shares, shown.received_shares, shown.anonymity_set, shown.over_study
                    return result

                if not all(np.array_equal(job(each).image, exact) for each in (broker, strict)):
                    raise SystemExit(f"{label}: the result differs from the unsplit operation")
                broker_cpu, strict_cpu, scipy_cpu, local_cpu = medians(
                    job,
                    partial(job, strict),
                    partial(gaussian_filter, real, 2),
                    partial(providers.apply, image, operation),
                    measure=processor_seconds,
                )
                # By itself: the memory that it gives back would make the next job pay for new pages.
                read_cpu, beside = medians(
                    partial(_read, job), partial(gaussian_filter, real, 2), measure=processor_seconds
                )
            megapixels = prod(SHAPE) / 1e6
            _row(f"gaussian 2, {label}, verify='sample': broker / scipy", broker_cpu / scipy_cpu, target)
            _row("  with verify=True", strict_cpu / scipy_cpu)
            _row(
                f"  the same / providers.apply ({local_cpu / megapixels * 1e3:.0f} ms/MP)",
                broker_cpu / local_cpu,
            )
            _row("  with all content figures read / scipy float32", read_cpu / beside)
            _row("  broker, ms per megapixel", broker_cpu / megapixels * 1e3)
            _row("  with verify=True, ms per megapixel", strict_cpu / megapixels * 1e3)
            _row("  scipy float32, ms per megapixel", scipy_cpu / megapixels * 1e3)


def _read(job: Callable[[], cloudsec.Result]) -> None:
    job().report.to_dict()


def _print_small_blocks() -> None:
    """Processor time of a provider's kernel per pixel of output, in stacks of equally many of them."""
    settings: tuple[tuple[str, dict[str, Any]], ...] = (("median", {"size": 5}), ("gaussian", {"sigma": 1.0}))
    for name, parameters in settings:
        operation = providers.make_operation(name, **parameters).resolved(2, np.uint16)

        def work(block: int, operation: providers.Filter = operation) -> Callable[[], object]:
            window = tuple(block + 2 * reach for reach in operation.halo)
            shape = (STACK_PIXELS // block**2, *window)
            stack = np.random.default_rng(1).integers(0, 1 << 14, shape, np.uint16)
            return lambda: operation.finish(operation.run(stack), np.uint16)

        small, large = medians(work(16), work(128), measure=processor_seconds)
        _row(f"{operation.name} at B=16 / B=128, a provider's CPU per pixel of output", small / large, 1.15)
        _row("  ms per megapixel of output at B=128", large / STACK_PIXELS * 1e9)
        if name == "gaussian":
            # The first axis needs the halo of the second: (S + B) B instead of 2 B B pixels are written.
            (reach, _) = operation.halo
            factor = (1 + reach / 16) / (1 + reach / 128)
            _row(
                f"  the same without the halo that its first axis needs ({factor:.2f})",
                small / large / factor,
                1.15,
            )


def _print_two_providers() -> None:
    """Wall time of an operation of known cost at two providers, and of protection, on two cores."""
    image = _image(SMALL_SHAPE)
    costly = Costly(size=5)
    local = partial(providers.apply, image, costly)
    with local_providers(4) as fleet:
        urls = [provider.url for provider in fleet]
        for count, target in ((2, 0.60), (4, None)):
            with (
                cloudsec.Broker(urls[:count], scheme="ga-es") as protecting,
                cloudsec.Broker(urls[:count], scheme="unprotected") as plain,
            ):
                study = f"plane {count} {time.time_ns()}"
                ours, theirs, unsplit = medians(
                    lambda: protecting.process(image, costly, study=study),  # noqa: B023 - called in this round only
                    lambda: plain.process(image, costly),
                    local,
                    measure=wall_seconds,
                )
            what = f"{COSTLY_SECONDS:g} s/MP, {count} providers"
            _row(f"{what}: ga-es / one local run, wall", ours / unsplit, target)
            _row("  unprotected / one local run, wall", theirs / unsplit)
            _row("  ga-es / unprotected, wall", ours / theirs, 1.12)


if __name__ == "__main__":
    with own_state():
        print_plane()
