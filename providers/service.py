"""The whole behaviour of a cloud: bytes in, bytes out; no network, no clock, no disk, no secrets."""

from __future__ import annotations

from math import prod

from providers.errors import BadTask, ProviderError, TooLarge
from providers.wire import Answer, decode_task, encode_answer, encode_error

MAX_REQUEST = 64 << 20
"""Bytes of a request, and of an answer: several times what a broker sends at one time."""
MAX_WORK = 1 << 34
"""Pixels read in one task: a hundred times what a broker's tasks need with common filters. It keeps small
tasks from naming endless work; the limit of time is the server's."""


def handle(request: bytes) -> bytes:
    """Do one encoded task; the answer, or the error, encoded.

    This is all that a cloud does, and the same behind HTTP and inside a process.
    """
    try:
        return answer(request)
    except ProviderError as error:
        return encode_error(error)


def answer(request: bytes, limit: int = MAX_REQUEST) -> bytes:
    """Do one encoded task of at most `limit` bytes, up and down; the answer encoded, or a ProviderError."""
    if len(request) > limit:
        raise TooLarge(f"the task has {len(request)} bytes; this provider takes {limit}")
    try:
        task = decode_task(request)
        expected = prod(task.answer_shape) * task.answer_dtype.itemsize
        if expected > limit:
            raise TooLarge(f"the answer would have {expected} bytes; this provider sends {limit}")
        if task.stack.size * task.operation.taps > MAX_WORK:
            raise TooLarge("the task is more work than this provider does at one time; send smaller ones")
        exact = task.operation.run(task.stack)
        stack = task.operation.finish(exact, task.stack.dtype) if task.rounded else exact
        return encode_answer(Answer(task.id, stack))
    except (ValueError, OverflowError) as error:
        raise BadTask(str(error)) from error
    except MemoryError as error:
        raise TooLarge("the task needs more memory than this provider has") from error
