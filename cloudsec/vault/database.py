"""A database, SQLite or PostgreSQL: how it is opened, changed by one at a time, and brought up to date."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from sqlite3 import Connection as SQLiteConnection
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cloudsec.atomic import make_directory
from cloudsec.errors import DatabaseFailed, VaultError, shown
from cloudsec.key_file import OTHERS

SECONDS_TO_WAIT = 60
"""For another's change to a SQLite file, of which there is one at a time; each takes milliseconds."""
_CHECKPOINT_SECONDS = 0.01
"""Between two attempts, where another connection empties the journal: that takes milliseconds."""
_LOCK = 0x636C6F7564736563
"""The advisory lock of PostgreSQL that all of CloudSec's share: 'cloudsec' in ASCII."""
_IMMEDIATE = {"cloudsec_begin": "BEGIN IMMEDIATE"}


def connected(url: str, *, new: bool = True) -> Engine:
    """The engine of a database by its URL; a new SQLite file, if there may be one, is its owner's alone.

    Raises
    ------
    ValueError
        If the URL names no database of a kind that is supported.
    VaultError
        If a SQLite file is not there or cannot be made, or others can read or write it.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
    assert parsed.database
    _see_to_file(Path(parsed.database), new)
    engine = create_engine(parsed, hide_parameters=True, connect_args={"timeout": SECONDS_TO_WAIT})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = URL.create("none")
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "postgresql+psycopg":
        if find_spec("psycopg") is None:
            raise VaultError("PostgreSQL needs psycopg; install it with `pip install 'cloudsec[postgresql]'`")
        return parsed
    in_file = parsed.database and parsed.database != ":memory:" and not parsed.query
    if parsed.drivername in ("sqlite", "sqlite+pysqlite") and in_file:
        return parsed
    # Not shown: it may hold a password.
    raise ValueError(
        "this is no URL of a database that can hold the vault; give sqlite:////directory/vault.db or "
        "postgresql://user@host/name"
    )


def no_vault(url: URL) -> VaultError:
    """What is said of a database that holds no vault where none shall be made."""
    return VaultError(
        f"there is no vault in the database {_called(url)}; name the one that holds it in $CLOUDSEC_DATABASE"
    )


def _called(url: URL) -> str:
    """A database's name, without what opens it."""
    if url.get_backend_name() == "sqlite":
        return shown(Path(url.database or ""))
    return " at ".join(filter(None, (url.database, url.host)))


def _see_to_file(path: Path, new: bool) -> None:
    try:
        if new:
            make_directory(path.parent)
        # SQLite gives its journals the mode of the file that they belong to.
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if new else 0), 0o600)
        try:
            mode = os.fstat(descriptor).st_mode
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise no_vault(URL.create("sqlite", database=str(path))) from error
    except OSError as error:
        raise VaultError(
            f"{shown(path)}: no database can be opened there ({error.strerror}); name another place in "
            "$CLOUDSEC_DATABASE"
        ) from error
    if mode & OTHERS:
        raise VaultError(
            f"{shown(path)}: others than its owner can read or write this database; take that from them with "
            "`chmod 600`"
        )


def _prepare(connection: SQLiteConnection, _: object) -> None:
    # Transactions begin where `_begin` says, and nowhere by themselves.
    connection.isolation_level = None
    for setting in (
        "journal_mode = WAL",
        "synchronous = FULL",
        # What is deleted is overwritten with zeros.
        "secure_delete = ON",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {setting}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("cloudsec_begin", "BEGIN"))


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads; DatabaseFailed if the database fails."""
    with _named(engine), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine, *, alone: bool = False) -> Iterator[Connection]:
    """A transaction that changes: on SQLite there is one at a time, on PostgreSQL many, unless one is alone.

    Who asks for another one inside waits for itself.
    """
    with _named(engine), engine.connect().execution_options(**_IMMEDIATE) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            shared = "" if alone else "_shared"
            connection.execute(text(f"SELECT pg_advisory_xact_lock{shared}(:lock)"), {"lock": _LOCK})
        yield connection


def forget_deleted(engine: Engine) -> None:
    """Take out of a SQLite file's journal what was overwritten in the file; on PostgreSQL VACUUM does that.

    Raises
    ------
    VaultError
        If somebody still reads an older state.
    """
    if engine.dialect.name != "sqlite":
        return
    with _named(engine), engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        until = time.monotonic() + SECONDS_TO_WAIT
        # For who reads or writes SQLite waits by itself, but not for who does the same as this.
        while busy := raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > until:
                break
            time.sleep(_CHECKPOINT_SECONDS)
    if busy:
        raise VaultError(
            "what was replaced or erased is still in the database's journal, because somebody has been "
            "reading for long; see that they end, and run the command again"
        )


@contextmanager
def _named(engine: Engine) -> Iterator[None]:
    """What a database fails by, without what was to be written."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        reason = str(error.orig if isinstance(error, DBAPIError) else error).partition("\n")[0]
        raise DatabaseFailed(
            f"the database {_called(engine.url)} failed ({reason}); see that it can be reached and has room, "
            "then try again"
        ) from error
