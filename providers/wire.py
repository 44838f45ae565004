"""Messages ↔ bytes: a version marker, a JSON header and one raw array; never pickle.

4 bytes   marker and version
4 bytes   length of the header, little-endian
header    JSON, padded with spaces so that the array starts at a multiple of 64
array     little-endian, C order, exactly as long as the header says; of a task with a seed empty
"""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from providers import ciphertexts
from providers.errors import CODES, BadTask, ProviderError, TooLarge
from providers.image import MOST_AXES
from providers.operation import Filter
from providers.registry import resolved_operation
from providers.residues import MODULI, SEED_BYTES, are_residues, expanded, residue_dtype

TASK_MARKER = b"CST1"
ANSWER_MARKER = b"CSA1"
ERROR_MARKER = b"CSE1"

MAX_HEADER = 1 << 20
"""Bytes of a header: room for the weights of the widest stencils, and nothing that burdens a parser."""
MAX_STACK = 64 << 20
"""Bytes of the stack that a seed stands for: as many as a request may have otherwise."""
MAX_AXES = 1 + MOST_AXES + 1
"""Axes of a stack: the regions, up to three of theirs, and one of the bytes of ciphertexts."""
_ALIGNMENT = 64
_HEXADECIMAL = frozenset("0123456789abcdef")
_SHARES = frozenset({"modulus", "seed"})
"""Fields that tasks on residues have besides."""
_DTYPES = {
    np.dtype(name).str: np.dtype(name)
    for name in ("u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8")
}


@dataclass(frozen=True, eq=False)
class Task:
    """What a provider is asked: one resolved operation on a stack of equal regions.

    No field can say whose image it is, or where in it a region lies.

    Attributes
    ----------
    id : str
        32 hexadecimal digits, drawn for this task alone.
    operation : Filter
        Resolved.
    stack : (n, *window) ndarray
    rounded : bool
        Whether the provider rounds its answers (`Filter.finish`) or sends them exact, in a dtype that holds
        them all (`Filter.unrounded_dtype`). Floats are always finished, residues never.
    modulus : int or None
        One of `MODULI`, if the stack is one of residues. Then the provider answers with residues of what
        the operation's linear parts make of them: for each region one answer for each part. Any larger odd
        number: the stack is one of ciphertexts under it (`providers.ciphertexts`), and so is the answer; the
        last axis are their bytes.
    seed : bytes or None
        What the stack is expanded from (`providers.residues.expanded`), if it is; sent in its place.
    """

    id: str
    operation: Filter
    stack: NDArray[np.generic] = field(repr=False)
    rounded: bool
    modulus: int | None = None
    seed: bytes | None = field(default=None, repr=False)

    @property
    def is_encrypted(self) -> bool:
        return self.modulus is not None and self.modulus not in MODULI

    @property
    def answer_shape(self) -> tuple[int, ...]:
        window, octets = self.stack.shape[1:], ()
        if self.is_encrypted:
            window, octets = window[:-1], window[-1:]
        # A map of whole planes is one part, which need not be made to be counted.
        one = self.modulus is None or self.operation.whole
        answers = len(self.stack) * (1 if one else len(self.operation.parts))
        return (answers, *self.operation.answered(window), *octets)

    @property
    def answer_dtype(self) -> np.dtype[Any]:
        if self.is_encrypted:
            return np.dtype(np.uint8)
        if self.modulus is not None:
            return residue_dtype(self.modulus)
        facts = self.operation
        return (facts.result_dtype if self.rounded else facts.unrounded_dtype)(self.stack.dtype)

    @property
    def answer_bytes(self) -> int:
        return prod(self.answer_shape) * self.answer_dtype.itemsize


@dataclass(frozen=True, eq=False)
class Answer:
    """What a provider answers to the task of the same id."""

    id: str
    stack: NDArray[np.generic] = field(repr=False)


def encode_task(task: Task) -> bytes:
    """The bytes of a task; two tasks with equal operation and shape have equally many."""
    return b"".join(task_parts(task))


