"""How the answers of one job are checked, from what is drawn before the first is sent to what is then known.

Who is named for a wrong answer, and who answers in their stead, is the course's affair.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil, log2
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import CloudsecError
from cloudsec.keystream import Keystream
from cloudsec.schemes import Job, Plan
from cloudsec.verification.certificates import wrong
from cloudsec.verification.freivalds import Tag, tag
from cloudsec.verification.methods import Method, method
from providers.boxes import filter_boxes, region_around
from providers.operation import float_tolerance
from providers.operations.linear import LinearFilter
from providers.operations.rank import RankFilter
from regions import Box

Verify: TypeAlias = Literal["sample"] | bool
VERIFY: dict[str, Verify] = {"full": True, "sample": "sample", "off": False}
"""By the words of commands and of the daemon's clients."""

FEWEST_SAMPLED = 8
SAMPLED_SHARE = 0.01
"""Of the pieces that are sent, at least so many are computed again at home."""
FINISHED_AT_ONCE = 1 << 18
"""Pixels of a whole unrounded answer that are rounded at once, in int64 and several arrays of it."""
_LABEL = "answers"


class Judged(NamedTuple):
    """Pieces that were checked: those that were right, and those that were wrong."""

    right: NDArray[np.intp]
    wrong: NDArray[np.intp]


_NOTHING = Judged(np.empty(0, np.intp), np.empty(0, np.intp))


@dataclass(frozen=True)
class Checked:
    """What is known of the answers of a job that is done.

    Attributes
    ----------
    method : Method or None
        None where nothing was checked.
    pieces : int
        Those of which the answer that was kept was checked.
    fewest : (int, int)
        Of the delivery with the smallest share of them, pieces that were chosen for a check, and all pieces.
    odds : float
        The chance, at most, with which a wrong answer would have been accepted, where all are checked.
    """

    method: Method | None
    pieces: int
    fewest: tuple[int, int] = (0, 0)
    odds: float = 0.0

    def sentence(self, sent: int) -> str:
        """How it is known that a result is exact to which providers answered so many pieces."""
        if self.method is None:
            return (
                "by construction, if every provider computed what it was asked; answers were checked for "
                "shape, type and range, but not computed again"
            )
        if self.method == "freivalds":
            return (
                "by construction, and the whole unrounded answer agrees with a secret tag of the image "
                f"(Freivalds), which a wrong one does with a chance of at most 2^{ceil(log2(self.odds))}"
            )
        if self.method == "certificate":
            return (
                "by construction, and of every pixel that was answered those of its window were counted "
                "here, which no wrong one passes"
            )
        if self.method == "recomputed":
            return "by construction, and every pixel that was answered was computed again here"
        # What stands in for a loss is sampled by itself, and more closely, because there is less of it.
        chosen, among = self.fewest
        return (
            f"by construction, and {self.pieces} of {sent} pieces, chosen by a secret key before the first "
            f"answer, were computed again here; a provider that spoils one piece is found with a chance of "
            f"{chosen / among:.1%}, one that spoils a tenth of all with {_odds(among, chosen):.1%}"
        )


