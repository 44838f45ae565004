"""Jobs as their users have them: made, filled with images, started, followed, cancelled, fetched, removed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select, update

from cloudsec.errors import PatientConflict
from cloudsec.jobs.database import now
from cloudsec.jobs.job import Job, Kind, NoSuchJob, OtherPatient, OverQuota, Quota, Words
from cloudsec.jobs.parts import (
    Part,
    begin_part,
    content_of,
    part_of,
    remove_part,
    remove_parts,
    write_part,
    write_piece,
)
from cloudsec.jobs.rows import all_jobs, held, job_of, moved, read
from cloudsec.jobs.states import ENDS, Move, State, WrongState
from cloudsec.vault import Vault, Writing
from cloudsec.vault.job_tables import jobs, parts, users
from cloudsec.vault.tables import patients

MAX_IMAGES = 4096
"""Slices of one study: several times what a scanner makes of one patient."""
JOB_BYTES = 1 << 31
"""Of the images of one job, which its worker holds in memory: four times the largest volume at 16 bits."""
_SENT_ANEW = "the image was sent anew meanwhile, or its job cancelled; this transfer is of no use any more"


class JobStore:
    """The jobs in the vault's database, whichever daemon they came to.

    Parameters
    ----------
    vault : Vault
        Seals what is stored of images and of what is asked for.
    job_bytes : int
        Of the images of one job.
    """

    def __init__(self, vault: Vault, *, job_bytes: int = JOB_BYTES) -> None:
        self._vault, self._job_bytes = vault, job_bytes

    def create(self, user: str, request: bytes, quota: Quota) -> Job:
        """A new job that waits for its images; OverQuota where the user has too many that have not ended."""
        name = secrets.token_hex(16)
        new = {"id": name, "user": user, "patient": None, "state": State.RECEIVING, "request": request}
        counters = dict.fromkeys(("attempt", "losses", "done", "total"), 0)
        with self._vault.writing() as writing:
            _hold_user(writing, user)
            _refuse_more(writing, user, len(request), quota)
            unfinished = select(func.count()).where(jobs.c.user == user, jobs.c.state.not_in(ENDS))
            if writing.connection.execute(unfinished).scalar_one() >= quota.jobs:
                raise OverQuota(
                    f"you have {quota.jobs} jobs that have not ended, as many as you may; wait, or cancel one"
                )
            row = writing.sealed_row(jobs, new) | counters | {"created": now(), "changed": now()}
            writing.connection.execute(insert(jobs).values(row))
            return read(writing.connection, name)

    def job(self, name: str) -> Job:
        """One job; NoSuchJob."""
        with self._vault.reading() as connection:
            return read(connection, name)

    def jobs(self, *, limit: int = 100) -> list[Job]:
        """The latest of all users."""
        with self._vault.reading() as connection:
            return [job_of(row) for row in connection.execute(_latest(limit))]

    def own(self, user: str, *, limit: int = 100) -> list[tuple[Job, Words]]:
        """The latest of a user, and what else is told to them."""
        with self._vault.reading() as connection:
            rows = connection.execute(_latest(limit).where(jobs.c.user == user)).all()
        return [(job_of(row), self._words(row)) for row in rows]

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        with self._vault.reading() as connection:
            found = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state))
            return dict.fromkeys(State, 0) | {State(state): count for state, count in found}

    def words(self, name: str) -> Words:
        """What is told of one job to its user only; NoSuchJob."""
        with self._vault.reading() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == name)).first()
        if row is None:
            raise NoSuchJob("there is no such job")
        return self._words(row)

    def receive(self, name: str, number: int) -> str:
        """An image begins to come, instead of any of its number: the part that takes its pieces."""
        if not 0 <= number < MAX_IMAGES:
            raise OverQuota(f"images have numbers from 0 to {MAX_IMAGES - 1}; submit several jobs")
        with self._vault.writing() as writing:
            _refuse_started(held(writing, name).state)
            return begin_part(writing, name, Kind.RECEIVED, number)

    def add(self, name: str, part: str, number: int, content: bytes, *, last: bool, quota: Quota) -> None:
        """One more piece of an image that comes; OverQuota where all that its user has here gets too much."""
        with self._vault.writing() as writing:
            user = read(writing.connection, name).user
            # Before the job, as who removes the user does.
            _hold_user(writing, user)
            _refuse_started(held(writing, name).state)
            _refuse_more(writing, user, len(content), quota)
            self._refuse_large(writing, name, len(content))
            grown = update(parts).where(parts.c.id == part).values(size=parts.c.size + len(content))
            if not writing.connection.execute(grown).rowcount:
                raise NoSuchJob(_SENT_ANEW)
            write_piece(writing, part, number, content, last=last)

    def received(self, part: str) -> bytes:
        """An image that came, whole; NoSuchJob if it was sent anew, or its job is cancelled."""
        with self._vault.reading() as connection:
            size = connection.scalar(select(parts.c.size).where(parts.c.id == part))
        if size is None:
            raise NoSuchJob(_SENT_ANEW)
        return b"".join(content_of(self._vault, Part(part, size)))

    def keep(self, name: str, number: int, image: bytes, patient: str | None = None) -> Job:
        """What is to be processed instead of what was received, of which nothing is left.

        Parameters
        ----------
        name : str
        number : int
        image : bytes
        patient : str or None
            Whom it shows: a row of the vault's, with which the job is erased and all that is kept of it.

        Raises
        ------
        OtherPatient
            If another image of the job shows somebody else.
        PatientConflict
            If the patient was erased meanwhile.
        """
        with self._vault.writing() as writing:
            job = held(writing, name)
            _refuse_started(job.state)
            remove_parts(writing, name, Kind.RECEIVED, number=number)
            write_part(writing, name, Kind.IMAGE, number, image)
            # De-identified, it may be larger than it came.
            self._refuse_large(writing, name, 0)
            if job.patient != patient:
                if read(writing.connection, name).images > 1:
                    raise OtherPatient("the images of a job are one patient's; submit another job for each")
                _refuse_erased(writing, patient)
                bound = {"id": name, "user": job.user, "patient": patient}
                request = self._vault.opened_row(jobs, job._asdict())["request"]
                changed = writing.sealed_row(jobs, bound | {"request": request})
                writing.connection.execute(update(jobs).where(jobs.c.id == name).values(changed))
            return read(writing.connection, name)

    def refuse(self, part: str) -> None:
        """Nothing is left of an image that was received, or half of it."""
        with self._vault.writing() as writing:
            remove_part(writing, part)

    def start(self, name: str) -> Job:
        """All images are there: a worker may take the job."""
        with self._vault.writing() as writing:
            job = held(writing, name)
            there = parts.c.job == name, parts.c.kind == Kind.IMAGE
            count, last = writing.connection.execute(
                select(func.count(), func.max(parts.c.number)).where(*there)
            ).one()
            if State(job.state) is State.RECEIVING and last != count - 1:
                raise WrongState(
                    "images of the job are missing; send them all, numbered from 0, and then start"
                )
            moved(writing, job, Move.START)
            # Left by a daemon that died while they came, before anybody was taken out of them.
            remove_parts(writing, name, Kind.RECEIVED)
            return read(writing.connection, name)

    def cancel(self, name: str) -> Job:
        """No worker will do it, or go on with it; WrongState if it has ended."""
        with self._vault.writing() as writing:
            moved(writing, held(writing, name), Move.CANCEL)
            return read(writing.connection, name)

    def remove(self, name: str) -> None:
        """Of a job that has ended only the record of its moves is kept; WrongState for another."""
        with self._vault.writing() as writing:
            if State(held(writing, name).state) not in ENDS:
                raise WrongState("the job has not ended; cancel it first")
            writing.connection.execute(delete(jobs).where(jobs.c.id == name))

    def sweep(self, kept: float) -> int:
        """Remove jobs that ended, and cancel those that were never started, so many seconds ago; how many."""
        old = select(jobs).where(jobs.c.changed < now() - kept, jobs.c.state.in_(ENDS | {State.RECEIVING}))
        with self._vault.writing() as writing:
            # What somebody else holds is left for the next time: who holds many jobs waits for none.
            found = writing.connection.execute(old.with_for_update(skip_locked=True)).all()
            for job in found:
                if job.state in ENDS:
                    writing.connection.execute(delete(jobs).where(jobs.c.id == job.id))
                else:
                    moved(writing, job, Move.CANCEL)
            return len(found)

    def content(self, name: str, kind: Kind, number: int) -> tuple[Part, Iterator[bytes]]:
        """A part of a job, and its bytes piece by piece; NoSuchJob if it is not there."""
        with self._vault.reading() as connection:
            part = part_of(connection, name, kind, number)
        if part is None:
            raise NoSuchJob(f"there is no {kind} of this number in the job")
        return part, content_of(self._vault, part)

    def _refuse_large(self, writing: Writing, name: str, more: int) -> None:
        if read(writing.connection, name).size + more > self._job_bytes:
            raise OverQuota(
                f"a job has up to {self._job_bytes} bytes of images here; submit a job for each part of them"
            )

    def _words(self, row: Row[Any]) -> Words:
        """What is sealed in a row that has all columns of a job, and may have others."""
        told = self._vault.opened_row(jobs, {each.name: getattr(row, each.name) for each in jobs.c})
        return Words(told["request"], told["failure"] and told["failure"].decode())


def _latest(limit: int) -> Select[Any]:
    return all_jobs().order_by(jobs.c.created.desc()).limit(limit)


def _hold_user(writing: Writing, user: str) -> None:
    """What a user has is counted by one at a time."""
    writing.connection.execute(select(users.c.id).where(users.c.id == user).with_for_update())


def _refuse_erased(writing: Writing, patient: str | None) -> None:
    there = select(patients.c.id).where(patients.c.id == patient).with_for_update(read=True, key_share=True)
    if patient is not None and writing.connection.scalar(there) is None:
        raise PatientConflict("its patient was erased while it came; send it anew if it is to be known again")


def _refuse_more(writing: Writing, user: str, more: int, quota: Quota) -> None:
    """OverQuota where all that a user has here would get too much: images, results, and what was asked."""
    images = select(func.coalesce(func.sum(parts.c.size), 0)).join(jobs, jobs.c.id == parts.c.job)
    asked = select(func.coalesce(func.sum(func.length(jobs.c.request)), 0))
    had = sum(
        int(writing.connection.scalar(each.where(jobs.c.user == user)) or 0) for each in (images, asked)
    )
    if had + more > quota.bytes:
        raise OverQuota(
            f"your jobs would hold more than the {quota.bytes} bytes that you may have here; fetch "
            "and remove jobs that are done"
        )


def _refuse_started(state: str) -> None:
    if State(state) is not State.RECEIVING:
        raise WrongState(f"the job is {state} and takes no images any more; submit another")
