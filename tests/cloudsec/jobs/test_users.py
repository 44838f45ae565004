"""Users have a token that only they know, and a role."""

import pytest
from sqlalchemy import select

from cloudsec.jobs import Quota, Role, UserError, Users
from cloudsec.vault import Vault, job_tables


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
