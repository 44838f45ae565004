"""A vault with something in every sealed column, and what a thief would look for in it."""

import base64
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from sqlalchemy import Column, String, Table, select

from cloudsec.keystream import Keystream
from cloudsec.vault import Sealed, Vault, tables
from cloudsec.vault.tables import sealed_columns

PATIENT, PSEUDONYM = "PID-4711-8", "CS-QZ7K"
NAME = "Mustermann^Erika"
UID, REPLACEMENT = "1.2.840.113619.2.55.3.604688", "2.25.329800735698586629295641978511506172918"
INSTANCE = "2.25.1700000000000000000000000000000000001"
MANIFEST = b'{"removed": {"00100010": "Mustermann^Erika", "00080080": "Charite Berlin"}}'
STUDY = b"provider 3 holds class 1"
KEYS = Keystream(bytes(32)).for_study("knee")
PROJECT = "knee trial"
SECRETS = (
    PATIENT,
    PSEUDONYM,
    NAME,
    "Mustermann",
    "Erika",
    UID,
    REPLACEMENT,
    INSTANCE,
    "Charite",
    PROJECT,
)

WITH_WORDS = (
    tables.data_keys,
    tables.secrets,
    tables.study_records,
    tables.projects,
    tables.patients,
    tables.uids,
    tables.manifests,
)
"""Tables that are filled by what the vault itself offers."""


def fill(vault: Vault, patient: str = PATIENT, pseudonym: str = PSEUDONYM, project: str = PROJECT) -> str:
    """Remember a patient, and a study's record, and put a row into every other table; the patient's row."""
    with vault.records(KEYS).changing() as change:
        change.write(STUDY)
    row = vault.project(project).remember(
        patient,
        pseudonym,
        {"PatientName": NAME},
        uids={UID: REPLACEMENT},
        manifests={(INSTANCE, pseudonym): MANIFEST},
    )
    made = {tables.patients: row}
    with vault.writing() as writing:
        for table in tables.METADATA.sorted_tables:
            if table not in WITH_WORDS:
                values = {column.name: _value(column, made) for column in table.columns}
                writing.add(table, values)
                made[table] = values.get("id")
    return row


def _value(column: Column[Any], made: dict[Table, Any]) -> Any:
    """Something for a column of a table that is filled without knowing what it is for."""
    if isinstance(column.type, Sealed):
        return f"what stands in {column}".encode()
    for key in column.foreign_keys:
        return made[key.column.table]
    return uuid4().hex[:16] if isinstance(column.type, String) else uuid4().int >> 98


def check(vault: Vault, patient: str = PATIENT, pseudonym: str = PSEUDONYM, project: str = PROJECT) -> None:
    """Everything that was put in comes out."""
    known = vault.project(project)
    expected = {"patient": patient, "pseudonym": pseudonym, "identity": {"PatientName": NAME}}
    assert known.identity(pseudonym) == expected
    assert known.original_uid(REPLACEMENT) == UID
    assert known.manifests(INSTANCE, pseudonym) == [MANIFEST]
    assert vault.records(KEYS).read() == STUDY
    for column in sealed_columns():
        for row in rows(vault, column):
            opened = vault.opened(tables.place(column, row), row[column.name])
            assert column.table in WITH_WORDS or opened == f"what stands in {column}".encode()


def writings(text: str) -> Iterator[bytes]:
    """The ways in which a text could stand in a file."""
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        content = text.encode(encoding)
        yield content
        yield content.hex().encode()
        yield content.hex().upper().encode()
        # Wherever it begins in what was encoded, without the digits that its neighbours have a part in.
        for shift in range(3):
            before = bytes(shift) + content
            yield base64.b64encode(before)[-(-4 * shift // 3) : 4 * len(before) // 3]


def rows(vault: Vault, column: Column[Any]) -> list[dict[str, Any]]:
    """All rows of a column's table that have a value in it: at least one."""
    with vault.reading() as connection:
        found = [row._asdict() for row in connection.execute(select(column.table).where(column.is_not(None)))]
    assert found, f"nothing stands in {column}"
    return found
