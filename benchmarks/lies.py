"""What liars make of right answers, and providers that lie. Some change nothing, where pixels are alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cloudsec.verification.freivalds import PRIMES
from providers import ciphertexts, handle
from providers.residues import reduced, wraps
from providers.wire import Task, decode_answer, decode_task, encode_answer

Tampering: TypeAlias = Callable[[NDArray[Any], NDArray[Any], np.random.Generator], NDArray[Any]]
"""From an answer, another one, and chance."""


def _place(answer: NDArray[Any], random: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(random.integers(n)) for n in answer.shape)


def _added(amount: Callable[[np.random.Generator], int]) -> Tampering:
    def tampered(answer: NDArray[Any], other: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
        claimed = answer.copy()
        # An array of one pixel, which wraps as a liar's would.
        claimed[tuple(slice(place, place + 1) for place in _place(answer, random))] += amount(random)
        return claimed

    return tampered


def _block(answer: NDArray[Any], other: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
    claimed = answer.copy()
    box = tuple(slice(first, first + 1 + int(random.integers(4))) for first in _place(answer, random))
    claimed[box] = random.permutation(answer.reshape(-1))[: claimed[box].size].reshape(claimed[box].shape)
    return claimed


def _swapped(answer: NDArray[Any], other: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
    claimed, one, two = answer.copy(), _place(answer, random), _place(answer, random)
    claimed[one], claimed[two] = answer[two], answer[one]
    return claimed


def _lines_swapped(answer: NDArray[Any], other: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
    axis = int(random.integers(answer.ndim))
    return answer.take(random.permutation(answer.shape[axis]), axis)


def _replayed(answer: NDArray[Any], other: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
    return np.resize(other, answer.shape)


TAMPERINGS: dict[str, Tampering] = {
    "one pixel": _added(lambda random: int(random.choice([-1, 1]))),
    "any amount": _added(lambda random: int(random.integers(-(2**40), 2**40))),
    "2**15": _added(lambda random: 2**15),
    "2**31": _added(lambda random: -(2**31)),
    "a prime": _added(lambda random: int(random.choice(PRIMES)) * int(random.integers(1, 2**10))),
    "two primes": _added(lambda random: prod(PRIMES[:2])),
    "three primes": _added(lambda random: -prod(PRIMES[:3])),
    "block": _block,
    "swap": _swapped,
    "lines": _lines_swapped,
    "zero": lambda answer, other, random: np.zeros_like(answer),
    "scale": lambda answer, other, random: answer * int(random.integers(2, 9)),
    "negated": lambda answer, other, random: -answer,
    "flipped": lambda answer, other, random: np.flip(answer),
    "all moved": lambda answer, other, random: answer + PRIMES[0],
    "replay": _replayed,
}
"""Of grey levels and of unrounded answers, in int64."""


def of_residues(modulus: int) -> dict[str, Tampering]:
    """Lies that are residues themselves, and one that is none but equal to the right answer modulo p."""

    def still_residues(tampering: Tampering) -> Tampering:
        return lambda answer, other, random: reduced(tampering(answer, other, random), modulus)

    lies = {kind: still_residues(tampering) for kind, tampering in TAMPERINGS.items()}
    if not wraps(modulus):
        lies["its modulus"] = _added(lambda random: modulus * int(random.integers(1, 4)))
    return lies


def of_ciphertexts(modulus: int) -> dict[str, Tampering]:
    """Lies of numbers that are ciphertexts: whoever has the public key adds to what they hide."""
    square = modulus**2

    def one(changed: Callable[[Any, np.random.Generator], Any]) -> Tampering:
        def tampered(answer: NDArray[Any], other: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
            claimed, place = answer.copy(), _place(answer, random)
            claimed[place] = changed(answer[place], random) % square
            return claimed

        return tampered

    def added(amount: Callable[[np.random.Generator], int]) -> Tampering:
        return one(lambda number, random: number * (1 + modulus * amount(random)))

    return {
        "one pixel": added(lambda random: int(random.choice([-1, 1]))),
        "2**15": added(lambda random: 2**15),
        "2**k": added(lambda random: 1 << int(random.integers(modulus.bit_length() - 1))),
        "its modulus": one(lambda number, random: number + modulus * int(random.integers(1, 2**10))),
        "block": _block,
        "swap": _swapped,
        "replay": lambda answer, other, random: _replayed(answer, other % square, random),
        # One hides a zero.
        "zero": lambda answer, other, random: answer * 0 + 1,
        "scale": lambda answer, other, random: answer ** int(random.integers(2, 9)) % square,
    }


def lies_for(task: Task) -> Mapping[str, Tampering]:
    """All lies that there are about an answer to a task, by kind."""
    if task.modulus is None:
        return TAMPERINGS
    return (of_ciphertexts if task.is_encrypted else of_residues)(task.modulus)


@dataclass
class Liar:
    """A provider that does what it is asked and then changes its answers, all in one way.

    Attributes
    ----------
    name : str
    kind : str
        Of lies.
    random : Generator
    before : ndarray or None
        An answer to another job, for replays: numbers, of the kind that this job's answers are of.
    lied : bool
        Whether it changed an answer.
    """

    name: str
    kind: str
    random: np.random.Generator = field(repr=False)
    before: NDArray[Any] | None = field(default=None, repr=False)
    lied: bool = False

    def send(self, request: bytes, timeout: float) -> bytes:
        task, answer = decode_task(request), decode_answer(handle(request))
        right = _numbers(answer.stack, task)
        other = np.flip(right, -1) if self.before is None else self.before
        self.before = right[self.random.permutation(len(right))]
        claimed = lies_for(task)[self.kind](right, other, self.random)
        if task.is_encrypted and task.modulus is not None:
            stack = ciphertexts.rows(claimed, task.modulus)
        else:
            stack = claimed.astype(answer.stack.dtype)
        self.lied |= not np.array_equal(stack, answer.stack)
        return encode_answer(replace(answer, stack=stack))


def _numbers(stack: NDArray[Any], task: Task) -> NDArray[Any]:
    """An answer as numbers that can be reckoned with."""
    if task.is_encrypted and task.modulus is not None:
        return ciphertexts.numbers(stack, task.modulus)
    return stack.astype(np.int64)
