"""The planner of `ga-es`: what it chose, and the seconds that it predicted beside those measured."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

import cloudsec
from benchmarks.state import own_state
from cloudsec.endpoints import Endpoint, HttpEndpoint
from cloudsec.fleet import local_providers

JOBS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("gaussian", {"sigma": 2.0}),
    ("median", {"size": 5}),
    ("mean", {"size": 9}),
    ("median", {"size": 11}),
    ("sobel", {}),
)
SHAPES = ((512, 512), (1024, 1024), (1024, 1536), (2048, 2048))
FLEETS: tuple[tuple[float, ...], ...] = ((1.0,) * 4, (1.0, 1.0, 2.0, 4.0), (1.0,) * 5 + (2.0,) * 2)
"""By how much each provider is slowed down."""


@dataclass(frozen=True)
class Slowed:
    """A provider that takes so many times as long as it needs."""

    name: str
    inner: Endpoint
    factor: float

    def send(self, request: bytes, timeout: float) -> bytes:
        started = time.perf_counter()
        answer = self.inner.send(request, timeout)
        time.sleep((self.factor - 1) * (time.perf_counter() - started))
        return answer


def print_forecast() -> None:
    """Plan and run jobs of different work, each the first of its study; print what was said and what came."""
    image = np.random.default_rng(0).integers(0, 4096, SHAPES[-1], np.uint16)
    print("What the planner of ga-es chose for the first job of a study, and the seconds that it predicted,")
    print("beside those that were measured (the search apart); providers over HTTP, some slowed down.\n")
    head = (
        f"{'slowed by':<22}{'image':<12}{'operation':<29}{'block':>6}{'used':>5}{'halo':>8}{'home':>7}"
        f"{'searched':>10}{'predicted':>11}{'measured':>10}{'ratio':>7}"
    )
    print(head)
    print("-" * len(head))
    for factors in FLEETS:
        ratios = []
        with ExitStack() as stack:
            fleet = stack.enter_context(local_providers(len(factors)))
            clouds = [
                Slowed(f"cloud-{number}", HttpEndpoint(provider.url), factor)
                for number, (provider, factor) in enumerate(zip(fleet, factors, strict=True))
            ]
            broker = stack.enter_context(cloudsec.Broker(clouds, seed=0))
            for shape in SHAPES:
                for name, parameters in JOBS:
                    study = f"{name} {parameters} {shape} {factors}"
                    part = image[: shape[0], : shape[1]]
                    report = broker.process(part, name, study=study, **parameters).report
                    plan, timings = report.plan, report.timings
                    measured = timings["total"] - timings["plan"]
                    ratios.append(plan["predicted_seconds"] / measured)
                    print(
                        f"{' '.join(f'{factor:g}' for factor in factors):<22}"
                        f"{'x'.join(map(str, shape)):<12}{report.operation:<29}{plan['block']:>6}"
                        f"{plan['regions']:>5}{plan['halo_policy']:>8}{report.home['pixel_share']:>7.1%}"
                        f"{timings['plan']:>10.3f}{plan['predicted_seconds']:>11.3f}{measured:>10.3f}"
                        f"{ratios[-1]:>7.2f}",
                        flush=True,
                    )
        errors = [abs(ratio - 1) for ratio in ratios]
        print(f"median error {median(errors):.0%}; of the last ten jobs {median(errors[-10:]):.0%}\n")


if __name__ == "__main__":
    with own_state():
        print_forecast()
