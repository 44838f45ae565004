"""Who waits for a row that somebody else holds keeps nobody from another: on PostgreSQL both would wait."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import select, update

from cloudsec.errors import PatientConflict
from cloudsec.jobs import JobQueue, JobStore, Kind, NoSuchJob, Role, Users, parts
from cloudsec.jobs.rows import held
from cloudsec.vault import Vault, job_tables
from tests.cloudsec.jobs.conftest import QUOTA, claimed
from tests.racers import until_it_waits


def test_an_image_that_waits_for_its_user_does_not_hold_its_job(vault: Vault, store: JobStore) -> None:
    users = Users(vault)
    user = users.who(users.add("ward-3", Role.SERVICE))
    assert user is not None
    job = store.create(user.id, b"{}", QUOTA)
    part = store.receive(job.id, 0)
    with ThreadPoolExecutor(1) as pool:
        with vault.writing() as writing:
            # As who removes a user holds the user, and then the user's jobs.
            writing.connection.execute(select(job_tables.users).with_for_update())
            added = pool.submit(store.add, job.id, part, 0, b"image", last=True, quota=QUOTA)
            until_it_waits(vault, added)
            held(writing, job.id)
        added.result()
    assert store.received(part) == b"image"


def test_a_sweep_waits_for_no_job(vault: Vault, store: JobStore, queued: Callable[..., str]) -> None:
    queue, ended = JobQueue(vault), [queued() for _ in range(3)]
    for _ in ended:
        queue.finish(claimed(queue), [b"result"], b"{}")
    with vault.writing() as writing:
        writing.connection.execute(update(job_tables.jobs).values(changed=0.0))
    with ThreadPoolExecutor(1) as pool:
        with vault.writing() as writing:
            held(writing, ended[1])
            swept = pool.submit(store.sweep, 1000.0)
            until_it_waits(vault, swept)
            for name in ended:
                with suppress(NoSuchJob):
                    held(writing, name)
        swept.result()
        store.sweep(1000.0)
    assert store.jobs() == []


def test_an_image_that_is_refused_holds_nothing_of_a_job_that_is_removed(
    vault: Vault, store: JobStore
) -> None:
    job = store.create("somebody", b"{}", QUOTA)
    part = store.receive(job.id, 0)
    store.add(job.id, part, 0, b"image", last=True, quota=QUOTA)
    with ThreadPoolExecutor(1) as pool:
        with vault.writing() as writing:
            # As a database erases by what refers to what: a part before its pieces.
            writing.connection.execute(select(job_tables.parts).with_for_update())
            refused = pool.submit(store.refuse, part)
            until_it_waits(vault, refused)
            writing.connection.execute(select(job_tables.pieces).with_for_update())
        refused.result()
    with vault.reading() as connection:
        assert connection.execute(select(job_tables.pieces)).all() == []


def test_an_image_whose_patient_is_erased_meanwhile_is_refused(vault: Vault, store: JobStore) -> None:
    project, job = vault.project("trial"), store.create("somebody", b"{}", QUOTA)
    patient = project.remember("PID-1", "CS-1", {})
    project.erase("PID-1")
    with pytest.raises(PatientConflict, match="erased while it came"):
        store.keep(job.id, 0, b"image", patient)
    assert store.job(job.id).images == 0


def test_what_is_removed_while_it_is_fetched_is_not_taken_for_damaged(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PIECE", 2)
    job = store.create("somebody", b"{}", QUOTA)
    store.keep(job.id, 0, b"image")
    _, pieces = store.content(job.id, Kind.IMAGE, 0)
    assert next(pieces) == b"im"
    store.cancel(job.id)
    store.remove(job.id)
    with pytest.raises(NoSuchJob, match="removed meanwhile"):
        next(pieces)
