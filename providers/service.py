"""The whole behaviour of a cloud: bytes in, bytes out; no network, no clock, no disk, no secrets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from providers import ciphertexts, modular
from providers.errors import BadTask, ProviderError, TooLarge
from providers.wire import MAX_STACK, Answer, Task, decode_task, encode_answer, encode_error

MAX_REQUEST = MAX_STACK
"""Bytes of a request, of what a seed in it stands for, and of an answer: several times what a broker sends
at one time."""
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
        task = decode_task(request, limit)
        if task.answer_bytes > limit:
            raise TooLarge(f"the answer would have {task.answer_bytes} bytes; this provider sends {limit}")
        if _work(task) > MAX_WORK:
            raise TooLarge("the task is more work than this provider does at one time; send smaller ones")
        return encode_answer(Answer(task.id, computed(task)))
    except (ValueError, OverflowError) as error:
        raise BadTask(str(error)) from error
    except MemoryError as error:
        raise TooLarge("the task needs more memory than this provider has") from error


def computed(task: Task) -> NDArray[np.generic]:
    """The right answer to a task, in the shape and dtype that it says."""
    operation, stack, modulus = task.operation, task.stack, task.modulus
    if modulus is not None:
        # One answer for each part of each region, region by region.
        residues = stack.astype(task.answer_dtype, copy=False)
        run = ciphertexts.run if task.is_encrypted else modular.run
        parts = [run(part, residues, modulus) for part in operation.parts]
        return np.stack(parts, axis=1).reshape(task.answer_shape) if len(parts) > 1 else parts[0]
    exact = operation.run(stack)
    return (
        operation.finish(exact, stack.dtype) if task.rounded else exact.astype(task.answer_dtype, copy=False)
    )


def _work(task: Task) -> int:
    """Pixels or residues that are read, or would be in the time that ciphertexts take."""
    parts, modulus = task.operation.parts, task.modulus
    if modulus is None:
        return task.stack.size * task.operation.taps
    if task.is_encrypted:
        return task.stack[..., 0].size * sum(ciphertexts.work(part, modulus) for part in parts)
    return task.stack.size * sum(modular.work(part, modulus) for part in parts)
