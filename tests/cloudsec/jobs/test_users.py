"""Users have a token that only they know, and a role."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from cloudsec.jobs import ENDS, JobQueue, JobStore, LostClaim, NoSuchJob, Quota, Role, UserError, Users
from cloudsec.vault import Vault, job_tables
from tests.cloudsec.jobs.conftest import claimed


def test_a_token_is_its_users_and_any_other_is_nobodys(vault: Vault) -> None:
    users = Users(vault)
    token, other = users.add("ward-3", Role.SERVICE), users.add("dr.b", Role.CLINICIAN)
    user = users.who(token)
    assert user is not None
    assert (user.name, user.role) == ("ward-3", Role.SERVICE)
    for wrong in ("", token[:-1], token[:-1] + ("0" if token[-1] != "0" else "1"), token + "0", "é"):
        assert users.who(wrong) is None
    mixed = "-".join([*token.split("-")[:2], other.split("-")[2]])
    assert users.who(mixed) is None


def test_of_a_token_only_a_hash_is_stored(vault: Vault) -> None:
    token = Users(vault).add("ward-3", Role.SERVICE)
    with vault.reading() as base:
        row = base.execute(select(job_tables.users)).one()
    assert token.split("-")[2] not in str(row)


def test_who_writes_to_the_database_makes_no_user_and_no_other_role(vault: Vault) -> None:
    users, table = Users(vault), job_tables.users
    service, clinician = users.add("ward-3", Role.SERVICE), users.add("dr.b", Role.CLINICIAN)
    known = users.who(service)
    assert known is not None
    with vault.writing() as base:
        base.connection.execute(update(table).where(table.c.id == known.id).values(role="clinician"))
    assert users.who(service) is None
    # A row like that of a user whose token is known, under another's id.
    with vault.writing() as base:
        hashed = base.connection.scalar(select(table.c.token).where(table.c.id == known.id))
        base.connection.execute(update(table).where(table.c.name == "dr.b").values(token=hashed))
    mixed = "-".join([*clinician.split("-")[:2], service.split("-")[2]])
    assert users.who(mixed) is None


def test_with_a_user_go_their_jobs_each_of_which_has_ended_once(
    vault: Vault, store: JobStore, queued: Callable[..., str]
) -> None:
    users, queue = Users(vault), JobQueue(vault)
    user = users.who(users.add("ward-3", Role.SERVICE))
    assert user is not None
    done = queued(user.id)
    queue.finish(claimed(queue), [b"x"], b"{}")
    running, others = queued(user.id), queued()
    claim = claimed(queue)
    users.remove("ward-3")
    with pytest.raises(LostClaim):
        queue.finish(claim, [b"x"], b"{}")
    for name in (done, running):
        with pytest.raises(NoSuchJob):
            store.job(name)
    assert store.job(others).images == 1
    with vault.reading() as base:
        ends = select(job_tables.moves.c.job, job_tables.moves.c.state).where(
            job_tables.moves.c.state.in_(ENDS)
        )
        assert {row.job: row.state for row in base.execute(ends)} == {done: "done", running: "cancelled"}
        kept = base.scalars(select(job_tables.parts.c.job)).all()
    assert set(kept) == {others}


def test_a_name_is_taken_once_and_the_last_admin_stays(vault: Vault) -> None:
    users = Users(vault)
    users.add("first", Role.ADMIN)
    assert not users.add_first("second", Role.ADMIN, print)
    for name, message in (("first", "is a user first already"), ("A B", "small letters")):
        with pytest.raises(UserError, match=message):
            users.add(name, Role.ADMIN)
    with pytest.raises(UserError, match="only admin"):
        users.remove("first")
    token = users.add("second", Role.ADMIN)
    users.remove("second")
    assert users.who(token) is None
    with pytest.raises(UserError, match="no user second"):
        users.remove("second")
    assert [user.name for user in users.all()] == ["first"]


def test_a_first_user_whose_token_cannot_be_kept_is_none(vault: Vault) -> None:
    def full(_: str) -> None:
        raise OSError("no room")

    users, kept = Users(vault), []
    with pytest.raises(OSError, match="no room"):
        users.add_first("admin", Role.ADMIN, full)
    assert users.all() == []
    assert users.add_first("admin", Role.ADMIN, kept.append)
    assert users.who(kept[0]) is not None


def test_a_users_own_quota_stands_before_the_usual_one(vault: Vault) -> None:
    users = Users(vault)
    users.add("small", Role.SERVICE, jobs=1)
    (user,) = users.all()
    assert user.quota(Quota(10, 20)) == Quota(1, 20)
