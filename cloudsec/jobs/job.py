"""Values that the store of jobs takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cloudsec.errors import CloudsecError
from cloudsec.jobs.states import State


class Kind(StrEnum):
    """What a part of a job is."""

    RECEIVED = "received"
    """An image as it comes, before it is de-identified."""
    IMAGE = "image"
    RESULT = "result"
    REPORT = "report"


class NoSuchJob(CloudsecError):
    """There is no such job, or nothing of that kind in it."""


class OverQuota(CloudsecError):
    """A user has as much at the daemon as is allowed; the message says of what."""


class OtherPatient(CloudsecError):
    """The images of a job are not all of one patient."""


class LostClaim(CloudsecError):
    """The job is not, or no longer, this worker's: it was cancelled, or another one has it."""


@dataclass(frozen=True)
class Job:
    """What may be told of a job: nothing of an image.

    Attributes
    ----------
    id, user : str
        Random; the user is whose job it is.
    state : State
    created, changed : float
        Seconds since 1970 by the database's clock.
    images, results : int
        How many of each there are.
    size : int
        Bytes that are kept of it.
    done, total : int
        Tasks that providers answered, and of all.
    attempt : int
        How often a worker took it.
    code : str or None
        Of one that failed, why.
    """

    id: str
    user: str
    state: State
    created: float
    changed: float
    images: int
    results: int
    size: int
    done: int
    total: int
    attempt: int
    code: str | None


@dataclass(frozen=True)
class Words:
    """What is told of a job to its user only.

    Attributes
    ----------
    request : bytes
        What was asked for, as the job was made with it.
    failure : str or None
        Why it failed, in a sentence; None of one that did not.
    """

    request: bytes = field(repr=False)
    failure: str | None = field(repr=False)


@dataclass(frozen=True)
class Claim:
    """A job that a worker holds, until its lease runs out; nobody else has the same owner and attempt."""

    job: str
    owner: str
    attempt: int


@dataclass(frozen=True)
class Quota:
    """How much a user may have at the daemon at one time."""

    jobs: int
    bytes: int
