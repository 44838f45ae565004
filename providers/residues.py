"""Residues: integers modulo m, as shares of an image are made of them.

What they are, and where uniform ones come from; `modular.py` filters them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

Residues: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""Integers from 0 up to and without a modulus, in the smallest unsigned dtype that holds them."""

RINGS = (2**16, 2**32, 2**64)
FIELDS = (65521, 2**31 - 1, 2**61 - 1)
"""The largest prime below 2**16, and two Mersenne primes, modulo which reduction is a shift."""
MODULI = (*RINGS, *FIELDS)
"""What residues travel modulo."""

SEED_BYTES = 16
"""Bytes of a seed: a key of AES-128."""

_AT_ONCE = 64
"""Words of which the greatest is looked at first: modulo 65521 one in 4369 is none, and few of these."""
_ZEROS = memoryview(bytes(1 << 15))


def residue_dtype(modulus: int) -> np.dtype[Any]:
    """The smallest unsigned dtype that holds residues modulo `modulus`, which may be 2 to 2**62, or 2**64."""
    if not 2 <= modulus <= 2**62 and modulus != 2**64:
        raise ValueError("a modulus must be from 2 to 2**62, or 2**64")
    return np.min_scalar_type(modulus - 1)


def are_residues(stack: NDArray[np.generic], modulus: int) -> TypeGuard[Residues]:
    """Whether an array is one of residues: of their dtype, and every one below the modulus."""
    dtype = residue_dtype(modulus)
    return stack.dtype == dtype and (wraps(modulus) or not stack.size or int(stack.max()) < modulus)


def wraps(modulus: int) -> bool:
    """Whether words of the residues' dtype wrap where they should."""
    return modulus == 1 << 8 * residue_dtype(modulus).itemsize


def reduced(integers: NDArray[np.integer[Any]], modulus: int) -> Residues:
    """Residues of integers of any dtype.

    >>> reduced(np.array([-1, 65521]), 65521)
    array([65520,     0], dtype=uint16)
    """
    dtype = residue_dtype(modulus)
    if wraps(modulus):
        return integers.astype(dtype)
    if modulus > np.iinfo(integers.dtype).max:
        if integers.dtype.kind == "u" or not integers.size or int(integers.min()) >= 0:
            return integers.astype(dtype)
        # Their dtype has no room for the modulus, and therefore they are all above minus the modulus.
        return ((integers.astype(np.uint64) + np.uint64(modulus)) % np.uint64(modulus)).astype(dtype)
    return (integers % integers.dtype.type(modulus)).astype(dtype)


def shifted(words: NDArray[np.uint64], bits: int, modulus: int) -> NDArray[np.uint64]:
    """Residues times 2**bits, up to and with the modulus; of no more bits than residues have.

    >>> shifted(np.array([3, 5], np.uint64), 2, 7)
    array([5, 6], dtype=uint64)
    """
    if modulus & (modulus + 1) == 0:
        # Modulo a Mersenne number bits go round.
        above = words >> np.uint64(modulus.bit_length() - bits)
        return ((words << np.uint64(bits)) & np.uint64(modulus)) | above
    if modulus < 1 << 32:
        return (words << np.uint64(bits)) % np.uint64(modulus)
    raise ValueError(f"products modulo {modulus} do not fit into 64 bits, and it is no Mersenne prime")


def integers(residues: Residues, low: int, high: int, modulus: int) -> NDArray[np.integer[Any]]:
    """Integers with these residues: the one from `low` to `high`, where there is one, and else any other.

    In as few bytes as are at hand: the residues' own where these hold the range, int64 at most.

    >>> integers(np.array([65520, 3], np.uint16), -100, 300, 65521)
    array([-1,  3], dtype=int32)
    """
    if high - low >= modulus:
        raise ValueError(f"modulo {modulus} integers from {low} to {high} have the same residues")
    own = residues.dtype
    if low >= 0 and high < modulus and own.itemsize < 8:
        return residues
    signed = np.iinfo(f"i{own.itemsize}")
    if wraps(modulus) and signed.min <= low <= high <= signed.max:
        return residues.view(signed.dtype)
    if -modulus < low and high < modulus <= 1 << 32:
        wide = np.dtype(f"i{own.itemsize if modulus <= signed.max else 2 * own.itemsize}")
        below = residues.astype(wide)
        below -= np.multiply(residues > high, modulus, dtype=wide)
        return below
    answer = residues.astype(np.uint64)
    if low:
        first = low % modulus
        answer += np.uint64((low - first) % 2**64)
        # What lies below the first residue comes after all others. Words of 64 bits wrap by themselves.
        if modulus < 2**64:
            answer += np.multiply(residues < first, modulus, dtype=np.uint64)
    return answer.view(np.int64)


def uniform(source: Callable[[int], bytes | memoryview], modulus: int, shape: tuple[int, ...]) -> Residues:
    """Uniform residues from a source of uniform bytes, which is asked for so many at a time.

    Words, little-endian, as long as residues are; of each the lowest bits, as many as the modulus less one
    has. Words that are no residue are replaced, in order, by the next ones of the source that are one.
    """
    dtype = residue_dtype(modulus)
    mask = dtype.type((1 << (modulus - 1).bit_length()) - 1)

    def words(count: int) -> Residues:
        drawn = np.frombuffer(source(count * dtype.itemsize), dtype.newbyteorder("<"))
        own: Residues = np.require(drawn, dtype, "W")
        if mask < np.iinfo(dtype).max:
            own &= mask
        return own

    drawn = words(prod(shape))
    refused = _refused(drawn, modulus)
    while len(refused):
        fresh = words(len(refused))
        fresh = fresh[fresh < modulus]
        drawn[refused[: len(fresh)]] = fresh
        refused = refused[len(fresh) :]
    return drawn.reshape(shape)


def _refused(words: Residues, modulus: int) -> NDArray[np.intp]:
    """Where words are no residues, in order: looked for where the greatest of many is none."""
    if wraps(modulus):
        return np.empty(0, np.intp)
    width = len(words) // _AT_ONCE
    table, rest = words[: _AT_ONCE * width].reshape(_AT_ONCE, width), words[_AT_ONCE * width :]
    columns = np.flatnonzero(table.max(axis=0) >= modulus)
    lines, found = np.nonzero(table[:, columns] >= modulus)
    return np.concatenate(
        [lines * width + columns[found], _AT_ONCE * width + np.flatnonzero(rest >= modulus)]
    )


def expanded(seed: bytes, modulus: int, shape: tuple[int, ...]) -> Residues:
    """What a seed stands for: `uniform` residues from AES-128 in counter mode, counted from zero.

    A seed must be used for one array only.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes, this one {len(seed)}")
    stream = Cipher(algorithms.AES(seed), modes.CTR(bytes(SEED_BYTES))).encryptor()

    def source(count: int) -> memoryview:
        # The library wants room for one block more than it writes.
        drawn = np.empty(count + SEED_BYTES, np.uint8).data
        for first in range(0, count, len(_ZEROS)):
            stream.update_into(_ZEROS[: count - first], drawn[first:])
        return drawn[:count]

    return uniform(source, modulus, shape)
