"""All that is known of a row: itself, and whatever belongs to it, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, select

from cloudsec.vault.tables import METADATA, Sealed

if TYPE_CHECKING:
    from cloudsec.vault.vault import Vault

_ROWS_AT_A_TIME = 8
"""Of those that may each hold a piece of an image, a few MiB."""


def exported(
    vault: Vault, connection: Connection, table: Table, row: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """By table, a row and all rows that would go with it, ready for JSON.

    Sealed values that are no JSON are told by size and SHA-256.
    """
    found: dict[Table, list[dict[str, Any]]] = {table: [dict(row)]}
    told = {table.name: [_told(vault, table, row)]}
    for other in METADATA.sorted_tables:
        for belonging in _belonging(connection, other, found):
            told.setdefault(other.name, []).append(_told(vault, other, belonging))
            found.setdefault(other, []).append(_in_the_clear(other, belonging))
    return told


def _belonging(
    connection: Connection, table: Table, found: Mapping[Table, list[dict[str, Any]]]
) -> Iterator[Mapping[str, Any]]:
    """The rows of a table that go when those that are found go."""
    for key in table.foreign_keys:
        if key.ondelete != "CASCADE" or key.column.table not in found:
            continue
        owners = [row[key.column.name] for row in found[key.column.table]]
        rows = connection.execution_options(yield_per=_ROWS_AT_A_TIME).execute(
            select(table).where(key.parent.in_(owners))
        )
        yield from (row._asdict() for row in rows)


def _in_the_clear(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not isinstance(table.c[name].type, Sealed)}


def _told(vault: Vault, table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    opened = vault.opened_row(table, row)
    return {name: _as_json(value) if isinstance(value, bytes) else value for name, value in opened.items()}


def _as_json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return {"bytes": len(content), "sha256": sha256(content).hexdigest()}
