"""Who may ask the daemon for what: users with a role and a token, of which only a hash is kept."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, delete, func, select

from cloudsec.errors import CloudsecError
from cloudsec.jobs.database import now
from cloudsec.jobs.job import Quota
from cloudsec.jobs.rows import moved
from cloudsec.jobs.states import ENDS, Move
from cloudsec.vault import Vault, Writing, job_tables
from cloudsec.vault.job_tables import users

TOKEN_BYTES = 32
USER_NAME = re.compile(r"^[a-z0-9]([a-z0-9._@-]{0,62}[a-z0-9])?$")
_TOKEN = re.compile(r"cst-([0-9a-f]{32})-([0-9a-f]{64})")


class Role(StrEnum):
    """What a user is."""

    ADMIN = "admin"
    """Keeps users, and sees the states of all jobs; no images."""
    CLINICIAN = "clinician"
    """Has jobs, and gets results with the patient's identity."""
    SERVICE = "service"
    """Has jobs, and gets de-identified results only."""


class UserError(CloudsecError):
    """A user that cannot be added or removed; the message says why."""


@dataclass(frozen=True)
class User:
    """Who asks.

    Attributes
    ----------
    id : str
        Random, and what the log calls the user.
    name : str
    role : Role
    jobs, bytes : int or None
        Quotas of this user's own.
    created : float
        Seconds since 1970.
    """

    id: str
    name: str
    role: Role
    jobs: int | None
    bytes: int | None
    created: float

    def quota(self, usual: Quota) -> Quota:
        """How much the user may have, where nothing else is said as much as is usual."""
        return Quota(
            usual.jobs if self.jobs is None else self.jobs, usual.bytes if self.bytes is None else self.bytes
        )


class Users:
    """The users in the vault's database."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def add(self, name: str, role: Role, *, jobs: int | None = None, bytes: int | None = None) -> str:
        """A new user's token, which is told this once.

        Raises
        ------
        UserError
            If the name is taken, or is none.
        """
        token, row = self._new(name, role, jobs, bytes)
        with self._vault.writing() as writing:
            if not _added(writing, row):
                raise UserError(f"there is a user {name} already; remove that one, or choose another name")
        return token

    def add_first(self, name: str, role: Role, keep: Callable[[str], None]) -> bool:
        """Add a user where there is none yet, and have the token kept; whether that was so.

        If it cannot be kept, there is no user.
        """
        token, row = self._new(name, role, None, None)
        with self._vault.writing() as writing:
            if writing.connection.execute(select(func.count()).select_from(users)).scalar_one():
                return False
            if added := _added(writing, row):
                keep(token)
            return added

    def who(self, token: str) -> User | None:
        """Whose token this is; None if it is nobody's. How long that takes tells nothing of any secret."""
        match = _TOKEN.fullmatch(token)
        name, secret = (match[1], match[2]) if match else ("", "")
        with self._vault.reading() as connection:
            row = connection.execute(select(users).where(users.c.id == name)).first()
        role, kept = ("", "") if row is None else (row.role, row.token)
        right = hmac.compare_digest(self._hashed(name, role, secret), kept)
        return _user(row) if right and row is not None else None

    def all(self) -> list[User]:
        """All users, by name."""
        with self._vault.reading() as connection:
            return [_user(row) for row in connection.execute(select(users).order_by(users.c.name))]

    def remove(self, name: str) -> None:
        """A user's token is good for nothing from now on; their jobs end and go, for nobody else has them.

        Raises
        ------
        UserError
            If there is no such user, or no other admin.
        """
        with self._vault.writing() as writing:
            everybody = writing.connection.execute(select(users).with_for_update()).all()
            gone = next((row for row in everybody if row.name == name), None)
            if gone is None:
                raise UserError(f"there is no user {name}; see the list of users")
            if gone.role == Role.ADMIN and sum(row.role == Role.ADMIN for row in everybody) == 1:
                raise UserError(f"{name} is the only admin; add another one first")
            writing.connection.execute(delete(users).where(users.c.id == gone.id))
            theirs = select(job_tables.jobs).where(job_tables.jobs.c.user == gone.id).with_for_update()
            for job in writing.connection.execute(theirs).all():
                if job.state not in ENDS:
                    moved(writing, job, Move.CANCEL)
                writing.connection.execute(delete(job_tables.jobs).where(job_tables.jobs.c.id == job.id))

    def _new(self, name: str, role: Role, jobs: int | None, bytes: int | None) -> tuple[str, dict[str, Any]]:
        """A token, and the row of the user whose it is."""
        if not USER_NAME.fullmatch(name):
            raise UserError(
                "a user's name has up to 64 small letters, digits and . _ @ - between them; choose such a one"
            )
        user, secret = secrets.token_hex(16), secrets.token_hex(TOKEN_BYTES)
        hashed = self._hashed(user, role, secret)
        row = {"id": user, "name": name, "role": role, "token": hashed, "jobs": jobs, "bytes": bytes}
        return f"cst-{user}-{secret}", row

    def _hashed(self, user: str, role: str, secret: str) -> str:
        # Under a secret of the vault: who writes to the database makes no user of theirs, and no other role.
        # 256 random bits cannot be guessed, so that a slow hash would protect nothing.
        return self._vault.lookup("token", f"{user} {role} {secret}")


def _added(writing: Writing, row: dict[str, Any]) -> bool:
    """Write a new user down; False where the name is taken."""
    created = writing.connection.execute(select(now())).scalar_one()
    return writing.add(users, row | {"created": created})


def _user(row: Row[Any]) -> User:
    return User(row.id, row.name, Role(row.role), row.jobs, row.bytes, row.created)
