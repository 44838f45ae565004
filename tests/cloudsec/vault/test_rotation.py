"""A new data key for all that is sealed; whoever reads and writes meanwhile notices nothing."""

import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, update

from cloudsec import VaultError
from cloudsec.vault import KeyFile, Vault, rotate, rotation
from cloudsec.vault.sealing import prefix
from cloudsec.vault.tables import data_keys, manifests, sealed_columns, uids
from tests.racers import ROOT, until_it_waits
from tests.vaults import INSTANCE, PATIENT, PROJECT, PSEUDONYM, check, fill, rows


def versions(vault: Vault) -> tuple[list[int], set[int]]:
    """Of the data keys that there are, and of those that values are sealed under."""
    with vault.reading() as connection:
        kept = list(connection.scalars(select(data_keys.c.version).order_by(data_keys.c.version)))
    starts = {
        row[column.name][: len(prefix(1))] for column in sealed_columns() for row in rows(vault, column)
    }
    return kept, {int.from_bytes(start[-4:]) for start in starts}


def test_everything_is_sealed_anew_and_the_old_key_is_gone(vault: Vault, again: Callable[[], Vault]) -> None:
    fill(vault)
    fill(vault, "PID-0815", "CS-OTHER")
    before = {column: rows(vault, column) for column in sealed_columns()}
    assert versions(vault) == ([1], {1})
    assert rotate(vault) == sum(map(len, before.values()))
    assert versions(vault) == ([2], {2})
    for column, old in before.items():
        new = rows(vault, column)
        assert {row[column.name] for row in old}.isdisjoint(row[column.name] for row in new)
    check(vault)
    with again() as other:
        check(other)
        rotate(other)
    # Who had opened it before finds the newer key.
    check(vault)
    fill(vault, "PID-1", "CS-1")
    assert versions(vault) == ([3], {3})


def test_a_rotation_that_begins_while_another_runs_takes_it_over(
    vault: Vault, again: Callable[[], Vault], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(vault)
    looks: list[int] = []
    sealed_anew = rotation._sealed_anew

    def overtaken(mine: Vault, *arguments: Any) -> int:
        looks.append(1)
        assert len(looks) < 20 * len(list(sealed_columns())), "it goes on for ever"
        if len(looks) == 1:
            with again() as other:
                # Begun, and gone on with, by somebody else: one ends, and one begins.
                rotate(other)
                rotate(other)
        return sealed_anew(mine, *arguments)

    monkeypatch.setattr(rotation, "_sealed_anew", overtaken)
    rotate(vault)
    kept, used = versions(vault)
    assert set(kept) == used
    check(vault)


def test_others_read_and_write_while_everything_is_sealed_anew(
    vault: Vault, again: Callable[[], Vault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "_BATCH_ROWS", 2)
    fill(vault)
    done = threading.Event()
    written: list[str] = []

    def read() -> int:
        count = 0
        with again() as other:
            while not done.is_set():
                check(other)
                count += 1
        return count

    def write() -> None:
        with again() as other:
            while not done.is_set():
                name = f"{len(written)}"
                fill(other, f"PID-{name}", f"CS-{name}")
                written.append(name)

    with ThreadPoolExecutor(2) as pool:
        others = pool.submit(read), pool.submit(write)
        try:
            while len(written) < 3 and not others[1].done():
                rotate(vault)
        finally:
            done.set()
        assert others[0].result() > 0
        others[1].result()
    rotate(vault)
    kept, used = versions(vault)
    assert set(kept) == used
    check(vault)
    for name in written:
        check(vault, f"PID-{name}", f"CS-{name}")


def test_a_rotation_that_waits_for_a_row_holds_no_other(vault: Vault, again: Callable[[], Vault]) -> None:
    pairs = {f"1.2.{number}": f"2.25.{number}" for number in range(3)}
    row = vault.project(PROJECT).remember(PATIENT, PSEUDONYM, {}, uids=pairs)
    mine = select(uids).where(uids.c.patient == row).with_for_update()
    with ThreadPoolExecutor(1) as pool, again() as other:
        with vault.reading() as connection:
            # As who erases the patient holds one after the other, in an order of their own.
            connection.execute(mine.order_by(uids.c.replacement.desc()).limit(1)).one()
            rotated = pool.submit(rotate, other)
            until_it_waits(vault, rotated)
            assert len(connection.execute(mine).all()) == len(pairs)
        assert rotated.result() > len(pairs)
    with vault.reading() as connection:
        assert list(connection.scalars(select(data_keys.c.version))) == [2]


def test_a_key_waits_for_whoever_still_seals_under_it(vault: Vault, again: Callable[[], Vault]) -> None:
    fill(vault)
    with again() as other, ThreadPoolExecutor(1) as pool:
        with other.writing() as writing:
            rotated = pool.submit(rotate, vault)
            with pytest.raises(TimeoutError):
                rotated.result(timeout=0.3)
            (row,) = rows(other, manifests.c.content)
            changed = writing.sealed_row(manifests, {**row, "content": b"late"})
            this = manifests.c.instance == row["instance"]
            writing.connection.execute(update(manifests).where(this).values(changed))
        rotated.result()
    assert versions(vault) == ([2], {2})
    with again() as other:
        assert other.project(PROJECT).manifests(INSTANCE, PSEUDONYM) == [b"late"]


def test_a_rotation_that_was_killed_is_ended_by_the_next(
    vault: Vault, url: str, key: KeyFile, again: Callable[[], Vault]
) -> None:
    fill(vault)
    fill(vault, "PID-0815", "CS-OTHER")
    program = """
import os, signal, sys
from pathlib import Path
from cloudsec.vault import KeyFile, open_vault, rotate, rotation

one, calls = rotation._one_anew, []

def dying(*arguments):
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(one(*arguments))
    return calls[-1]

rotation._BATCH_ROWS = 1
rotation._one_anew = dying
rotate(open_vault(sys.argv[1], KeyFile(Path(sys.argv[2]))))
"""
    words = [sys.executable, "-c", program, url, str(key.path)]
    assert subprocess.run(words, cwd=ROOT, timeout=60).returncode == -signal.SIGKILL
    assert versions(vault) == ([1, 2], {1, 2})
    check(vault)
    with again() as other:
        check(other)
        rotate(other)
    assert versions(vault) == ([2], {2})
    check(vault)


def test_a_damaged_value_ends_a_rotation_and_no_key_is_lost(vault: Vault) -> None:
    fill(vault)
    (row,) = rows(vault, manifests.c.content)
    damaged = row["content"][:-1] + bytes([row["content"][-1] ^ 1])
    with vault.writing() as writing:
        writing.connection.execute(update(manifests).values(content=damaged))
    with pytest.raises(VaultError, match=r"manifests\.content.*restore"):
        rotate(vault)
    assert versions(vault)[0] == [1, 2]
    with vault.writing() as writing:
        writing.connection.execute(update(manifests).values(content=row["content"]))
    rotate(vault)
    assert versions(vault) == ([2], {2})
    check(vault)


def test_memory_holds_one_value_at_a_time(vault: Vault) -> None:
    images = {(f"2.25.{number}", "a mark"): bytes(1 << 20) for number in range(12)}
    for instance, content in images.items():
        vault.project(PROJECT).remember(PATIENT, PSEUDONYM, {}, manifests={instance: content})
    rotate(vault)
    tracemalloc.start()
    try:
        rotate(vault)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Of one: as read, opened, sealed, and as the driver writes it.
    assert peak < 8 << 20
