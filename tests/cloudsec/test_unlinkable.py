"""All that providers get of two jobs of one patient tells no more of whose they are than two strangers."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import cloudsec
from cloudsec.schemes import SCHEMES
from cloudsec.work import Output, Work, images_of_file, in_memory
from providers import make_operation
from providers.wire import decode_task
from tests.dicom_files import dataset_of, file_of
from tests.simulator import RawServer, over_http

SHAPE = (56, 60)
SECRETS = re.compile(r"[0-9a-f]{16,}")
"""What is drawn for one task: its id and its seed; or for one job, the modulus of its ciphertexts."""


@dataclass(frozen=True)
class Patient:
    """What stands in the headers of images, and is nobody's business."""

    name: str
    number: str

    def image(self, study: int, instance: int) -> bytes:
        """One of the images of a study: other pixels each time, over the same grey levels."""
        uid = f"1.2.826.0.1.{self.number}.{study}"
        pixels = np.random.default_rng(int(self.number) + 10 * study + instance).integers(0, 4096, SHAPE)
        pixels[0, 0], pixels[0, 1] = 0, 4095
        dataset = dataset_of(
            pixels.astype(np.int16),
            PatientName=self.name,
            PatientID=f"ID-{self.number}",
            PatientBirthDate="19570318",
            AccessionNumber=f"ACC{self.number}",
            StudyDate="20260429",
            StudyTime="101112.345",
            StudyInstanceUID=uid,
            SeriesInstanceUID=f"{uid}.7",
            SOPInstanceUID=f"{uid}.7.{instance}",
            InstitutionName="Hopital Sainte-Anne",
            StationName="STATION-17",
            StudyDescription="knee left, second opinion",
        )
        return file_of(dataset)

    @property
    def values(self) -> tuple[str, ...]:
        return (
            *(self.name, *self.name.split("^"), self.number, f"1.2.826.0.1.{self.number}"),
            *("19570318", "20260429", "101112", "Sainte-Anne", "STATION-17", "knee left", "1.2.840.10008"),
        )


ANNA, BERT = Patient("Karenina^Arkadyevna", "70411923"), Patient("Oblonsky^Bertram", "55820764")
"""Of seven letters at least: shorter names stand in megabytes of ciphertext by chance."""


@dataclass(frozen=True)
class Seen:
    """All bytes of one request."""

    request: bytes

    @property
    def head(self) -> bytes:
        return self.request.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.request.partition(b"\r\n\r\n")[2]

    @property
    def header(self) -> dict[str, Any]:
        (length,) = struct.unpack("<I", self.body[4:8])
        header: dict[str, Any] = json.loads(self.body[8 : 8 + length])
        return header

    @property
    def secrets(self) -> set[str]:
        return set(SECRETS.findall(self.head.decode() + json.dumps(self.header)))

    @property
    def besides(self) -> tuple[bytes, str]:
        """All but what is drawn for this task, and its pixels."""
        return self.head, SECRETS.sub("…", json.dumps(self.header))


Job = list[list[Seen]]
"""What each provider was sent."""


@pytest.fixture(scope="module")
def fleet() -> Iterator[list[RawServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(RawServer(over_http)) for _ in range(4)]


def job(fleet: Sequence[RawServer], scheme: str, content: bytes) -> Job:
    """One image of a file at providers behind HTTP, by a hospital that starts anew with its key."""
    for server in fleet:
        server.requests.clear()
    # What the search comes to must not differ by chance.
    options: dict[str, Any] = {"plan": {"block": 8}} if scheme == "ga-es" else {}
    work = Work(operation=make_operation("mean", size=3), source="image.dcm")
    images = images_of_file("image.dcm", in_memory(content))
    with cloudsec.Broker(
        [server.url for server in fleet], scheme=scheme, key=bytes(32), seed=1, token="hospital", **options
    ) as broker:
        for _ in work.contents(broker, images.files, Output(".dcm"), lambda result: None):
            pass
    return [[Seen(request) for request in server.requests] for server in fleet]


def seen(*jobs: Job) -> list[Seen]:
    return [each for job in jobs for tasks in job for each in tasks]


@dataclass(frozen=True)
class Course:
    """Jobs of two patients, one after the other."""

    first: Job
    same_study: Job
    other_study: Job
    stranger: Job

    @property
    def jobs(self) -> tuple[Job, ...]:
        return self.first, self.same_study, self.other_study, self.stranger


@pytest.mark.parametrize("scheme", SCHEMES)
def test_two_jobs_of_a_patient_share_nothing_but_what_pixels_tell(
    fleet: list[RawServer], scheme: str
) -> None:
    images = ANNA.image(1, 1), ANNA.image(1, 2), ANNA.image(2, 1), BERT.image(1, 1)
    course = Course(*(job(fleet, scheme, image) for image in images))
    assert all(tasks for job in course.jobs for tasks in job)
    nothing_of_a_header_is_sent(course)
    what_is_drawn_for_a_task_is_in_no_other_job(course)
    if scheme != "ga-es-2018":
        # There, how many blocks each gets is what its search made of the first image.
        all_but_pixels_is_the_same_for_the_next_job_of_a_patient_and_the_first_of_another(course)
    http_says_what_a_task_is_and_which_hospital_asks_and_no_more(course)


def nothing_of_a_header_is_sent(course: Course) -> None:
    for value in {*ANNA.values, *BERT.values}:
        for code in ("ascii", "utf-16-le", "utf-16-be"):
            assert not any(value.encode(code) in each.request for each in seen(*course.jobs)), value


def what_is_drawn_for_a_task_is_in_no_other_job(course: Course) -> None:
    for number, one in enumerate(course.jobs):
        for other in course.jobs[number + 1 :]:
            shared = {secret for each in seen(one) for secret in each.secrets} & {
                secret for each in seen(other) for secret in each.secrets
            }
            assert not shared
    ids = [each.header["id"] for each in seen(*course.jobs)]
    assert len(set(ids)) == len(ids)


def all_but_pixels_is_the_same_for_the_next_job_of_a_patient_and_the_first_of_another(course: Course) -> None:
    def besides(job: Job) -> list[list[tuple[bytes, str]]]:
        return [sorted(each.besides for each in tasks) for tasks in job]

    for other in (course.same_study, course.other_study, course.first):
        assert besides(other) == besides(course.stranger)


def http_says_what_a_task_is_and_which_hospital_asks_and_no_more(course: Course) -> None:
    for each in seen(*course.jobs):
        request, *lines = each.head.decode().split("\r\n")
        assert request == "POST /v1/tasks HTTP/1.1"
        told = dict(line.split(": ", 1) for line in lines)
        assert re.fullmatch(r"127\.0\.0\.1:\d+", told.pop("Host"))
        assert told.pop("Content-Length") == str(len(each.body))
        # The token is the hospital's, for all its jobs.
        assert told == {
            "User-Agent": "cloudsec",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "keep-alive",
            "Content-Type": "application/octet-stream",
            "Authorization": "Bearer hospital",
        }


@pytest.mark.parametrize(
    "scheme",
    [name for name, scheme in SCHEMES.items() if scheme.assurance != "none" and name != "ga-es-2018"],
)
def test_pieces_of_one_image_are_hidden_anew_in_every_job(fleet: list[RawServer], scheme: str) -> None:
    def pieces() -> set[bytes]:
        requests = seen(job(fleet, scheme, ANNA.image(1, 1)))
        return {piece.tobytes() for each in requests for piece in decode_task(each.body).stack}

    first, second = pieces(), pieces()
    assert first
    assert not first & second
