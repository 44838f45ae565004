"""The demonstration: the paper's scheme beside ours, at real provider processes, and what each saw."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import providers
from cloudsec.atomic import write_whole
from cloudsec.broker import Broker, Result
from cloudsec.demo.comparison import LEGEND, Comparison, Setting, Shown, equal, table
from cloudsec.demo.page import comparison_page
from cloudsec.demo.samples import SLICE, Sample, samples
from cloudsec.endpoints import Endpoint, HttpEndpoint
from cloudsec.fleet import local_providers

__all__ = ["LEGEND", "PAGE", "SLICE", "run_demo", "samples", "table"]

PAGE = "report.html"
PROVIDERS = 4
OPERATION: tuple[str, dict[str, Any]] = ("gaussian", {"sigma": 2.0})
SEED = 2018
"""Of the search for regions, so that it differs between runs by the speeds of providers only."""
SETTINGS = (
    Setting("ga-es-2018", "ga-es-2018", {"plan": {"regions": 4}, "seed": SEED}),
    Setting("ga-es", "ga-es, tolerate=1", {"tolerate": 1}),
    Setting("ga-es", "ga-es, tolerate=2", {"tolerate": 2}),
    Setting("unprotected", "unprotected"),
)
"""The first as in figures 10 and 11 of the paper: four regions and a Gaussian filter."""


@dataclass(frozen=True)
class _Named:
    """A provider process by a name that it has in every run, so that it keeps its place in the study."""

    name: str
    inner: Endpoint

    def send(self, request: bytes, timeout: float) -> bytes:
        return self.inner.send(request, timeout)


def run_demo(out: Path, images: Sequence[Sample]) -> tuple[Comparison, ...]:
    """Send the images to provider processes started for it, under each setting.

    One page on all of them goes into `out`, and the report of each job.
    """
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        fleet = stack.enter_context(local_providers(PROVIDERS))
        endpoints = [stack.enter_context(closing(HttpEndpoint(provider.url))) for provider in fleet]
        named = [_Named(f"provider-{number}", endpoint) for number, endpoint in enumerate(endpoints, start=1)]
        compared = tuple(_compared(image, named) for image in images)
    jobs = {}
    for comparison in compared:
        for each in comparison.shown:
            place = f"{comparison.sample.name}-{each.setting.slug}.html"
            each.result.report.save(out / place)
            jobs[each] = place
    write_whole(out / PAGE, comparison_page(compared, jobs).encode())
    return compared


def _compared(sample: Sample, endpoints: Sequence[Endpoint]) -> Comparison:
    name, parameters = OPERATION
    started = time.perf_counter()
    reference = providers.apply(sample.pixels, name, channel_axis=sample.channel_axis, **parameters)
    seconds = time.perf_counter() - started
    assert isinstance(reference, np.ndarray)
    results = [(setting, _second_run(sample, setting, endpoints)) for setting in SETTINGS]
    shown = tuple(
        Shown(setting, result, result.image is not None and equal(result.image, reference))
        for setting, result in results
    )
    return Comparison(sample, reference, seconds, shown)


def _second_run(sample: Sample, setting: Setting, endpoints: Sequence[Endpoint]) -> Result:
    """What the second of two like jobs of a broker gives, which knows by then how fast providers are."""
    name, parameters = OPERATION
    # What is to be withstood is decided once for a study.
    study = f"CloudSec demonstration: {sample.name}, {setting.label}"
    with Broker(endpoints, scheme=setting.scheme, **setting.options) as broker:
        for _ in range(2):
            result = broker.process(
                sample.pixels, name, channel_axis=sample.channel_axis, study=study, **parameters
            )
    return result
