"""Keys of ring learning with errors: who holds one reads linear combinations of ciphertexts.

A ciphertext is a pair of polynomials of n coefficients modulo 2**bits and X**n + 1: a uniform one, the mask
a, and the body ``m + e - a * s``, with the secret key s of small coefficients and a small error e. Sums and
multiples of pairs are pairs of the sums and multiples of the messages, and of the errors. These are the
symmetric form of BFV and of all additions under it: nothing is multiplied by anything but known weights.

Sources: Z. Brakerski (CRYPTO 2012); J. Fan and F. Vercauteren (ePrint 2012/144); M. Albrecht et al.,
Homomorphic Encryption Standard (2018), for what keeps 128 bits; for moduli that are powers of two,
A. Langlois and D. Stehlé, Worst-case to average-case reductions for module lattices (2015).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import pi
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from providers.residues import SEED_BYTES, Residues, expanded, residue_dtype, uniform

STANDARD_BITS = {1024: 27, 2048: 54, 4096: 109, 8192: 218}
"""Degree to the widest modulus that keeps 128 bits against classical attacks, with coefficients of the key
from -1 to 1 and errors of a deviation of 3.2: table 1 of the Homomorphic Encryption Standard."""
COINS = 21
"""The error is a difference of two sums of so many coins: its deviation is 3.24, and it is no larger."""
PIECE_BITS = 16
"""Of words, that are multiplied at once. In a product of lengths up to 4096 floats are then off by less than
1e-5, by C. Percival's bound for transforms of radix 2 (Math. Comp. 72, 2003; numpy's round less often), with
the constant of Brent, Percival and Zimmermann (2007): the norms of both are below 2**22.5 and 2**6, and about
36 + 37 * 5**.5 + 36 roundings of 2**-53 add up. What is rounded to whole numbers has half a unit to spare."""
LINES = 32
"""Polynomials that are multiplied at once: what is made of them stays in a processor's cache."""


@dataclass(frozen=True)
class Ring:
    """Polynomials modulo ``X**degree + 1``, with coefficients modulo ``2**bits``.

    ValueError for one in which keys are weaker than 128 bits.
    """

    bits: int
    degree: int

    def __post_init__(self) -> None:
        if self.bits not in (32, 64) or self.bits > STANDARD_BITS.get(self.degree, 0):
            raise ValueError(
                f"a modulus of {self.bits} bits with {self.degree} coefficients is none that keeps 128 bits "
                "of security and that words hold; use 32 bits with 2048, or 64 with 4096"
            )

    @property
    def modulus(self) -> int:
        return 1 << self.bits

    @property
    def dtype(self) -> np.dtype[Any]:
        return residue_dtype(self.modulus)


RINGS = Ring(32, 2048), Ring(64, 4096)


class BfvKey:
    """A secret key. Nothing here is ever logged, shown or pickled; `repr` names the type only."""

    __slots__ = ("_spectrum", "_twist", "ring")

    def __init__(self, ring: Ring, secret: NDArray[np.int8]) -> None:
        """Of coefficients from -1 to 1, as many as the ring has."""
        if secret.shape != (ring.degree,) or np.abs(secret).max() > 1:
            raise ValueError(f"a key of this ring has {ring.degree} coefficients from -1 to 1")
        self.ring = ring
        # With it X**n + 1 becomes X**n - 1, modulo which a Fourier transform multiplies.
        self._twist = np.exp(1j * pi / ring.degree * np.arange(ring.degree))
        self._spectrum = np.fft.fft(secret * self._twist)

    @classmethod
    def fresh(cls, ring: Ring) -> BfvKey:
        """A key from the system's generator."""
        return cls(ring, uniform(os.urandom, 3, (ring.degree,)).astype(np.int8) - np.int8(1))

    def bodies(self, messages: Residues, masks: Residues) -> Residues:
        """The bodies to masks that are used for nothing else, ``(…, coefficients)`` as the messages are.

        Errors are drawn anew, by AES-128 from a seed of the system's generator.
        """
        bodies = errors(os.urandom(SEED_BYTES), messages.shape, self.ring)
        bodies += messages
        bodies -= self._products(masks)
        return bodies

    def phases(self, bodies: Residues, masks: Residues) -> Residues:
        """Messages and errors, added up."""
        return bodies + self._products(masks)

    def _products(self, polynomials: Residues) -> Residues:
        """Polynomials ``(…, coefficients)`` times the secret."""
        flat = polynomials.reshape(-1, self.ring.degree)
        answer = np.empty(flat.shape, self.ring.dtype)
        for first in range(0, len(flat), LINES):
            lines = flat[first : first + LINES]
            total = answer[first : first + LINES]
            total[...] = 0
            for shift in range(0, self.ring.bits, 2 * PIECE_BITS):
                # The secret is real, so that two pieces go as the two parts of a complex number.
                pieces = self._piece(lines, shift) + 1j * self._piece(lines, shift + PIECE_BITS)
                spectrum = np.fft.fft(pieces * self._twist)
                spectrum *= self._spectrum
                found = np.fft.ifft(spectrum)
                found *= self._twist.conj()
                for part, at in ((found.real, shift), (found.imag, shift + PIECE_BITS)):
                    whole = np.rint(part).astype(np.int64).astype(self.ring.dtype)
                    total += whole << self.ring.dtype.type(at)
        return answer.reshape(polynomials.shape)

    def _piece(self, words: Residues, shift: int) -> Residues:
        kind = self.ring.dtype.type
        piece: Residues = words >> kind(shift) & kind((1 << PIECE_BITS) - 1)
        return piece

    def __repr__(self) -> str:
        return "BfvKey(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret key is not written anywhere")


def errors(seed: bytes, shape: tuple[int, ...], ring: Ring) -> Residues:
    """Centred binomial numbers from -`COINS` to `COINS`, as residues."""
    words = expanded(seed, 1 << 64, shape)
    ones = np.uint64((1 << COINS) - 1)
    heads, tails = np.bitwise_count(words & ones), np.bitwise_count(words >> np.uint64(COINS) & ones)
    drawn: Residues = heads.astype(ring.dtype)
    drawn -= tails
    return drawn
