"""The demonstration: a real CT slice, filtered by real provider processes, and what each of them saw."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import providers
from cloudsec.atomic import write_whole
from cloudsec.broker import Broker, Result
from cloudsec.endpoints import Endpoint, HttpEndpoint
from cloudsec.files import read_image
from cloudsec.fleet import local_providers
from cloudsec.pictures import Picture, assignment_map, grey
from cloudsec.png import png_bytes
from cloudsec.schemes import HOME

SLICE = Path(__file__).with_name("lidc-idri-0314.dcm")
ATTRIBUTION = "CT slice: LIDC-IDRI-0314, The Cancer Imaging Archive, CC BY 3.0"
OPERATIONS: tuple[tuple[str, dict[str, Any]], ...] = (("gaussian", {"sigma": 2.0}), ("median", {"size": 5}))
PROVIDERS = 4
SCHEME = "ga-es"
STUDY = "CloudSec demonstration"


@dataclass(frozen=True, eq=False)
class Shown:
    """One operation of the demonstration: the job, and the same operation unsplit on this machine."""

    name: str
    result: Result
    reference: NDArray[np.generic] = field(repr=False)
    reference_seconds: float

    @property
    def difference(self) -> NDArray[np.int64]:
        return np.abs(self.result.image.astype(np.int64) - self.reference.astype(np.int64))


@dataclass(frozen=True)
class _Named:
    """A provider process by a name that it has in every run, so that it keeps its place in the study."""

    name: str
    inner: Endpoint

    def send(self, request: bytes, timeout: float) -> bytes:
        return self.inner.send(request, timeout)


def run_demo(out: Path) -> tuple[Shown, ...]:
    """Run the demonstration at provider processes started for it; pictures and reports go into `out`."""
    image = read_image(SLICE).pixels
    out.mkdir(parents=True, exist_ok=True)
    low, high = int(image.min()), int(image.max())
    _write(out / "original.png", grey(image, low, high))
    shown = []
    with ExitStack() as stack:
        fleet = stack.enter_context(local_providers(PROVIDERS))
        endpoints = [stack.enter_context(closing(HttpEndpoint(provider.url))) for provider in fleet]
        named = [_Named(f"provider-{number}", endpoint) for number, endpoint in enumerate(endpoints, start=1)]
        with Broker(named, scheme=SCHEME) as broker:
            for name, parameters in OPERATIONS:
                result = broker.process(image, name, study=STUDY, **parameters)
                started = time.perf_counter()
                reference = providers.apply(image, name, **parameters)
                seconds = time.perf_counter() - started
                shown.append(Shown(result.report.operation, result, reference, seconds))
                result.report.save(out / f"{name}-report.html")
                _write(out / f"{name}-result.png", grey(result.image, low, high))
                # One grey level of difference would already be white.
                _write(out / f"{name}-difference.png", grey(shown[-1].difference, 0, 1))
    exposure = shown[-1].result.report.exposure
    assert exposure.plan.block is not None
    owners = np.full(exposure.plan.counts, HOME)
    owners.ravel()[exposure.plan.places] = exposure.owners
    _write(out / "blocks.png", assignment_map(grey(image, low, high), owners, exposure.plan.block))
    shown[-1].result.report.save_views(out)
    return tuple(shown)


def _write(path: Path, picture: Picture) -> None:
    write_whole(path, png_bytes(picture, None if picture.ndim == 2 else -1))


def table(shown: Sequence[Shown]) -> str:
    """The demonstration's figures as a table to read."""
    head = (
        f"{'operation':<28}{'difference':>11}{'at home':>9}{'most at one':>13}{'A_1':>7}{'checked':>9}"
        f"{'seconds':>9}{'unsplit':>9}"
    )
    rows = []
    for each in shown:
        report = each.result.report
        most = max(provider.pixel_share for provider in report.providers)
        checked = sum(provider.verified for provider in report.providers)
        rows.append(
            f"{each.name:<28}{each.difference.max():>11}{report.home['pixel_share']:>9.1%}{most:>13.1%}"
            f"{report.leakage['assembled_area'][0]:>7.1%}{checked:>9}"
            f"{report.timings['total']:>9.3f}{each.reference_seconds:>9.3f}"
        )
    return "\n".join([head, "-" * len(head), *rows])
