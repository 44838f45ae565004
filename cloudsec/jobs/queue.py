"""Jobs as workers have them: claimed under a lease, and ended by nobody but who holds the claim."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Row, and_, func, or_, select, update

from cloudsec.jobs.database import now
from cloudsec.jobs.job import Claim, Kind, LostClaim
from cloudsec.jobs.parts import write_part
from cloudsec.jobs.rows import held, moved
from cloudsec.jobs.states import Move, State
from cloudsec.vault import Vault, Writing
from cloudsec.vault.job_tables import jobs

LEASE_SECONDS = 30.0
"""A worker that says nothing for so long is taken for dead: many times what lies between two renewals."""
ATTEMPTS = 3
"""Workers that a job may lose before it is taken for what ends them."""
LOST = "lost"
"""The code of a job that lost so many."""


class JobQueue:
    """The jobs that wait in the vault's database, or whose worker is gone.

    Parameters
    ----------
    vault : Vault
    lease : float
        Seconds after which the job of a worker that did not renew its claim is another's.
    """

    def __init__(self, vault: Vault, *, lease: float = LEASE_SECONDS) -> None:
        self._vault, self._lease = vault, lease

    def claim(self, owner: str) -> Claim | None:
        """A job that nobody works on, for the time of a lease; None where there is none.

        It is the oldest of the users with the fewest worked on: nobody waits for all of another's.
        One that lost `ATTEMPTS` workers fails instead.
        """
        abandoned = and_(jobs.c.state == State.RUNNING, jobs.c.lease < now())
        worked_on = select(jobs.c.user, func.count().label("jobs")).group_by(jobs.c.user)
        busy = worked_on.where(jobs.c.state == State.RUNNING, jobs.c.lease >= now()).subquery()
        free = select(jobs).outerjoin(busy, busy.c.user == jobs.c.user)
        free = free.where(or_(jobs.c.state == State.QUEUED, abandoned))
        order = func.coalesce(busy.c.jobs, 0), jobs.c.created, jobs.c.id
        first = free.order_by(*order).limit(1).with_for_update(of=jobs, skip_locked=True)
        while True:
            with self._vault.writing() as writing:
                job = writing.connection.execute(first).first()
                if job is None:
                    return None
                if job.state == State.RUNNING:
                    job = self._lost(writing, job)
                if job is not None:
                    claim = Claim(job.id, owner, job.attempt + 1)
                    lease = {"owner": owner, "attempt": claim.attempt, "lease": now() + self._lease}
                    moved(writing, job, Move.CLAIM, done=0, total=0, **lease)
                    return claim

    def _lost(self, writing: Writing, job: Row[Any]) -> Row[Any] | None:
        """A job whose worker is gone, as one that waits again; None if it lost too many."""
        losses = job.losses + 1
        if losses < ATTEMPTS:
            moved(writing, job, Move.LOSE, losses=losses)
            return held(writing, job.id)
        told = f"the job lost {losses} workers; it may need more memory than there is where they run"
        moved(writing, job, Move.FAIL, losses=losses, **_why(writing, job, LOST, told))
        return None

    def renew(self, claim: Claim, done: int, total: int) -> bool:
        """Hold a claim for another lease, and tell how far the job is; False if it is not held any more."""
        progress = {"lease": now() + self._lease, "done": done, "total": total}
        with self._vault.writing() as writing:
            return bool(
                writing.connection.execute(update(jobs).where(*_fence(claim)).values(progress)).rowcount
            )

    def give_back(self, claim: Claim) -> None:
        """Another worker shall do it, and this counts for no loss; LostClaim."""
        with self._claimed(claim) as (writing, job):
            moved(writing, job, Move.GIVE_BACK)

    def finish(self, claim: Claim, results: list[bytes], report: bytes) -> None:
        """The job is done, and these are its results: all is stored, or nothing and LostClaim raised."""
        with self._claimed(claim) as (writing, job):
            for number, result in enumerate(results):
                write_part(writing, claim.job, Kind.RESULT, number, result)
            write_part(writing, claim.job, Kind.REPORT, 0, report)
            moved(writing, job, Move.FINISH)

    def fail(self, claim: Claim, code: str, reason: str) -> None:
        """The job cannot be done, and why; LostClaim."""
        with self._claimed(claim) as (writing, job):
            moved(writing, job, Move.FAIL, **_why(writing, job, code, reason))

    @contextmanager
    def _claimed(self, claim: Claim) -> Iterator[tuple[Writing, Row[Any]]]:
        with self._vault.writing() as writing:
            job = writing.connection.execute(select(jobs).where(*_fence(claim)).with_for_update()).first()
            if job is None:
                raise LostClaim("the job is not this worker's any more")
            yield writing, job


def _why(writing: Writing, job: Row[Any], code: str, reason: str) -> dict[str, Any]:
    """What the row of a job that failed says of it."""
    bound = {"id": job.id, "user": job.user, "patient": job.patient}
    told = writing.sealed_row(jobs, bound | {"failure": reason.encode()})
    return {"code": code, "failure": told["failure"]}


def _fence(claim: Claim) -> tuple[Any, ...]:
    """What only the row of a job that this claim still holds has."""
    return (
        jobs.c.id == claim.job,
        jobs.c.state == State.RUNNING,
        jobs.c.owner == claim.owner,
        jobs.c.attempt == claim.attempt,
    )
