"""What a cloud answers when it does not do a task: one code each, from a closed list."""

from __future__ import annotations

from typing import ClassVar


class ProviderError(Exception):
    """A task was not done; `code` says why to programs, the message to people."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500


class UnknownOperation(ProviderError):
    """This provider has no operation of that name and version."""

    code = "unknown_operation"
    status = 422


class BadTask(ProviderError):
    """The bytes are not a task, or not one that can be computed exactly."""

    code = "bad_task"
    status = 400


class TooLarge(ProviderError):
    """The task is over the provider's limit of size."""

    code = "too_large"
    status = 413


class Unauthorized(ProviderError):
    """The bearer token is missing or wrong."""

    code = "unauthorized"
    status = 401


class TooSlow(ProviderError):
    """The task did not arrive, or was not finished, within the provider's limit of time."""

    code = "too_slow"
    status = 408


class Busy(ProviderError):
    """As many tasks as the provider allows are under way."""

    code = "busy"
    status = 503


class NotFound(ProviderError):
    """There is nothing at this path, or not with this method."""

    code = "not_found"
    status = 404


CODES: dict[str, type[ProviderError]] = {
    kind.code: kind
    for kind in (ProviderError, UnknownOperation, BadTask, TooLarge, Unauthorized, TooSlow, Busy, NotFound)
}