class Check:
    """Nothing is checked; every way to do so is this and more.

    Attributes
    ----------
    job : Job
        As it is to be protected.
    image : (C, M, N) or (C, P, M, N) ndarray
        Where answers are placed.
    """

    method: ClassVar[Method | None] = None

    def __init__(self, job: Job, plan: Plan) -> None:
        self.job, self._plan = job, plan
        self.image: NDArray[Any] = np.empty(job.planes.shape, self._dtype())

    def _dtype(self) -> np.dtype[np.generic]:
        return self.job.operation.result_dtype(self.job.planes.dtype)

    def begin(self, pieces: NDArray[np.intp], keys: Keystream) -> None:
        """Draw what is secret of one delivery's check, before any of these pieces is sent."""

    def prepare(self) -> None:
        """Do what needs no answer, while providers are at work."""

    def judged(self, answered: NDArray[np.intp], kept: NDArray[np.intp] | None) -> Judged:
        """What is known when a delivery has ended.

        Parameters
        ----------
        answered : (n,) ndarray
            Pieces that it brought.
        kept : (m,) ndarray or None
            All pieces that providers gave, if the image is whole.
        """
        return _NOTHING

    def result(self) -> NDArray[np.generic]:
        """The finished image."""
        return self.image

    def checked(self, pieces: int) -> Checked:
        """What is known in the end, of so many pieces that were found right."""
        return Checked(self.method, pieces)

    def _marked(self, pieces: NDArray[np.intp], differs: NDArray[np.bool_]) -> Judged:
        """Pieces by whether one of their pixels is marked."""
        if not differs.any():
            return Judged(pieces, pieces[:0])
        boxes = self._plan.boxes[pieces].tolist()
        marked = np.array(
            [differs[..., top:bottom, left:right].any() for top, left, bottom, right in boxes], bool
        )
        return Judged(pieces[~marked], pieces[marked])

    def _differs(
        self, found: Iterable[tuple[NDArray[np.intp], NDArray[np.generic]]], tolerance: float = 0.0
    ) -> NDArray[np.bool_]:
        """Which pixels of the image are not those that were computed here, by boxes and their answers."""
        differs = np.zeros(self.image.shape, np.bool_)
        for boxes, answers in found:
            for (top, left, bottom, right), own in zip(boxes.tolist(), answers, strict=True):
                place = (..., slice(top, bottom), slice(left, right))
                differs[place] = ~_agree(self.image[place], own, tolerance)
        return differs


class Recomputed(Check):
    """All pieces are computed again, while providers are at work, and compared when answers are there."""

    method: ClassVar[Method | None] = "recomputed"

    def __init__(self, job: Job, plan: Plan) -> None:
        super().__init__(job, plan)
        self._tolerance = float_tolerance(job.operation, job.planes)
        self._chosen = np.empty(0, np.intp)
        self._own: list[tuple[NDArray[np.intp], NDArray[np.generic]]] = []

    def begin(self, pieces: NDArray[np.intp], keys: Keystream) -> None:
        self._chosen = pieces

    def prepare(self) -> None:
        boxes = joined(self._plan.boxes[self._chosen])
        found = filter_boxes(self.job.planes, self.job.operation, boxes)
        self._own = [(boxes[numbers], answers) for numbers, answers in found]

    def judged(self, answered: NDArray[np.intp], kept: NDArray[np.intp] | None) -> Judged:
        judged = self._marked(
            np.intersect1d(self._chosen, answered), self._differs(self._own, self._tolerance)
        )
        self._own = []
        return judged


class Sample(Recomputed):
    """A sample of the pieces of each delivery, computed again."""

    method = "sample"

    def __init__(self, job: Job, plan: Plan) -> None:
        super().__init__(job, plan)
        self._samples: list[tuple[int, int]] = []

    def begin(self, pieces: NDArray[np.intp], keys: Keystream) -> None:
        count = min(len(pieces), max(FEWEST_SAMPLED, ceil(SAMPLED_SHARE * len(pieces))))
        self._chosen = pieces[np.sort(keys.permutation("sample", len(pieces))[:count])]
        if len(pieces):
            self._samples.append((count, len(pieces)))

    def checked(self, pieces: int) -> Checked:
        fewest = min(self._samples, key=lambda sample: sample[0] / sample[1], default=(0, 0))
        return Checked(self.method, pieces, fewest)


class Certified(Check):
    """Of all pixels those of their windows are counted, as ranks allow."""

    method = "certificate"

    def judged(self, answered: NDArray[np.intp], kept: NDArray[np.intp] | None) -> Judged:
        operation = self.job.operation
        assert isinstance(operation, RankFilter)
        if not answered.size:
            return _NOTHING
        return self._marked(answered, wrong(operation, _padded(self.job), self.image))


