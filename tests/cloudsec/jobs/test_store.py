"""Jobs are filled, bounded, fetched and removed; what is stored of them is whole or refused."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, event, select, update

from cloudsec.errors import VaultError
from cloudsec.jobs import (
    JobQueue,
    JobStore,
    Kind,
    LostClaim,
    NoSuchJob,
    OverQuota,
    Quota,
    State,
    Words,
    WrongState,
    parts,
)
from cloudsec.vault import Place, Vault, job_tables
from cloudsec.vault.sealing import seal
from tests.cloudsec.jobs.conftest import QUOTA, claimed


def stored(store: JobStore, name: str, kind: Kind, number: int = 0) -> bytes:
    return b"".join(store.content(name, kind, number)[1])


def test_an_image_that_comes_in_pieces_is_put_together_again(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PIECE", 4)
    job = store.create("somebody", b"{}", QUOTA)
    part = store.receive(job.id, 0)
    store.add(job.id, part, 0, b"abcd", last=False, quota=QUOTA)
    store.add(job.id, part, 1, b"ef", last=True, quota=QUOTA)
    assert store.received(part) == b"abcdef"
    kept = store.keep(job.id, 0, b"what is processed")
    assert (kept.images, kept.size) == (1, 17)
    assert stored(store, job.id, Kind.IMAGE) == b"what is processed"
    with pytest.raises(NoSuchJob):
        store.received(part)


def test_of_two_transfers_of_an_image_the_later_counts_and_the_earlier_is_told(store: JobStore) -> None:
    job = store.create("somebody", b"{}", QUOTA)
    first, second = store.receive(job.id, 0), store.receive(job.id, 0)
    store.add(job.id, second, 0, b"second", last=True, quota=QUOTA)
    with pytest.raises(NoSuchJob, match="sent anew"):
        store.add(job.id, first, 0, b"first", last=True, quota=QUOTA)
    assert store.received(second) == b"second"
    with pytest.raises(NoSuchJob, match="sent anew"):
        store.received(first)


def test_a_job_starts_only_with_all_its_images(store: JobStore) -> None:
    job = store.create("somebody", b"{}", QUOTA)
    for present in ((), (1,)):
        for number in present:
            store.keep(job.id, number, b"x")
        with pytest.raises(WrongState, match="missing"):
            store.start(job.id)
    store.keep(job.id, 0, b"x")
    half = store.receive(job.id, 1)
    assert store.start(job.id).state is State.QUEUED
    with pytest.raises(NoSuchJob):
        store.received(half)


def test_a_user_has_no_more_unfinished_jobs_and_no_more_bytes_than_the_quota(store: JobStore) -> None:
    # What was asked counts, sealed as it is.
    asked = len(seal(bytes(32), 1, Place("t", "c", ("r",)), b"{}"))
    quota = Quota(jobs=2, bytes=10 + 2 * asked)
    job, _ = store.create("somebody", b"{}", quota), store.create("somebody", b"{}", quota)
    with pytest.raises(OverQuota, match="2 jobs that have not ended"):
        store.create("somebody", b"{}", quota)
    store.create("another", b"{}", quota)
    part = store.receive(job.id, 0)
    store.add(job.id, part, 0, b"12345", last=False, quota=quota)
    with pytest.raises(OverQuota, match=f"more than the {quota.bytes} bytes"):
        store.add(job.id, part, 1, b"678901", last=True, quota=quota)
    store.cancel(job.id)
    store.create("somebody", b"{}", quota)


def test_what_was_asked_in_jobs_that_ended_counts_as_bytes_too(store: JobStore) -> None:
    quota = Quota(jobs=2, bytes=100_000)
    for _ in range(2):
        store.cancel(store.create("somebody", bytes(45_000), quota).id)
    with pytest.raises(OverQuota, match="more than the 100000 bytes"):
        store.create("somebody", bytes(45_000), quota)


def test_a_job_is_no_larger_than_its_worker_can_hold(vault: Vault) -> None:
    store = JobStore(vault, job_bytes=10)
    job = store.create("somebody", b"{}", QUOTA)
    store.keep(job.id, 0, b"123456")
    part = store.receive(job.id, 1)
    with pytest.raises(OverQuota, match="10 bytes of images"):
        store.add(job.id, part, 0, b"12345", last=True, quota=QUOTA)
    with pytest.raises(OverQuota, match="10 bytes of images"):
        store.keep(job.id, 1, b"12345")
    assert store.job(job.id).images == 1


def test_a_job_that_ended_can_be_fetched_and_removed_and_then_only_its_moves_are_left(
    vault: Vault, store: JobStore, queued: Callable[..., str]
) -> None:
    name, queue = queued(), JobQueue(vault)
    with pytest.raises(WrongState, match="cancel it first"):
        store.remove(name)
    queue.finish(claimed(queue), [b"one", b"two"], b"report")
    assert [stored(store, name, Kind.RESULT, number) for number in (0, 1)] == [b"one", b"two"]
    assert stored(store, name, Kind.REPORT) == b"report"
    store.remove(name)
    with pytest.raises(NoSuchJob):
        store.job(name)
    with vault.reading() as base:
        assert base.execute(select(job_tables.pieces)).all() == []
        assert len(base.execute(select(job_tables.moves)).all()) == 3


def test_who_has_fewer_jobs_worked_on_is_next_and_of_equals_who_came_first(
    vault: Vault, queued: Callable[..., str]
) -> None:
    queue = JobQueue(vault)
    first, second, third, other = (queued(user) for user in ("many", "many", "many", "one"))
    assert [claimed(queue).job for _ in range(4)] == [first, other, second, third]


def test_a_job_whose_worker_is_gone_is_not_counted_against_its_user(
    vault: Vault, queued: Callable[..., str]
) -> None:
    names = [queued(user) for user in ("many", "one")]
    assert claimed(JobQueue(vault, lease=-1.0)).job == names[0]
    assert [claimed(JobQueue(vault)).job for _ in names] == names


def test_why_a_job_failed_is_kept_sealed_and_for_its_user(
    vault: Vault, store: JobStore, queued: Callable[..., str]
) -> None:
    name, queue = queued(), JobQueue(vault)
    queue.fail(claimed(queue), "refused", "the reason")
    assert (store.job(name).code, store.words(name).failure) == ("refused", "the reason")
    with vault.reading() as base:
        assert b"reason" not in base.execute(select(job_tables.jobs.c.failure)).scalar_one()


def test_a_users_jobs_are_told_with_their_words_in_one_look_however_many(
    vault: Vault, store: JobStore, queued: Callable[..., str]
) -> None:
    names, queue = [queued("many") for _ in range(4)], JobQueue(vault)
    failed = claimed(queue)
    queue.fail(failed, "refused", "the reason")
    queued("another")
    looks: list[str] = []
    event.listen(vault.engine, "before_cursor_execute", lambda *said: looks.append(said[2]))
    told = {job.id: words for job, words in store.own("many")}
    assert sum(look.startswith("SELECT") for look in looks) == 1
    assert told == {name: Words(b"{}", "the reason" if name == failed.job else None) for name in names}
    assert len(store.own("many", limit=2)) == 2


def test_a_job_on_a_patient_who_is_erased_meanwhile_has_no_end_and_leaves_no_result(
    vault: Vault, store: JobStore
) -> None:
    project, queue = vault.project("trial"), JobQueue(vault)
    patient = project.remember("PID-1", "CS-1", {})
    done, failed, running, waiting = (store.create("somebody", b"{}", QUOTA).id for _ in range(4))
    for name in (done, failed, running, waiting):
        store.keep(name, 0, b"image", patient)
        if name is not waiting:
            store.start(name)
    store.receive(waiting, 1)
    queue.finish(claimed(queue), [b"result"], b"{}")
    queue.fail(claimed(queue), "refused", "the reason")
    claim = claimed(queue)
    assert project.erase("PID-1")
    assert not queue.renew(claim, 1, 2)
    with pytest.raises(LostClaim):
        queue.finish(claim, [b"result"], b"{}")
    with vault.reading() as base:
        for table in (job_tables.jobs, job_tables.parts, job_tables.pieces):
            assert base.execute(select(table)).all() == []


def test_what_is_old_is_swept_away_and_what_runs_is_not(
    vault: Vault, store: JobStore, queued: Callable[..., str]
) -> None:
    queue, done, idle = JobQueue(vault), queued(), store.create("somebody", b"{}", QUOTA).id
    queue.finish(claimed(queue), [b"x"], b"{}")
    running = queued()
    claimed(queue)
    assert store.sweep(kept=1000.0) == 0
    with vault.writing() as base:
        base.connection.execute(update(job_tables.jobs).values(changed=0.0))
    assert store.sweep(kept=1000.0) == 2
    with pytest.raises(NoSuchJob):
        store.job(done)
    assert (store.job(idle).state, store.job(running).state) == (State.CANCELLED, State.RUNNING)


def test_a_job_whose_workers_die_fails_after_the_last_attempt(
    vault: Vault, store: JobStore, queued: Callable[..., str]
) -> None:
    name, queue = queued(), JobQueue(vault, lease=-1.0)
    for attempt in (1, 2, 3):
        assert claimed(queue).attempt == attempt
    assert queue.claim("one") is None
    assert (store.job(name).state, store.job(name).code) == (State.FAILED, "lost")


def test_a_job_that_is_given_back_has_lost_no_attempt(
    vault: Vault, store: JobStore, queued: Callable[..., str]
) -> None:
    name, queue = queued(), JobQueue(vault)
    for _ in range(5):
        queue.give_back(claimed(queue))
    assert store.job(name).state is State.QUEUED


def _swap_pieces(base: Any, names: list[str]) -> None:
    first, second = (f"{name}.result.0." for name in names)
    rows = base.execute(select(job_tables.pieces)).mappings().all()
    content = {row["part"][: len(first)]: row["content"] for row in rows}
    for row in rows:
        other = {first: second, second: first}.get(row["part"][: len(first)])
        if other:
            moved = update(job_tables.pieces).where(job_tables.pieces.c.part == row["part"])
            base.execute(moved.values(content=content[other]))


def _exchange_parts(base: Any, names: list[str]) -> None:
    table = job_tables.parts
    for new, old in (("x", names[0]), (names[0], names[1]), (names[1], "x")):
        held = table.c.job == old
        if new == "x":
            base.execute(update(table).where(held).values(number=table.c.number + 10))
            continue
        chosen = table.c.job == (names[0] if old == "x" else old)
        chosen &= table.c.number >= 10 if old == "x" else table.c.number < 10
        base.execute(update(table).where(chosen).values(job=new))
    base.execute(update(table).where(table.c.number >= 10).values(number=table.c.number - 10))


def _cut(base: Any, names: list[str]) -> None:
    base.execute(delete(job_tables.pieces).where(job_tables.pieces.c.number > 0))


@pytest.mark.parametrize("tamper", [_swap_pieces, _exchange_parts, _cut])
def test_a_result_that_was_swapped_or_cut_in_the_database_is_refused(
    vault: Vault,
    store: JobStore,
    queued: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tamper: Callable[..., None],
) -> None:
    monkeypatch.setattr(parts, "PIECE", 4)
    queue, names = JobQueue(vault), [queued(), queued()]
    for content in (b"abcdefgh", b"ABCDEFGH"):
        queue.finish(claimed(queue), [content], b"{}")
    assert stored(store, names[0], Kind.RESULT) == b"abcdefgh"
    with vault.writing() as base:
        tamper(base.connection, names)
    for name in names:
        with pytest.raises(VaultError):
            stored(store, name, Kind.RESULT)


def test_what_a_job_is_asked_for_belongs_to_its_user_whatever_the_database_says(
    vault: Vault, store: JobStore
) -> None:
    name = store.create("somebody", b"{}", QUOTA).id
    with vault.writing() as base:
        base.connection.execute(update(job_tables.jobs).values(user="another"))
    with pytest.raises(VaultError):
        store.words(name)


def test_a_job_is_on_its_patient_and_no_other_whatever_the_database_says(
    vault: Vault, store: JobStore
) -> None:
    project, table = vault.project("trial"), job_tables.jobs
    patients = [project.remember(f"PID-{n}", f"CS-{n}", {}) for n in range(2)]
    names = [store.create("somebody", b"{}", QUOTA).id for _ in range(2)]
    store.keep(names[0], 0, b"image", patients[0])
    store.keep(names[1], 0, b"image")
    assert [store.words(name).request for name in names] == [b"{}", b"{}"]
    for name, other in zip(names, ([patients[1], None], [patients[1]]), strict=True):
        for patient in other:
            with vault.writing() as base:
                base.connection.execute(update(table).where(table.c.id == name).values(patient=patient))
            with pytest.raises(VaultError):
                store.words(name)
