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
from cloudsec.broker import Broker, Result
from cloudsec.demo.pictures import Picture, assignment_map, grey, sheet
from cloudsec.endpoints import Endpoint, HttpEndpoint
from cloudsec.files import read_image
from cloudsec.fleet import local_providers
from cloudsec.schemes import SCHEMES
from providers.wire import decode_task

SLICE = Path(__file__).with_name("lidc-idri-0314.dcm")
ATTRIBUTION = "CT slice: LIDC-IDRI-0314, The Cancer Imaging Archive, CC BY 3.0"
OPERATIONS: tuple[tuple[str, dict[str, Any]], ...] = (("gaussian", {"sigma": 2.0}), ("median", {"size": 5}))
PROVIDERS = 4
SCHEME = "ga-es"


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


@dataclass
class _Witness:
    """An endpoint that keeps what it sends, to show what the provider saw."""

    inner: Endpoint
    requests: list[bytes] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        return self.inner.name

    def send(self, request: bytes, timeout: float) -> bytes:
        self.requests.append(request)
        return self.inner.send(request, timeout)


def run_demo(out: Path) -> tuple[Shown, ...]:
    """Run the demonstration at provider processes started for it, and write its pictures into `out`."""
    image = read_image(SLICE).pixels
    out.mkdir(parents=True, exist_ok=True)
    low, high = int(image.min()), int(image.max())
    write_picture(out / "original.png", grey(image, low, high))
    shown = []
    with ExitStack() as stack:
        fleet = stack.enter_context(local_providers(PROVIDERS))
        endpoints = [stack.enter_context(closing(HttpEndpoint(provider.url))) for provider in fleet]
        witnesses = [_Witness(endpoint) for endpoint in endpoints]
        with Broker(witnesses, scheme=SCHEME) as broker:
            for name, parameters in OPERATIONS:
                result = broker.process(image, name, **parameters)
                started = time.perf_counter()
                reference = providers.apply(image, name, **parameters)
                seconds = time.perf_counter() - started
                shown.append(Shown(result.report.operation, result, reference, seconds))
                _write_pictures(out, name, image, shown[-1], _received(witnesses))
    name, parameters = OPERATIONS[0]
    resolved = providers.make_operation(name, **parameters).resolved(image.ndim, image.dtype)
    plan = SCHEMES[SCHEME].plan(image.shape, resolved, PROVIDERS, {})
    assert plan.block is not None
    write_picture(out / "blocks.png", assignment_map(grey(image, low, high), plan.assignment, plan.block))
    return tuple(shown)


def _received(witnesses: Sequence[_Witness]) -> list[NDArray[np.generic]]:
    """What each provider received since the last call, decoded from the bytes that were sent."""
    views = []
    for witness in witnesses:
        views.append(np.concatenate([decode_task(request).stack for request in witness.requests]))
        witness.requests.clear()
    return views


def _write_pictures(
    out: Path, name: str, image: NDArray[np.generic], shown: Shown, views: Sequence[NDArray[np.generic]]
) -> None:
    low, high = int(image.min()), int(image.max())
    for number, view in enumerate(views, start=1):
        write_picture(out / f"{name}-provider-{number}.png", sheet(view))
    write_picture(out / f"{name}-result.png", grey(shown.result.image, low, high))
    # One grey level of difference would already be white.
    write_picture(out / f"{name}-difference.png", grey(shown.difference, 0, 1))


def write_picture(path: Path, picture: Picture) -> None:
    """Write an 8-bit picture, (M, N) or (M, N, 3), as PNG."""
    from PIL import Image

    Image.fromarray(picture).save(path)


def table(shown: Sequence[Shown]) -> str:
    """The demonstration's figures as a table to read."""
    head = (
        f"{'operation':<28}{'difference':>11}{'at home':>9}{'most at one':>13}"
        f"{'up kB':>9}{'down kB':>9}{'seconds':>9}{'unsplit':>9}"
    )
    rows = []
    for each in shown:
        report = each.result.report
        most = max(provider.pixel_share for provider in report.providers)
        up = sum(provider.bytes_up for provider in report.providers) / 1e3
        down = sum(provider.bytes_down for provider in report.providers) / 1e3
        rows.append(
            f"{each.name:<28}{each.difference.max():>11}{report.home['pixel_share']:>9.1%}{most:>13.1%}"
            f"{up:>9.0f}{down:>9.0f}{report.timings['total']:>9.3f}{each.reference_seconds:>9.3f}"
        )
    return "\n".join([head, "-" * len(head), *rows])
