"""A study's record as a row: one grid for all daemons of a database."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack

import pytest

from cloudsec import VaultError
from cloudsec.keystream import Keystream
from cloudsec.ledger import Ledger
from cloudsec.schemes import SCHEMES
from cloudsec.study_file import Change
from cloudsec.vault import Vault, records
from cloudsec.vault.records import StudyRow
from tests.planning import job_of, noise

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


class Raced:
    """A record that is changed by nobody before all have read it."""

    def __init__(self, record: StudyRow, start: threading.Barrier) -> None:
        self.place, self.read, self._record, self._start = record.place, record.read, record, start

    def changing(self) -> AbstractContextManager[Change]:
        self._start.wait()
        return self._record.changing()


def test_of_daemons_that_plan_a_first_job_at_once_all_use_one_grid(
    vault: Vault, again: Callable[[], Vault]
) -> None:
    start = threading.Barrier(2)
    speeds = [1.0, 2.0, 4.0, 8.0, 16.0]
    jobs = [job_of(noise(256, 256), "median", 5, speeds=each) for each in (speeds, speeds[::-1])]

    def ledger(own: Vault) -> Ledger:
        return Ledger(SCHEMES["ga-es"], KEYS, Raced(own.records(KEYS), start))

    alone = [ledger(vault).foreseen(job).owners.tolist() for job in jobs]
    assert alone[0] != alone[1]
    with again() as other, ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda own, job: ledger(own).planned(job), (vault, other), jobs)
    record = vault.records(KEYS).read()
    assert [plan.study.encoded() for plan in (first, second) if plan.study] == [record, record]
    assert (first.owners == second.owners).all()


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
