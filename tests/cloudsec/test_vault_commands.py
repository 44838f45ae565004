"""`cloudsec vault`, with database and envelope as the environment names them."""

import json
import re
from pathlib import Path

import pytest

from cloudsec import VaultError
from cloudsec.key_file import state_directory, user_key_file
from cloudsec.vault import Kms, Vault
from cloudsec.vault import envelope as envelopes
from cloudsec.vault.settings import envelope, user_vault
from tests.commands import complaint, status
from tests.vaults import NAME, PATIENT, check, fill


@pytest.fixture
def passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a passphrase, of which guesses cost nothing here."""
    monkeypatch.setattr(envelopes, "SCRYPT_LOG_COST", 4)
    path = tmp_path / "passphrase"
    path.touch(0o600)
    path.write_text("correct horse battery\n")
    return path


def filled() -> None:
    with user_vault() as vault:
        fill(vault)
        fill(vault, project="hip trial")


def checked() -> Vault:
    with user_vault() as vault:
        check(vault)
        return vault


def test_by_default_database_and_key_lie_with_the_users() -> None:
    filled()
    assert (state_directory() / "vault.db").is_file()
    assert user_key_file().with_name("vault.key").is_file()


def test_everything_is_sealed_under_a_new_key(capsys: pytest.CaptureFixture[str]) -> None:
    filled()
    assert status(["vault", "rotate"]) == 0
    assert "are sealed under a new key" in capsys.readouterr().out
    checked()


def test_a_patient_is_exported_and_erased_from_all_projects(capsys: pytest.CaptureFixture[str]) -> None:
    filled()
    assert status(["vault", "export", PATIENT]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["project"] for each in found] == ["hip trial", "knee trial"]
    assert all(each["patients"][0]["identity"]["identity"] == {"PatientName": NAME} for each in found)
    assert status(["vault", "erase", PATIENT]) == 0
    assert "forgotten in 2 projects" in capsys.readouterr().out
    for command in ("export", "erase"):
        assert status(["vault", command, PATIENT]) == 1
        said = complaint(capsys)
        assert "no project knows this patient" in said
        assert PATIENT not in said


@pytest.mark.parametrize(
    "words",
    [
        ["vault", "rotate"],
        ["vault", "rewrap", "--key-file", "other.key"],
        ["vault", "export", PATIENT],
        ["vault", "erase", PATIENT],
        ["reidentify", "in.dcm", "out.dcm"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_mistyped_database_is_named_and_no_vault_is_made_there(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUDSEC_DATABASE", f"sqlite:///{tmp_path}/vualt.db")
    before = set(tmp_path.rglob("*"))
    assert status(words) == 1
    assert re.search(r"no vault in the database .*/vualt\.db; .*\$CLOUDSEC_DATABASE", complaint(capsys))
    assert set(tmp_path.rglob("*")) == before


def test_a_vault_under_another_envelope_opens_by_that_alone(
    passphrase: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    filled()
    monkeypatch.chdir(passphrase.parent)
    # As it is found from any other directory, too.
    assert status(["vault", "rewrap", "--passphrase-file", passphrase.name]) == 0
    assert f"set CLOUDSEC_VAULT_PASSPHRASE_FILE={passphrase}" in capsys.readouterr().out
    assert status(["vault", "rotate"]) == 1
    assert "$CLOUDSEC_VAULT_PASSPHRASE_FILE" in complaint(capsys)
    monkeypatch.setenv("CLOUDSEC_VAULT_PASSPHRASE_FILE", str(passphrase))
    checked()
    other = passphrase.with_name("other.key")
    assert status(["vault", "rewrap", "--key-file", str(other)]) == 0
    monkeypatch.delenv("CLOUDSEC_VAULT_PASSPHRASE_FILE")
    monkeypatch.setenv("CLOUDSEC_VAULT_KEY_FILE", str(other))
    checked()


def test_what_is_named_goes_before_the_environment(
    passphrase: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSEC_VAULT_PASSPHRASE_FILE", str(passphrase))
    monkeypatch.setenv("CLOUDSEC_DATABASE", f"sqlite:///{tmp_path}/theirs.db")
    with user_vault(f"sqlite:///{tmp_path}/mine.db", key_file=tmp_path / "mine.key") as vault:
        fill(vault)
    assert (tmp_path / "mine.key").is_file()
    assert not (tmp_path / "theirs.db").exists()
    filled()
    assert (tmp_path / "theirs.db").is_file()


def test_a_vault_has_one_envelope(
    passphrase: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLOUDSEC_VAULT_KMS_KEY", "alias/vault")
    named = envelope()
    assert isinstance(named, Kms)
    assert named.key == "alias/vault"
    monkeypatch.setenv("CLOUDSEC_VAULT_PASSPHRASE_FILE", str(passphrase))
    assert status(["vault", "rotate"]) == 2
    assert "one envelope" in complaint(capsys)


def test_a_passphrase_that_cannot_be_used_is_refused_and_not_shown(passphrase: Path) -> None:
    passphrase.chmod(0o644)
    with pytest.raises(VaultError, match="chmod 600"):
        envelope(passphrase_file=passphrase)
    passphrase.chmod(0o600)
    passphrase.write_bytes(b"caf\xe9 au lait, sans sucre")
    with pytest.raises(VaultError, match="UTF-8") as caught:
        envelope(passphrase_file=passphrase)
    assert "sucre" not in str(caught.value)
    with pytest.raises(VaultError, match=r"cannot be read.*\$CLOUDSEC_VAULT_PASSPHRASE_FILE"):
        envelope(passphrase_file=passphrase.with_name("nowhere"))
    with pytest.raises(VaultError, match="cannot be read"):
        envelope(passphrase_file=passphrase.parent)


@pytest.mark.parametrize(
    "words", [[], ["rewrap"], ["rewrap", "--key-file", "a", "--kms-key", "b"], ["export"]]
)
def test_what_is_wrongly_asked_for_is_wrong_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["vault", *words]) == 2
    complaint(capsys)
