"""The tables of the vault: which columns are sealed, and what of its row each is bound to.

Whatever is of a patient, and every pixel, stands in a `Sealed` column; rotation, export and the tests of
tampering find these here, those of later tables too. In the clear are random ids, keyed hashes, states, times
and sizes. What belongs to a patient refers to `patients.id` with ON DELETE CASCADE: erasing goes by that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
)

from cloudsec.errors import VaultError
from cloudsec.vault.sealing import Place

METADATA = MetaData()
ID = String(64)
"""Random or keyed, in hexadecimal digits."""


class Sealed(TypeDecorator[bytes]):
    """Bytes sealed for their place.

    Parameters
    ----------
    *bound : str
        Columns of the same row, in the clear, that the value is bound to: together they tell the row from all
        others, and say whose it is; of one that may be null, also that it is. If one changes, the value is
        sealed anew.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, *bound: str) -> None:
        super().__init__()
        self.bound = bound


data_keys = Table(
    "data_keys",
    METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("id", ID, nullable=False, unique=True),
    Column("envelope", String(32), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
)
secrets = Table(
    "secrets",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("key", Sealed("id"), nullable=False),
)
study_records = Table(
    "study_records",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("content", Sealed("id")),
)
projects = Table(
    "projects",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("name", Sealed("id"), nullable=False),
)
patients = Table(
    "patients",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("project", ID, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("known_as", ID, nullable=False, unique=True),
    Column("pseudonym", ID, nullable=False, unique=True),
    Column("identity", Sealed("id", "project", "known_as", "pseudonym"), nullable=False),
)
uids = Table(
    "uids",
    METADATA,
    Column("patient", ID, ForeignKey("patients.id", ondelete="CASCADE"), primary_key=True),
    Column("replacement", ID, primary_key=True, index=True),
    Column("pair", Sealed("patient", "replacement"), nullable=False),
)
manifests = Table(
    "manifests",
    METADATA,
    Column("instance", ID, primary_key=True),
    Column("mark", ID, primary_key=True),
    Column("patient", ID, ForeignKey("patients.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("content", Sealed("instance", "mark", "patient"), nullable=False),
)
"""Of several images of one UID each is kept: who de-identifies one changes nothing of what another was."""


def place(column: Column[Any], row: Mapping[str, Any]) -> Place:
    """Where a value of a sealed column belongs, in a row of which at least the bound columns are given."""
    if not isinstance(column.type, Sealed):
        raise ValueError(f"{column} is not declared to be sealed; give it the type Sealed in its table")
    bound = []
    for name in column.type.bound:
        if row[name] is None and not column.table.c[name].nullable:
            raise VaultError(f"{column}: a row of it lacks its {name}; restore the database from a backup")
        bound.append("" if row[name] is None else str(row[name]))
    return Place(column.table.fullname, column.name, tuple(bound))


def sealed_columns() -> Iterator[Column[Any]]:
    """All columns of all tables that are sealed."""
    for table in METADATA.sorted_tables:
        yield from (column for column in table.columns if isinstance(column.type, Sealed))
