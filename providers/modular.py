"""Linear maps of residues, exact for every modulus by proven bounds.

Modulo 2**16, 2**32 and 2**64 numpy's unsigned words wrap as they should. Modulo anything else sums are
taken in words that provably hold them, and reduced once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from providers.kernel import Kernel
from providers.operation import Part
from providers.plane_map import PlaneMap
from providers.residues import Residues, residue_dtype, shifted, wraps

TILE_BYTES = 1 << 18
"""Bytes of words that are worked on at once: they and what is made of them stay in a processor's cache."""
WEIGHT_BITS = 31
"""Bits of a weight that are multiplied at once, where there are more than words have room for."""
MOST_REACH_BITS = 45
"""Bits of the sum of weights from which they are halved instead of the residues: then two or three parts of
these do, for as many weights as a kernel has."""


def run(part: Part, stack: Residues, modulus: int) -> Residues:
    """Residues of a linear map's answers, for the pixels of ``(n, *window)`` that have their whole halo."""
    if isinstance(part, PlaneMap):
        return part.residues(stack, modulus)
    core = tuple(n - 2 * h for n, h in zip(stack.shape[1:], part.halo, strict=True))
    answer: Residues = np.empty((len(stack), *core), residue_dtype(modulus))
    passes = passes_of(part, modulus)
    # So many regions, or lines of one, at a time as fit into a processor's cache.
    word = smallest_word(passes, modulus) or np.dtype(np.uint64)
    at_once = TILE_BYTES // word.itemsize
    regions = max(1, at_once // prod(stack.shape[1:]))
    most = max(1, at_once // (regions * prod(stack.shape[2:])))
    # About so many lines each: a tile of the last few would cost nearly as much as a whole one.
    lines = max(1, -(-core[0] // max(1, round(core[0] / most))))
    for first, top in product(range(0, len(stack), regions), range(0, core[0], lines)):
        place = answer[first : first + regions, top : top + lines]
        place[...] = _answers(
            stack[first : first + regions, top : top + place.shape[1] + 2 * part.halo[0]], passes, modulus
        )
    return answer


def work(part: Part, modulus: int) -> int:
    """Residues read for one answer, or, of a map of whole planes, for one residue of a plane.

    An answer is work too where all weights are zero.
    """
    if isinstance(part, PlaneMap):
        return max(1, part.work(modulus))
    passes = passes_of(part, modulus)
    if smallest_word(passes, modulus) is not None:
        return max(1, sum(len(each.weights) for each in passes))
    return sum(
        len(cut.weights) * (1 if smallest_word([cut], modulus) else len(_limbs(cut, modulus)))
        for each in passes
        for cut in ([each] if smallest_word([each], modulus) else _parts(each, modulus))
    )


class Pass(NamedTuple):
    """A weighted sum over a window of these sides: the weight at each place in it."""

    sides: tuple[int, ...]
    weights: dict[tuple[int, ...], int]

    @property
    def reach(self) -> int:
        return sum(map(abs, self.weights.values()))

    def span(self, low: int, high: int) -> tuple[int, int]:
        """Between which values the sums of values from `low` to `high` lie."""
        up = sum(weight for weight in self.weights.values() if weight > 0)
        down = up - self.reach
        return up * low + down * high, up * high + down * low


@lru_cache(64)
def passes_of(part: Part, modulus: int) -> tuple[Pass, ...]:
    """The sums over windows that a linear map is made of, one after the other, over a stack of regions.

    ValueError for a map of whole planes.
    """
    if isinstance(part, PlaneMap):
        raise ValueError("a map of whole planes has no windows; send it residues, under scheme 'shamir'")
    if isinstance(part, Kernel):
        array = np.array(part.weights, dtype=object)
        places = list(zip(*np.nonzero(array), strict=True))
        least = centred([int(array[place]) for place in places], modulus)
        weights = {(0, *map(int, at)): weight for at, weight in zip(places, least, strict=True) if weight}
        return (Pass((1, *array.shape), weights),)
    passes = []
    for axis, row in enumerate(part.weights, start=1):
        before, after = (0,) * axis, (0,) * (len(part.weights) - axis)
        weights = {(*before, k, *after): w for k, w in enumerate(centred(row, modulus)) if w}
        passes.append(
            Pass(tuple(len(row) if i == axis else 1 for i in range(len(part.weights) + 1)), weights)
        )
    return tuple(passes)


def centred(weights: Iterable[int], modulus: int) -> list[int]:
    """The weights of least magnitude that do the same."""
    half = modulus // 2
    return [(weight + half) % modulus - half for weight in weights]


def smallest_word(passes: Sequence[Pass], modulus: int) -> np.dtype[Any] | None:
    """The smallest words in which sums of residues come out right; None if they overflow all."""
    dtype = residue_dtype(modulus)
    if wraps(modulus):
        return dtype
    low, high = _span(passes, modulus - 1)
    # `_reduced` adds up to one modulus more than what makes every sum positive.
    fitting = (bits for bits in (32, 64) if high - low + modulus < 1 << bits)
    return next((np.dtype(f"u{bits // 8}") for bits in fitting), None)


def _span(passes: Sequence[Pass], largest: int) -> tuple[int, int]:
    low, high = 0, largest
    for each in passes:
        low, high = each.span(low, high)
    return low, high


def _answers(stack: Residues, passes: Sequence[Pass], modulus: int) -> Residues:
    """Residues of the passes' answers, in words that may be wider than residues need."""
    word = smallest_word(passes, modulus)
    if word is not None:
        low, high = _span(passes, modulus - 1)
        words = stack.astype(word, copy=False)
        for each in passes:
            words = _weighted(words, each)
        return words if wraps(modulus) else _reduced(words, low, high, modulus)
    for each in passes:
        stack = _answers(stack, [each], modulus) if len(passes) > 1 else _in_limbs(stack, each, modulus)
    return stack


def _weighted(words: Residues, each: Pass) -> Residues:
    """The sums of a pass in wrapping words."""
    core = tuple(n - side + 1 for n, side in zip(words.shape, each.sides, strict=True))
    if not each.weights:
        return np.zeros(core, words.dtype)
    return _total(
        [
            (weight, words[tuple(slice(start, start + n) for start, n in zip(place, core, strict=True))])
            for place, weight in each.weights.items()
        ]
    )


def _total(terms: Sequence[tuple[int, Residues]]) -> Residues:
    """A weighted sum in wrapping words; to add costs less than to multiply."""
    groups: dict[int, list[Residues]] = {}
    # What is to be taken away comes last, so that there is something to take it from.
    for weight, words in sorted(terms, key=lambda term: term[0] == -1):
        groups.setdefault(weight, []).append(words)
    total: Residues | None = None
    owned = False
    for weight, (first, *others) in groups.items():
        part = np.add(first, others[0]) if others else first
        for other in others[1:]:
            part += other
        if weight not in (1, -1):
            # Twos are complemented: a negative weight is a large one.
            factor = part.dtype.type(weight % (1 << 8 * part.itemsize))
            part = np.multiply(part, factor, out=part if others else None)
        if total is None:
            total = np.negative(part) if weight == -1 else part
            owned = total is not first
        else:
            combine = np.subtract if weight == -1 else np.add
            total = combine(total, part, out=total if owned else None)
            owned = True
    assert total is not None  # of no terms nobody asks the sum
    return total if owned else total.copy()


def _in_limbs(stack: Residues, each: Pass, modulus: int) -> Residues:
    """A pass by so few bits of residues and weights at a time that sums fit into words (Horner's scheme)."""
    words = stack.astype(np.uint64, copy=False)
    sums: list[Residues] = []
    for part in _parts(each, modulus):
        total: Residues | None = None
        for shift, bits in _limbs(part, modulus):
            low, high = part.span(0, (1 << bits) - 1)
            limb = (words >> np.uint64(shift)) & np.uint64((1 << bits) - 1)
            below = _reduced(_weighted(limb, part), low, high, modulus)
            total = below if total is None else _next(total, bits, below, modulus)
        assert total is not None  # a modulus has bits
        sums.append(total)
    return sums[0] if len(sums) == 1 else _next(sums[0], WEIGHT_BITS, sums[1], modulus)


def _parts(each: Pass, modulus: int) -> list[Pass]:
    """A pass as two, for the upper and the lower bits of its weights, where these are large."""
    if modulus & (modulus + 1):
        raise ValueError(f"sums modulo {modulus} do not fit into 64 bits, and it is no Mersenne prime")
    if each.reach.bit_length() <= MOST_REACH_BITS:
        return [each]
    lower = (1 << WEIGHT_BITS) - 1
    return [
        Pass(each.sides, {place: weight >> WEIGHT_BITS for place, weight in each.weights.items()}),
        Pass(each.sides, {place: weight & lower for place, weight in each.weights.items()}),
    ]


def _limbs(each: Pass, modulus: int) -> list[tuple[int, int]]:
    """First bit and bits of the parts that residues are cut into, the highest ones first."""
    size = modulus.bit_length()
    # The sums, and a modulus or two, are to fit into 64 bits. All limbs are equally long.
    bits = min(size, 62 - each.reach.bit_length())
    return [(shift, bits) for shift in range((size - 1) // bits * bits, -1, -bits)]


def _next(total: Residues, bits: int, below: Residues, modulus: int) -> Residues:
    """``total * 2**bits + below``."""
    return _reduced(shifted(total, bits, modulus) + below, 0, 2 * modulus, modulus)


def _reduced(words: Residues, low: int, high: int, modulus: int) -> Residues:
    """Residues of sums from `low` to `high`, in wrapping words that hold ``high - low + modulus``."""
    kind = words.dtype.type
    if low < 0:
        above = -(low // modulus) * modulus
        words += kind(above)
        high += above
    m, bits = kind(modulus), modulus.bit_length()
    if modulus & (modulus + 1) == 0:
        while high >= 2 * modulus:
            words = (words & m) + (words >> kind(bits))
            high = modulus + (high >> bits)
    if high >= 4 * modulus:
        # numpy divides by one number with vector instructions, but takes no remainder so.
        quotients = words // m
        quotients *= m
        words -= quotients
        high = modulus - 1
    while high >= modulus:
        # What is below the modulus wraps to something larger.
        np.minimum(words, words - m, out=words)
        high -= modulus
    return words
