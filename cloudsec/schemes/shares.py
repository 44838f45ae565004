"""The schemes `additive`, `shamir` and `packed`: linear operations on shares that tell colluders nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.schemes.base import (
    Job,
    Sealed,
    chosen_number,
    refuse_choices,
    refuse_whole_planes,
    task_identity,
)
from cloudsec.schemes.linear import Dealing, LinearScheme, whole_bits
from cloudsec.schemes.sharing import Sharing, modulus_for
from cloudsec.schemes.steps import chosen_step
from providers import Filter
from providers.modular import work
from providers.residues import SEED_BYTES, Residues, expanded, integers, reduced, residue_dtype, uniform
from providers.service import MAX_REQUEST, MAX_WORK
from providers.wire import MAX_HEADER, Task

SLAB_BYTES = 8 << 20
"""Residues of one share of a slab: tasks and answers stay well within a provider's limit."""
NAMES = ("additive", "shamir", "packed")


@dataclass(frozen=True, eq=False)
class Shares(Dealing):
    """How the pixels of a job become shares; each band rides as a secret of its own.

    Attributes
    ----------
    sharing : Sharing
    seeded : bool
        Whether random shares are sent as seeds, and not drawn whole from the system's generator.
    """

    sharing: Sharing
    seeded: bool

    @property
    def assurance(self) -> str:
        return "computational" if self.seeded else "perfect"

    @property
    def quorum(self) -> int:
        return self.sharing.quorum

    @property
    def pixel_share(self) -> float:
        return 1 / self.sharing.secrets

    @property
    def octets(self) -> float:
        return residue_dtype(self.sharing.modulus).itemsize

    def withstands(self, colluders: int) -> bool:
        return colluders <= self.sharing.privacy

    @property
    def told(self) -> dict[str, int]:
        names = ("parties", "privacy", "quorum", "secrets", "modulus")
        return {name: getattr(self.sharing, name) for name in names}


