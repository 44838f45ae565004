"""The check of maps of whole planes: whether all of an integer answer is right, by a product with one secret.

A map A of whole planes has no transposed filter that is as cheap as a few lines of pixels. The broker draws
one secret r, a number modulo p = 2**61 - 1 for each pixel of an answer, and makes r A once for all images of
one shape. The tag of an image x is then (r A) x, one product modulo p, and an answer y is accepted only if
all of it lies within the proven range of A and r y is the tag.

Soundness. Let y - A x be other than zero. Both lie in the range, which is narrower than p, so that an entry
is no multiple of p; r is uniform, and sends the difference to zero with a chance of 1 / p, whoever made it.
That an answer was accepted tells nothing of r, but for this chance. That one was refused does: then r is
drawn anew.

Source: R. Freivalds, Probabilistic machines can use less running time (IFIP 1977).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray

from providers import Filter
from providers.plane_map import PlaneMap
from providers.residues import SEED_BYTES, Residues, expanded

PRIME = 2**61 - 1
MOST_PROBES = 8
"""Maps whose secrets are kept: two numbers of eight bytes for a pixel each, and most series have one."""

_SECRET_BITS, _VALUE_BITS = 21, 16
"""Of a secret and of a value in one product: float64 adds up `_AT_ONCE` of them exactly."""
_AT_ONCE = 1 << 15
_WORD_BITS = 64


@dataclass(frozen=True, eq=False)
class ProductTag:
    """What tells the right answers to some planes from all others. It holds secrets.

    Attributes
    ----------
    low, high : int
        Between which all right answers lie.
    odds : float
        The chance, at most, with which a wrong answer is accepted.
    """

    low: int
    high: int
    _probe: Probe = field(repr=False)
    _products: tuple[int, ...] = field(repr=False)

    @property
    def odds(self) -> float:
        # One in 2**61 - 1, to the next power of two.
        return 2.0**-60

    def holds(self, answer: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Which planes, or volumes, of unrounded answers ``(n, …, *after)`` are right, all their pixels."""
        planes = answer.reshape(len(self._products), -1)
        found = _products(self._probe.answers, planes, self.low, self.high)
        within = (planes.min(axis=1) >= self.low) & (planes.max(axis=1) <= self.high)
        agrees = np.array([a == b for a, b in zip(found, self._products, strict=True)])
        return np.asarray((agrees & within).reshape(len(answer), -1).all(axis=1))


@dataclass(frozen=True, eq=False)
class Probe:
    """A secret for each pixel of a map's answer, and what that makes of each of a plane, modulo `PRIME`."""

    part: PlaneMap = field(repr=False)
    answers: Residues = field(repr=False)
    pixels: Residues = field(repr=False)

    @classmethod
    def drawn(cls, part: PlaneMap) -> Probe:
        """A new one, from the system's generator."""
        secret = expanded(os.urandom(SEED_BYTES), PRIME, part.after)
        return cls(part, secret.reshape(-1), part.transposed(secret, PRIME).reshape(-1))

    def tag(self, planes: NDArray[np.integer]) -> ProductTag:
        """The tag of what the map answers to planes ``(n, …, *before)``, made from their pixels alone.

        ValueError if the range of answers is too wide for one prime.
        """
        least, greatest = int(planes.min()), int(planes.max())
        low, high = self.part.bounds(least, greatest)
        if high - low >= PRIME:
            raise ValueError(
                f"answers from {low} to {high} are more than 2**61 - 1 tells apart; use smaller weights, or "
                "pixels of fewer bits"
            )
        flat = planes.reshape(-1, prod(self.part.before))
        return ProductTag(low, high, self, _products(self.pixels, flat, least, greatest))


class Probes:
    """The secrets of a broker: one for each map of whole planes, as long as none of its answers was refused.

    They are in memory only, and leave with the broker.
    """

    def __init__(self) -> None:
        self._known: dict[Filter, Probe] = {}

    def of(self, operation: Filter) -> Probe:
        """That of a resolved operation, which is one map of whole planes."""
        (part,) = operation.parts
        assert isinstance(part, PlaneMap)
        probe = self._known.pop(operation, None) or Probe.drawn(part)
        # The one that was not used for longest comes first.
        self._known[operation] = probe
        for old in list(self._known)[:-MOST_PROBES]:
            self._known.pop(old, None)
        return probe

    def forget(self, operation: Filter) -> None:
        """Have another drawn when it is next needed."""
        self._known.pop(operation, None)


def _products(secrets: Residues, planes: NDArray[np.integer], low: int, high: int) -> tuple[int, ...]:
    """Of each plane ``(n, pixels)`` of integers the product with secrets, modulo `PRIME`.

    `low` and `high` say where integers should lie; what does not is refused by who asks, whatever comes here.
    """
    bits = max(max(high, -low - 1, 1).bit_length() + 1, _VALUE_BITS)
    shifts = range(0, min(bits, _WORD_BITS), _VALUE_BITS)
    total = [0] * len(planes)
    for first in range(0, planes.shape[1], _AT_ONCE):
        some = secrets[first : first + _AT_ONCE].astype(np.int64)
        parts = _limbs(some[None], range(0, PRIME.bit_length(), _SECRET_BITS), _SECRET_BITS)
        values = _limbs(planes[:, first : first + _AT_ONCE].astype(np.int64), shifts, _VALUE_BITS)
        sums = np.tensordot(parts[:, 0], values, (1, 2))
        for number in range(len(planes)):
            for one, row in enumerate(sums[:, :, number].tolist()):
                for other, value in enumerate(row):
                    total[number] += int(value) << (one * _SECRET_BITS + other * _VALUE_BITS)
    return tuple(value % PRIME for value in total)


def _limbs(numbers: NDArray[np.int64], shifts: range, bits: int) -> NDArray[np.float64]:
    """Integers as a sum of so many bits each; the highest part has the sign."""
    limbs = np.empty((len(shifts), *numbers.shape))
    for at, shift in enumerate(shifts):
        above = numbers >> shift
        limbs[at] = above if shift == shifts[-1] else above & ((1 << bits) - 1)
    return limbs
