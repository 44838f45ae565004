"""A study's record as a row: two daemons on one database use one grid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, select, update

from cloudsec.errors import VaultError
from cloudsec.keystream import Keystream
from cloudsec.study_file import LARGEST_RECORD, Change
from cloudsec.vault.tables import study_records

if TYPE_CHECKING:
    from cloudsec.vault.vault import Vault


@dataclass(frozen=True, eq=False)
class StudyRow:
    """The sealed record of one study, read and changed as a `StudyFile` is.

    Attributes
    ----------
    vault : Vault
    keys : Keystream
        The study's own.
    """

    vault: Vault
    keys: Keystream = field(repr=False)

    @property
    def id(self) -> str:
        """The row's key, which tells nothing of the study."""
        return self.keys.octets("vault name", 16).hex()

    @property
    def place(self) -> str:
        """The row, for a message."""
        return f"study_records.content of row {self.id}"

    def read(self) -> bytes | None:
        """What was last written; None where there is no record yet, VaultError where it is damaged."""
        with self.vault.reading() as connection:
            row = connection.execute(self._wanted()).one_or_none()
        return None if row is None else self.vault.opened_row(study_records, row._asdict())["content"]

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """The record, while no other thread, process or machine can change it; others may read it.

        What is written lasts when the block has ended, and nothing is when it fails. Who asks for a change of
        the vault inside waits for itself.

        Raises
        ------
        VaultError
            If the record or the database cannot be used.
        """
        with self.vault.writing() as writing:
            # A row to lock there is then; who else makes it is waited for.
            writing.add(study_records, {"id": self.id, "content": None})
            row = writing.connection.execute(self._wanted().with_for_update()).one()

            def write(content: bytes) -> None:
                if len(content) > LARGEST_RECORD:
                    raise VaultError(
                        f"{self.place}: the record would grow beyond {LARGEST_RECORD} bytes; "
                        "begin another study"
                    )
                changed = writing.sealed_row(study_records, {"id": self.id, "content": content})
                mine = update(study_records).where(study_records.c.id == self.id)
                writing.connection.execute(mine.values(changed))

            change = Change(write, self.vault.opened_row(study_records, row._asdict())["content"])
            try:
                yield change
            finally:
                change.end()

    def _wanted(self) -> Select[Any]:
        return select(study_records).where(study_records.c.id == self.id)
