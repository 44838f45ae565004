"""What a job consists of, as rows: each part in sealed pieces that can neither be cut nor put elsewhere."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from cloudsec.errors import VaultError
from cloudsec.jobs.job import Kind, NoSuchJob
from cloudsec.vault import Vault, Writing
from cloudsec.vault.job_tables import parts, pieces

PIECE = 1 << 22
"""Bytes sealed in one row: a transfer of any size holds so many in memory."""
_GOES_ON, _LAST = b"\0", b"\1"
"""Before the bytes of each piece, so that a part whose last pieces are gone is no part."""


@dataclass(frozen=True)
class Part:
    """A part of a job; its name says of which, and which.

    Attributes
    ----------
    name : str
    size : int
        Bytes.
    """

    name: str
    size: int


def write_part(writing: Writing, job: str, kind: Kind, number: int, content: bytes) -> None:
    """A whole part instead of any that was there."""
    part = begin_part(writing, job, kind, number, len(content))
    starts = range(0, max(len(content), 1), PIECE)
    for place, start in enumerate(starts):
        write_piece(writing, part, place, content[start : start + PIECE], last=start == starts[-1])


def begin_part(writing: Writing, job: str, kind: Kind, number: int, size: int = 0) -> str:
    """A part without pieces instead of any that was there; under a new name, so that transfers do not mix."""
    remove_parts(writing, job, kind, number=number)
    part = f"{_where(job, kind, number)}{secrets.token_hex(8)}"
    row = {"id": part, "job": job, "kind": kind, "number": number, "size": size}
    writing.connection.execute(insert(parts).values(row))
    return part


def write_piece(writing: Writing, part: str, number: int, content: bytes, *, last: bool) -> None:
    """The next piece of a part."""
    row = {"part": part, "number": number, "content": (_LAST if last else _GOES_ON) + content}
    writing.connection.execute(insert(pieces).values(writing.sealed_row(pieces, row)))


def part_of(connection: Connection, job: str, kind: Kind, number: int) -> Part | None:
    """A part of a job, if it is there."""
    there = select(parts.c.id, parts.c.size).where(
        parts.c.job == job, parts.c.kind == kind, parts.c.number == number
    )
    row = connection.execute(there).first()
    if row is None:
        return None
    if not row.id.startswith(_where(job, kind, number)):
        raise VaultError("a part of a job stands where another belongs; restore the database from a backup")
    return Part(row.id, row.size)


def content_of(vault: Vault, part: Part) -> Iterator[bytes]:
    """The bytes of a part, piece by piece.

    Raises
    ------
    VaultError
        If they are not exactly those that were stored.
    NoSuchJob
        If they are removed meanwhile.
    """
    number, last = 0, False
    while not last:
        there = select(pieces).where(pieces.c.part == part.name, pieces.c.number == number)
        with vault.reading() as connection:
            row = connection.execute(there).mappings().first()
        if row is None:
            with vault.reading() as connection:
                if connection.scalar(select(parts.c.id).where(parts.c.id == part.name)) is None:
                    raise NoSuchJob("it was removed meanwhile")
            raise VaultError("a part of a job is cut short; restore the database from a backup")
        marked = vault.opened_row(pieces, dict(row))["content"]
        last, number = marked[:1] == _LAST, number + 1
        yield marked[1:]


def remove_parts(writing: Writing, job: str, *kinds: Kind, number: int | None = None) -> None:
    """All parts of a job, or those of some kinds, or of one number; their pieces go with them."""
    chosen = [parts.c.job == job]
    chosen += [parts.c.kind.in_(kinds)] if kinds else []
    chosen += [] if number is None else [parts.c.number == number]
    writing.connection.execute(delete(parts).where(*chosen))


def remove_part(writing: Writing, part: str) -> None:
    """A part, if it is still there."""
    writing.connection.execute(delete(parts).where(parts.c.id == part))


def _where(job: str, kind: Kind, number: int) -> str:
    return f"{job}.{kind}.{number}."
