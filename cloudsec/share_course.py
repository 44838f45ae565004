"""A job on shares or ciphertexts: dealt out, gathered until a quorum, checked as a whole, or dealt anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from cloudsec.clock import Clock
from cloudsec.course import Account, Loss, Terms
from cloudsec.dispatch import Delivered, Delivery, Lost
from cloudsec.errors import CloudsecError, Dishonest, IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.schemes import Dealing, Job, LinearScheme, Sealed
from cloudsec.verification.freivalds import Tag, tag_of_all
from cloudsec.verification.products import Probes, ProductTag
from providers import ciphertexts
from providers.boxes import filter_box
from providers.plane_map import PlaneMap
from providers.residues import Residues, are_residues
from providers.service import computed
from providers.wire import Task
from regions import Box


@dataclass(frozen=True, eq=False)
class Shared:
    """A job on shares, or on ciphertexts, that is done.

    Attributes
    ----------
    result : (C, M, N) or (C, P, M, N) ndarray
    dealings : tuple of Dealing
        How it was dealt out, and then dealt anew among those that were left.
    at_home : float
        Share of the pixels that was computed by the broker in the end.
    odds : float
        The chance, at most, with which a wrong result is accepted; 1 where nothing was checked.
    """

    result: NDArray[np.generic] = field(repr=False)
    dealings: tuple[Dealing, ...]
    at_home: float
    accounts: tuple[Account, ...]
    losses: tuple[Loss, ...]
    sealed: tuple[Sealed, ...] = field(repr=False)
    odds: float


def carried_out_on_shares(
    job: Job,
    dealing: Dealing,
    scheme: LinearScheme[Any],
    keys: Keystream,
    probes: Probes,
    terms: Terms,
    clock: Clock,
) -> Shared:
    """Deal the pixels out until every slab of the result is there.

    Answers of whole planes are checked by `probes`.

    Raises
    ------
    ProviderFailed
        If too few providers are left to deal them to, and `terms.on_loss` is "fail".
    """
    course = _Course(job, scheme, probes, terms, clock)
    while True:
        failed = course.dealt(dealing, keys.for_job())
        if not course.missing:
            return course.ended()
        left = {name: party for name, party in job.present.items() if party not in course.gone}
        try:
            # What goes to others is dealt anew: no share or ciphertext is ever sent twice.
            dealing = scheme.plan(replace(job, present=left, choices=_without_regions(job)))
        except IncompatibleScheme:
            course.at_home(failed)
            return course.ended()
        course.choose(dealing)


def _without_regions(job: Job) -> dict[str, object]:
    return {choice: value for choice, value in job.choices.items() if choice not in ("regions", "spare")}


class _Course:
    """What has happened so far in one job."""

    def __init__(
        self, job: Job, scheme: LinearScheme[Any], probes: Probes, terms: Terms, clock: Clock
    ) -> None:
        self._job, self._scheme = job, scheme
        self._probes, self._terms, self._clock = probes, terms, clock
        self._result = np.empty(job.result_shape, job.operation.result_dtype(job.planes.dtype))
        self._rows = np.zeros(job.result_shape[-2], bool)
        self._accounts = tuple(Account() for _ in job.providers)
        self._losses: list[Loss] = []
        self._sealed: list[Sealed] = []
        self._dealings: list[Dealing] = []
        self._home = 0.0
        self._odds = 0.0 if terms.verify else 1.0
        self._done = self._tasks = 0
        self._slabs: list[int] | None = None
        self.gone: set[int] = set()

    @property
    def missing(self) -> bool:
        return not bool(self._rows.all())

    def choose(self, dealing: Dealing) -> None:
        """Take those slabs of another dealing of which rows are missing."""
        self._slabs = [
            number
            for number, (first, last) in enumerate(dealing.slabs)
            if not all(self._rows[top + first : top + last].all() for top in dealing.bands)
        ]

    def dealt(self, dealing: Dealing, keys: Keystream) -> dict[int, CloudsecError]:
        """Send out slabs that are missing, and put together what comes back; who failed, and why."""
        numbers = [*range(len(dealing.slabs))] if self._slabs is None else self._slabs
        self._dealings.append(dealing)
        sealed: list[Sealed] = []
        tags: list[Tag | ProductTag | None] = []
        for number in numbers:
            sealed += self._scheme.protect(self._job, dealing, number, keys)
            tags.append(self._tag(dealing, number, keys) if self._terms.verify else None)
        self._tasks += len(sealed)
        self._clock.ends("protect")
        count = len(dealing.parties)
        answers: list[dict[int, Residues]] = [{} for _ in numbers]
        failed: dict[int, CloudsecError] = {}
        self._tell_progress()
        with Delivery(sealed, self._terms.endpoints, self._terms.timeout) as delivery:
            for outcome in delivery:
                self._clock.ends("deliver")
                self._accounts[outcome.party].retries += outcome.retries
                error = outcome.error if isinstance(outcome, Lost) else self._noted(sealed, outcome, answers)
                if error is not None:
                    failed[outcome.party] = error
                    delivery.drop(outcome.party)
                    self._tasks -= sum(
                        sealed[each].party == outcome.party and each % count not in answers[each // count]
                        for each in range(len(sealed))
                    )
                self._tell_progress()
        self._clock.ends("deliver")
        self._sealed += [sealed[number] for number in sorted(delivery.asked)]
        for place, number in enumerate(numbers):
            tasks = [each.task for each in sealed[place * count : (place + 1) * count]]
            self._put_together(dealing, number, tasks, answers[place], tags[place], failed)
        dealing.forget()
        self._clock.ends("recover")
        for party, error in failed.items():
            if isinstance(error, Dishonest):
                self._terms.distrust(self._job.providers[party])
            self._losses.append(Loss(self._job.providers[party], str(error), len(numbers), {}, 0))
        self.gone |= failed.keys()
        return failed

    def at_home(self, failed: dict[int, CloudsecError]) -> None:
        """Compute here what is missing; raises why it is, where that may not be."""
        if self._terms.on_loss == "fail":
            raise next(iter(failed.values()))
        job, rows = self._job, np.flatnonzero(~self._rows)
        if job.operation.whole:
            for component, plane in enumerate(job.planes):
                self._result[component] = filter_box(plane, job.operation, Box.of(plane.shape))
            rows, runs = np.arange(len(self._rows)), []
        else:
            runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
        for run in runs:
            box = Box((*(0 for _ in job.depth), int(run[0]), 0), (*job.depth, int(run[-1]) + 1, job.shape[1]))
            for component, plane in enumerate(job.planes):
                self._result[component][box.slices] = filter_box(plane, job.operation, box)
        self._home = len(rows) / len(self._rows)
        self._rows[:] = True
        self._clock.ends("finish")

    def ended(self) -> Shared:
        return Shared(
            self._result,
            tuple(self._dealings),
            self._home,
            self._accounts,
            tuple(self._losses),
            tuple(self._sealed),
            self._odds,
        )

    def _tell_progress(self) -> None:
        if self._terms.progress is not None:
            self._terms.progress(self._done, self._tasks)

    def _tag(self, dealing: Dealing, number: int, keys: Keystream) -> Tag | ProductTag:
        """What tells the right answers to a slab, of all parts."""
        operation = self._job.operation
        pixels = dealing.regions_of(self._job, dealing.slabs[number])
        flat = pixels.reshape(-1, *pixels.shape[2:])
        if operation.whole:
            return self._probes.of(operation).tag(flat)
        windows = [part for part in operation.parts if not isinstance(part, PlaneMap)]
        return tag_of_all(windows, flat, keys, f"slab {number}")

    def _noted(
        self, sealed: Sequence[Sealed], outcome: Delivered, answers: list[dict[int, Residues]]
    ) -> CloudsecError | None:
        """Keep an answer; what is wrong with it, if it is none of what was sent."""
        task, answer = sealed[outcome.number].task, outcome.stack
        if not _is_of_its_kind(answer, task):
            kind = "ciphertexts" if task.is_encrypted else f"residues modulo {task.modulus}"
            return Dishonest(
                f"provider {self._job.providers[outcome.party]} answered numbers that are no {kind}; do not "
                "use it until you know why"
            )
        count = len(sealed) // len(answers)
        answers[outcome.number // count][outcome.number % count] = answer
        self._accounts[outcome.party].add(outcome)
        self._done += 1
        return None

    def _put_together(
        self,
        dealing: Dealing,
        number: int,
        tasks: Sequence[Task],
        answers: dict[int, Residues],
        tag: Tag | ProductTag | None,
        failed: dict[int, CloudsecError],
    ) -> None:
        """Write a slab into the result, if enough answers are right; names whose are not."""
        # Of a provider that answered wrongly nothing more is taken; what was checked before is right.
        kept = {
            holder: answer
            for holder, answer in answers.items()
            if not isinstance(failed.get(dealing.parties[holder]), Dishonest)
        }
        while len(kept) >= dealing.quorum:
            found = self._scheme.recovered(self._job, dealing, kept)
            # Of every slab each answer that was tried had this chance.
            self._odds += tag.odds if tag else 0.0
            finished, error = None, None
            if tag is None or tag.holds(found.reshape(-1, *found.shape[2:])).all():
                try:
                    finished = self._finished(dealing, number, found)
                except ValueError as no_image:
                    # What was checked is the image's own, and refused for what it is.
                    if tag:
                        raise
                    error = no_image
            if finished is None:
                # Whoever was refused has learned something of what is kept for more than one job.
                self._probes.forget(self._job.operation)
            # The tag speaks of a quorum's answers only.
            if finished is None or (tag and not self._scheme.agree(dealing, kept)):
                lied = self._without_liars(dealing, tasks, kept, failed)
                if finished is None and not lied:
                    raise error or AssertionError("shares that are all right give a wrong answer")
            if finished is not None:
                self._place(dealing, number, finished)
                for holder in kept:
                    self._accounts[dealing.parties[holder]].verified += tag is not None
                return

    def _without_liars(
        self,
        dealing: Dealing,
        tasks: Sequence[Task],
        kept: dict[int, Residues],
        failed: dict[int, CloudsecError],
    ) -> bool:
        """Compute all answers here, take away those that differ, and name whose they are; if any do."""
        liars = [
            holder for holder, answer in kept.items() if not np.array_equal(computed(tasks[holder]), answer)
        ]
        for holder in liars:
            name = self._job.providers[dealing.parties[holder]]
            failed[dealing.parties[holder]] = Dishonest(
                f"provider {name} answered wrongly: its share was computed again here and differs; do "
                "not use it until you know why"
            )
            del kept[holder]
        return bool(liars)

    def _finished(
        self, dealing: Dealing, number: int, found: NDArray[np.integer[Any]]
    ) -> NDArray[np.generic]:
        """Grey levels of a slab; ValueError for what no image leads to."""
        pixels = dealing.regions_of(self._job, dealing.slabs[number])
        return self._scheme.finished(self._job, dealing, found, pixels)

    def _place(self, dealing: Dealing, number: int, finished: NDArray[np.generic]) -> None:
        for band, place in dealing.places(self._job, dealing.slabs[number]):
            self._result[(slice(None), *place)] = finished[band]
            rows = place[-2]
            self._rows[rows] = True


def _is_of_its_kind(answer: NDArray[np.generic], task: Task) -> TypeGuard[Residues]:
    """Whether an answer is one of residues, or of ciphertexts, modulo what its task is."""
    assert task.modulus is not None
    if task.is_encrypted:
        return ciphertexts.are_ciphertexts(answer, task.modulus)
    return are_residues(answer, task.modulus)
