"""Schemes that let providers compute the linear parts of operations on numbers that tell them nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.forecast import Workload
from cloudsec.keystream import Keystream
from cloudsec.schemes.base import Job, Sealed
from cloudsec.schemes.steps import ends, greatest_error, in_steps
from providers import Filter
from providers.boxes import region_around
from regions import Box


@dataclass(frozen=True, eq=False)
class Dealing(ABC):
    """How the pixels of a job become what providers are sent.

    Attributes
    ----------
    parties : tuple of int
        Who is sent something of every slab, in the order of its tasks: its holders.
    low, high : int
        Between which all pixels and what lies beyond the border are taken to be: whole bits, no secret.
    bands : tuple of int
        First rows of the bands of the image that travel side by side.
    slabs : tuple of (int, int)
        Rows of a band, first and after the last, that travel in one task for each holder.
    step : float or None
        Grey levels of which pixels that are floats are taken to be whole multiples; None for integers.
    """

    parties: tuple[int, ...]
    low: int
    high: int
    bands: tuple[int, ...]
    slabs: tuple[tuple[int, int], ...]
    step: float | None

    # What is planned of blocks, where there are none.
    block: ClassVar[None] = None
    halo_policy: ClassVar[None] = None
    thresholds: ClassVar[None] = None
    convergence: ClassVar[tuple[float, ...]] = ()
    reused: ClassVar[bool] = False

    @property
    @abstractmethod
    def assurance(self) -> str:
        """How far it protects: "computational" or "perfect"."""

    @property
    @abstractmethod
    def quorum(self) -> int:
        """How many holders' answers give those of a slab."""

    @property
    @abstractmethod
    def pixel_share(self) -> float:
        """The share of the pixels that each holder computes."""

    @property
    @abstractmethod
    def octets(self) -> float:
        """Bytes in which each pixel of a holder's share travels."""

    @abstractmethod
    def withstands(self, colluders: int) -> bool:
        """Whether so many holders together learn nothing."""

    @property
    @abstractmethod
    def told(self) -> dict[str, int]:
        """What a report says of it."""

    @property
    def regions(self) -> int:
        """Providers that are used."""
        return len(self.parties)

    def workload(self, job: Job) -> Workload:
        """What it asks of everybody: each answers its part of all pixels, in so many bytes."""
        answered = np.zeros(len(job.providers))
        answered[list(self.parties)] = job.planes.size * self.pixel_share * len(job.operation.parts)
        words = self.octets / job.planes.itemsize
        return Workload(len(self.slabs), 0.0, answered + answered * words, answered)

    def forget(self) -> None:
        """Let go of its key, if it has one, when the last answer under it was read."""
        self.__dict__.pop("key", None)

    def rounding(self, job: Job) -> dict[str, float]:
        """What a report says of the step, where there is one."""
        if self.step is None:
            return {}
        return {"step": self.step, "greatest_error": greatest_error(job, self.step)}

    def regions_of(self, job: Job, slab: tuple[int, int]) -> NDArray[np.integer]:
        """The pixels of a slab with their halo, ``(bands, components, *window)``; of floats, their steps."""
        first, last = slab
        boxes = [self._box(job, top + first, top + last) for top in self.bands]
        regions = np.stack(
            [[region_around(plane, job.operation, box) for plane in job.planes] for box in boxes]
        )
        return regions if self.step is None else in_steps(regions, self.step)

    def places(self, job: Job, slab: tuple[int, int]) -> Iterator[tuple[int, tuple[slice, ...]]]:
        """Band by band, where the answers of a slab belong in each component of the result."""
        first, last = slab
        if job.operation.whole:
            yield 0, tuple(slice(0, side) for side in job.result_shape[1:])
            return
        for number, top in enumerate(self.bands):
            yield number, self._box(job, top + first, top + last).slices

    def _box(self, job: Job, first: int, last: int) -> Box:
        return Box((*(0 for _ in job.depth), first, 0), (*job.depth, last, job.shape[1]))


D = TypeVar("D", bound=Dealing)


@dataclass(frozen=True)
class LinearScheme(ABC, Generic[D]):
    """A scheme that sends numbers of which no pixel can be told, and gets linear answers back as such."""

    name: str

    @property
    def assurance(self) -> str:
        return "computational"

    @property
    @abstractmethod
    def choices(self) -> tuple[str, ...]:
        """What a user may fix of its plan."""

    def carries(self, operation: Filter) -> bool:
        return operation.linear

    @abstractmethod
    def plan(self, job: Job) -> D:
        """How a job is dealt to the providers that may be asked. IncompatibleScheme or ValueError."""

    @abstractmethod
    def protect(self, job: Job, dealing: D, number: int, keys: Keystream) -> tuple[Sealed, ...]:
        """The tasks of a slab, one for each holder in order, under the keys of one delivery."""

    @abstractmethod
    def recovered(
        self, job: Job, dealing: D, answers: Mapping[int, NDArray[Any]]
    ) -> NDArray[np.integer[Any]]:
        """Unrounded answers of all parts, ``(bands, components, parts, *core)``, from those of a quorum."""

    def agree(self, dealing: D, answers: Mapping[int, NDArray[Any]]) -> bool:
        """Whether answers beyond a quorum are those that the quorum's imply; here there are none."""
        return True

    @abstractmethod
    def statement(self, job: Job, dealing: D) -> str:
        """One plain sentence on what the providers could learn."""

    def finished(
        self, job: Job, dealing: D, answers: NDArray[Any], pixels: NDArray[np.generic]
    ) -> NDArray[np.generic]:
        """Grey levels ``(bands, components, …)`` from what was recovered, and pixels with their halo."""
        if dealing.step is not None:
            answers = answers.astype(np.float64) * dealing.step
            pixels = pixels.astype(np.float64) * dealing.step
        core = tuple(slice(h, n - h) for h, n in zip(job.operation.halo, pixels.shape[2:], strict=True))
        own = pixels[(slice(None), slice(None), *core)]
        parts = np.moveaxis(answers.reshape(-1, *answers.shape[2:]), 1, 0)
        exact = job.operation.combined(list(parts), own.reshape(-1, *own.shape[2:]))
        return job.operation.finish(exact, job.planes.dtype).reshape(*own.shape[:2], *exact.shape[1:])

    def refuse_what_is_not_linear(self, job: Job) -> None:
        if not self.carries(job.operation):
            without = "leave 'step' out of the plan, and " if "step" in job.choices else ""
            raise IncompatibleScheme(
                f"scheme {self.name!r} needs a linear operation, and {job.operation.name!r} is none; "
                f"{without}use scheme 'ga-es'"
            )


def whole_bits(job: Job, step: float | None) -> tuple[int, int]:
    """The range of numbers of as many bits as pixels and border need, with a sign if they have one."""
    found = (ends(job) if step is None else in_steps(ends(job), step)).tolist()
    bits = max((end if end >= 0 else -end - 1).bit_length() for end in found)
    return (-(1 << bits) if min(found) < 0 else 0), (1 << bits) - 1
