"""The scheme `ga-es-2018`: regions of rising entropy, as papers/002 has them; a baseline; pure.

Blocks lie in a plain grid, travel with the mirrored edge of the image, and nothing but their order is hidden.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.schemes.base import (
    Exposed,
    HaloPolicy,
    Job,
    Plan,
    Protected,
    Sealed,
    chosen_halo,
    chosen_number,
    nothing_left,
    refuse_choices,
    refuse_whole_planes,
    task_identity,
)
from cloudsec.schemes.hiding import blocks_per_task
from cloudsec.schemes.policy import BLOCK_STEP, DEFAULT_BLOCK, LARGEST_BLOCK, reaches
from cloudsec.study import HOME, Study
from providers import Filter
from providers.boxes import region_around
from providers.operation import PAD_MODES
from providers.service import MAX_WORK
from providers.wire import Task
from regions import BlockGrid, BlockLinks, Box, Speeds, block_links, cut, informative, paste, sorted_blocks
from regions.fitness import MOST_REGIONS

if TYPE_CHECKING:
    from regions.genetic import Segmentation

_Placement: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Of each answer of a task, its colour component, and the box of the result that it gives."""
_Spans: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Of the blocks of one axis, the first pixels of something, and those after its last."""


class GaEs2018:
    """The paper's scheme: the k-th provider gets the blocks of the k-th region by entropy, as they are.

    Thresholds are found by the paper's genetic search under the job's seed and the providers' speeds. Blocks
    of one region are mostly neighbours, so that a provider sees whole parts of the image.
    """

    name: ClassVar[str] = "ga-es-2018"
    assurance: ClassVar[str] = "none"
    choices: ClassVar[tuple[str, ...]] = ("block", "regions", "halo")
    fewest: ClassVar[int] = 2

    def carries(self, operation: Filter) -> bool:
        return not operation.whole

    def plan(self, job: Job, study: Study, keys: Keystream) -> Plan:
        refuse_whole_planes(job, self.name)
        refuse_choices(job.choices, self.choices, self.name)
        if job.tolerate:
            raise ValueError("scheme 'ga-es-2018' withstands nobody; use scheme 'ga-es', or tolerate=0")
        if job.depth:
            raise IncompatibleScheme(
                "scheme 'ga-es-2018' is the paper's, which has no volumes; give it plane by plane, or use "
                "scheme 'ga-es'"
            )
        if len(job.providers) < 2:
            raise IncompatibleScheme(
                "scheme 'ga-es-2018' needs at least 2 providers, one for each region; name more, or use "
                "scheme 'unprotected'"
            )
        wanted = chosen_number(job.choices, "regions", 2, min(MOST_REGIONS, len(job.providers)))
        policy = chosen_halo(job.choices) or "shared"
        block = _block(job, policy)
        outside, ring = reaches(job, policy)
        rows, columns = (_kept(n, block, reach) for n, reach in zip(job.shape, ring, strict=True))
        counts = (len(rows[0]), len(columns[0]))
        boxes = _boxes(rows, columns)
        # Of a block that is all ring nothing is asked.
        places = np.flatnonzero((boxes[:, :2] < boxes[:, 2:]).all(axis=1))
        boxes = boxes[places]
        parties = sorted(job.present.values())
        regions, labels, search = _segmented(job, block, parties, wanted if places.size else 1)
        # Who may not be asked any more has no region; without anybody, all is computed at home.
        owners = np.array(parties, np.intp)[labels.ravel()[places]] if parties else np.full(len(places), HOME)
        at_home = 1 - (boxes[:, 2:] - boxes[:, :2]).prod(axis=1).sum() / prod(job.shape)
        return Plan(
            block=block,
            regions=regions if places.size else 0,
            halo_policy=policy,
            counts=counts,
            places=places,
            boxes=boxes,
            windows=_shown(job, block, outside)[places],
            owners=owners,
            stand_ins=np.full(len(places), HOME),
            home=_gaps(job.shape, rows, columns),
            reasons={"ring": float(at_home)} if policy == "ring" and at_home else {},
            thresholds=tuple(search.thresholds.tolist()) if search else None,
            convergence=search.convergence if search else (),
        )

    def protect(self, job: Job, plan: Plan, pieces: NDArray[np.intp], keys: Keystream) -> Protected:
        if not pieces.size:
            return Protected((), (), ())
        padded, (starts, side) = _padded(job, plan), _windows(job, plan)
        counts = np.bincount(plan.owners[pieces]) * len(job.planes)
        per_task = min(
            blocks_per_task(int(counts.max()), prod(side) * padded.itemsize),
            max(1, MAX_WORK // (prod(side) * job.operation.taps)),
        )
        entries: list[tuple[Sealed, NDArray[np.intp], _Placement]] = []
        for party in np.flatnonzero(counts):
            own = pieces[plan.owners[pieces] == party]
            # Colour components are blocks of their own in the order, which is all that is hidden.
            order = keys.permutation(f"provider {party} order", len(own) * len(job.planes))
            for first in range(0, len(order), per_task):
                component, chosen = np.divmod(order[first : first + per_task], len(own))
                piece = own[chosen]
                corners = np.column_stack([component, starts.reshape(-1, 2)[plan.places[piece]]])
                stack = cut(padded, corners, (1, *side))[:, 0]
                task = Task(task_identity(keys, len(entries)), job.operation, stack, not job.unrounded)
                sealed = Sealed(task, int(party), component)
                entries.append((sealed, np.unique(piece), (component, plan.boxes[piece])))
        sending = keys.permutation("order of tasks", len(entries))
        return Protected(*zip(*(entries[i] for i in sending), strict=True))

    def place(
        self, result: NDArray[np.generic], answer: NDArray[np.generic], task: Task, entry: _Placement
    ) -> None:
        components, boxes = entry
        # Blocks at the end of an axis answer pixels that the image does not have.
        kinds, kind_of = np.unique(boxes[:, 2:] - boxes[:, :2], axis=0, return_inverse=True)
        for kind, (height, width) in enumerate(kinds.tolist()):
            alike = kind_of == kind
            corners = np.column_stack([components[alike], boxes[alike, :2]])
            paste(result, answer[alike, :height, :width][:, None], corners)

    def plain(self, job: Job, plan: Plan, pieces: NDArray[np.intp]) -> list[tuple[int, NDArray[np.generic]]]:
        starts, side = _windows(job, plan)
        corners = starts.reshape(-1, 2)[plan.places[pieces]]
        return [(number, cut(plane, corners, side)) for number, plane in enumerate(_padded(job, plan))]

    def links(self, job: Job, plan: Plan) -> BlockLinks:
        assert plan.block is not None
        starts, side = _windows(job, plan)
        shown = informative(job.planes, plan.block, channel_axis=0)
        outside, _ = reaches(job, plan.halo_policy)
        return block_links(_padded(job, plan), starts, side, outside, shown, channel_axis=0)

    def statement(self, job: Job, plan: Plan, exposed: Exposed) -> str:
        if not exposed.worst_received_share:
            return nothing_left(plan, "all pixels are in the ring around blocks, which is computed here")
        ring = plan.halo_policy == "ring"
        areas = (exposed.adjacent if ring else exposed.assembled).areas
        how = "if every common edge were found" if ring else "by the pixels that blocks share"
        joined = f"could join {areas[0]:.1%} of the image {how}"
        if len(areas) > 1:
            joined += f", two together {areas[1]:.1%}"
        alone = ""
        if plan.regions == 1:
            alone = " There is a single region, because "
            alone += (
                "all blocks have one entropy." if plan.convergence else "only one provider could be asked."
            )
        return (
            "No confidentiality: blocks travel as they are, only in random order, and those of like entropy "
            f"lie together. One provider received {exposed.worst_gradient_share:.1%} of the image's "
            f"gradient; one {joined}.{alone}"
        )


def _block(job: Job, policy: HaloPolicy) -> int:
    """Side of the blocks in pixels: as the user fixed it, or the first that has room for the halo.

    The paper sets no bound. With windows more than three times as wide as their blocks, a provider would be
    sent most of the image many times over; blocks that are all ring would not be sent at all.
    """
    halo = max(job.operation.halo)
    least = halo if policy == "shared" else 2 * halo + 1
    enough = next(side for side in range(DEFAULT_BLOCK, LARGEST_BLOCK + 1, BLOCK_STEP) if side >= least)
    block = chosen_number(job.choices, "block", 1, LARGEST_BLOCK)
    if block is None:
        return enough
    if block < least:
        spoils = "travel with too much of their neighbours" if policy == "shared" else "be all ring"
        raise IncompatibleScheme(
            f"{job.operation.name!r} needs {halo} pixels around a block, and blocks of {block} would "
            f"{spoils}; use plan={{'block': {enough}}}, on the command line --block {enough}"
        )
    return block


def _segmented(
    job: Job, block: int, parties: list[int], wanted: int | None
) -> tuple[int, NDArray[np.intp], Segmentation | None]:
    """How many regions there are, that of each block by rising entropy, and how they were found."""
    parties = parties[:wanted]
    if len(parties) < 2:
        # A search divides work among two at least.
        counts = BlockGrid(job.shape, (block, block)).counts
        return len(parties), np.zeros(counts, np.intp), None
    from regions.genetic import genetic_thresholds  # DEAP takes a while to load

    speeds = Speeds(np.array(job.forecast.of(parties).speeds(job.planes.size)))
    fewest = 2 if wanted is None else speeds.most_regions
    found = genetic_thresholds(
        sorted_blocks(job.shown, block, channel_axis=0), speeds, seed=job.seed, fewest=fewest
    )
    return found.regions, found.labels, found


def _kept(length: int, block: int, ring: int) -> _Spans:
    """Which pixels of the result the blocks of an axis answer; none of a last block that is all ring."""
    starts = np.arange(0, length, block)
    return np.minimum(starts + ring, length), np.minimum(starts + block - ring, length)


def _shown(job: Job, block: int, outside: tuple[int, int]) -> NDArray[np.intp]:
    """Which pixels of the image each window shows, as boxes ``(n, 4)``; `outside` go with a block, per axis.

    A mirrored edge shows pixels that lie farther inside than the halo, where the last block is narrow.
    """
    operation = job.operation
    # What is beyond a constant edge shows nothing.
    mode = "edge" if operation.mode == "constant" else PAD_MODES[operation.mode]
    axes = []
    for length, reach in zip(job.shape, outside, strict=True):
        starts = np.arange(0, length, block)
        widths = (reach, reach + len(starts) * block - length)
        source = np.pad(np.arange(length), widths, mode=mode)  # type: ignore[call-overload]
        sources = sliding_window_view(source, block + 2 * reach)[starts]
        axes.append((sources.min(axis=1), sources.max(axis=1) + 1))
    return _boxes(*axes)


def _boxes(rows: _Spans, columns: _Spans) -> NDArray[np.intp]:
    """One box for each block of a grid, ``(n, 4)``, row by row."""
    high, wide = len(rows[0]), len(columns[0])
    top, bottom = (np.repeat(ends, wide) for ends in rows)
    left, right = (np.tile(ends, high) for ends in columns)
    return np.stack([top, left, bottom, right], axis=1)


def _gaps(shape: tuple[int, int], rows: _Spans, columns: _Spans) -> tuple[Box, ...]:
    """All that no block answers, as strips across the image; strips cross."""
    strips = []
    for axis, (firsts, stops) in enumerate((rows, columns)):
        lows, highs = [0, *stops.tolist()], [*firsts.tolist(), shape[axis]]
        for low, high in zip(lows, highs, strict=True):
            if low < high:
                start, stop = [0, 0], list(shape)
                start[axis], stop[axis] = low, high
                strips.append(Box(tuple(start), tuple(stop)))
    return tuple(strips)


def _padded(job: Job, plan: Plan) -> NDArray[np.generic]:
    """The image continued beyond its edge, as far as the windows of all blocks reach."""
    assert plan.block is not None
    tiled = Box((0, 0), tuple(count * plan.block for count in plan.counts))
    return np.stack([region_around(plane, job.operation, tiled) for plane in job.planes])


def _windows(job: Job, plan: Plan) -> tuple[NDArray[np.intp], tuple[int, int]]:
    """Where in the padded image the window of each block begins, ``(rows, columns, 2)``; their shape."""
    assert plan.block is not None
    outside = np.array(reaches(job, plan.halo_policy)[0])
    places = np.moveaxis(np.indices(plan.counts), 0, -1)
    starts = places * plan.block + np.array(job.operation.halo) - outside
    rows, columns = (plan.block + 2 * outside).tolist()
    return starts, (rows, columns)
