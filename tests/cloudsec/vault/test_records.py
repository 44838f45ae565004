"""A study's record as a row: one grid for all daemons of a database."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloudsec import VaultError
from cloudsec.keystream import Keystream
from cloudsec.vault import KeyFile, Vault, records
from tests.racers import run_at_once

KEYS = Keystream(bytes(range(32)))
SECRET = b"provider 3 holds class 1"


def test_what_is_written_is_read_again(vault: Vault, again: Callable[[], Vault]) -> None:
    record = vault.records(KEYS.for_study("Jane Doe, knee"))
    assert record.read() is None
    with record.changing() as change:
        assert change.content is None
        change.write(b"first")
        change.write(SECRET)
        assert change.content == SECRET
    assert record.read() == SECRET
    assert vault.records(KEYS.for_study("another")).read() is None
    with again() as other:
        assert other.records(KEYS.for_study("Jane Doe, knee")).read() == SECRET


def test_a_change_that_fails_changes_nothing_and_ends_with_its_block(vault: Vault) -> None:
    record = vault.records(KEYS)
    with pytest.raises(RuntimeError), record.changing() as change:
        change.write(b"new")
        raise RuntimeError
    assert record.read() is None
    with pytest.raises(ValueError, match="no longer locked"):
        change.write(SECRET)
    assert record.read() is None


def test_a_reader_needs_no_lock(vault: Vault) -> None:
    record = vault.records(KEYS)
    with record.changing() as change:
        change.write(SECRET)
    with record.changing() as change:
        change.write(b"new")
        assert record.read() == SECRET
    assert record.read() == b"new"


def test_threads_and_processes_that_change_a_record_lose_no_update(
    vault: Vault, url: str, key: KeyFile
) -> None:
    imports = "import sys; from pathlib import Path; from cloudsec.vault import KeyFile, open_vault\n"
    imports += "from cloudsec.keystream import Keystream"
    program = """
with open_vault(sys.argv[1], KeyFile(Path(sys.argv[2]))) as vault:
    record = vault.records(Keystream(bytes(range(32))))
    for turn in range(10):
        with record.changing() as change:
            change.write((change.content or b"") + f"{sys.argv[3]}.{turn} ".encode())
"""
    run_at_once(imports, program, [(url, str(key.path), str(number)) for number in range(3)])
    start = threading.Barrier(3)

    def append(number: int) -> None:
        start.wait()
        for turn in range(10):
            with vault.records(KEYS).changing() as change:
                change.write((change.content or b"") + f"{number}.{turn} ".encode())

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(append, range(3, 6)))
    written = (vault.records(KEYS).read() or b"").split()
    assert sorted(written) == sorted(f"{number}.{turn}".encode() for number in range(6) for turn in range(10))


def test_of_two_first_changes_the_later_sees_what_the_other_wrote(
    vault: Vault, again: Callable[[], Vault]
) -> None:
    begun = threading.Event()

    def second() -> bytes | None:
        with again() as other:
            begun.set()
            with other.records(KEYS).changing() as change:
                return change.content

    with ThreadPoolExecutor(1) as pool:
        with vault.records(KEYS).changing() as change:
            later = pool.submit(second)
            assert begun.wait(60)
            change.write(SECRET)
        assert later.result() == SECRET


def test_a_record_that_grows_too_large_is_refused(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    record = vault.records(KEYS)
    with record.changing() as change:
        change.write(SECRET)
    monkeypatch.setattr(records, "LARGEST_RECORD", 100)
    with (
        pytest.raises(VaultError, match="beyond 100 bytes; begin another study"),
        record.changing() as change,
    ):
        change.write(bytes(101))
    assert record.read() == SECRET
