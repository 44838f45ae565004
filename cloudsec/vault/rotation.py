"""A new data key for all that is sealed, while others go on reading and writing; and another envelope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, LargeBinary, delete, func, literal, select, tuple_, update

from cloudsec.vault.database import forget_deleted, writing
from cloudsec.vault.envelope import Envelope
from cloudsec.vault.sealing import prefix
from cloudsec.vault.tables import data_keys, place, sealed_columns

if TYPE_CHECKING:
    from cloudsec.vault.vault import Vault, Writing

_BATCH_ROWS = 200
"""Sealed anew in one transaction, one at a time in memory."""
_BATCH_BYTES = 1 << 24
"""After which a transaction ends too, so that others soon get their turn at a SQLite file."""


def rotate(vault: Vault) -> int:
    """Seal everything under a new data key, and destroy the older ones; how many values were sealed anew.

    Others read and write meanwhile. Where it is interrupted, the next call goes on with the same new key.

    Raises
    ------
    VaultError
        If a value cannot be opened, which then keeps its key; or if somebody still reads an older state.
    """
    # Alone: who seals under an older key has written by now, and who comes later seals under the new one.
    with writing(vault.engine, alone=True) as connection:
        newest = vault.keys.newest(connection)
        oldest = connection.scalar(select(func.min(data_keys.c.version)))
        if newest is None or newest == oldest:
            newest = vault.keys.add(connection)
    count = 0
    # Until a look at everything finds nothing to do.
    while anew := sum(_sealed_anew(vault, column, newest) for column in sealed_columns()):
        count += anew
        with vault.reading() as connection:
            # If another rotation began meanwhile, this one has its key to seal under.
            newest = vault.keys.newest(connection) or newest
    with writing(vault.engine, alone=True) as connection:
        connection.execute(delete(data_keys).where(data_keys.c.version < newest))
    forget_deleted(vault.engine)
    return count


def rewrap(vault: Vault, envelope: Envelope) -> None:
    """Put the data keys under another envelope; nothing is sealed anew.

    Copies of an older state, such as backups, still open with the old one: who destroys that closes them too.

    Raises
    ------
    VaultError
        If the new envelope cannot wrap them; the old one holds then.
    """
    with writing(vault.engine, alone=True) as connection:
        vault.keys.rewrap(connection, envelope)


def _sealed_anew(vault: Vault, column: Column[Any], version: int) -> int:
    """How many values of a column were under older keys and are no longer."""
    keys = list(column.table.primary_key.columns)
    start = prefix(version)
    older = column.is_not(None) & (func.substr(column, 1, len(start)) != literal(start, LargeBinary))
    count = 0
    after: ColumnElement[bool] = literal(True)
    while True:
        with vault.reading() as connection:
            wanted = select(*keys).where(older, after).order_by(*keys).limit(_BATCH_ROWS)
            rows = connection.execute(wanted).all()
        if not rows:
            return count
        done = size = 0
        with vault.writing() as transaction:
            while done < len(rows) and size < _BATCH_BYTES:
                this = [key == value for key, value in zip(keys, rows[done], strict=True)]
                # A row that somebody else has is waited for by who has none, as the first of a batch.
                written = _one_anew(vault, transaction, column, [*this, older], done == 0)
                if done and not written:
                    break
                count += written > 0
                size += written
                done += 1
        after = tuple_(*keys) > tuple_(*rows[done - 1])


def _one_anew(
    vault: Vault, transaction: Writing, column: Column[Any], this: list[ColumnElement[bool]], wait: bool
) -> int:
    """Seal one value anew; its bytes, none if somebody else was first, or is at it and is not waited for."""
    table = column.table
    wanted = select(table).where(*this).with_for_update(skip_locked=not wait)
    row = transaction.connection.execute(wanted).one_or_none()
    if row is None:
        return 0
    values = row._asdict()
    where = place(column, values)
    changed = transaction.sealed(where, vault.opened(where, values[column.name]))
    transaction.connection.execute(update(table).where(*this).values({column: changed}))
    return len(changed)
