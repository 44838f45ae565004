"""Sums and linear maps of residues, exact for every modulus by proven bounds.

Modulo 2**16, 2**32 and 2**64 numpy's unsigned words wrap as they should. Modulo anything else sums are
taken in words that provably hold them, and reduced once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from providers.kernel import Kernel
from providers.residues import Residues, residue_dtype, wraps
from providers.stencil import Stencil

TILE_BYTES = 1 << 18
"""Bytes of words that are worked on at once: they and what is made of them stay in a processor's cache."""
WEIGHT_BITS = 31
"""Bits of a weight that are multiplied at once, where there are more than words have room for."""
MOST_REACH_BITS = 45
"""Bits of the sum of weights from which they are halved instead of the residues: then two or three parts of
these do, for as many weights as a kernel has."""


def combinations(matrix: Sequence[Sequence[int]], planes: Sequence[Residues], modulus: int) -> Residues:
    """For each row of a matrix ``sum of row[i] * planes[i]`` modulo `modulus`, of arrays of one shape."""
    rows = [_centred(row, modulus) for row in matrix]
    flat = [np.ascontiguousarray(plane).reshape(-1) for plane in planes]
    answer: Residues = np.empty((len(rows), *planes[0].shape), residue_dtype(modulus))
    outs = answer.reshape(len(rows), -1)
    passes = [Pass((len(row), 1), {(i, 0): weight for i, weight in enumerate(row) if weight}) for row in rows]
    in_residues = [wraps(modulus) or _is_pair(row, modulus) for row in rows]
    words = [
        answer.dtype if narrow else _word([each], modulus) or np.dtype(np.uint64)
        for each, narrow in zip(passes, in_residues, strict=True)
    ]
    size = TILE_BYTES // max(word.itemsize for word in words)
    wide = {word for word, narrow in zip(words, in_residues, strict=True) if not narrow}
    stacks = {word: np.empty((len(flat), size), word) for word in wide}
    for first in range(0, outs.shape[1], size):
        chunk = [plane[first : first + size] for plane in flat]
        for stack in stacks.values():
            np.stack(chunk, out=stack[:, : len(chunk[0])], casting="safe")
        for out, row, each, word, narrow in zip(outs, rows, passes, words, in_residues, strict=True):
            target = out[first : first + size]
            if narrow:
                _in_residues(row, chunk, modulus, target)
                continue
            target[...] = _answers(stacks[word][:, : len(target)], [each], modulus)[0]
    return answer


