"""The vault: who the patients are, what replaced what, and every secret that outlives a job, sealed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from cloudsec.keystream import KEY_BYTES, Keystream
from cloudsec.vault import database
from cloudsec.vault.envelope import Envelope
from cloudsec.vault.hashing import keyed_hash
from cloudsec.vault.keys import DataKeys
from cloudsec.vault.migration import migrate
from cloudsec.vault.projects import Project
from cloudsec.vault.records import StudyRow
from cloudsec.vault.sealing import Place
from cloudsec.vault.tables import Sealed, place, projects, secrets

_ROOT = "root"
"""The row of the secret that look-ups of all others come from."""


def open_vault(url: str, envelope: Envelope, *, new: bool = True) -> Vault:
    """Open a vault, or make it unless `new` is false; of processes that make it at once all get the same.

    Parameters
    ----------
    url : str
        `sqlite:////directory/vault.db` or `postgresql://user@host/name`.
    envelope : KeyFile, Passphrase or Kms
        What its data keys are kept under.
    new : bool
        Whether there may be none yet.

    Raises
    ------
    ValueError
        If the URL names no such database.
    VaultError
        If the database cannot be used, was made by a newer version, or the envelope does not open it; and
        if there is no vault, where none is to be made.
    """
    engine = database.connected(url, new=new)
    try:
        migrate(engine, new=new)
        return Vault(engine, DataKeys(engine, envelope))
    except BaseException:
        engine.dispose()
        raise


class Writing:
    """A transaction that changes the vault; what is sealed in it must be written in it.

    Attributes
    ----------
    connection : Connection
    """

    def __init__(self, connection: Connection, keys: DataKeys) -> None:
        self.connection = connection
        self._keys = keys
        self._version = keys.sealing(connection)

    def sealed(self, place: Place, content: bytes) -> bytes:
        """A value, sealed for its place."""
        return self._keys.sealed(self._version, place, content)

    def sealed_row(self, table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row, or those columns of it that are to be written: what is declared to be sealed is."""
        return {
            name: self.sealed(place(table.c[name], row), value)
            if isinstance(table.c[name].type, Sealed) and value is not None
            else value
            for name, value in row.items()
        }

    def add(self, table: Table, row: Mapping[str, Any]) -> bool:
        """Write a new row, sealed; False if there is one already with something that only one may have.

        Who else adds it at the same time is waited for.
        """
        insert = postgresql.insert if self.connection.dialect.name == "postgresql" else sqlite.insert
        adding = insert(table).values(self.sealed_row(table, row)).on_conflict_do_nothing()
        # Of an insert SQLAlchemy tells how many rows it wrote only when it is asked to.
        return self.connection.execute(adding.execution_options(preserve_rowcount=True)).rowcount == 1


class Vault:
    """An open vault; see `open_vault`. Threads may share it. Close it, or use it as a context manager.

    Attributes
    ----------
    engine : Engine
        Of its database.
    keys : DataKeys
        What values are sealed under.
    """

    def __init__(self, engine: Engine, keys: DataKeys) -> None:
        self.engine = engine
        self.keys = keys

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that only reads."""
        return database.reading(self.engine)

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """A transaction that changes; it is done when the block ends, and undone when the block fails.

        Who asks for another one inside, or for a secret that is not made yet, waits for itself.
        """
        with database.writing(self.engine) as connection:
            yield Writing(connection, self.keys)

    def opened(self, place: Place, sealed: bytes) -> bytes:
        """What was sealed for a place; VaultError for anything else."""
        return self.keys.opened(place, sealed)

    def opened_row(self, table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row as it was given to be sealed; it must hold all columns that the sealed ones are bound to."""
        return {
            name: self.opened(place(table.c[name], row), value)
            if isinstance(table.c[name].type, Sealed) and value is not None
            else value
            for name, value in row.items()
        }

    def secret(self, name: str) -> Keystream:
        """The key of this name: made once, whichever process asks first."""
        return self._kept(self.lookup("secret", name))

    def lookup(self, kind: str, value: str) -> str:
        """By what a row is found without saying whose it is: a hash under a secret of the vault."""
        return keyed_hash(self._kept(_ROOT), kind, value)

    def records(self, keys: Keystream) -> StudyRow:
        """The record of the study that has these keys."""
        return StudyRow(self, keys)

    def project(self, name: str) -> Project:
        """The patients of a project, which begins with the first of them."""
        return Project(self, name, self.secret(f"project {name}"))

    def projects(self) -> list[Project]:
        """All projects that have had patients."""
        with self.reading() as connection:
            rows = connection.execute(select(projects)).all()
        return sorted(
            (self.project(self.opened_row(projects, row._asdict())["name"].decode()) for row in rows),
            key=lambda project: project.name,
        )

    def _kept(self, id: str) -> Keystream:
        wanted = select(secrets).where(secrets.c.id == id)
        with self.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        if row is None:
            with self.writing() as writing:
                writing.add(secrets, {"id": id, "key": os.urandom(KEY_BYTES)})
                row = writing.connection.execute(wanted).one()
        return Keystream(self.opened_row(secrets, row._asdict())["key"])
