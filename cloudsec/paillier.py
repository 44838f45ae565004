"""Paillier keys: who holds one reads what others computed on ciphertexts, who hold none.

A ciphertext is ``(1 + m * n) * h**(n * a)`` modulo n squared, with a base h that is fixed and a secret
exponent a. It tells the message m to nobody who cannot tell n-th powers from other numbers, for which nothing
better is known than to factor n. Exponents are short: half as many bits as n has, as Damgård, Jurik and
Nielsen take them, but half of these for each factor. That short ones serve is an assumption of its own: to
find one of 512 bits takes 2**256 steps by what is known, to factor 2048 bits about 2**112.

Sources: P. Paillier (EUROCRYPT 1999), section 7, for computing by the factors; I. Damgård, M. Jurik and
J. Nielsen, A generalization of Paillier's public-key system (2010), for the base and short exponents.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from math import gcd
from typing import Any, NoReturn

from providers.ciphertexts import FEWEST_BITS, Numbers, as_numbers, checked_modulus

MILLER_RABIN = 40
"""Rounds of the test: what is no prime passes with a chance below 2**-80."""
WIDEST_WINDOW = 10
"""Bits of an exponent that a table has a power for: with more, tables outgrow a hundred megabytes."""


class PaillierKey:
    """A secret key. Nothing here is ever logged, shown or pickled; `repr` names the type only.

    Attributes
    ----------
    modulus : int
        The public key, which is all that a provider is told.
    """

    __slots__ = ("_factors", "_pool", "modulus")

    def __init__(self, p: int, q: int, count: int = 1) -> None:
        self.modulus = checked_modulus(p * q)
        if p == q or gcd(self.modulus, (p - 1) * (q - 1)) != 1:
            raise ValueError("the factors of a modulus must be different primes of as many bits")
        base = -((secrets.randbelow(self.modulus - 2) + 2) ** 2)
        self._factors = _Factor(p, q, base, count), _Factor(q, p, base, count)
        self._pool: list[int] = []

    @classmethod
    def fresh(cls, bits: int = FEWEST_BITS, count: int = 1) -> PaillierKey:
        """A key from the system's generator, quickest at encrypting `count` messages.

        ValueError for a modulus of fewer than 2048 bits, or more than 4096.
        """
        checked_modulus((1 << max(bits, 0)) - 1)
        while True:
            p, q = _prime(bits // 2), _prime(bits - bits // 2)
            # Then the powers of h are all squares that there are (Damgård, Jurik and Nielsen).
            if gcd(p - 1, q - 1) == 2:
                return cls(p, q, count)

    def prepare(self, count: int) -> None:
        """Draw so many masks ahead, so that to encrypt as many messages is a few multiplications each."""
        self._pool += [self._mask() for _ in range(count)]

    def encrypted(self, messages: Iterable[int]) -> Numbers:
        """Ciphertexts of a line of integers, each under a mask of its own that is used once."""
        n, square = self.modulus, self.modulus**2
        return as_numbers(
            (1 + message % n * n) * (self._pool.pop() if self._pool else self._mask()) % square
            for message in messages
        )

    def decrypted(self, numbers: Numbers) -> list[int]:
        """The integers of least magnitude, modulo the modulus, in a line of ciphertexts."""
        p, q = self._factors
        half = self.modulus // 2
        messages = (p.joined(p.message(number), q.message(number), 1) for number in numbers)
        return [int(message - self.modulus if message > half else message) for message in messages]

    def _mask(self) -> Any:
        """A random power of h**n modulo n squared."""
        p, q = self._factors
        return p.joined(p.random_power(), q.random_power(), 2)

    def __repr__(self) -> str:
        return "PaillierKey(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret key is not written anywhere")


class _Factor:
    """What is done modulo one of the two factors, or its square: a quarter of the work or less."""

    __slots__ = ("_bits", "_inverse", "_low", "_others", "_prime", "_square", "_tables", "_window")

    def __init__(self, prime: int, other: int, base: int, count: int) -> None:
        from gmpy2 import invert, mpz, powmod

        self._prime, self._square = mpz(prime), mpz(prime) ** 2
        # (1 + m * n)**(prime - 1) is 1 - m * n modulo the square.
        self._inverse = invert(-other, self._prime)
        # For messages and for ciphertexts: what the other's is modulo, and where ours has an inverse.
        self._others = [
            (self._prime**power, mpz(other) ** power, invert(self._prime**power, mpz(other) ** power))
            for power in (1, 2)
        ]
        step = powmod(base, prime * other, self._square)
        self._bits = bits = (prime * other).bit_length() // 4
        self._window = window = _window(bits, count)
        self._low = (1 << window) - 1
        self._tables: list[list[Any]] = []
        for first in range(0, bits, window):
            powers = [mpz(1)]
            for _ in range(1 << min(window, bits - first)):
                powers.append(powers[-1] * step % self._square)
            step = powers.pop()
            self._tables.append(powers)

    def random_power(self) -> Any:
        """h**(n * a) modulo the square for a random a, without a squaring (Brickell et al. 1992)."""
        from gmpy2 import mpz

        exponent, total = secrets.randbits(self._bits), mpz(1)
        for powers in self._tables:
            total = total * powers[exponent & self._low] % self._square
            exponent >>= self._window
        return total

    def message(self, number: Any) -> Any:
        """The message in a ciphertext, modulo the factor."""
        from gmpy2 import powmod

        raised = powmod(number % self._square, self._prime - 1, self._square)
        return (raised - 1) // self._prime * self._inverse % self._prime

    def joined(self, mine: Any, others: Any, power: int) -> Any:
        """What is `mine` modulo this factor to a power, and `others` modulo the other one's (Garner)."""
        ours, theirs, inverse = self._others[power - 1]
        return mine + ours * ((others - mine) * inverse % theirs)


def _window(bits: int, count: int) -> int:
    """Bits at a time with which tables and `count` powers take the fewest multiplications together."""
    return min(range(1, WIDEST_WINDOW + 1), key=lambda window: -(-bits // window) * ((1 << window) + count))


def _prime(bits: int) -> int:
    """A random prime whose two highest bits are set, so that products of two are full, and 3 modulo 4."""
    from gmpy2 import is_prime

    while True:
        drawn = secrets.randbits(bits) | 3 << bits - 2 | 3
        if is_prime(drawn, MILLER_RABIN):
            return drawn
