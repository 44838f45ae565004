"""A broker's key and its studies' records may be kept elsewhere than in the user's files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cloudsec import VaultError
from cloudsec.custody import Custody, custody_of
from cloudsec.key_file import master_key, state_directory
from cloudsec.keystream import Keystream
from cloudsec.schemes import SCHEMES
from cloudsec.study import Study
from cloudsec.vault import KeyFile, open_vault
from tests import in_blocks
from tests.locating import noise
from tests.simulator import Simulated

IMAGE = noise((100, 110), 0)
KEY = bytes(range(32))


@dataclass
class Kept:
    """A record in memory."""

    place: str = "the record in memory"
    content: bytes | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> bytes | None:
        return self.content

    @contextmanager
    def changing(self) -> Iterator[Kept]:
        with self.lock:
            yield self

    def write(self, content: bytes) -> None:
        self.content = content


class Records(dict[bytes, Kept]):
    """Those of all studies, by what only their keys tell."""

    def __call__(self, keys: Keystream) -> Kept:
        return self.setdefault(keys.octets("a name", 16), Kept())


def sent(custody: Custody | bytes, study: str) -> list[list[bytes]]:
    """What each provider is sent, but for what is new in each task."""
    clouds = [Simulated(f"cloud-{number}") for number in range(4)]
    with in_blocks.Broker(clouds, key=custody, plan={"block": 8}, tolerate=0, seed=1) as broker:
        broker.process(IMAGE, "median", study=study)
    return [cloud.requests for cloud in clouds]


def test_records_go_where_custody_has_them_and_no_file_is_made() -> None:
    records = Records()
    custody = Custody(Keystream.of(KEY), records)
    for study in ("knee", "knee", "hip"):
        sent(custody, study)
    assert len(records) == 2
    assert all(kept.content is not None and Study.decoded(kept.content) for kept in records.values())
    assert not list(state_directory().glob("*.sealed"))


def test_the_same_key_means_the_same_study_wherever_records_are_kept() -> None:
    records = Records()
    sent(Custody(Keystream.of(KEY), records), "knee")
    sent(KEY, "knee")
    keys, ledger = custody_of(KEY, lasting=True).study(SCHEMES["ga-es"], "knee", "")
    assert ledger is not None
    assert records(keys).content == ledger.record.read()


def test_a_vault_keeps_key_and_records_of_a_broker(tmp_path: Path) -> None:
    database, envelope = f"sqlite:///{tmp_path}/state/vault.db", KeyFile(tmp_path / "vault.key")
    kept = []
    for _ in range(2):
        with open_vault(database, envelope) as vault:
            custody = Custody(vault.secret("studies"), vault.records)
            sent(custody, "knee")
            _, ledger = custody.study(SCHEMES["ga-es"], "knee", "")
            assert ledger is not None
            kept.append(ledger.record.read())
    assert kept[0] == kept[1] is not None
    assert not list(state_directory().glob("*.sealed"))


def test_a_record_that_is_damaged_is_said_with_its_place() -> None:
    records = Records()
    custody = Custody(Keystream.of(KEY), records)
    sent(custody, "knee")
    (kept,) = records.values()
    kept.content = b"something else"
    with pytest.raises(VaultError, match="the record in memory"):
        sent(custody, "knee")


def test_what_nothing_is_remembered_under_reads_no_key_file(tmp_path: Path) -> None:
    named = tmp_path / "key"
    custody_of(named, lasting=False)
    assert not named.exists()
    one = custody_of(named, lasting=True)
    assert one.key.octets("a", 8) == master_key(named).octets("a", 8)


def test_neither_key_nor_records_are_shown() -> None:
    assert repr(Custody(Keystream.of(KEY), Records())) == "Custody()"
