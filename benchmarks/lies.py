"""What liars make of right answers. Some change nothing, where all pixels are alike."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloudsec.verification.freivalds import PRIMES

Tampering = Callable[[NDArray[Any], NDArray[Any], np.random.Generator], NDArray[Any]]
"""From the answer to a region, another image's, and chance."""


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
