"""What a protection scheme is: it turns an image into sealed tasks and answers into the result; pure."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.forecast import Forecast, Workload
from cloudsec.keystream import Keystream
from cloudsec.schemes.front import Candidate
from cloudsec.study import HOME, Study
from providers import Filter
from providers.image import PLANE_AXES
from providers.wire import Task
from regions import BlockLinks, Box, CollusionCurve, grey_levels

HaloPolicy = Literal["shared", "ring"]


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be done, and how it may be done.

    Attributes
    ----------
    planes : (C, M, N) or (C, P, M, N) ndarray
        The image's colour components; one for a grey image, and for a volume.
    operation : Filter
        Resolved for them.
    providers : tuple of str
        Names; a party is a place in this list.
    present : dict of str to int
        Name to party, of those that may be asked.
    tolerate : int
        How many colluding providers to withstand.
    choices : dict
        What the user fixed of the plan.
    seed : int
        Of a search for a plan; never of a secret.
    forecast : Forecast
        What is known of how long things take; the speeds in it are by party.
    compared : bool
        Whether the plan is to say what else could have been chosen. It is the same plan.
    unrounded : bool
        Whether answers are wanted as they are before `Filter.finish`, all of them.
    """

    planes: NDArray[np.generic] = field(repr=False)
    operation: Filter
    providers: tuple[str, ...]
    present: Mapping[str, int]
    tolerate: int
    choices: Mapping[str, Any]
    seed: int
    forecast: Forecast
    compared: bool = False
    unrounded: bool = False

    @cached_property
    def shown(self) -> NDArray[np.integer]:
        """All planes, ``(n, M, N)``, for figures that count grey levels: floats in levels."""
        return grey_levels(self.planes.reshape(-1, *self.shape))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        rows, columns = self.planes.shape[-PLANE_AXES:]
        return rows, columns

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Of the result, all its planes."""
        _, *sides = self.planes.shape
        window = (n + 2 * h for n, h in zip(sides, self.operation.halo, strict=True))
        return (len(self.planes), *self.operation.answered(tuple(window)))

    @property
    def depth(self) -> tuple[int, ...]:
        """Planes of a volume; empty for an image of one plane."""
        return self.planes.shape[1:-PLANE_AXES]

    @property
    def deep(self) -> int:
        """Planes of a component with their halo, one above the other."""
        halos = self.operation.halo[:-PLANE_AXES]
        return prod(planes + 2 * halo for planes, halo in zip(self.depth, halos, strict=True))

    @property
    def halo(self) -> tuple[int, int]:
        """Pixels that an answer needs around its own, in the plane."""
        rows, columns = self.operation.halo[-PLANE_AXES:]
        return rows, columns


@dataclass(frozen=True, eq=False)
class Plan:
    """Who computes which piece of an image.

    Attributes
    ----------
    block : int or None
        Side of the blocks in pixels; None where the scheme cuts none.
    regions : int
        Classes of pieces: providers that are used when all are there.
    halo_policy : {"shared", "ring", None}
        Whether pieces travel with a halo, or the broker computes the pixels around them.
    counts : (int, int)
        Rows and columns of the grid that the pieces belong to.
    places : (n,) ndarray
        Per piece, its number in the grid, row by row. All arrays have one entry for a piece.
    boxes, windows : (n, 4) ndarray
        First row and column, row and column after the last: of the result's pixels that a piece gives,
        and of the image's pixels that are sent for it.
    owners, stand_ins : (n,) ndarray
        The party that is asked, and the one that may be asked in its stead; HOME for none.
    absent : tuple of (str, ndarray)
        Providers that should have pieces and may not be asked, each with the numbers of its pieces. Their
        owners are stand-ins already, or HOME.
    home : tuple of Box
        What the broker computes itself beside pieces; boxes may overlap.
    reasons : dict of str to float
        Why, and the share of the image's pixels; each counts once.
    study : Study or None
        As it must be recorded before anything is sent; None if the scheme keeps no record.
    reused : bool
        Whether the study had the grid before.
    thresholds : tuple of float or None
        In bits, rising, between regions of like entropy; None if the scheme searches none.
    convergence : tuple of float
        What the best plan was worth, at first and after every generation of the search for it; empty if
        there was none.
    front : tuple of Candidate
        What else could have been chosen, if the job asks for it and there was a choice.
    """

    block: int | None
    regions: int
    halo_policy: HaloPolicy | None
    counts: tuple[int, int]
    places: NDArray[np.intp] = field(repr=False)
    boxes: NDArray[np.intp] = field(repr=False)
    windows: NDArray[np.intp] = field(repr=False)
    owners: NDArray[np.intp] = field(repr=False)
    stand_ins: NDArray[np.intp] = field(repr=False)
    home: tuple[Box, ...] = ()
    reasons: Mapping[str, float] = field(default_factory=dict)
    absent: tuple[tuple[str, NDArray[np.intp]], ...] = field(default=(), repr=False)
    study: Study | None = field(default=None, repr=False)
    reused: bool = False
    thresholds: tuple[float, ...] | None = None
    convergence: tuple[float, ...] = field(default=(), repr=False)
    front: tuple[Candidate, ...] = field(default=(), repr=False)

    def workload(self, job: Job) -> Workload:
        """What the plan of a job asks of everybody."""
        sent, kept = ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (self.windows, self.boxes))
        return workload(job, self.owners, sent, kept, len(job.providers))


@dataclass(frozen=True, eq=False)
class Sealed:
    """A task, the only party that may ever be given it, and the colour component of each of its regions."""

    task: Task
    party: int
    components: NDArray[np.intp] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Protected:
    """What goes out, in the order of sending, and what stays, per task.

    Attributes
    ----------
    sealed : tuple of Sealed
    pieces : tuple of ndarray
        Numbers of the pieces that a task carries, repeats apart.
    manifest : tuple
        How its answer is put back; known to the scheme only.
    """

    sealed: tuple[Sealed, ...]
    pieces: tuple[NDArray[np.intp], ...] = field(repr=False)
    manifest: tuple[Any, ...] = field(repr=False)


class ProtectionScheme(Protocol):
    """How an image is cut and hidden. Pure: equal arguments and keys give equal tasks."""

    @property
    def name(self) -> str:
        """What users call the scheme."""

    @property
    def assurance(self) -> str:
        """How far it protects: "heuristic" or "none"."""

    @property
    def choices(self) -> tuple[str, ...]:
        """What a user may fix of its plan."""

    @property
    def fewest(self) -> int:
        """Providers that there must be."""

    def carries(self, operation: Filter) -> bool:
        """Whether the scheme carries the resolved operation exactly."""

    def plan(self, job: Job, study: Study, keys: Keystream) -> Plan:
        """Who computes what, under the keys of the study. IncompatibleScheme or ValueError."""

    def protect(self, job: Job, plan: Plan, pieces: NDArray[np.intp], keys: Keystream) -> Protected:
        """The tasks that carry these pieces to their owners, hidden under the keys of one delivery."""

    def place(self, result: NDArray[np.generic], answer: NDArray[np.generic], task: Task, entry: Any) -> None:
        """Write one task's answer, made exact again, into the result; ValueError if it cannot be one.

        `entry` is what the manifest holds for the task, the result has the shape of the job's planes. Of a
        job that wants unrounded answers it is one of these.
        """

    def plain(self, job: Job, plan: Plan, pieces: NDArray[np.intp]) -> list[tuple[int, NDArray[np.generic]]]:
        """What is sent for pieces of one owner, as if nothing were hidden: colour components and stacks."""

    def links(self, job: Job, plan: Plan) -> BlockLinks:
        """Which places of the grid can be put together by whoever holds both."""

    def statement(self, job: Job, plan: Plan, exposed: Exposed) -> str:
        """One plain sentence on what the providers could learn."""


def workload(
    job: Job, owners: NDArray[np.intp], sent: NDArray[np.intp], kept: NDArray[np.intp], parties: int
) -> Workload:
    """What pieces ask of everybody: per piece its owner, pixels that are sent, and pixels that are kept.

    Pieces of HOME, and what no piece gives, are the broker's.
    """
    # A piece of a volume has all planes.
    components, out = len(job.planes) * prod(job.depth), owners != HOME
    answered, sending = (
        np.asarray(np.bincount(owners[out], pixels[out] * components, parties), np.float64)
        for pixels in (kept, sent)
    )
    home = prod(job.shape) * components - float(answered.sum())
    return Workload(int(out.sum()) * len(job.planes), home, sending + answered, answered)


class Exposed(Protocol):
    """The figures that a statement speaks of: as in `cloudsec.exposure.Exposure`."""

    @property
    def worst_pixel_share(self) -> float: ...
    @property
    def worst_received_share(self) -> float: ...
    @property
    def worst_gradient_share(self) -> float: ...
    @property
    def assembled(self) -> CollusionCurve: ...
    @property
    def adjacent(self) -> CollusionCurve: ...
    @property
    def informative(self) -> int: ...
    @property
    def over_study(self) -> bool: ...


def task_identity(keys: Keystream, number: int) -> str:
    """An id that tells nothing but two tasks apart."""
    return keys.octets(f"task {number}", 16).hex()


def nothing_left(plan: Plan, why: str) -> str:
    """What a statement says where nobody was sent anything: `why`, unless there were pieces to send."""
    lost = "every provider was lost, and all was computed here"
    return f"Nothing left the house: {lost if plan.owners.size else why}."


def refuse_whole_planes(job: Job, scheme: str) -> None:
    """IncompatibleScheme for an operation of which no part of a plane can be asked alone."""
    if job.operation.whole:
        raise IncompatibleScheme(
            f"scheme {scheme!r} sends parts of the image, and {job.operation.name!r} needs whole planes; use "
            "scheme 'shamir'"
        )


def refuse_choices(choices: Mapping[str, Any], accepted: Sequence[str], scheme: str) -> None:
    """ValueError for a choice that the scheme does not offer."""
    for unknown in choices.keys() - set(accepted):
        offer = f"it takes: {', '.join(accepted)}" if accepted else "it takes none"
        raise ValueError(f"scheme {scheme!r} has no choice {unknown!r} in its plan; {offer}")


def chosen_number(choices: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    """A number that the plan fixes; ValueError if it is none, or out of bounds."""
    given = choices.get(name)
    if given is None:
        return None
    try:
        number = operator.index(given)
    except TypeError:
        raise ValueError(f"plan: {name} must be a whole number, not {given!r}") from None
    if isinstance(given, bool) or not low <= number <= high:
        raise ValueError(f"plan: {name} must be from {low} to {high}, not {given!r}")
    return number


def chosen_halo(choices: Mapping[str, Any]) -> HaloPolicy | None:
    """The halo policy that the plan fixes; ValueError if it is none."""
    given = choices.get("halo")
    for policy in get_args(HaloPolicy):
        if isinstance(given, str) and given == policy:
            return policy  # type: ignore[no-any-return]
    if given is None:
        return None
    raise ValueError(f"plan: halo must be 'shared' or 'ring', not {given!r}")
