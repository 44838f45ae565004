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
SEVERAL = 4
"""Providers in every fleet."""


@dataclass(frozen=True)
class Slowed:
    """A provider that is farther away, behind a narrower line, or slower than it is."""

    name: str
    inner: Endpoint
    latency: float = 0.0
    per_byte: float = 0.0
    factor: float = 1.0

    def send(self, request: bytes, timeout: float) -> bytes:
        started = time.perf_counter()
        answer = self.inner.send(request, timeout)
        longer = (self.factor - 1) * (time.perf_counter() - started)
        time.sleep(self.latency + self.per_byte * (len(request) + len(answer)) + longer)
        return answer


FLEETS: dict[str, tuple[dict[str, float], ...]] = {
    "not slowed": ({},) * SEVERAL,
    "latency 20 50 100 300 ms": tuple({"latency": ms / 1000} for ms in (20, 50, 100, 300)),
    "line 200 50 10 3 MB/s": tuple({"per_byte": 1e-6 / rate} for rate in (200, 50, 10, 3)),
    "slower by 1 1.5 2 4": tuple({"factor": factor} for factor in (1, 1.5, 2, 4)),
}


def print_forecast() -> None:
    """Plan and run jobs of different work, each the first of its study; print what was said and what came."""
    image = np.random.default_rng(0).integers(0, 4096, SHAPES[-1], np.uint16)
    print("Seconds that were foretold for jobs, each the first of its study, beside those measured, the")
    print(
        f"plan apart; {SEVERAL} providers over HTTP, slowed in three ways. One broker does all jobs, with and"
    )
    print("without a probe before the first; or every job has a broker of its own, and a probe.\n")
    head = (
        f"{'providers':<28}{'brokers':<18}{'jobs':>5}{'searched':>10}{'ratio':>7}{'error':>7}{'last ten':>10}"
    )
    print(head)
    print("-" * len(head))
    for title, slowed in FLEETS.items():
        with ExitStack() as stack:
            fleet = stack.enter_context(local_providers(SEVERAL))
            clouds = [
                Slowed(f"cloud-{number}", HttpEndpoint(provider.url), **how)
                for number, (provider, how) in enumerate(zip(fleet, slowed, strict=True))
            ]
            for kind in ("one", "one, probed", "many, probed"):
                broker = cloudsec.Broker(clouds, scheme="ga-es", seed=0)
                ratios, searched = [], []
                for shape in SHAPES:
                    for name, parameters in JOBS:
                        if kind.startswith("many"):
                            broker = cloudsec.Broker(clouds, scheme="ga-es", seed=0)
                        study = f"{name} {parameters} {shape} {title} {kind}"
                        part = image[: shape[0], : shape[1]]
                        if kind.endswith("probed"):
                            # Whom a job has told something of is not asked.
                            broker.probe(part, name, **parameters)
                        report = broker.process(part, name, study=study, **parameters).report
                        timings = report.timings
                        searched.append(timings["plan"])
                        measured = timings["total"] - timings["plan"]
                        ratios.append(report.plan["predicted_seconds"] / measured)
                print(
                    f"{title:<28}{kind:<18}{len(ratios):>5}{median(searched):>10.3f}{median(ratios):>7.2f}"
                    f"{_error(ratios):>7.0%}{_error(ratios[-10:]):>10.0%}",
                    flush=True,
                )


def _error(ratios: list[float]) -> float:
    return median(abs(ratio - 1) for ratio in ratios)


if __name__ == "__main__":
    with own_state():
        print_forecast()