def task_parts(task: Task) -> tuple[bytes, memoryview]:
    """The same bytes in two parts, of which the second are the pixels where they lie, not copied."""
    operation = task.operation
    header = {
        "id": task.id,
        "operation": {
            "name": operation.name,
            "version": operation.version,
            "parameters": operation.parameters(),
        },
        "rounded": task.rounded,
    }
    if task.modulus is not None:
        # No parser of JSON need know integers of thousands of bits.
        header["modulus"] = f"{task.modulus:x}" if task.is_encrypted else task.modulus
    if task.seed is not None:
        header["seed"] = task.seed.hex()
    return _message(TASK_MARKER, header, task.stack, bare=task.seed is not None)


def decode_task(request: bytes, largest: int = MAX_STACK) -> Task:
    """The task in these bytes; BadTask or UnknownOperation if there is none.

    TooLarge if a seed stands for more than `largest` bytes.
    """
    header, body = _header(TASK_MARKER, request, {"id", "operation", "rounded", "dtype", "shape"}, _SHARES)
    named, rounded = header["operation"], header["rounded"]
    if not isinstance(named, dict) or named.keys() != {"name", "version", "parameters"}:
        raise BadTask("the task's operation must have a name, a version and parameters")
    if not isinstance(rounded, bool):
        raise BadTask("the task's field 'rounded' must be true or false")
    modulus, seed = _modulus(header), _seed(header)
    stack = _stack(header, body) if seed is None else _expanded(header, body, seed, modulus, largest)
    task = Task(_identity(header), resolved_operation(**named), stack, rounded, modulus, seed)
    axes = stack.ndim - 1 - task.is_encrypted
    if len(task.operation.halo) != axes:
        raise BadTask(f"the operation is for {len(task.operation.halo)} axes, the regions have {axes}")
    _check_pixels(task)
    if min(task.answer_shape) < 1:
        raise BadTask(f"regions of {stack.shape[1:]} hold nothing but the halo of {task.operation.halo}")
    return task


def _check_pixels(task: Task) -> None:
    """BadTask for a stack that is none of residues, or none of pixels."""
    name, stack = task.operation.name, task.stack
    if task.operation.whole:
        # Before its matrix is made, which takes memory as the planes that it is for.
        task.operation.answered(stack.shape[1:])
    if task.modulus is not None:
        if task.rounded:
            raise BadTask("residues cannot be rounded; ask for exact answers")
        if not task.operation.linear:
            raise BadTask(
                f"{name} is not linear, so that it cannot be computed on residues; send pixels under a "
                "scheme that hides them otherwise, such as ga-es"
            )
        if task.is_encrypted:
            if stack.dtype != np.uint8 or stack.shape[-1] != ciphertexts.row_bytes(task.modulus):
                raise BadTask("ciphertexts must be bytes, twice as many as the modulus has in each")
        elif not are_residues(stack, task.modulus):
            raise BadTask(f"residues modulo {task.modulus} must be {residue_dtype(task.modulus)} below it")
    elif stack.dtype == np.uint64:
        raise BadTask("pixels of 64 bits must be signed; unsigned ones are residues, which need a modulus")
    elif stack.dtype.kind == "f":
        if task.operation.float_gain is None or not task.rounded:
            raise BadTask(f"{name} takes no floats, or not without finishing them")
        if not np.isfinite(stack).all():
            raise BadTask("pixels must be numbers, not NaN or infinite")


def _modulus(header: dict[str, Any]) -> int | None:
    modulus: object = header.get("modulus")
    if "modulus" not in header:
        return None
    if isinstance(modulus, str) and set(modulus) <= _HEXADECIMAL:
        with suppress(ValueError):
            return ciphertexts.checked_modulus(int(modulus, 16))
    if type(modulus) is not int or modulus not in MODULI:
        raise BadTask(
            f"a modulus must be one of {', '.join(map(str, MODULI))}, or, of ciphertexts, odd and of "
            f"{ciphertexts.FEWEST_BITS} to {ciphertexts.MOST_BITS} bits in hexadecimal digits"
        )
    return modulus


def _seed(header: dict[str, Any]) -> bytes | None:
    seed = header.get("seed")
    if "seed" not in header:
        return None
    if not isinstance(seed, str) or len(seed) != 2 * SEED_BYTES or set(seed) - _HEXADECIMAL:
        raise BadTask(f"a seed is {2 * SEED_BYTES} hexadecimal digits")
    return bytes.fromhex(seed)