@dataclass(frozen=True)
class SecretSharing(LinearScheme[Shares]):
    """A linear operation on shares of the pixels: what comes back are shares of the answer.

    Any `tolerate` providers see uniform noise, whatever the image shows, and with seeds whoever cannot break
    AES. Everybody knows the image's size, the bits of its grey levels, and the operation.

    ``additive``: every provider is needed, and all but one together learn nothing. ``shamir``: `tolerate` + 1
    are enough (Shamir 1979). ``packed``: several bands of the image ride in one polynomial, so that each
    provider does that much less (Franklin and Yung 1992).
    """

    @property
    def choices(self) -> tuple[str, ...]:
        return ("regions", "seeds", "step", *(("spare",) if self.name == "packed" else ()))

    def carries(self, operation: Filter) -> bool:
        return super().carries(operation) and not (operation.whole and self.name == "packed")

    def plan(self, job: Job) -> Shares:
        if not self.carries(job.operation):
            refuse_whole_planes(job, self.name)
        self.refuse_what_is_not_linear(job)
        refuse_choices(job.choices, self.choices, self.name)
        present = tuple(job.present.values())
        used = chosen_number(job.choices, "regions", 1, len(job.providers)) or len(present)
        seeded = job.choices.get("seeds", True)
        if not isinstance(seeded, bool):
            raise ValueError(f"plan: seeds must be True or False, not {seeded!r}")
        privacy = max(job.tolerate, 1)
        if not privacy < used <= len(present):
            raise IncompatibleScheme(
                f"scheme {self.name!r} needs at least {max(privacy + 1, used)} providers here, and only "
                f"{min(used, len(present))} may be asked; name more{', or tolerate fewer' * (privacy > 1)}"
            )
        step = chosen_step(job, self.name)
        low, high = whole_bits(job, step)
        try:
            sharing = self._sharing(job, used, privacy, *_ends(job, low, high))
        except ValueError as error:
            raise IncompatibleScheme(
                f"scheme {self.name!r} cannot carry {job.operation.name!r}: {error}"
                f"{', or larger steps' if step else ''}, or use scheme 'ga-es'"
            ) from error
        rows = job.shape[0]
        if sharing.secrets > rows:
            raise IncompatibleScheme(
                f"scheme {self.name!r} cuts what is sent into {sharing.secrets} bands, and it has "
                f"{rows} row{'s' * (rows > 1)}; use scheme 'shamir'{', or fewer providers' * (rows > 1)}"
            )
        height = -(-rows // sharing.secrets)
        # A last band that would reach beyond the image begins farther up.
        bands = tuple(min(number * height, rows - height) for number in range(sharing.secrets))
        slabs = _slabs(job, height, sharing.modulus)
        return Shares(present[:used], low, high, bands, slabs, step, sharing, seeded)

    def protect(self, job: Job, dealing: Shares, number: int, keys: Keystream) -> tuple[Sealed, ...]:
        sharing, slab = dealing.sharing, dealing.slabs[number]
        pixels = dealing.regions_of(job, slab)
        seeds: list[bytes | None] = [None] * sharing.parties
        shape = pixels.shape[1:]
        if dealing.seeded:
            drawn = keys.mask(f"seeds {number}", SEED_BYTES * sharing.privacy)
            seeds[: sharing.privacy] = [
                drawn[first : first + SEED_BYTES] for first in range(0, len(drawn), SEED_BYTES)
            ]
            random = [expanded(seed, sharing.modulus, shape) for seed in seeds[: sharing.privacy] if seed]
        else:
            random = [uniform(os.urandom, sharing.modulus, shape) for _ in range(sharing.privacy)]
        shares = [*random, *sharing.dealt(reduced(pixels, sharing.modulus), random)]
        return tuple(
            Sealed(
                Task(
                    task_identity(keys, number * sharing.parties + holder),
                    job.operation,
                    share,
                    False,
                    sharing.modulus,
                    seed,
                ),
                dealing.parties[holder],
                np.arange(len(job.planes)),
            )
            for holder, (share, seed) in enumerate(zip(shares, seeds, strict=True))
        )

    def recovered(
        self, job: Job, dealing: Shares, answers: Mapping[int, Residues]
    ) -> NDArray[np.integer[Any]]:
        sharing = dealing.sharing
        found = integers(sharing.recovered(answers), *_ends(job, dealing.low, dealing.high), sharing.modulus)
        return found.reshape(len(found), len(job.planes), len(job.operation.parts), *found.shape[2:])

    def agree(self, dealing: Shares, answers: Mapping[int, Residues]) -> bool:
        return dealing.sharing.agree(answers)

    def statement(self, job: Job, dealing: Shares) -> str:
        privacy = dealing.sharing.privacy
        who = "one provider" if privacy == 1 else f"{privacy} colluding providers"
        secure = "to whoever cannot break AES" if dealing.seeded else "whatever they compute"
        return (
            f"Withstands {who}: what any {privacy} of the {dealing.sharing.parties} received is uniform "
            f"noise, {secure}. The image's size, its {(dealing.high - dealing.low).bit_length()} bits and "
            "the operation are no secrets."
        )

    def _sharing(self, job: Job, parties: int, privacy: int, low: int, high: int) -> Sharing:
        if self.name == "additive":
            return Sharing.additive(parties, modulus_for(low, high, "ring"))
        modulus = modulus_for(low, high, "field")
        most = parties - privacy
        if self.name == "shamir":
            return Sharing.polynomial(parties, privacy, 1, modulus)
        # One to spare, where that leaves more than one secret for a polynomial.
        spare = chosen_number(job.choices, "spare", 0, most - 1)
        spare = int(most > 2) if spare is None else spare
        return Sharing.polynomial(parties, privacy, most - spare, modulus)


def _ends(job: Job, low: int, high: int) -> tuple[int, int]:
    """Between which all parts' answers lie, for pixels from `low` to `high`."""
    bounds = [part.bounds(low, high) for part in job.operation.parts]
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def _slabs(job: Job, height: int, modulus: int) -> tuple[tuple[int, int], ...]:
    """Rows of a band, in tasks that providers take."""
    if job.operation.whole:
        _refuse_too_large(job, modulus)
        return ((0, height),)
    above, aside = job.halo
    row = (job.shape[1] + 2 * aside) * job.deep * len(job.planes)
    parts = job.operation.parts
    bound = SLAB_BYTES // (row * residue_dtype(modulus).itemsize * len(parts))
    affordable = MAX_WORK // (row * sum(work(part, modulus) for part in parts)) - 2 * above
    most = max(1, min(height, bound, affordable))
    return tuple((first, min(first + most, height)) for first in range(0, height, most))


def _refuse_too_large(job: Job, modulus: int) -> None:
    """IncompatibleScheme for whole planes that are more than providers take in one task."""
    parts, octets = job.operation.parts, residue_dtype(modulus).itemsize
    answers = prod(job.result_shape) * len(parts)
    if max(job.planes.size, answers) * octets > MAX_REQUEST - MAX_HEADER:
        excess = f"{max(job.planes.size, answers) * octets} bytes"
    elif job.planes.size * sum(work(part, modulus) for part in parts) > MAX_WORK:
        excess = "more work"
    else:
        return
    raise IncompatibleScheme(
        f"{job.operation.name!r} needs whole planes, and these are {excess} for one task, which providers do "
        "not take; process a volume plane by plane (--one-by-one), colours one by one, or a smaller image"
    )


SHARING_SCHEMES = tuple(SecretSharing(name) for name in NAMES)
