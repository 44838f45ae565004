"""The whole behaviour of a cloud: bytes in, bytes out; no network, no clock, no disk, no secrets."""

from __future__ import annotations

from providers.errors import BadTask, ProviderError, TooLarge
from providers.wire import Answer, decode_task, encode_answer, encode_error

MAX_REQUEST = 64 << 20
"""Bytes of a request: several times what a broker sends, and little beside a server's memory."""


def handle(request: bytes) -> bytes:
    """Do one encoded task; the answer, or the error, encoded.

    This is all that a cloud does, and the same behind HTTP and inside a process.
    """
    try:
        return answer(request)
    except ProviderError as error:
        return encode_error(error)


def answer(request: bytes, limit: int = MAX_REQUEST) -> bytes:
    """Do one encoded task of at most `limit` bytes; the answer encoded, or a ProviderError."""
    if len(request) > limit:
        raise TooLarge(f"the task has {len(request)} bytes; this provider takes {limit}")
    task = decode_task(request)
    try:
        exact = task.operation.run(task.stack)
        stack = task.operation.finish(exact, task.stack.dtype) if task.rounded else exact
    except ValueError as error:
        raise BadTask(str(error)) from error
    except MemoryError as error:
        raise TooLarge("the task needs more memory than this provider has") from error
    return encode_answer(Answer(task.id, stack))
