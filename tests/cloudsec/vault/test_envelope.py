"""Data keys come out of an envelope for whoever has it; anybody else is told what to do."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from sqlalchemy import select, update

from cloudsec import VaultError
from cloudsec.vault import Envelope, KeyFile, Kms, Passphrase, open_vault, rewrap, rotate
from cloudsec.vault import envelope as envelopes
from cloudsec.vault.database import connected, writing
from cloudsec.vault.tables import data_keys
from tests.vaults import check, fill

KEY = bytes(range(32))
CONTEXT = "data key 1 5f"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Makes keys of a KMS in this process."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield lambda: boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]


@pytest.fixture(params=["key file", "passphrase", "AWS KMS"])
def pair(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Envelope, Envelope]:
    """Two envelopes of each kind."""
    # What a guess costs, tests need not pay.
    monkeypatch.setattr(envelopes, "SCRYPT_LOG_COST", 4)
    if request.param == "key file":
        return KeyFile(tmp_path / "a"), KeyFile(tmp_path / "b")
    if request.param == "passphrase":
        return Passphrase("correct horse battery"), Passphrase("incorrect horse battery")
    make: Callable[[], str] = request.getfixturevalue("aws")
    return Kms(make()), Kms(make())


def test_a_key_comes_out_as_it_went_in_and_is_hidden_in_between(pair: tuple[Envelope, Envelope]) -> None:
    first, _ = pair
    wrapped = first.wrapped(KEY, CONTEXT)
    assert first.unwrapped(wrapped, CONTEXT) == KEY
    assert KEY not in wrapped
    assert wrapped != first.wrapped(KEY, CONTEXT)


def test_another_envelope_another_place_and_every_flipped_bit_are_refused(
    pair: tuple[Envelope, Envelope],
) -> None:
    first, second = pair
    wrapped = first.wrapped(KEY, CONTEXT)
    second.wrapped(KEY, CONTEXT)
    for envelope, what, where in (
        (second, wrapped, CONTEXT),
        (first, wrapped, "data key 2 5f"),
        (first, b"", CONTEXT),
        (first, wrapped[:-1], CONTEXT),
        (first, wrapped[:20], CONTEXT),
    ):
        with pytest.raises(VaultError, match=r"does not open.*\$CLOUDSEC_VAULT_") as caught:
            envelope.unwrapped(what, where)
        assert str(caught.value).isprintable()
    # Each is a question to KMS, which is asked about one bit of a byte.
    for bit in range(0, 8 * len(wrapped), 9 if first.kind == "AWS KMS" else 1):
        flipped = bytearray(wrapped)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VaultError):
            first.unwrapped(bytes(flipped), CONTEXT)


def test_a_vault_does_not_open_with_another_envelope_and_does_with_its_own_afterwards(
    pair: tuple[Envelope, Envelope], url: str, tmp_path: Path
) -> None:
    first, second = pair
    second.wrapped(KEY, CONTEXT)
    with open_vault(url, first) as vault:
        made = vault.secret("knee").octets("a label", 8)
    with pytest.raises(VaultError, match=r"does not open.*\$CLOUDSEC_VAULT_"):
        open_vault(url, second)
    other: Envelope = KeyFile(tmp_path / "c") if first.kind != "key file" else Passphrase("of another kind")
    with pytest.raises(VaultError, match=f"another envelope.*{first.kind}"):
        open_vault(url, other)
    with open_vault(url, first) as vault:
        assert vault.secret("knee").octets("a label", 8) == made
        rewrap(vault, second)
        assert vault.secret("knee").octets("a label", 8) == made
    with pytest.raises(VaultError, match="does not open"):
        open_vault(url, first)
    with open_vault(url, second) as vault:
        assert vault.secret("knee").octets("a label", 8) == made


def test_a_new_key_is_not_put_under_an_envelope_that_was_left(key: KeyFile, url: str, tmp_path: Path) -> None:
    with open_vault(url, key) as late, open_vault(url, key) as vault:
        fill(vault)
        rewrap(vault, KeyFile(tmp_path / "other.key"))
        # What it has opened it goes on with.
        fill(late, "PID-0815", "CS-OTHER")
        with pytest.raises(VaultError, match="does not open"):
            rotate(late)
    with open_vault(url, KeyFile(tmp_path / "other.key")) as vault:
        assert rotate(vault) > 0
        check(vault)
        check(vault, "PID-0815", "CS-OTHER")


def test_a_data_key_of_another_vault_is_refused(key: KeyFile, tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path}/{name}.db" for name in "ab"]
    for url in urls:
        open_vault(url, key).close()
    first, second = (connected(url) for url in urls)
    with first.begin() as connection:
        wrapped = connection.scalar(select(data_keys.c.wrapped))
    with writing(second) as connection:
        connection.execute(update(data_keys).values(wrapped=wrapped))
    with pytest.raises(VaultError, match="does not open the vault"):
        open_vault(urls[1], key)
    first.dispose()
    second.dispose()


@pytest.mark.parametrize("umask", [0, 0o077])
def test_a_key_file_is_its_owners_alone(url: str, key: KeyFile, umask: int) -> None:
    before = os.umask(umask)
    try:
        open_vault(url, key).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(key.path.stat().st_mode) == 0o600
    key.path.chmod(0o640)
    with pytest.raises(VaultError, match="chmod 600"):
        open_vault(url, key)


def test_a_key_file_that_is_lost_is_asked_for_and_not_made_anew(url: str, key: KeyFile) -> None:
    open_vault(url, key).close()
    kept = key.path.rename(key.path.with_name("elsewhere"))
    with pytest.raises(VaultError, match="restore it from a backup.*without it nobody can open"):
        open_vault(url, key)
    assert not key.path.exists()
    shutil.copy(kept, key.path)
    open_vault(url, key).close()


def test_a_short_passphrase_is_refused_and_none_is_shown() -> None:
    with pytest.raises(ValueError, match="at least 12 characters") as caught:
        Passphrase("too short")
    assert "too short" not in str(caught.value)
    assert "battery" not in repr(Passphrase("correct horse battery"))


def test_what_a_header_asks_for_takes_no_memory_without_limit() -> None:
    words = Passphrase("correct horse battery")
    with pytest.raises(VaultError, match="does not open"):
        words.unwrapped(b"cloudsec passphrase 1\n" + bytes([30]) + bytes(100), CONTEXT)


def test_a_kms_that_cannot_be_asked_is_named(aws: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VaultError, match=r"NotFoundException.*\$CLOUDSEC_VAULT_KMS_KEY"):
        Kms("00000000-0000-0000-0000-000000000000").wrapped(KEY, CONTEXT)
    made = Kms(aws())
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(VaultError, match="cannot be asked.*NoRegionError.*region and credentials"):
        made.wrapped(KEY, CONTEXT)
