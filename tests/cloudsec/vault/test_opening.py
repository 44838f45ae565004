"""Whoever comes first makes a vault, for its owner alone, and brings it up to date; others find it done."""

import os
import stat
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from cloudsec import VaultError
from cloudsec.vault import METADATA, KeyFile, Vault, open_vault
from tests.racers import run_at_once
from tests.vaults import check, fill


def test_a_secret_is_made_once_for_each_name(vault: Vault, again: Callable[[], Vault]) -> None:
    drawn = vault.secret("knee").octets("a label", 16)
    assert vault.secret("knee").octets("a label", 16) == drawn
    assert vault.secret("hip").octets("a label", 16) != drawn
    with again() as other:
        assert other.secret("knee").octets("a label", 16) == drawn


def test_of_processes_that_open_a_new_vault_at_once_all_get_the_same(url: str, key: KeyFile) -> None:
    imports = "import sys; from pathlib import Path; from cloudsec.vault import KeyFile, open_vault"
    program = """
with open_vault(sys.argv[1], KeyFile(Path(sys.argv[2]))) as vault:
    print(vault.secret("knee").octets("a label", 16).hex(), vault.project("knee").id)
"""
    printed = run_at_once(imports, program, [(url, str(key.path))] * 3)
    assert len(set(printed)) == 1
    with open_vault(url, key) as vault:
        assert vault.secret("knee").octets("a label", 16).hex() in printed[0]


def test_the_tables_that_were_made_are_those_that_the_code_means(vault: Vault) -> None:
    with vault.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    vault: Vault, again: Callable[[], Vault]
) -> None:
    fill(vault)
    with vault.writing() as writing:
        writing.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(VaultError, match="newer CloudSec.*revision 9999.*install that"):
        again()
    with vault.reading() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
    check(vault)


def test_the_steps_of_the_tables_history_are_shipped_as_packages() -> None:
    for package in ("cloudsec.vault.migrations", "cloudsec.vault.migrations.versions"):
        assert files(package).joinpath("__init__.py").is_file()


@pytest.mark.parametrize("umask", [0, 0o077])
def test_a_file_and_its_journals_are_their_owners_alone_from_the_start(
    tmp_path: Path, key: KeyFile, umask: int
) -> None:
    path = tmp_path / "state" / "vault.db"
    before = os.umask(umask)
    try:
        with open_vault(f"sqlite:///{path}", key) as vault:
            fill(vault)
            names = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert names == {"vault.db": 0o600, "vault.db-wal": 0o600, "vault.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_can_read_is_refused(tmp_path: Path, key: KeyFile) -> None:
    path = tmp_path / "vault.db"
    path.touch(0o644)
    with pytest.raises(VaultError, match="others than its owner.*chmod 600"):
        open_vault(f"sqlite:///{path}", key)


def test_a_file_is_opened_so_that_nothing_is_lost_and_nothing_deleted_stays(
    tmp_path: Path, key: KeyFile
) -> None:
    with open_vault(f"sqlite:///{tmp_path}/vault.db", key) as vault, vault.reading() as connection:
        settings = ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in settings]
    assert found == ["wal", 2, 1, 1, 60_000]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "vault.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:a?mode=ro&uri=true",
        "mysql://a:pw@b/c",
    ],
)
def test_what_is_no_url_of_such_a_database_is_refused(url: str, key: KeyFile) -> None:
    with pytest.raises(ValueError, match=r"give sqlite:////directory/vault\.db or postgresql://") as caught:
        open_vault(url, key)
    assert "pw" not in str(caught.value)


def test_a_place_where_no_file_can_be_made_is_named(tmp_path: Path, key: KeyFile) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VaultError, match=r"file/vault\.db.*\$CLOUDSEC_DATABASE"):
        open_vault(f"sqlite:///{tmp_path}/file/vault.db", key)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, key: KeyFile) -> None:
    path = tmp_path / "vault.db"
    content = b"no database" * 1000
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(VaultError, match=r"vault\.db failed \(file is not a database\)"):
        open_vault(f"sqlite:///{path}", key)
    assert path.read_bytes() == content


def test_a_vault_that_must_be_there_is_not_made(url: str, key: KeyFile) -> None:
    for _ in range(2):
        with pytest.raises(VaultError, match=r"no vault in the database .*vault.*\$CLOUDSEC_DATABASE"):
            open_vault(url, key, new=False)
    assert not key.path.exists()
    if url.startswith("sqlite"):
        assert not Path(url.removeprefix("sqlite:///")).parent.exists()
    with open_vault(url, key) as vault:
        fill(vault)
    with open_vault(url, key, new=False) as vault:
        check(vault)


def test_a_server_that_cannot_be_reached_is_named_without_its_password(tmp_path: Path, key: KeyFile) -> None:
    with pytest.raises(VaultError, match="can be reached") as caught:
        open_vault(f"postgresql://nurse:hunter2@/vault?host={tmp_path}", key)
    assert "hunter2" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_what_the_database_says_of_a_value_is_not_repeated(vault: Vault) -> None:
    row = fill(vault)
    with pytest.raises(VaultError) as caught, vault.writing() as writing:
        writing.connection.execute(
            text("INSERT INTO patients (id, identity) VALUES (:a, :b)"), {"a": row, "b": b"Erika"}
        )
    assert "Erika" not in str(caught.value)
    check(vault)