def _expanded(
    header: dict[str, Any], body: memoryview, seed: bytes, modulus: int | None, largest: int
) -> NDArray[np.generic]:
    dtype, shape = _layout(header)
    if modulus not in MODULI or dtype != residue_dtype(modulus) or len(body):
        raise BadTask(
            "a seed stands for residues: it needs a modulus and their dtype, and no others beside it"
        )
    if prod(shape) * dtype.itemsize > largest:
        raise TooLarge(
            f"the seed stands for {prod(shape) * dtype.itemsize} bytes; this provider takes {largest}"
        )
    return expanded(seed, modulus, shape)


def encode_answer(answer: Answer) -> bytes:
    """The bytes of an answer."""
    return b"".join(_message(ANSWER_MARKER, {"id": answer.id}, answer.stack))


def encode_error(error: ProviderError) -> bytes:
    """The bytes of an error."""
    return ERROR_MARKER + json.dumps({"code": error.code, "message": str(error)}).encode()


def decode_answer(response: bytes) -> Answer:
    """The answer in these bytes; the ProviderError that they report, or BadTask if they are neither."""
    if response[:4] == ERROR_MARKER:
        raise decode_error(response[4:])
    header, body = _header(ANSWER_MARKER, response, {"id", "dtype", "shape"})
    return Answer(_identity(header), _stack(header, body))


def decode_error(body: bytes) -> ProviderError:
    """The error in a JSON body, by its code; a plain ProviderError for what is not on the list."""
    try:
        fields = json.loads(body[:MAX_HEADER])
        code, message = str(fields["code"]), str(fields["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ProviderError("an error that is none of ours")
    return CODES.get(code, ProviderError)(printable(message)[:300])


def _message(
    marker: bytes, header: dict[str, Any], stack: NDArray[np.generic], bare: bool = False
) -> tuple[bytes, memoryview]:
    little = stack.dtype.newbyteorder("<")
    header |= {"dtype": little.str, "shape": stack.shape}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    body = memoryview(b"") if bare else np.ascontiguousarray(stack, little).data.cast("B")
    return b"".join((marker, struct.pack("<I", len(text)), text)), body


def _header(
    marker: bytes, message: bytes, keys: set[str], optional: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], memoryview]:
    """The header of a message and what follows it."""
    if len(message) < 8 or message[:4] != marker:
        raise BadTask("these bytes are not a message of CloudSec, or of another version of it")
    (length,) = struct.unpack("<I", message[4:8])
    if length > min(MAX_HEADER, len(message) - 8):
        raise BadTask(f"the message claims a header of {length} bytes")
    try:
        header = json.loads(message[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise BadTask("the message's header is not JSON") from error
    if not isinstance(header, dict) or header.keys() - optional != keys:
        raise BadTask(f"the message's header must have exactly the fields {', '.join(sorted(keys))}")
    return header, memoryview(message)[8 + length :]


def _stack(header: dict[str, Any], body: memoryview) -> NDArray[np.generic]:
    dtype, shape = _layout(header)
    if prod(shape) * dtype.itemsize != len(body):
        raise BadTask(f"the message claims {shape} pixels of {dtype}, but holds {len(body)} bytes of them")
    return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _layout(header: dict[str, Any]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    name, shape = header["dtype"], header["shape"]
    if not isinstance(name, str) or name not in _DTYPES:
        raise BadTask(f"pixels must be one of {', '.join(_DTYPES)}")
    if not isinstance(shape, list) or not 2 <= len(shape) <= MAX_AXES:
        raise BadTask(f"a stack has 2 to {MAX_AXES} axes")
    if not all(type(n) is int and 0 < n < 2**31 for n in shape):
        raise BadTask("a stack needs at least one pixel on every axis")
    return _DTYPES[name], tuple(shape)


def _identity(header: dict[str, Any]) -> str:
    name = header["id"]
    if not isinstance(name, str) or len(name) != 32 or set(name) - _HEXADECIMAL:
        raise BadTask("a task's id is 32 hexadecimal digits")
    return name


def printable(text: str) -> str:
    """What the other side says, fit for one line of ours."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
