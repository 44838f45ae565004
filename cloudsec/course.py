"""The course of one job: deliveries, until every piece of the result is there and enough were checked.

Who may be asked next when a provider is lost, and when a result is trusted, is decided here; how a request
travels is `dispatch`'s affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cloudsec.checks import Checked, Judged, Verify, check_of, joined
from cloudsec.clock import Clock
from cloudsec.dispatch import Delivered, Delivery, Lost
from cloudsec.endpoints import Endpoint
from cloudsec.errors import CloudsecError, Dishonest, Unavailable, VaultError
from cloudsec.keystream import Keystream
from cloudsec.schemes import HOME, Job, Plan, Protected, ProtectionScheme, Sealed
from providers.boxes import filter_boxes


@dataclass(frozen=True, eq=False)
class Terms:
    """How a job is to be carried out.

    `progress` is called with the tasks answered, and with all that were or still can be, before any is sent
    and as answers come; what it raises ends the job. `distrust` is called with the name of a provider as soon
    as it answered wrongly.
    """

    endpoints: Sequence[Endpoint]
    timeout: float
    verify: Verify
    on_loss: Literal["home", "fail"]
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
    """What one provider's tasks of a job took, and how many of its pieces were found right here.

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
    checked : Checked
        What is known of the answers that were kept.
    """

    result: NDArray[np.generic] = field(repr=False)
    owners: NDArray[np.intp] = field(repr=False)
    deliveries: tuple[NDArray[np.bool_], ...] = field(repr=False)
    accounts: tuple[Account, ...]
    losses: tuple[Loss, ...]
    sealed: tuple[Sealed, ...] = field(repr=False)
    checked: Checked


Record: TypeAlias = Callable[[Mapping[str, NDArray[np.intp]]], None]
"""Called with the blocks, by the name of a stand-in, that it is about to be given."""


def carried_out(
    job: Job,
    plan: Plan,
    scheme: ProtectionScheme,
    keys: Keystream,
    record: Record,
    terms: Terms,
    clock: Clock,
) -> Ended:
    """Send the pieces of a plan out until each has an answer that may be kept, or was computed at home.

    Until `record` has returned nothing is sent to a stand-in.

    Raises
    ------
    ProviderFailed
        If a provider is lost, nobody stands in for it, and `terms.on_loss` is "fail".
    """
    course = _Course(job, plan, scheme, record, terms, clock)
    course.note_absent()
    pieces = np.flatnonzero(plan.owners != HOME)
    while True:
        failed = course.delivered(pieces, keys.for_job())
        if not failed:
            return course.ended()
        pieces = course.reassigned(failed)


class _Course:
    """What has happened so far in one job."""

    def __init__(
        self, job: Job, plan: Plan, scheme: ProtectionScheme, record: Record, terms: Terms, clock: Clock
    ) -> None:
        self._job, self._plan, self._scheme = job, plan, scheme
        self._record, self._terms, self._clock = record, terms, clock
        self._check = check_of(job, plan, terms.verify)
        self._owners = plan.owners.copy()
        # Of the pieces that were sent last.
        self._unanswered = np.zeros(len(plan.owners), bool)
        self._deliveries: list[NDArray[np.bool_]] = []
        self._accounts = tuple(Account() for _ in job.providers)
        self._losses: list[Loss] = []
        self._sealed: list[Sealed] = []
        # Of the answers that are kept.
        self._right = np.zeros(len(plan.owners), bool)
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
        self._check.begin(pieces, keys)
        protected = self._scheme.protect(self._check.job, plan, pieces, keys)
        missing = set(range(len(protected.sealed)))
        self._tasks += len(protected.sealed)
        self._clock.ends("protect")
        failed: dict[int, CloudsecError] = {}
        self._tell_progress()
        with Delivery(protected.sealed, self._terms.endpoints, self._terms.timeout) as delivery:
            # The broker does its own part while the providers do theirs.
            self._compute(self._own_boxes)
            self._check.prepare()
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
        kept = None if missing else np.flatnonzero(self._owners != HOME)
        self._note(self._check.judged(pieces[~self._unanswered[pieces]], kept), failed)
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
        self._right[moved] = False
        self._own_boxes = self._plan.boxes[moved[self._owners[moved] == HOME]]
        return np.sort(moved[self._owners[moved] != HOME])

    def _record_lent(self, moved: NDArray[np.intp]) -> None:
        """Have it written down what stand-ins are about to be given of some pieces."""
        owners = self._owners[moved]
        parties = np.unique(owners[owners != HOME]).tolist()
        self._record(
            {self._job.providers[party]: self._plan.places[moved[owners == party]] for party in parties}
        )

    def ended(self) -> Ended:
        return Ended(
            self._check.result(),
            self._owners,
            tuple(self._deliveries),
            self._accounts,
            tuple(self._losses),
            tuple(self._sealed),
            self._check.checked(int(self._right.sum())),
        )

    def _placed(self, protected: Protected, answer: Delivered, missing: set[int]) -> CloudsecError | None:
        """Place one answer, which is missing no more; what is wrong with it, if no image leads to it."""
        task = protected.sealed[answer.number].task
        try:
            self._scheme.place(self._check.image, answer.stack, task, protected.manifest[answer.number])
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

    def _note(self, judged: Judged, failed: dict[int, CloudsecError]) -> None:
        """Write down whose pieces were found right, and who answered wrongly."""
        for piece in judged.right[~self._right[judged.right]].tolist():
            self._accounts[int(self._owners[piece])].verified += 1
        self._right[judged.right] = True
        for party in np.unique(self._owners[judged.wrong]).tolist():
            name = self._job.providers[party]
            failed[party] = Dishonest(
                f"provider {name} answered wrongly: a block that was checked here is not what it was asked "
                "for; do not use it until you know why"
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
        job, boxes = self._check.job, joined(boxes)
        for numbers, answers in filter_boxes(job.planes, job.operation, boxes, unrounded=job.unrounded):
            height, width = answers.shape[-2:]
            for piece, (top, left) in zip(answers, boxes[numbers, :2].tolist(), strict=True):
                self._check.image[..., top : top + height, left : left + width] = piece
