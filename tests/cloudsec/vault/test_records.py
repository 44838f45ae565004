"""A study's record as a row: one grid for all daemons of a database."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from cloudsec import VaultError
from cloudsec.keystream import Keystream
from cloudsec.vault import Vault, records

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


def test_whoever_changes_a_record_at_once_loses_no_update(vault: Vault, again: Callable[[], Vault]) -> None:
    start = threading.Barrier(4)

    def append(number: int) -> None:
        # Two share a vault, two come with their own, as other processes do.
        with ExitStack() as stack:
            mine = stack.enter_context(again()) if number % 2 else vault
            start.wait()
            for turn in range(10):
                with mine.records(KEYS).changing() as change:
                    change.write((change.content or b"") + f"{number}.{turn} ".encode())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(4)))
    written = (vault.records(KEYS).read() or b"").split()
    assert sorted(written) == sorted(f"{number}.{turn}".encode() for number in range(4) for turn in range(10))


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