class Tagged(Check):
    """The whole unrounded answer is held against a secret tag; if they differ, pieces are computed again.

    The tag speaks of the whole image: what is lost has to be made up for before it can be asked.
    """

    method = "freivalds"

    def __init__(self, job: Job, plan: Plan) -> None:
        super().__init__(replace(job, unrounded=True), plan)
        self._keys: Keystream | None = None
        self._tag: Tag | None = None
        self._asked = 0

    def _dtype(self) -> np.dtype[np.generic]:
        return self.job.operation.unrounded_dtype(self.job.planes.dtype)

    def begin(self, pieces: NDArray[np.intp], keys: Keystream) -> None:
        if self._keys is None and len(pieces):
            self._keys = keys

    def prepare(self) -> None:
        operation = self.job.operation
        assert isinstance(operation, LinearFilter)
        if self._tag is None and self._keys is not None:
            self._tag = tag(operation.stencil, _padded(self.job), self._keys, _LABEL, shares=operation.shares)

    def judged(self, answered: NDArray[np.intp], kept: NDArray[np.intp] | None) -> Judged:
        if self._tag is None or kept is None or not kept.size:
            return _NOTHING
        self._asked += 1
        if self._tag.holds(self.image).all():
            return Judged(kept, kept[:0])
        boxes = joined(self._plan.boxes[kept])
        found = filter_boxes(self.job.planes, self.job.operation, boxes, unrounded=True)
        judged = self._marked(kept, self._differs((boxes[numbers], own) for numbers, own in found))
        if not judged.wrong.size:
            name = self.job.operation.name
            raise CloudsecError(
                f"{name} is not the linear filter that it says it is; have its author run "
                "providers.testing.check_operation, and use verify='sample' until then"
            )
        return judged

    def result(self) -> NDArray[np.generic]:
        operation, dtype = self.job.operation, self.job.planes.dtype
        result: NDArray[np.generic] = np.empty(self.image.shape, operation.result_dtype(dtype))
        _, lines, *line = self.image.shape
        at_once = max(1, FINISHED_AT_ONCE // int(np.prod(line)))
        for plane, finished in zip(self.image, result, strict=True):
            for first in range(0, lines, at_once):
                some = slice(first, first + at_once)
                finished[some] = operation.finish(plane[None, some], dtype)[0]
        return result

    def checked(self, pieces: int) -> Checked:
        # Each answer that was tried had this chance.
        odds = 0.0 if self._tag is None else self._tag.odds * max(1, self._asked)
        return Checked(self.method, pieces, odds=odds)


_CHECKS: dict[Method, type[Check]] = {
    "freivalds": Tagged,
    "certificate": Certified,
    "recomputed": Recomputed,
    "sample": Sample,
}


def check_of(job: Job, plan: Plan, verify: Verify) -> Check:
    """How a job is checked: in full as far as there is a way, by a sample, or not at all."""
    if verify is False:
        return Check(job, plan)
    full = verify is True
    return _CHECKS[method(job.operation, job.planes.dtype) if full else "sample"](job, plan)


def joined(boxes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Boxes of which those that continue the one before downward are made one."""
    if not len(boxes):
        return boxes
    continues = (boxes[1:, [1, 3]] == boxes[:-1, [1, 3]]).all(axis=1) & (boxes[1:, 0] == boxes[:-1, 2])
    first = np.flatnonzero(np.concatenate([[True], ~continues]))
    last = np.concatenate([first[1:] - 1, [len(boxes) - 1]])
    return np.column_stack([boxes[first, :2], boxes[last, 2:]])


def _padded(job: Job) -> NDArray[Any]:
    """All components with the halo that the operation needs around the image."""
    whole = Box.of(job.planes.shape[1:])
    return np.stack([region_around(plane, job.operation, whole) for plane in job.planes])


def _agree(one: NDArray[np.generic], other: NDArray[np.generic], tolerance: float) -> NDArray[np.bool_]:
    """Which pixels are the same, or as near to one another as floats may be."""
    if not tolerance:
        return np.asarray(one == other)
    return np.asarray(np.abs(one.astype(np.float64) - other.astype(np.float64)) <= tolerance)


def _odds(pieces: int, sampled: int) -> float:
    """The chance that a sample without repeats holds one of a tenth of the pieces."""
    spoiled = max(1, pieces // 10)
    missed = 1.0
    for drawn in range(sampled):
        missed *= max(pieces - spoiled - drawn, 0) / (pieces - drawn)
    return 1 - missed
