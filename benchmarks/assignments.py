"""The scheme `ga-es` under its own assignment of blocks and under others; nothing of it is built twice."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cloudsec.exposure import Exposure
from cloudsec.forecast import LANE_COSTS, Forecast
from cloudsec.keystream import Keystream
from cloudsec.schemes import BLOCK_SCHEMES, HOME, Job, Plan, Protected
from cloudsec.study import Study, StudyGrid
from providers import make_operation
from regions import (
    NO_CLASS,
    JoinScore,
    StripPairs,
    block_entropy,
    informative,
    join_strips,
    score_pairs,
)

HALO = 2
OPERATION = make_operation("median", size=2 * HALO + 1)
KEY = b"every run of the benchmarks draws the same"
KEYS = Keystream.of(KEY)
SCHEME = BLOCK_SCHEMES["ga-es"]


@dataclass(frozen=True, eq=False)
class Sent:
    """What one job sends out under an assignment."""

    job: Job
    plan: Plan
    protected: Protected = field(repr=False)

    @property
    def received(self) -> NDArray[np.bool_]:
        """Which pieces each provider gets."""
        return np.arange(len(self.job.providers))[:, None] == self.plan.owners

    def exposure(self, *, stand_ins: bool = False) -> Exposure:
        """The figures of the report; with all the blocks, too, that providers may stand in for."""
        held = self.received
        if stand_ins:
            held |= np.arange(len(held))[:, None] == self.plan.stand_ins
        return Exposure(self.job, self.plan, SCHEME, self.plan.owners, (held,))

    def stacks(self) -> list[tuple[NDArray[np.generic], NDArray[np.intp]]]:
        """Per provider the windows that it gets, repeats too, and the row and column of each in the grid."""
        halo = np.array(self.job.operation.halo)
        place_of = {
            tuple(first + halo): divmod(place, self.plan.counts[1])
            for first, place in zip(self.plan.windows[:, :2], self.plan.places.tolist(), strict=True)
        }
        parts: dict[int, list[tuple[NDArray[np.generic], NDArray[np.intp]]]] = {}
        for sealed, entry in zip(self.protected.sealed, self.protected.manifest, strict=True):
            places = np.array([place_of[tuple(origin)] for origin in entry.origins], np.intp)
            parts.setdefault(sealed.party, []).append((sealed.task.stack, places))
        return [
            (np.concatenate([stack for stack, _ in own]), np.concatenate([places for _, places in own]))
            for own in parts.values()
        ]


def own_grid(planes: NDArray[np.generic], block: int, parties: int) -> StudyGrid:
    """The assignment that `ga-es` draws for a new study."""
    plan = SCHEME.plan(_job(planes, block, parties), Study(), KEYS)
    assert plan.study is not None
    return plan.study.grids[0]


def random_grid(planes: NDArray[np.generic], block: int, parties: int) -> StudyGrid:
    """The same blocks to the same number of providers, in equal parts at random."""
    grid = own_grid(planes, block, parties)
    sent = int((grid.classes != NO_CLASS).sum())
    return _in_equal_parts(grid, np.random.default_rng(0).permutation(sent))


def entropy_grid(planes: NDArray[np.generic], block: int, parties: int) -> StudyGrid:
    """The same blocks in equal parts by rising entropy, as papers/002 has it."""
    grid = own_grid(planes, block, parties)
    entropy = np.mean([block_entropy(plane, block) for plane in planes], axis=0)
    ranks = np.argsort(np.argsort(entropy[grid.classes != NO_CLASS], kind="stable"))
    return _in_equal_parts(grid, ranks)


def sent_under(grid: StudyGrid, planes: NDArray[np.generic]) -> Sent:
    """What `ga-es` sends of an image if its study has this assignment; blocks travel with their halo."""
    job = _job(planes, grid.block, len(grid.seats))
    plan = SCHEME.plan(job, Study((grid,)), KEYS)
    pieces = np.flatnonzero(plan.owners != HOME)
    return Sent(job, plan, SCHEME.protect(job, plan, pieces, KEYS))


def widths_shared(plan: Plan) -> list[int]:
    """Of the strips that neighbours share: two halos, and more where one is shifted onto the other."""
    widths = set()
    for axis in (0, 1):
        starts = np.unique(plan.windows[:, axis])
        side = int(plan.windows[0, axis + 2] - plan.windows[0, axis])
        widths |= set((starts[:-1] + side - starts[1:]).tolist())
    return sorted(width for width in widths if 0 < width < side)


@dataclass(frozen=True)
class Joined:
    """How well the strip join finds the neighbours that single providers hold, all providers together.

    Attributes
    ----------
    neighbours, with_strips : int
        Pairs of informative 4-neighbours at one provider, and those whose shared strip is not flat.
    recall, by_strips : float or None
        Of each of them, the share that is found; None where there are none.
    precision : float or None
        Of what is found, the share that are neighbours.
    """

    neighbours: int
    recall: float | None
    with_strips: int
    by_strips: float | None
    precision: float | None


def joined(sent: Sent) -> Joined:
    """Run the strip join on what each provider gets, at all widths of the strips that neighbours share."""
    job, block = sent.job, sent.plan.block
    assert block is not None
    shown = informative(job.planes, block, channel_axis=0)
    widths = widths_shared(sent.plan)
    sharing = {tuple(pair) for pair in SCHEME.links(job, sent.plan).exact.tolist()}
    scores: list[JoinScore] = []
    pairs_with_strips = found_with_strips = 0
    for stack, places in sent.stacks():
        pairs = _of_places(join_strips(stack, HALO, widths=widths), places)
        scores.append(score_pairs(pairs, places, shown))
        numbers = places @ (shown.shape[1], 1)
        held = set(numbers[shown[tuple(places.T)]].tolist())
        beside = {(number, number + step) for number in held for step in (1, shown.shape[1])}
        # The last block of a row shares no strip with the first of the next.
        to_find = {pair for pair in beside & sharing if pair[1] in held}
        found = {tuple(sorted(pair)) for pair in numbers[pairs.blocks].tolist()}
        pairs_with_strips += len(to_find)
        found_with_strips += len(to_find & found)
    neighbours, named = sum(s.to_find for s in scores), sum(s.found for s in scores)
    hits = sum(s.recall * s.to_find for s in scores if s.recall is not None)
    right = sum(s.right for s in scores)
    return Joined(
        neighbours,
        hits / neighbours if neighbours else None,
        pairs_with_strips,
        found_with_strips / pairs_with_strips if pairs_with_strips else None,
        right / named if named else None,
    )


def _of_places(pairs: StripPairs, places: NDArray[np.intp]) -> StripPairs:
    """The pairs with each pair of places once: colour components of a block are found one by one."""
    _, first, which = np.unique(places, axis=0, return_index=True, return_inverse=True)
    blocks = np.sort(first[which[pairs.blocks]], axis=1)
    _, kept = np.unique(blocks, axis=0, return_index=True)
    return StripPairs(blocks[kept], pairs.sides[kept], pairs.widths[kept])


def _in_equal_parts(grid: StudyGrid, ranks: NDArray[np.intp]) -> StudyGrid:
    classes = grid.classes.copy()
    classes[classes != NO_CLASS] = ranks * len(grid.seats) // len(ranks)
    nobody = np.full_like(classes, NO_CLASS)
    return StudyGrid(grid.shape, grid.block, classes, nobody, grid.seats)


def _job(planes: NDArray[np.generic], block: int, parties: int) -> Job:
    names = tuple(f"cloud-{number + 1}" for number in range(parties))
    operation = OPERATION.resolved(2, planes.dtype)
    present = {name: party for party, name in enumerate(names)}
    choices = {"block": block, "regions": parties, "halo": "shared"}
    return Job(planes, operation, names, present, 0, choices, 0, Forecast((LANE_COSTS,) * parties))