def run(part: Stencil | Kernel, stack: Residues, modulus: int) -> Residues:
    """Residues of a linear map's answers, for the pixels of ``(n, *window)`` that have their whole halo."""
    core = tuple(n - 2 * h for n, h in zip(stack.shape[1:], part.halo, strict=True))
    answer: Residues = np.empty((len(stack), *core), residue_dtype(modulus))
    passes = passes_of(part, modulus)
    # So many regions, or lines of one, at a time as fit into a processor's cache.
    word = _word(passes, modulus) or np.dtype(np.uint64)
    at_once = TILE_BYTES // word.itemsize
    regions = max(1, at_once // prod(stack.shape[1:]))
    lines = max(1, at_once // (regions * prod(stack.shape[2:])))
    for first, top in product(range(0, len(stack), regions), range(0, core[0], lines)):
        place = answer[first : first + regions, top : top + lines]
        place[...] = _answers(
            stack[first : first + regions, top : top + place.shape[1] + 2 * part.halo[0]], passes, modulus
        )
    return answer


def work(part: Stencil | Kernel, modulus: int) -> int:
    """Residues read for one answer."""
    passes = passes_of(part, modulus)
    if _word(passes, modulus) is not None:
        return sum(len(each.weights) for each in passes)
    return sum(
        len(cut.weights) * (1 if _word([cut], modulus) else len(_limbs(cut, modulus)))
        for each in passes
        for cut in ([each] if _word([each], modulus) else _parts(each, modulus))
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


def passes_of(part: Stencil | Kernel, modulus: int) -> list[Pass]:
    """The sums that a linear map is made of, one after the other, over a stack of regions."""
    if isinstance(part, Kernel):
        array = np.array(part.weights, dtype=object)
        places = list(zip(*np.nonzero(array), strict=True))
        centred = _centred([int(array[place]) for place in places], modulus)
        return [
            Pass(
                (1, *array.shape),
                {(0, *map(int, at)): weight for at, weight in zip(places, centred, strict=True) if weight},
            )
        ]
    passes = []
    for axis, row in enumerate(part.weights, start=1):
        before, after = (0,) * axis, (0,) * (len(part.weights) - axis)
        weights = {(*before, k, *after): w for k, w in enumerate(_centred(row, modulus)) if w}
        passes.append(
            Pass(tuple(len(row) if i == axis else 1 for i in range(len(part.weights) + 1)), weights)
        )
    return passes


def _centred(weights: Iterable[int], modulus: int) -> list[int]:
    """The weights of least magnitude that do the same."""
    half = modulus // 2
    return [(weight + half) % modulus - half for weight in weights]


def _word(passes: Sequence[Pass], modulus: int) -> np.dtype[Any] | None:
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
    word = _word(passes, modulus)
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


def _total(terms: Sequence[tuple[int, Residues]], out: Residues | None = None) -> Residues:
    """A weighted sum in wrapping words, in a new array or in `out`; to add costs less than to multiply."""
    groups: dict[int, list[Residues]] = {}
    # What is to be taken away comes last, so that there is something to take it from.
    for weight, words in sorted(terms, key=lambda term: term[0] == -1):
        groups.setdefault(weight, []).append(words)
    total: Residues | None = None
    owned = False
    for weight, (first, *others) in groups.items():
        into = out if total is None else None
        part = np.add(first, others[0], out=into) if others else first
        for other in others[1:]:
            part += other
        if weight not in (1, -1):
            # Twos are complemented: a negative weight is a large one.
            factor = part.dtype.type(weight % (1 << 8 * part.itemsize))
            part = np.multiply(part, factor, out=part if others else into)
        if total is None:
            total = np.negative(part, out=into) if weight == -1 else part
            owned = total is not first
        else:
            combine = np.subtract if weight == -1 else np.add
            total = combine(total, part, out=total if owned else out)
            owned = True
    assert total is not None  # of no terms nobody asks the sum
    return total if owned else np.positive(total, out=out)


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
    return _reduced(_shifted(total, bits, modulus) + below, 0, 2 * modulus, modulus)


def _shifted(words: Residues, bits: int, modulus: int) -> Residues:
    """Residues times 2**bits modulo a Mersenne number: their bits go round."""
    size = np.uint64(modulus.bit_length())
    return ((words << np.uint64(bits)) & np.uint64(modulus)) | (words >> (size - np.uint64(bits)))


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


def _is_pair(row: Sequence[int], modulus: int) -> bool:
    """Whether a row is the sum or the difference of two, and `_difference` knows how."""
    weights = sorted(weight for weight in row if weight)
    return weights in ([1, 1], [-1, 1]) and not 255 < _gap(modulus) < modulus


def _in_residues(row: Sequence[int], chunk: Sequence[Residues], modulus: int, out: Residues) -> None:
    """A combination in no wider words than those of residues."""
    terms = sorted(((w, plane) for w, plane in zip(row, chunk, strict=True) if w), key=lambda term: -term[0])
    if not wraps(modulus):
        (_, one), (sign, other) = terms
        _difference(one, out.dtype.type(modulus) - other if sign == 1 else other, modulus, out)
    elif terms:
        _total(terms, out)
    else:
        out[...] = 0


def _difference(one: Residues, other: Residues, modulus: int, out: Residues) -> None:
    """``one - other`` modulo, for `other` up to and with the modulus."""
    np.subtract(one, other, out=out)
    gap = _gap(modulus)
    if gap >= modulus:
        np.minimum(out, out + out.dtype.type(modulus), out=out)
    else:
        borrowed = (one < other).view(np.uint8)
        borrowed *= np.uint8(gap)
        out -= borrowed


def _gap(modulus: int) -> int:
    """Values of the residues' dtype that are none."""
    return (1 << 8 * residue_dtype(modulus).itemsize) - modulus
