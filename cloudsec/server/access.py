"""Who may do what: a bearer token tells the user, and a table what each role may."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cloudsec.jobs import Job, Role, User
from cloudsec.server.daemon import Daemon
from cloudsec.server.errors import Forbidden, NotFound, TooMany, Unauthorized

MAY: dict[str, frozenset[Role]] = {
    "submit": frozenset({Role.CLINICIAN, Role.SERVICE}),
    "fetch": frozenset({Role.CLINICIAN, Role.SERVICE}),
    "identify": frozenset({Role.CLINICIAN}),
    "see": frozenset(Role),
    "end": frozenset(Role),
    "keep users": frozenset({Role.ADMIN}),
}
"""What there is to do, and who may: with jobs of their own, but for admins, who see and end all."""

AT_ONCE = 16
"""Requests of one user under way, streams of events among them: most connections are left to others."""

_BEARER = HTTPBearer(auto_error=False, description="A user's token, as `cloudsec users add` told it.")


def user_who_may(daemon: Daemon, act: str) -> Callable[..., Iterator[User]]:
    """A dependency: the user who asks, and may do this."""

    def user(
        request: Request, shown: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
    ) -> Iterator[User]:
        found = _known(daemon, request, shown)
        if found.role not in MAY[act]:
            able = " or ".join(sorted(MAY[act]))
            raise Forbidden(f"a user who is {found.role} may not do this; it takes one who is {able}")
        with _counted(daemon, found):
            yield found

    return user


def job_for(daemon: Daemon, user: User, name: str) -> Job:
    """A job, for whose it is, or an admin; to anybody else it is not there."""
    job = daemon.store.job(name)
    if user.role is not Role.ADMIN:
        if job.user != user.id:
            raise NotFound("there is no such job")
        # What was asked is sealed with the user's id: whose a job is, the database alone does not say.
        daemon.store.words(name)
    return job


@contextmanager
def _counted(daemon: Daemon, user: User) -> Iterator[None]:
    """A request of a user, until its answer is sent."""
    with daemon.counting:
        if daemon.under_way[user.id] >= AT_ONCE:
            raise TooMany(f"this user has {AT_ONCE} requests under way; wait until some are answered")
        daemon.under_way[user.id] += 1
    try:
        yield
    finally:
        with daemon.counting:
            daemon.under_way[user.id] -= 1
            # One for whom nothing is under way takes no room.
            daemon.under_way += Counter()


def _known(daemon: Daemon, request: Request, shown: HTTPAuthorizationCredentials | None) -> User:
    found = daemon.users.who(shown.credentials) if shown else None
    address, at = request.client.host if request.client else "", time.monotonic()
    with daemon.counting:
        # Who shows a good token is not turned away for others behind the same address.
        pause = daemon.wrong.pause(address, at) if found is None else daemon.asked.pause(found.id, at)
    if found is None:
        daemon.metrics.wrong_tokens.inc()
        if pause:
            raise TooMany("too many wrong tokens came from this address; come again later", pause)
        raise Unauthorized("this takes a user's bearer token; an administrator has them")
    request.state.user = found
    if pause:
        raise TooMany("this user asks more often than is allowed; come again later", pause)
    return found
