"""Paillier ciphertexts, and how linear maps run on them: as products of powers modulo the square of n.

The product of two ciphertexts hides the sum of what they hide, a power a multiple of it. Whoever has the
public n alone can compute so, and read nothing. Source: P. Paillier, Public-key cryptosystems based on
composite degree residuosity classes (EUROCRYPT 1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from providers.modular import Pass, passes_of
from providers.operation import Part

Numbers: TypeAlias = NDArray[np.object_]
"""Integers of any size, those of GMP."""

FEWEST_BITS, MOST_BITS = 2048, 4096
"""Of a modulus: whoever factors a smaller one reads everything, and a larger one makes a small task long."""
PRICE = 1 << 12
"""Pixels of a plain filter that are read in the time of a multiplication modulo the square of 2048 bits."""
INVERSE = 6
"""Multiplications in the time of an inverse."""


def checked_modulus(modulus: int) -> int:
    """A modulus that ciphertexts may have; ValueError for another."""
    bits = modulus.bit_length()
    if modulus < 0 or not FEWEST_BITS <= bits <= MOST_BITS or modulus % 2 == 0:
        raise ValueError(
            f"the modulus of ciphertexts is odd and has {FEWEST_BITS} to {MOST_BITS} bits, for smaller ones "
            f"are factored, and larger ones are endless work; this one has {bits}"
        )
    return modulus


def row_bytes(modulus: int) -> int:
    """Bytes of a ciphertext."""
    return -(-2 * modulus.bit_length() // 8)


def rows(numbers: Numbers, modulus: int) -> NDArray[np.uint8]:
    """Ciphertexts as they travel, ``(…, bytes)``, the lowest first."""
    length = row_bytes(modulus)
    octets = b"".join(int(number).to_bytes(length, "little") for number in numbers.flat)
    return np.frombuffer(octets, np.uint8).reshape(*numbers.shape, length)


def numbers(stack: NDArray[np.uint8], modulus: int) -> Numbers:
    """The ciphertexts in rows of bytes; ValueError for what is none."""
    from gmpy2 import mpz

    if stack.shape[-1] != row_bytes(modulus):
        raise ValueError(f"a ciphertext of this modulus has {row_bytes(modulus)} bytes")
    square, octets, length = mpz(modulus) ** 2, stack.tobytes(), stack.shape[-1]
    found = as_numbers(
        mpz(int.from_bytes(octets[first : first + length], "little"))
        for first in range(0, len(octets), length)
    )
    if not all(0 < number < square for number in found):
        raise ValueError("a ciphertext is above zero and below the square of its modulus")
    return found.reshape(stack.shape[:-1])


def are_ciphertexts(stack: NDArray[np.generic], modulus: int) -> TypeGuard[NDArray[np.uint8]]:
    """Whether an array holds ciphertexts and nothing else."""
    if stack.dtype != np.uint8:
        return False
    try:
        numbers(stack.view(np.uint8), modulus)
    except ValueError:
        return False
    return True


def as_numbers(values: Any) -> Numbers:
    """A line of integers as an array that leaves them what they are."""
    return np.fromiter(values, dtype=np.object_)


def run(part: Part, stack: NDArray[np.uint8], modulus: int) -> NDArray[np.uint8]:
    """Ciphertexts of a linear map's answers, for those of ``(n, *window, bytes)`` that have their whole halo.

    They are the same whoever computes them. ValueError for what is no ciphertext.
    """
    from gmpy2 import mpz

    found, square = numbers(stack, modulus), mpz(modulus) ** 2
    for each in passes_of(part, modulus):
        found = _answered(found, each, square)
    return rows(found, modulus)


def work(part: Part, modulus: int) -> int:
    """What one ciphertext costs, in pixels of a plain filter."""
    count = 0
    for each in passes_of(part, modulus):
        signs = [[abs(w) for w in each.weights.values() if (w < 0) == negative] for negative in (False, True)]
        for weights in filter(None, signs):
            count += len(weights) + max(weights).bit_length() + sum(w.bit_count() for w in {*weights})
        count += INVERSE * bool(signs[1])
    return max(1, count) * PRICE * modulus.bit_length() ** 2 // FEWEST_BITS**2


def _answered(found: Numbers, each: Pass, square: Any) -> Numbers:
    """The weighted sums of a pass."""
    from gmpy2 import invert, mpz

    core = tuple(n - side + 1 for n, side in zip(found.shape, each.sides, strict=True))
    signs: list[dict[int, list[Numbers]]] = [{}, {}]
    for place, weight in each.weights.items():
        shifted = found[tuple(slice(start, start + n) for start, n in zip(place, core, strict=True))]
        signs[weight < 0].setdefault(abs(weight), []).append(shifted)
    added, taken = (_powered(groups, square) if groups else None for groups in signs)
    if taken is not None:
        try:
            inverses = as_numbers(invert(number, square) for number in taken.flat).reshape(core)
        except ZeroDivisionError as error:
            raise ValueError("a ciphertext has no divisor in common with its modulus") from error
        return inverses if added is None else added * inverses % square
    return as_numbers([mpz(1)] * prod(core)).reshape(core) if added is None else added


def _powered(groups: dict[int, list[Numbers]], square: Any) -> Numbers:
    """The product of powers, by exponent; bit by bit of all exponents together (Straus 1964)."""
    # What has one exponent is multiplied first, and raised once.
    bases = {exponent: _product(same, square) for exponent, same in groups.items()}
    total: Numbers | None = None
    for bit in reversed(range(max(bases).bit_length())):
        factors = [base for exponent, base in bases.items() if exponent >> bit & 1]
        if total is not None:
            factors.insert(0, total * total % square)
        total = _product(factors, square)
    assert total is not None  # an exponent has bits
    return total


def _product(factors: Sequence[Numbers], square: Any) -> Numbers:
    total = factors[0]
    for factor in factors[1:]:
        total = total * factor % square
    return total
