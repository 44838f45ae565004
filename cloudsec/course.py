"""The course of one job: deliveries, until every piece of the result is there and enough were checked.

Who may be asked next when a provider is lost, and when a result is trusted, is decided here; how a request
travels is `dispatch`'s affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cloudsec.clock import Clock
from cloudsec.dispatch import Delivered, Delivery, Lost
from cloudsec.endpoints import Endpoint
from cloudsec.errors import CloudsecError, Dishonest, Unavailable, VaultError
from cloudsec.keystream import Keystream
from cloudsec.schemes import HOME, Job, Plan, Protected, ProtectionScheme, Sealed
from providers.boxes import filter_boxes
from providers.operation import float_tolerance
from regions import cut

FEWEST_SAMPLED = 8
SAMPLED_SHARE = 0.01
"""Of the pieces that are sent, at least so many are computed again at home."""


@dataclass(frozen=True, eq=False)
class Terms:
    """How a job is to be carried out.

    `record` is called with the blocks, by the name of a stand-in, that it is about to be given, and with
    nothing else sent before it returns. `progress` is called with the tasks answered, and with all that
    were or still can be, `distrust` with the name of a provider as soon as it answered wrongly.
    """

    endpoints: Sequence[Endpoint]
    timeout: float
    verify: bool
    on_loss: Literal["home", "fail"]
    record: Callable[[Mapping[str, NDArray[np.intp]]], None]
    progress: Callable[[int, int], None] | None
    distrust: Callable[[str], None]


@dataclass(frozen=True)
class Loss:
    """A provider that was not there, failed, or answered wrongly, and where its pieces went instead."""

    provider: str
    reason: str
    blocks: int
    at_stand_ins: dict[str, int]
    at_home: int


@dataclass
class Account:
    """What one provider's tasks of a job took, and how many of its pieces were found right at home.

    `pixels` are those of its answers, all of which it was timed for.
    """

    bytes_up: int = 0
    bytes_down: int = 0
    tasks: int = 0
    seconds: float = 0.0
    retries: int = 0
    verified: int = 0
    pixels: int = 0

    def add(self, answer: Delivered) -> None:
        self.bytes_up += answer.bytes_up
        self.bytes_down += answer.bytes_down
        self.tasks += 1
        self.seconds += answer.seconds
        self.pixels += answer.stack.size


@dataclass(frozen=True, eq=False)
class Ended:
    """A job that is done.

    Attributes
    ----------
    result : (C, M, N) or (C, P, M, N) ndarray
    owners : (n,) ndarray
        The party whose answer was kept for each piece; HOME for the broker.
    deliveries : tuple of (parties, n) ndarrays of bool
        Which pieces each party was sent, delivery by delivery: pieces of two are not shuffled together.
    accounts : tuple of Account
    losses : tuple of Loss
    sealed : tuple of Sealed
        All that was sent.
    sampled : int
        Pieces of which the answer that was kept was computed again.
    fewest_sampled : (int, int)
        Of the delivery with the smallest share of them, pieces that were chosen for that, and all pieces.
    """

    result: NDArray[np.generic] = field(repr=False)
    owners: NDArray[np.intp] = field(repr=False)
    deliveries: tuple[NDArray[np.bool_], ...] = field(repr=False)
    accounts: tuple[Account, ...]
    losses: tuple[Loss, ...]
    sealed: tuple[Sealed, ...] = field(repr=False)
    sampled: int
    fewest_sampled: tuple[int, int]


def carried_out(
    job: Job, plan: Plan, scheme: ProtectionScheme, keys: Keystream, terms: Terms, clock: Clock
) -> Ended:
    """Send the pieces of a plan out until each has an answer that may be kept, or was computed at home.

    Raises
    ------
    ProviderFailed
        If a provider is lost, nobody stands in for it, and `terms.on_loss` is "fail".
    """
    course = _Course(job, plan, scheme, terms, clock)
    course.note_absent()
    pieces = np.flatnonzero(plan.owners != HOME)
    while True:
        failed = course.delivered(pieces, keys.for_job())
        if not failed:
            return course.ended()
        pieces = course.reassigned(failed)


class _Course:
    """What has happened so far in one job."""

    def __init__(self, job: Job, plan: Plan, scheme: ProtectionScheme, terms: Terms, clock: Clock) -> None:
        self._job, self._plan, self._scheme, self._terms, self._clock = job, plan, scheme, terms, clock
        dtype = job.operation.result_dtype(job.planes.dtype)
        self._result = np.empty(job.planes.shape, dtype)
        self._tolerance = float_tolerance(job.operation, job.planes)
        self._owners = plan.owners.copy()
        # Of the pieces that were sent last.
        self._unanswered = np.zeros(len(plan.owners), bool)
        self._deliveries: list[NDArray[np.bool_]] = []
        self._accounts = tuple(Account() for _ in job.providers)
        self._losses: list[Loss] = []
        self._sealed: list[Sealed] = []
        self._sampled = np.zeros(len(plan.owners), bool)
        self._samples: list[tuple[int, int]] = []
        self._answered = self._tasks = 0
        self._gone: set[int] = set()
        # What is computed at home while the first tasks are out.
        home = [(*box.start, *box.stop) for box in plan.home]
        lost = plan.boxes[plan.owners == HOME]
        self._own_boxes = np.concatenate([np.array(home, np.intp).reshape(-1, 4), lost])

    def note_absent(self) -> None:
        """Write down whose pieces went to others before anything was sent."""
        for name, pieces in self._plan.absent:
            error: CloudsecError = Unavailable(
                f"provider {name} holds a part of this study's images and is not among those that may be "
                "asked; name it again"
            )
            if name in self._job.providers:
                error = Dishonest(
                    f"provider {name} answered wrongly before and is not asked again; do not use it until "
                    "you know why"
                )
            self._lose(name, error, pieces)

    def delivered(self, pieces: NDArray[np.intp], keys: Keystream) -> dict[int, CloudsecError]:
        """Send pieces to their owners and place the answers; the parties that failed, and why."""
        plan = replace(self._plan, owners=self._owners)
        protected = self._scheme.protect(self._job, plan, pieces, keys)
        missing = set(range(len(protected.sealed)))
        self._tasks += len(protected.sealed)
        sample = self._sample(pieces, keys)
        if len(pieces):
            self._samples.append((len(sample), len(pieces)))
        self._clock.ends("protect")
        failed: dict[int, CloudsecError] = {}
        with Delivery(protected.sealed, self._terms.endpoints, self._terms.timeout) as delivery:
            # The broker does its own part while the providers do theirs.
            self._compute(self._own_boxes)
            expected = list(filter_boxes(self._job.planes, self._job.operation, plan.boxes[sample]))
            for outcome in delivery:
                self._clock.ends("deliver")
                self._accounts[outcome.party].retries += outcome.retries
                if isinstance(outcome, Lost):
                    error: CloudsecError | None = outcome.error
                else:
                    error = self._placed(protected, outcome, missing)
                if error is not None:
                    self._judge(outcome.party, error)
                    self._refuse_if_final(outcome.party, error)
                    failed[outcome.party] = error
                    delivery.drop(outcome.party)
                    # Its other tasks are not answered any more.
                    self._tasks -= sum(protected.sealed[n].party == outcome.party for n in missing)
                self._tell_progress()
                self._clock.ends("recover")
        self._clock.ends("deliver")
        received = np.zeros((len(self._job.providers), len(self._owners)), bool)
        self._deliveries.append(received)
        for number in sorted(delivery.asked):
            received[protected.sealed[number].party, protected.pieces[number]] = True
            self._sealed.append(protected.sealed[number])
        self._unanswered[:] = False
        for number in missing:
            self._unanswered[protected.pieces[number]] = True
        for numbers, right in expected:
            self._compare(sample[numbers], right, failed)
        self._clock.ends("finish")
        return failed

    def reassigned(self, failed: Mapping[int, CloudsecError]) -> NDArray[np.intp]:
        """Give the pieces of failed parties to their stand-ins, the rest home; those that must be sent."""
        self._gone |= failed.keys()
        before = self._owners.copy()
        # Nothing is kept of a provider that answered wrongly once, in this job or in a later one.
        lost = {
            party: np.flatnonzero((before == party) & (self._unanswered | isinstance(error, Dishonest)))
            for party, error in failed.items()
        }
        # A piece that is with its stand-in already has no other.
        stand_ins = np.where(before == self._plan.owners, self._plan.stand_ins, HOME)
        stand_ins[np.isin(stand_ins, list(self._gone))] = HOME
        moved = np.concatenate([*lost.values()])
        self._owners[moved] = stand_ins[moved]
        unwritten = ""
        try:
            self._record_lent(moved)
        except VaultError as error:
            # What cannot be written down is not handed out.
            self._owners[moved] = HOME
            unwritten = f"; its stand-ins were not asked, because {error}"
        for party, pieces in lost.items():
            self._lose(self._job.providers[party], failed[party], pieces, unwritten)
        self._sampled[moved] = False
        self._own_boxes = self._plan.boxes[moved[self._owners[moved] == HOME]]
        return np.sort(moved[self._owners[moved] != HOME])

    def _record_lent(self, moved: NDArray[np.intp]) -> None:
        """Have it written down what stand-ins are about to be given of some pieces."""
        owners = self._owners[moved]
        parties = np.unique(owners[owners != HOME]).tolist()
        self._terms.record(
            {self._job.providers[party]: self._plan.places[moved[owners == party]] for party in parties}
        )

    def ended(self) -> Ended:
        return Ended(
            self._result,
            self._owners,
            tuple(self._deliveries),
            self._accounts,
            tuple(self._losses),
            tuple(self._sealed),
            int(self._sampled.sum()),
            min(self._samples, key=lambda sample: sample[0] / sample[1], default=(0, 0)),
        )

    def _sample(self, pieces: NDArray[np.intp], keys: Keystream) -> NDArray[np.intp]:
        """The pieces that will be computed again, chosen before the first answer is read."""
        if not self._terms.verify:
            return pieces[:0]
        count = min(len(pieces), max(FEWEST_SAMPLED, ceil(SAMPLED_SHARE * len(pieces))))
        chosen: NDArray[np.intp] = pieces[np.sort(keys.permutation("sample", len(pieces))[:count])]
        return chosen

    def _placed(self, protected: Protected, answer: Delivered, missing: set[int]) -> CloudsecError | None:
        """Place one answer, which is missing no more; what is wrong with it, if no image leads to it."""
        task = protected.sealed[answer.number].task
        try:
            self._scheme.place(self._result, answer.stack, task, protected.manifest[answer.number])
        except ValueError as error:
            name = self._job.providers[answer.party]
            wrong = Dishonest(f"provider {name} answered what no image leads to: {error}")
            wrong.__cause__ = error
            return wrong
        missing.discard(answer.number)
        self._accounts[answer.party].add(answer)
        self._answered += 1
        return None

    def _tell_progress(self) -> None:
        if self._terms.progress is not None:
            self._terms.progress(self._answered, self._tasks)

    def _compare(
        self, pieces: NDArray[np.intp], right: NDArray[np.generic], failed: dict[int, CloudsecError]
    ) -> None:
        """Check the answers to some pieces of one shape, by those computed at home, `(k, …, h, w)`."""
        # All components, and all planes of a volume.
        whole = np.zeros((len(pieces), self._result.ndim - 2), np.intp)
        tops = np.hstack([whole, self._plan.boxes[pieces, :2]])
        found = cut(self._result, tops, right.shape[1:])
        agrees = np.asarray(_agree(found, right, self._tolerance).all(axis=tuple(range(1, right.ndim))))
        for piece, agreed in zip(pieces.tolist(), agrees.tolist(), strict=True):
            party = int(self._owners[piece])
            if self._unanswered[piece]:
                continue
            self._sampled[piece] = True
            if agreed:
                self._accounts[party].verified += 1
            else:
                name = self._job.providers[party]
                failed[party] = Dishonest(
                    f"provider {name} answered wrongly: a block that was computed again here differs; "
                    "do not use it until you know why"
                )
                self._judge(party, failed[party])

    def _judge(self, party: int, error: CloudsecError) -> None:
        """Trust a provider no more that answered wrongly, even if the job ends by it."""
        if isinstance(error, Dishonest):
            self._terms.distrust(self._job.providers[party])

    def _refuse_if_final(self, party: int, error: CloudsecError) -> None:
        """Raise a loss at once that will end the job anyhow; nothing more is sent then."""
        own = self._owners == party
        replaced = (self._owners == self._plan.owners) & (self._plan.stand_ins != HOME)
        if self._terms.on_loss == "fail" and (own & ~replaced).any():
            raise error

    def _lose(self, name: str, error: CloudsecError, pieces: NDArray[np.intp], note: str = "") -> None:
        """Write a loss down; raises its error where pieces would have to go home and may not."""
        owners = self._owners[pieces]
        at_home = int((owners == HOME).sum())
        if at_home and self._terms.on_loss == "fail":
            raise error
        stand_ins = {
            self._job.providers[party]: int((owners == party).sum())
            for party in np.unique(owners[owners != HOME]).tolist()
        }
        self._losses.append(Loss(name, f"{error}{note}", len(pieces), stand_ins, at_home))

    def _compute(self, boxes: NDArray[np.intp]) -> None:
        """Compute pixels of the result here."""
        boxes = _joined(boxes)
        for numbers, finished in filter_boxes(self._job.planes, self._job.operation, boxes):
            height, width = finished.shape[-2:]
            for piece, (top, left) in zip(finished, boxes[numbers, :2].tolist(), strict=True):
                self._result[..., top : top + height, left : left + width] = piece


def _agree(one: NDArray[np.generic], other: NDArray[np.generic], tolerance: float) -> NDArray[np.bool_]:
    """Which pixels are the same, or as near to one another as floats may be."""
    if not tolerance:
        return np.asarray(one == other)
    return np.asarray(np.abs(one.astype(np.float64) - other.astype(np.float64)) <= tolerance)


def _joined(boxes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Boxes of which those that continue the one before downward are made one."""
    if not len(boxes):
        return boxes
    continues = (boxes[1:, [1, 3]] == boxes[:-1, [1, 3]]).all(axis=1) & (boxes[1:, 0] == boxes[:-1, 2])
    first = np.flatnonzero(np.concatenate([[True], ~continues]))
    last = np.concatenate([first[1:] - 1, [len(boxes) - 1]])
    return np.column_stack([boxes[first, :2], boxes[last, 2:]])
