"""The row of a job: read whole, locked, and moved by the table of states and in no other way."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from cloudsec.jobs.database import now
from cloudsec.jobs.job import Job, Kind, NoSuchJob
from cloudsec.jobs.parts import remove_parts
from cloudsec.jobs.states import ENDS, Move, State, after
from cloudsec.vault import Writing
from cloudsec.vault.job_tables import jobs, moves, parts


def all_jobs() -> Select[Any]:
    """The jobs, with what is counted of their parts."""

    def counted(figure: Any, *kinds: Kind) -> Any:
        of_kind = [parts.c.kind.in_(kinds)] if kinds else []
        return select(func.coalesce(figure, 0)).where(parts.c.job == jobs.c.id, *of_kind).scalar_subquery()

    return select(
        jobs,
        counted(func.count(), Kind.IMAGE).label("images"),
        counted(func.count(), Kind.RESULT).label("results"),
        counted(func.sum(parts.c.size)).label("size"),
    )


def job_of(row: Row[Any]) -> Job:
    """What may be told of a row of `all_jobs`."""
    told = {name: getattr(row, name) for name in Job.__dataclass_fields__}
    return Job(**told | {"state": State(row.state), "size": int(row.size)})


def read(connection: Connection, name: str) -> Job:
    """One job; NoSuchJob."""
    row = connection.execute(all_jobs().where(jobs.c.id == name)).first()
    if row is None:
        raise NoSuchJob("there is no such job")
    return job_of(row)


def held(writing: Writing, name: str) -> Row[Any]:
    """The row of one job, which nobody else can change meanwhile; NoSuchJob."""
    row = writing.connection.execute(select(jobs).where(jobs.c.id == name).with_for_update()).first()
    if row is None:
        raise NoSuchJob("there is no such job")
    return row


def moved(writing: Writing, job: Row[Any], move: Move, **changes: Any) -> None:
    """Make a move of a job whose row is held, with what else changes in it, and write the move down.

    Raises
    ------
    WrongState
        If the table has no such move.
    """
    state = after(State(job.state), move)
    told = {"attempt": job.attempt, "owner": job.owner} | {
        name: changes[name] for name in ("attempt", "owner") if name in changes
    }
    if state is not State.RUNNING:
        changes |= {"owner": None, "lease": None}
    writing.connection.execute(
        update(jobs).where(jobs.c.id == job.id).values(state=state, changed=now(), **changes)
    )
    writing.connection.execute(insert(moves).values(job=job.id, move=move, state=state, at=now(), **told))
    if state in ENDS:
        # Nobody will ask for what was received.
        remove_parts(writing, job.id, Kind.RECEIVED, Kind.IMAGE)
