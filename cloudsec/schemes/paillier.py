"""The scheme `paillier`: linear operations on ciphertexts, many pixels in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.paillier import PaillierKey
from cloudsec.schemes.base import Job, Sealed, refuse_choices, refuse_whole_planes, task_identity
from cloudsec.schemes.encryption import Encryption, EncryptionScheme
from cloudsec.schemes.linear import whole_bits
from cloudsec.schemes.packing import Slots, bands, slabs_of
from cloudsec.schemes.steps import chosen_step
from providers import ciphertexts
from providers.service import MAX_WORK
from providers.wire import Task

KEY_BITS = 2048
SLAB_BYTES = 16 << 20
"""Ciphertexts of a slab, for all holders together, up or down."""


@dataclass(frozen=True, eq=False)
class PaillierEncryption(Encryption):
    """An encryption of which each ciphertext holds a pixel of every tile.

    Attributes
    ----------
    slots : Slots
        Of a ciphertext: one for each tile.
    """

    slots: Slots

    @cached_property
    def key(self) -> PaillierKey:
        """Made for this job alone, of which it never leaves the broker."""
        return PaillierKey.fresh(KEY_BITS, len(self.slabs) * prod(self.tiling.sides))

    @property
    def octets(self) -> float:
        return KEY_BITS / 4 / self.tiling.count

    @property
    def told(self) -> dict[str, int]:
        return {"parties": len(self.parties), "key_bits": KEY_BITS, "slots": self.slots.count}


class Paillier(EncryptionScheme[PaillierEncryption]):
    """A linear operation on ciphertexts of the pixels: providers multiply where they would add.

    No provider, nor all together, learn anything unless they break Paillier's scheme. Everybody knows
    the image's size, the bits of its grey levels, and the operation. ``packing=False`` puts one pixel into
    a ciphertext, as the literature does it, at more than a hundred times the cost.
    """

    @property
    def choices(self) -> tuple[str, ...]:
        return ("regions", "packing", "step")

    def plan(self, job: Job) -> PaillierEncryption:
        refuse_whole_planes(job, self.name)
        self.refuse_what_is_not_linear(job)
        refuse_choices(job.choices, self.choices, self.name)
        holders = self.chosen_holders(job)
        packing = job.choices.get("packing", True)
        if not isinstance(packing, bool):
            raise ValueError(f"plan: packing must be True or False, not {packing!r}")
        step = chosen_step(job, self.name)
        low, high = whole_bits(job, step)
        width = self.answer_bits(job, low, high)
        # The sum of all slots, with its sign, stays below the modulus.
        most = (KEY_BITS - 2) // width if packing else 1
        at_once = _most_at_once(job)
        slabs, tiling = slabs_of(job.shape, job.halo, most, len(holders), at_once)
        if tiling.pixels(job.halo) > at_once:
            raise IncompatibleScheme(
                f"scheme {self.name!r} cannot carry {job.operation.name!r} on this image: with their halo "
                "ciphertexts do not fit into a task; use a smaller kernel, or planes instead of a volume"
            )
        slots = Slots(tiling.count, width)
        return PaillierEncryption(holders, low, high, (0,), slabs, step, tiling, slots)

    def protect(
        self, job: Job, dealing: PaillierEncryption, number: int, keys: Keystream
    ) -> tuple[Sealed, ...]:
        (pixels,) = dealing.regions_of(job, dealing.slabs[number])
        tiles = dealing.tiling.cut(pixels, job.halo)
        sums = dealing.slots.packed(tiles.reshape(-1, dealing.slots.count), dealing.low)
        stack = ciphertexts.rows(dealing.key.encrypted(sums), dealing.key.modulus)
        stack = stack.reshape(*tiles.shape[:-1], -1)
        count = len(dealing.parties)
        return tuple(
            Sealed(
                Task(
                    task_identity(keys, number * count + holder),
                    job.operation,
                    np.ascontiguousarray(stack[..., first : last + 2 * job.halo[0], :, :]),
                    False,
                    dealing.key.modulus,
                ),
                dealing.parties[holder],
                np.arange(len(job.planes)),
            )
            for holder, (first, last) in enumerate(bands(dealing.tiling.sides[0], count))
        )

    def recovered(
        self, job: Job, dealing: PaillierEncryption, answers: Mapping[int, NDArray[np.uint8]]
    ) -> NDArray[np.int64]:
        whole = np.concatenate([answers[holder] for holder in sorted(answers)], axis=-3)
        shape = (len(job.planes), len(job.operation.parts), *whole.shape[1:-1], dealing.slots.count)
        sums = dealing.key.decrypted(ciphertexts.numbers(whole, dealing.key.modulus).ravel())
        lows = [part.bounds(dealing.low, dealing.high)[0] for part in job.operation.parts]
        per_part = ciphertexts.as_numbers(sums).reshape(shape[:-1])
        found = []
        for at, low in enumerate(lows):
            values = dealing.slots.unpacked(per_part[:, at].ravel(), low)
            tiles = values.reshape(shape[0], *shape[2:])
            found.append(dealing.tiling.joined(tiles, low - 1))
        return np.stack(found, axis=1)[None]

    def assumption(self, dealing: PaillierEncryption) -> str:
        return f"break Paillier's scheme with {KEY_BITS} bits"


def _most_at_once(job: Job) -> int:
    """Ciphertexts of a plane in tasks that providers take."""
    price = sum(ciphertexts.work(part, (1 << KEY_BITS) - 1) for part in job.operation.parts)
    octets = KEY_BITS // 4 * len(job.operation.parts)
    return min(SLAB_BYTES // octets, MAX_WORK // price) // (job.deep * len(job.planes))


PAILLIER = Paillier("paillier")
