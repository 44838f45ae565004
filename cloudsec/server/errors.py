"""What the daemon answers when it does not do what it is asked: one code each, from a closed list."""

from __future__ import annotations

from typing import ClassVar


class ServerError(Exception):
    """The daemon failed; its administrator must look at the log."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500


class BadRequest(ServerError):
    """The request is not one that the OpenAPI document describes."""

    code = "bad_request"
    status = 400


class Unauthorized(ServerError):
    """The bearer token is missing or wrong."""

    code = "unauthorized"
    status = 401


class Forbidden(ServerError):
    """A user of this role may not do this."""

    code = "forbidden"
    status = 403


class NotFound(ServerError):
    """There is nothing of this name, or it is another user's; or no such path or method."""

    code = "not_found"
    status = 404


class TooSlow(ServerError):
    """The body came too slowly."""

    code = "too_slow"
    status = 408


class Conflict(ServerError):
    """The job's state does not allow this, or the name is taken."""

    code = "conflict"
    status = 409


class TooLarge(ServerError):
    """The body is over the limit of size."""

    code = "too_large"
    status = 413


class Refused(ServerError):
    """The job or the image is understood, and cannot or must not be processed; the message says why."""

    code = "refused"
    status = 422


class TooMany(ServerError):
    """More requests than are allowed in this time; Retry-After says when to come again."""

    code = "too_many"
    status = 429

    def __init__(self, message: str, pause: int = 1) -> None:
        super().__init__(message)
        self.pause = pause


class OverQuota(ServerError):
    """The user has as many unfinished jobs, or as many bytes here, as are allowed."""

    code = "over_quota"
    status = 429


class Unavailable(ServerError):
    """Something that the daemon needs does not answer, or all its connections are taken."""

    code = "busy"
    status = 503


CODES: dict[str, type[ServerError]] = {
    kind.code: kind
    for kind in (
        ServerError,
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        TooSlow,
        Conflict,
        TooLarge,
        Refused,
        TooMany,
        OverQuota,
        Unavailable,
    )
}
