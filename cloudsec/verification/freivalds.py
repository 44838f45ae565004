"""Freivalds' check of linear filters: whether a whole integer answer is right, by products with secrets.

Before an image leaves, the broker draws secret vectors `left`, over the lines of an answer, and `right`,
along a line, uniform modulo a prime, and makes the tag ``left @ F(image) @ right`` without computing F: the
transposed filter is applied to the vectors instead, of which there are few. An answer y is accepted only if
all of it lies within the proven range of F and ``left @ y @ right`` is the tag.

Soundness. Let E = y - F(image) be other than zero. Both lie in the range, so that no entry of E is a multiple
of all primes if their product exceeds its width: modulo one prime p, E has a row e that is not zero. The k
columns of `right` are windows of one vector, each an entry farther on, so that the last entry of e that is
not zero meets an entry in each that those before did not: the k products of e are uniform and independent
(a Toeplitz hash), and all zero with a chance of p**-k. Otherwise E @ right has a column that is not zero, and
the rows of `left` send it to zero with a chance of p**-k again. So a wrong answer is accepted with a chance
of at most 2 * p**-k, whoever made it and whatever they know but the secrets. Each that is tried on one tag
has that chance.

Sources: R. Freivalds, Probabilistic machines can use less running time (IFIP 1977); F. Tramèr and D. Boneh,
Slalom (arXiv 1806.03287), for tags that are made before; H. Krawczyk, LFSR-based hashing and authentication
(CRYPTO 1994), for Toeplitz matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from cloudsec.keystream import Keystream
from cloudsec.verification.contraction import as_lines, contracted, plain, transposed
from providers.kernel import Kernel
from providers.operations.linear import bounds
from providers.stencil import EXACT_INT, MAX_TAPS, Stencil, core

PRIMES = (2097143, 2097133, 2097131, 2097097)
"""The largest below 2**21: three span nearly all of int64, and float64 adds up 4096 products of two."""
COLUMNS = 4
"""Secret vectors on either side: a wrong answer is accepted with a chance of 2**-82."""


@dataclass(frozen=True, eq=False)
class _Probe:
    """Secrets modulo a prime, ``(k, lines)`` and ``(k, columns)``, and each region's tag, ``(n, k, k)``."""

    prime: int
    left: NDArray[np.float64] = field(repr=False)
    right: NDArray[np.float64] = field(repr=False)
    tags: NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Tag:
    """What tells the right answers to a stack of regions from all others. It holds secrets.

    Attributes
    ----------
    low, high : int
        Between which all right answers lie, proven from the pixels' least and greatest.
    odds : float
        The chance, at most, with which a wrong answer is accepted.
    shape : (n, *core), or (n, parts, *core)
        Of the answers.
    """

    low: int
    high: int
    odds: float
    shape: tuple[int, ...]
    _probes: tuple[_Probe, ...] = field(repr=False)

    def holds(self, answer: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Which regions are answered rightly, all their pixels.

        Parameters
        ----------
        answer : ndarray of integers, of the tag's shape
            Unrounded, in the units of the linear map.

        Returns
        -------
        (n,) ndarray of bool

        Raises
        ------
        ValueError
            If the answer is not of integers, or of another shape.
        """
        if answer.shape != self.shape or answer.dtype.kind not in "iu":
            raise ValueError(
                f"a tag of answers of the shape {self.shape} cannot judge {answer.dtype} of the shape "
                f"{answer.shape}; give it the unrounded integers of all regions that it was made of"
            )
        lines = as_lines(answer)
        holds = _within(lines, self.low, self.high)
        inside = holds.copy()
        within, largest = lines if inside.all() else lines[inside], max(abs(self.low), abs(self.high))
        for probe in self._probes:
            found = contracted(within, largest, probe.left[..., None], plain(probe.right), probe.prime)
            holds[inside] &= (found == probe.tags[inside]).all(axis=(1, 2))
        return holds


def tag(
    part: Stencil | Kernel,
    padded: NDArray[np.integer],
    keys: Keystream,
    label: str,
    *,
    shares: tuple[int, int] = (0, 1),
    columns: int = COLUMNS,
    primes: Sequence[int] = PRIMES,
) -> Tag:
    """The tag of what a linear map answers to a stack of regions, made from their pixels alone.

    Parameters
    ----------
    part : Stencil or Kernel
        Of two axes, or of three for volumes.
    padded : (n, *window) ndarray of integers
        As `part.run` takes them: planes, colour components, a volume, or blocks, each with its halo.
    keys : Keystream
        Of the job.
    label : str
        A name that no other tag of these keys has.
    shares : (int, int)
        How often the pixel itself and the map's answer go into what is judged (`LinearFilter.shares`).
    columns : int
        Secret vectors on either side.
    primes : sequence of int
        As many as it takes, in this order, for a product above the width of the proven range.

    Raises
    ------
    ValueError
        If the pixels are floats, or the range is wider than int64 or all primes.
    """
    made = _made((part,), shares, padded, keys, label, columns, primes)
    n, _, *sides = made.shape
    return replace(made, shape=(n, *sides))


def tag_of_all(
    parts: Sequence[Stencil | Kernel], padded: NDArray[np.integer], keys: Keystream, label: str
) -> Tag:
    """The tag of what several linear maps of one halo answer, side by side: ``(n, parts, *core)``.

    To judge them, their answers are one, with so many times the lines: what is secret along a line is so for
    all, and kernels are applied to the vectors across them, so that the pixels are read once.
    """
    return _made(parts, (0, 1), padded, keys, label, COLUMNS, PRIMES)


def _made(
    parts: Sequence[Stencil | Kernel],
    shares: tuple[int, int],
    padded: NDArray[np.integer],
    keys: Keystream,
    label: str,
    columns: int,
    primes: Sequence[int],
) -> Tag:
    if padded.dtype.kind not in "iu":
        raise ValueError(
            f"answers to {padded.dtype} pixels are not exact, and cannot be told from almost right ones by a "
            "tag; make the image one of integers, or have a sample computed again"
        )
    halo = parts[0].halo
    if max(halo) > MAX_TAPS // 2:
        raise ValueError(f"a linear map to be checked reaches at most {MAX_TAPS // 2} pixels; this: {halo}")
    least, greatest = int(padded.min()), int(padded.max())
    ends = [bounds(part, shares, least, greatest) for part in parts]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    inner = core(padded, halo)
    sides, largest = (len(parts), *inner.shape[1:]), max(abs(least), abs(greatest))
    probes = []
    for prime in _sufficient(primes, low, high):
        left, right = _drawn(keys, f"{label} {prime}", prime, columns, sides)
        tags = np.zeros((len(padded), columns, columns), np.int64)
        for across, along in transposed(parts, left, right, prime):
            tags += shares[1] % prime * contracted(as_lines(padded), largest, across, along, prime)
        flat = left.reshape(columns, prod(sides[:-1]))
        if shares[0]:
            own = contracted(as_lines(inner), largest, flat[..., None], plain(right), prime)
            tags += shares[0] % prime * own
        probes.append(_Probe(prime, flat, right, tags % prime))
    odds = 2 * float(min(probe.prime for probe in probes)) ** -columns
    return Tag(low, high, odds, (len(padded), *sides), tuple(probes))


def _sufficient(primes: Sequence[int], low: int, high: int) -> Sequence[int]:
    """The first primes whose product exceeds what two answers in a range can differ by."""
    for count in range(1, len(primes) + 1):
        if prod(primes[:count]) > high - low and -EXACT_INT <= low <= high < EXACT_INT:
            return primes[:count]
    raise ValueError(
        f"answers from {low} to {high} are more than int64 holds, or than {' x '.join(map(str, primes))} "
        "tell apart; use smaller weights, or pixels of fewer bits"
    )


def _drawn(
    keys: Keystream, label: str, prime: int, columns: int, core: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Secret vectors, uniform modulo a prime: ``(k, *lines)`` and ``(k, columns of the core)``."""
    *planes, lines, length = core
    longer = [*planes, lines + columns - 1]
    split = prod(longer)
    drawn = keys.integers(f"freivalds {label}", prime, split + length + columns - 1).astype(np.float64)
    # As near to zero as they can be: sums of them are exact twice as long.
    drawn -= prime * (drawn > prime // 2)
    left, right = drawn[:split].reshape(longer), drawn[split:]
    return _windows(left, lines), _windows(right, length)


def _windows(drawn: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """All windows of a length along the last axis, in order along a first one."""
    shape = drawn.shape[-1] - length + 1, *drawn.shape[:-1], length
    # Copied, since BLAS takes no matrix whose lines overlap.
    return np.ascontiguousarray(as_strided(drawn, shape, drawn.strides[-1:] + drawn.strides))


def _within(lines: NDArray[np.integer], low: int, high: int) -> NDArray[np.bool_]:
    """Which regions have no pixel below `low`, nor one above `high`."""
    if low:
        return np.asarray((lines.min(axis=(1, 2)) >= low) & (lines.max(axis=(1, 2)) <= high))
    # What is below zero is large as an unsigned number.
    return np.asarray(lines.view(lines.dtype.str.replace("i", "u")).max(axis=(1, 2)) <= high)
