"""One job of the daemon: what was asked for and the bytes of images to the bytes of results and a report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cloudsec.broker import Broker
from cloudsec.checks import VERIFY
from cloudsec.custody import Custody
from cloudsec.endpoints import Endpoint
from cloudsec.formats import FIGURES, form_of
from cloudsec.jpeg import JPEG_MARKER
from cloudsec.result import Result
from cloudsec.server.requests import JobRequest
from cloudsec.slices import Folder
from cloudsec.work import Output, Work, images_of_file, images_of_folder, in_memory
from providers.registry import as_operation


@dataclass(frozen=True)
class Clouds:
    """Who does the work, and how.

    Attributes
    ----------
    providers : int or sequence of Endpoint
        How many embedded ones, or others.
    custody : Custody
        Key and records of studies.
    scheme : str
        For jobs that name none.
    seconds : float
        Within which a provider must answer one task.
    largest : int
        Bytes of all results of a job, which are in memory together.
    """

    providers: int | Sequence[Endpoint]
    custody: Custody
    scheme: str
    seconds: float
    largest: int

    def broker(self, request: JobRequest, progress: Callable[[int, int], None] | None = None) -> Broker:
        """The broker of one job; ValueError for what it cannot be asked for."""
        return Broker(
            self.providers,
            scheme=request.scheme or self.scheme,
            tolerate=request.tolerate,
            verify=VERIFY[request.verify],
            plan=dict(request.plan),
            on_loss=request.on_loss,
            seed=request.seed,
            key=self.custody,
            timeout=self.seconds,
            progress=progress,
        )


def carried_out(
    request: JobRequest, images: Sequence[bytes], clouds: Clouds, progress: Callable[[int, int], None]
) -> tuple[list[bytes], bytes]:
    """The files of the result, and the reports of all images as JSON.

    Raises
    ------
    CloudsecError, ValueError
        Those of `cloudsec.work` and of the broker; what `progress` raises ends the job.
    """
    work = Work(
        operation=as_operation(request.operation, dict(request.parameters)),
        study=request.study,
        burned_in=request.burned_in,
    )
    form = request.format or (FIGURES if work.measures else _usual_form(images[0]))
    if len(images) == 1:
        source = images_of_file("the image", in_memory(images[0]), one_by_one=request.one_by_one)
    else:
        files = {f"image {number}": in_memory(content) for number, content in enumerate(images)}
        source = images_of_folder(Folder("the images", files), one_by_one=request.one_by_one)
    reports: list[dict[str, object]] = []
    results: list[bytes] = []

    def done(result: Result) -> None:
        reports.append(result.report.to_dict())

    with clouds.broker(request, progress) as broker:
        for content in work.contents(broker, source.files, Output(form), done):
            results.append(content)
            if sum(map(len, results)) > clouds.largest:
                raise ValueError(
                    f"the results of a job have up to {clouds.largest} bytes here; submit a job for each "
                    "part of the images"
                )
    told = {"remarks": list(source.remarks), "images": reports}
    return results, json.dumps(told).encode()


def _usual_form(content: bytes) -> str:
    """As what a result is written where nobody said it: as what the image is, but JPEG as PNG."""
    return ".png" if content.startswith(JPEG_MARKER) else form_of(content)[0]
