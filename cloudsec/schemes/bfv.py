"""The scheme `bfv`: linear operations on ciphertexts of thousands of pixels, which providers just add."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray

from cloudsec.bfv import COINS, RINGS, BfvKey, Ring
from cloudsec.errors import IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.schemes.base import Job, Sealed, refuse_choices, refuse_whole_planes, task_identity
from cloudsec.schemes.encryption import Encryption, EncryptionScheme
from cloudsec.schemes.linear import whole_bits
from cloudsec.schemes.packing import bands, slabs_of
from cloudsec.schemes.steps import chosen_step
from providers.modular import work
from providers.residues import SEED_BYTES, Residues, expanded
from providers.service import MAX_WORK
from providers.wire import Task

SLAB_BYTES = 60 << 20
"""Bodies of a slab's ciphertexts, for all holders together, up or down: nearly what a provider takes at one
time, since small slabs are mostly halo."""


@dataclass(frozen=True, eq=False)
class RingEncryption(Encryption):
    """An encryption of which a tile's pixels are one coefficient of all ciphertexts.

    A holder has two places in `parties`, that of bodies and that of masks.

    Attributes
    ----------
    ring : Ring
    tops : tuple of int
        Bits of an answer up to which each digit of it reaches, from 0 on: one more than there are digits.
    """

    ring: Ring
    tops: tuple[int, ...]

    @cached_property
    def key(self) -> BfvKey:
        """Made for this job alone, of which it never leaves the broker."""
        return BfvKey.fresh(self.ring)

    @property
    def digits(self) -> int:
        return len(self.tops) - 1

    @property
    def regions(self) -> int:
        return len(self.parties) // 2

    @property
    def octets(self) -> float:
        return 2 * self.digits * self.ring.dtype.itemsize * self.ring.degree / self.tiling.count

    @property
    def told(self) -> dict[str, int]:
        return {
            "parties": self.regions,
            "degree": self.ring.degree,
            "modulus_bits": self.ring.bits,
            "slots": self.tiling.count,
        }


class Bfv(EncryptionScheme[RingEncryption]):
    """A linear operation on ciphertexts of the pixels, which providers add up like shares.

    No provider, nor all together, learn anything unless they solve ring learning with errors, or break AES.
    Everybody knows the image's size, the bits of its grey levels, and the operation.
    """

    @property
    def choices(self) -> tuple[str, ...]:
        return ("regions", "step")

    def plan(self, job: Job) -> RingEncryption:
        refuse_whole_planes(job, self.name)
        self.refuse_what_is_not_linear(job)
        refuse_choices(job.choices, self.choices, self.name)
        holders = self.chosen_holders(job)
        parties = tuple(party for party in holders for _ in range(2))
        step = chosen_step(job, self.name)
        low, high = whole_bits(job, step)
        width = self.answer_bits(job, low, high)
        noise = max(abs(end) for part in job.operation.parts for end in part.bounds(-COINS, COINS))
        rings = [(ring, tops) for ring in RINGS if (tops := _tops(ring, width, noise))]
        if not rings:
            raise IncompatibleScheme(
                f"scheme {self.name!r} cannot carry {job.operation.name!r}: errors in ciphertexts would grow "
                f"to {noise.bit_length()} bits and reach the answers; use a smaller kernel, or scheme "
                "'paillier', which has no errors"
            )
        found: list[tuple[int, RingEncryption]] = []
        for ring, tops in rings:
            octets, most = _size(job, ring, len(tops) - 1)
            slabs, tiling = slabs_of(job.shape, job.halo, ring.degree, len(holders), most)
            count = tiling.pixels(job.halo)
            if count <= most:
                dealing = RingEncryption(parties, low, high, (0,), slabs, step, tiling, ring, tops)
                found.append((octets * count * len(slabs), dealing))
        if not found:
            raise IncompatibleScheme(
                f"scheme {self.name!r} cannot carry {job.operation.name!r} on this image: with their halo "
                "ciphertexts do not fit into a task; use a smaller kernel, planes instead of a volume, or "
                "scheme 'paillier'"
            )
        return min(found, key=lambda each: each[0])[1]

    def protect(self, job: Job, dealing: RingEncryption, number: int, keys: Keystream) -> tuple[Sealed, ...]:
        (pixels,) = dealing.regions_of(job, dealing.slabs[number])
        messages = _messages(dealing, dealing.tiling.cut(pixels, job.halo))
        sealed: list[Sealed] = []
        for first, last in bands(dealing.tiling.sides[0], dealing.regions):
            own = messages[..., first : last + 2 * job.halo[0], :, :]
            # Never derived from anything: a mask that is used twice gives away a difference of messages.
            seed = os.urandom(SEED_BYTES)
            shape = (prod(own.shape[:2]) * own.shape[-1], *own.shape[2:-1])
            masks = expanded(seed, dealing.ring.modulus, shape)
            bodies = dealing.key.bodies(own, _polynomials(masks, own.shape[:2]))
            for stack, source in ((_planes(bodies), None), (masks, seed)):
                place = number * len(dealing.parties) + len(sealed)
                task = Task(
                    task_identity(keys, place), job.operation, stack, False, dealing.ring.modulus, source
                )
                sealed.append(Sealed(task, dealing.parties[len(sealed)], np.arange(len(job.planes))))
        return tuple(sealed)

    def recovered(
        self, job: Job, dealing: RingEncryption, answers: Mapping[int, Residues]
    ) -> NDArray[np.int64]:
        parts, (down, across) = job.operation.parts, dealing.tiling.sides
        components, degree = len(job.planes), dealing.ring.degree
        depth = next(iter(answers.values())).shape[1:-2]
        values = np.empty((len(parts), components, *depth, down, across, dealing.tiling.count), np.uint64)
        for holder, (first, last) in enumerate(bands(down, dealing.regions)):
            # One answer for each part of each coefficient.
            bodies, masks = (
                answers[place].reshape(components, dealing.digits, degree, len(parts), *depth, -1, across)
                for place in (2 * holder, 2 * holder + 1)
            )
            for at in range(len(parts)):
                pair = (np.moveaxis(stack[:, :, :, at], 2, -1) for stack in (bodies, masks))
                phases = dealing.key.phases(*map(np.ascontiguousarray, pair))
                values[at, ..., first:last, :, :] = _values(dealing, phases[..., : dealing.tiling.count])
        found = []
        for tiles, part in zip(values, parts, strict=True):
            # What the lowest bits leave open is that no answer is below the least one.
            low, _ = part.bounds(dealing.low, dealing.high)
            least = np.uint64(low % 2**64)
            above = (tiles - least) & np.uint64((1 << dealing.tops[-1]) - 1)
            found.append(dealing.tiling.joined((above + least).view(np.int64), low - 1))
        return np.stack(found, axis=1)[None]

    def assumption(self, dealing: RingEncryption) -> str:
        return (
            f"solve ring learning with errors ({dealing.ring.degree} coefficients modulo "
            f"2^{dealing.ring.bits}, 128 bits or more by the Homomorphic Encryption Standard) nor break AES"
        )


def _tops(ring: Ring, width: int, noise: int) -> tuple[int, ...] | None:
    """Where the digits of numbers of `width` bits end, so that errors up to `noise` reach none of them.

    None if the ring has no room for one bit.
    """
    # A digit's unit is more than twice every error, so that rounding takes errors away.
    most = ring.bits - 1 - noise.bit_length()
    if most < 1 or width > ring.bits:
        return None
    count = -(-width // most)
    return tuple(width * digit // count for digit in range(count + 1))


def _size(job: Job, ring: Ring, digits: int) -> tuple[int, int]:
    """Bytes for each pixel of a tile and its halo, and how many of these a slab may have."""
    words, parts = digits * ring.degree * job.deep * len(job.planes), job.operation.parts
    octets = words * ring.dtype.itemsize * len(parts)
    affordable = MAX_WORK // (words * sum(work(part, ring.modulus) for part in parts))
    return octets, min(SLAB_BYTES // octets, affordable)


def _messages(dealing: RingEncryption, tiles: NDArray[np.integer]) -> Residues:
    """Of tiles ``(components, …, tiles)`` the polynomials ``(components, digits, …, coefficients)``.

    A digit's polynomial holds the whole number, shifted so that its bits up to the digit's last are the upper
    ones of words. What lies above them falls out of the word.
    """
    kind, bits = dealing.ring.dtype.type, dealing.ring.bits
    words = tiles.astype(np.int64, copy=False).astype(dealing.ring.dtype)
    messages = np.zeros((len(tiles), dealing.digits, *tiles.shape[1:-1], dealing.ring.degree), words.dtype)
    for digit, top in enumerate(dealing.tops[1:]):
        messages[:, digit, ..., : tiles.shape[-1]] = words << kind(bits - top)
    return messages


def _values(dealing: RingEncryption, phases: Residues) -> NDArray[np.uint64]:
    """The lowest bits of answers, ``(components, …)``, from the phases of their digits."""
    kind, bits = dealing.ring.dtype.type, dealing.ring.bits
    known = np.zeros_like(phases[:, 0])
    for digit, (first, top) in enumerate(pairwise(dealing.tops)):
        # What is known of the number is taken away; then half a unit is added, and the error cut off.
        left = phases[:, digit] - (known << kind(bits - top))
        unit = bits - (top - first)
        known |= ((left + (kind(1) << kind(unit - 1))) >> kind(unit)) << kind(first)
    return known.astype(np.uint64)


def _planes(polynomials: Residues) -> Residues:
    """Polynomials ``(components, digits, *window, coefficients)`` as regions: one for each coefficient."""
    planes = np.ascontiguousarray(np.moveaxis(polynomials, -1, 2))
    return planes.reshape(-1, *polynomials.shape[2:-1])


def _polynomials(planes: Residues, lead: tuple[int, ...]) -> Residues:
    """The polynomials of which these are the regions."""
    return np.ascontiguousarray(np.moveaxis(planes.reshape(*lead, -1, *planes.shape[1:]), 2, -1))


BFV = Bfv("bfv")
