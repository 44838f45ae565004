"""Who steals the database learns no identity; and of who was erased nothing is left in it."""

import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from sqlalchemy import text

from cloudsec import VaultError
from cloudsec.vault import KeyFile, Vault, open_vault, rotate
from cloudsec.vault.tables import METADATA, patients, sealed_columns
from tests.vaults import (
    MANIFEST,
    NAME,
    PATIENT,
    PROJECT,
    PSEUDONYM,
    SECRETS,
    STUDY,
    check,
    fill,
    rows,
    writings,
)


def stolen(vault: Vault, place: Path) -> bytes:
    """All bytes that whoever steals the database has."""
    if vault.engine.dialect.name == "sqlite":
        return b"".join(path.read_bytes() for path in sorted((place / "state").iterdir()))
    with vault.reading() as connection:
        names = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        table_rows = [
            bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()
            for name in names
            for row in connection.execute(text(f"SELECT * FROM {name}"))
            for value in row
        ]
    return b"\0".join(table_rows)


def test_what_is_looked_for_in_a_stolen_database_would_be_found_there() -> None:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        for around in (b"", b"a", b"bc", b"def"):
            content = around + NAME.encode(encoding) + around
            for written in (content, content.hex().encode(), b64encode(content)):
                assert any(each in written for each in writings(NAME))


def test_a_stolen_database_tells_no_name_number_or_uid(vault: Vault, tmp_path: Path) -> None:
    row = fill(vault)
    rotate(vault)
    fill(vault, "PID-0815", "CS-OTHER")
    content = stolen(vault, tmp_path)
    # What is sought is found where it stands in the clear.
    assert row.encode() in content
    for secret in SECRETS:
        for written in writings(secret):
            assert written not in content, secret
    for value in (STUDY, MANIFEST, b"what stands in"):
        assert value not in content


def test_two_projects_do_not_show_that_they_have_a_patient_in_common(vault: Vault, tmp_path: Path) -> None:
    fill(vault)
    fill(vault, project="hip trial")
    for column in sealed_columns():
        if "patient" in column.type.bound or column.table.name == "patients":
            both = [set(row.values()) for row in rows(vault, column)]
            assert len(both) == 2
            assert both[0].isdisjoint(both[1])


def values_of_patients(vault: Vault) -> set[bytes]:
    """All sealed values of rows that belong to patients."""
    theirs = [patients]
    for table in METADATA.sorted_tables:
        if any(key.ondelete == "CASCADE" and key.column.table in theirs for key in table.foreign_keys):
            theirs.append(table)
    columns = [column for column in sealed_columns() if column.table in theirs]
    return {row[column.name] for column in columns for row in rows(vault, column)}


def test_of_an_erased_patient_nothing_is_left(vault: Vault, tmp_path: Path) -> None:
    fill(vault, "PID-0815", "CS-OTHER")
    theirs = values_of_patients(vault)
    fill(vault)
    large = {(f"2.25.{number}", "a mark"): bytes([number]) * 50_000 for number in range(3)}
    vault.project(PROJECT).remember(PATIENT, PSEUDONYM, {}, manifests=large)
    mine = values_of_patients(vault) - theirs
    assert len(mine) >= 6
    before = stolen(vault, tmp_path)
    # Pieces, because SQLite cuts what is large; the beginning is alike in all that is sealed.
    pieces = [value[at : at + 100] for value in mine for at in range(22, len(value), 1000)]
    assert sum(piece in before for piece in pieces) > len(mine)
    assert vault.project(PROJECT).erase(PATIENT)
    after = stolen(vault, tmp_path)
    assert not any(piece in after for piece in pieces)
    assert vault.project(PROJECT).export(PATIENT) is None
    check(vault, "PID-0815", "CS-OTHER")


def test_of_what_was_rotated_nothing_is_left_and_none_of_its_keys(tmp_path: Path, key: KeyFile) -> None:
    with open_vault(f"sqlite:///{tmp_path}/state/vault.db", key) as vault:
        fill(vault)
        old = [row[column.name] for column in sealed_columns() for row in rows(vault, column)]
        with vault.reading() as connection:
            old.append(connection.scalar(text("SELECT wrapped FROM data_keys")))
        rotate(vault)
        content = stolen(vault, tmp_path)
    assert not any(value[22:60] in content for value in old)


def test_an_erasure_that_a_reader_stands_in_the_way_of_says_so(
    tmp_path: Path, key: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloudsec.vault.database.SECONDS_TO_WAIT", 0.1)
    with open_vault(f"sqlite:///{tmp_path}/state/vault.db", key) as vault:
        fill(vault)
        with vault.reading() as connection:
            connection.execute(text("SELECT * FROM patients")).all()
            with pytest.raises(VaultError, match="reading for long.*run the command again"):
                vault.project(PROJECT).erase(PATIENT)
        vault.project(PROJECT).erase(PATIENT)
        assert (tmp_path / "state" / "vault.db-wal").stat().st_size == 0


def test_an_erasure_waits_for_who_empties_the_journal_at_the_same_time(
    tmp_path: Path, key: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The lock that SQLite's file format has for that, held by another process.
    program = """
import fcntl, sys
fcntl.lockf(open(sys.argv[1], "r+"), fcntl.LOCK_EX, 1, 121)
print("held", flush=True)
input()
"""
    with open_vault(f"sqlite:///{tmp_path}/state/vault.db", key) as vault:
        fill(vault)
        words = [sys.executable, "-c", program, tmp_path / "state" / "vault.db-shm"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            monkeypatch.setattr("cloudsec.vault.database.time.sleep", lambda _: other.communicate(b"\n"))
            assert vault.project(PROJECT).erase(PATIENT)
        assert (tmp_path / "state" / "vault.db-wal").stat().st_size == 0
