"""The scheme `ga-es`: separated blocks, scrambled as far as the operation carries it exactly; pure.

Every provider gets the blocks of one class, so that it never holds two neighbours. Where they lie is fixed
by the study, so that jobs with other operations show a provider no other position.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.schemes.assignment import study_grid
from cloudsec.schemes.base import (
    Exposed,
    Job,
    Plan,
    Protected,
    Sealed,
    nothing_left,
    refuse_choices,
    refuse_whole_planes,
    task_identity,
)
from cloudsec.schemes.hiding import blocks_per_task, grey_range, hidings, segments, wire_values
from cloudsec.schemes.layout import Layout
from cloudsec.schemes.policy import halo_policy, reaches, tolerated_area
from cloudsec.study import HOME, Study, StudyGrid
from providers import Filter
from providers.boxes import ends_added
from providers.wire import Task
from regions import NO_CLASS, BlockLinks, Box, Scramble, block_links, cut, informative


@dataclass(frozen=True, eq=False)
class _Placement:
    """Where the answers of one task belong, and how to undo what was done to their pixels.

    Each answer is of one colour component; `origins` are the result's pixels where it begins, and `kept` the
    part of it that is its own: firsts, then stops, plane (of a volume), row and column. `dtype` is that of
    the pixels for which answers are finished; None where they stay unrounded.
    """

    components: NDArray[np.intp] = field(repr=False)
    origins: NDArray[np.intp] = field(repr=False)
    kept: NDArray[np.intp] = field(repr=False)
    scramble: Scramble = field(repr=False)
    dtype: np.dtype[Any] | None


class GaEs:
    """Blocks of one image for two providers or more, none of which holds two neighbours with their halos.

    A provider sees its blocks in random order, each turned, flipped, negated and offset at random under
    a key that is new for every job. That hides where a block lies; it is no encryption of what it shows.
    """

    name: ClassVar[str] = "ga-es"
    assurance: ClassVar[str] = "heuristic"
    choices: ClassVar[tuple[str, ...]] = ("block", "regions", "halo")
    fewest: ClassVar[int] = 2

    def carries(self, operation: Filter) -> bool:
        return not operation.whole and (_can_hide(operation) or not any(operation.halo))

    def plan(self, job: Job, study: Study, keys: Keystream) -> Plan:
        refuse_whole_planes(job, self.name)
        if not self.carries(job.operation):
            raise IncompatibleScheme(
                f"scheme 'ga-es' hides grey levels by an offset, and {job.operation.name!r} does not say "
                "what an offset does to its answer; use scheme 'unprotected' if the image may be seen"
            )
        refuse_choices(job.choices, self.choices, self.name)
        if not _can_hide(job.operation):
            return _all_at_home(job, study, "pointwise")
        assigned = study_grid(job, study, keys)
        if assigned is None:
            return _all_at_home(job, study, "small")
        grid = assigned.grid
        reused = study.grid(job.shape, grid.block) is not None
        policy = halo_policy(job, grid, known=reused)
        layout = Layout(job.shape, grid.block, len(grid.seats))
        outside, ring = reaches(job, policy)
        kept, windows = layout.kept(ring).reshape(-1, 4), layout.windows(outside).reshape(-1, 4)
        places = np.flatnonzero(grid.classes.ravel() != NO_CLASS)
        classes, substitutes = grid.classes.ravel()[places], grid.stand_ins.ravel()[places]
        party_of = grid.parties(job.present)
        stand_ins = np.where(substitutes == NO_CLASS, HOME, party_of[substitutes])
        vacant = party_of[classes] == HOME
        owners = np.where(vacant, stand_ins, party_of[classes])
        absent = tuple(
            (grid.seats[label][0], np.flatnonzero(classes == label))
            for label in np.flatnonzero(party_of == HOME).tolist()
        )
        home, reasons = _own_part(layout, ring, grid)
        lent = {
            job.providers[party]: grid.blocks_at(places[vacant & (owners == party)])
            for party in np.unique(owners[vacant & (owners != HOME)]).tolist()
        }
        return Plan(
            block=grid.block,
            regions=len(grid.seats),
            halo_policy=policy,
            counts=layout.counts,
            places=places,
            boxes=kept[places],
            windows=windows[places],
            owners=owners,
            stand_ins=np.where(vacant, HOME, stand_ins),
            home=home,
            reasons=reasons,
            absent=absent,
            study=study.having(grid.received(outside, lent)),
            reused=reused,
            convergence=assigned.convergence,
            front=assigned.front,
        )

    def protect(self, job: Job, plan: Plan, pieces: NDArray[np.intp], keys: Keystream) -> Protected:
        if not pieces.size:
            return Protected((), (), ())
        components = len(job.planes)
        *beyond, _, _ = job.operation.halo
        windows = plan.windows[pieces]
        side = tuple((windows[0, 2:] - windows[0, :2]).tolist())
        # Every column holds what lies beyond both end faces, so that no block tells that it is there.
        image = ends_added(job.planes, job.operation)
        # What lies there with a constant border may be darker or brighter than all pixels.
        low, high = grey_range(image)
        dtype, values = wire_values(high - low, job.planes.dtype)
        cuts = segments(job.depth, tuple(beyond), prod(side) * dtype.itemsize)
        long = tuple((cuts[:, 2] - cuts[:, 1]).max(axis=0).tolist())
        window = (*(own + 2 * reach for own, reach in zip(long, beyond, strict=True)), *side)
        counts = np.bincount(plan.owners[pieces]) * components * len(cuts)
        per_task = blocks_per_task(int(counts.max()), prod(window) * dtype.itemsize)
        entries: list[tuple[Sealed, NDArray[np.intp], _Placement]] = []
        for party in np.flatnonzero(counts):
            own = pieces[plan.owners[pieces] == party]
            # Colour components are blocks of their own: which belong together is shuffled too.
            blocks = len(own) * components * len(cuts)
            for chosen, scramble in hidings(
                blocks, per_task, job.operation, keys, f"provider {party}", low, high, values
            ):
                rest, piece = np.divmod(chosen, len(own))
                component, segment = np.divmod(rest, len(cuts))
                plane, *within = np.moveaxis(cuts[segment], 1, 0)
                firsts = plan.windows[own[piece], :2]
                corners = firsts + job.halo
                (top, bottom) = np.split(plan.boxes[own[piece]] - np.tile(corners, 2), 2, axis=1)
                origins, kept = np.hstack([plane, corners]), np.hstack([within[0], top, within[1], bottom])
                finished = None if job.unrounded else job.planes.dtype
                placement = _Placement(component, origins, kept, scramble, finished)
                # Each window goes straight from the image to its place in the task.
                starts = np.column_stack([component, plane, firsts])
                stack = scramble.hide_windows(image, starts, window, dtype)
                anywhere = job.operation.finishes_anywhere and not job.unrounded
                rounded = dtype.kind == "f" or anywhere
                task = Task(task_identity(keys, len(entries)), job.operation, stack, rounded)
                sealed = Sealed(task, int(party), component)
                entries.append((sealed, np.unique(own[piece]), placement))
        order = keys.permutation("order of tasks", len(entries))
        return Protected(*zip(*(entries[i] for i in order), strict=True))

    def place(
        self, result: NDArray[np.generic], answer: NDArray[np.generic], task: Task, entry: _Placement
    ) -> None:
        operation, scramble = task.operation, entry.scramble
        facts = operation.symmetries
        # Blocks that were shifted inward answer pixels of their neighbours too. Only their own are
        # kept, so that no provider can touch a pixel that is credited to another.
        kept = list(map(_parts, *entry.kept.T.tolist()))
        firsts, stops = np.split(np.tile(entry.origins, 2) + entry.kept, 2, axis=1)
        places = [
            result[(component, *map(slice, first, stop))]
            for component, first, stop in zip(
                entry.components.tolist(), firsts.tolist(), stops.tolist(), strict=True
            )
        ]
        if entry.dtype is None:
            # What wraps is no right answer, and found as any other.
            scramble.reveal_into(zip(places, kept, strict=True), answer, facts, operation.units)
            return
        if _within(scramble, answer, task, operation.result_dtype(entry.dtype)):
            # No value wraps, so that the result's own dtype is wide enough to compute in.
            scramble.reveal_into(zip(places, kept, strict=True), answer, facts)
            return
        if task.rounded:
            finished = operation.fitted(scramble.reveal(answer, facts), entry.dtype)
        else:
            finished = operation.finish(scramble.reveal(answer, facts, operation.units), entry.dtype)
        for place, block, part in zip(places, finished, kept, strict=True):
            place[...] = block[part]

    def plain(self, job: Job, plan: Plan, pieces: NDArray[np.intp]) -> list[tuple[int, NDArray[np.generic]]]:
        windows = plan.windows[pieces]
        image = ends_added(job.planes, job.operation)
        side = (*image.shape[1:-2], *(windows[0, 2:] - windows[0, :2]).tolist())
        starts = np.hstack([np.zeros((len(pieces), len(job.depth)), np.intp), windows[:, :2]])
        return [(number, cut(part, starts, side)) for number, part in enumerate(image)]

    def links(self, job: Job, plan: Plan) -> BlockLinks:
        assert plan.block is not None
        layout = Layout(job.shape, plan.block, plan.regions)
        outside, _ = reaches(job, plan.halo_policy)
        window = tuple(plan.block + 2 * reach for reach in outside)
        return block_links(
            job.planes,
            layout.core_starts - np.array(outside),
            (window[0], window[1]),
            outside,
            informative(job.planes, plan.block, channel_axis=0),
            channel_axis=0,
        )

    def statement(self, job: Job, plan: Plan, exposed: Exposed) -> str:
        if not exposed.worst_received_share:
            why = "the image has too few blocks to hide them among one another"
            if "pointwise" in plan.reasons:
                why = f"{job.operation.name} reads one pixel at a time, which is less work than hiding it"
            return nothing_left(plan, why)
        facts = job.operation.symmetries
        turned = "turned, " if any(facts.flips) or facts.quarter_turns else ""
        negated = "negated" if facts.negation_sign is not None else "not negated"
        floats = job.planes.dtype.kind == "f"
        changes = f"{turned}{negated}{'' if floats else ' and offset'}"
        but = " but for the sign" if facts.negation_sign is not None else ""
        levels = f" Grey levels that are floats are not offset: a block shows them as they are{but}."
        apart = "without a halo" if plan.halo_policy == "ring" else "none next to another"
        most, received = exposed.worst_pixel_share, exposed.worst_received_share
        return (
            f"{_withstood(job, plan, exposed)} Each provider computed at most {most:.1%} of the pixels and "
            f"received at most {received:.1%}, in {plan.block}x{plan.block} blocks, {apart}, in random "
            f"order, {changes} at random; what a block shows is not encrypted."
            f"{levels if floats else ''}{_spread(job, plan)}"
        )


def _within(scramble: Scramble, answer: NDArray[np.generic], task: Task, dtype: np.dtype[np.generic]) -> bool:
    """Whether answers can be revealed in the result's dtype, or their own, without a value that wraps."""
    if dtype.kind == "f" or not task.rounded or max(answer.dtype.itemsize, dtype.itemsize) >= 8:
        return False
    limits = np.iinfo(dtype.name)
    return scramble.reveals_within(answer, task.operation.symmetries, int(limits.min), int(limits.max))


@lru_cache(256)
def _parts(*ends: int) -> tuple[slice, ...]:
    """The part of an answer that is kept, from its firsts and then its stops; there are few kinds."""
    axes = len(ends) // 2
    return tuple(map(slice, ends[:axes], ends[axes:]))


def _withstood(job: Job, plan: Plan, exposed: Exposed) -> str:
    """What colluders could join at most; a promise only where the figures hold it."""
    count = max(job.tolerate, 1)
    who = "One provider" if count == 1 else f"{count} colluding providers"
    if plan.halo_policy == "ring":
        area = exposed.adjacent.areas[min(count, len(exposed.adjacent.areas)) - 1]
        return f"{who} could join at most {area:.1%} of the image even if every common edge were found."
    area = exposed.assembled.areas[min(count, len(exposed.assembled.areas)) - 1]
    joined = f"{who} could join at most {area:.1%} of the image by the pixels that blocks share"
    # What stand-ins were lent in other jobs may add to it.
    if job.tolerate and exposed.over_study and area <= tolerated_area(count, exposed.informative):
        return f"Withstands {who[0].lower() + who[1:]}: {joined[0].lower() + joined[1:]}."
    return f"{joined}."


def _spread(job: Job, plan: Plan) -> str:
    """That providers are left out though they were named; else nothing."""
    idle = len(job.providers) - plan.regions
    if idle <= 0 or job.choices.get("regions") is not None:
        return ""
    why = "as its first job laid them out" if plan.reused else "which is worth more than using all"
    return (
        f" The study spreads images of this shape over {plan.regions} providers, {why}; {idle} of those "
        "named stand by."
    )


def _own_part(
    layout: Layout, ring: tuple[int, int], grid: StudyGrid
) -> tuple[tuple[Box, ...], dict[str, float]]:
    """What the broker computes whoever is there: boxes, and the share of the pixels by reason."""
    whole, inner = Box.of(layout.shape), layout.answered(ring)
    boxes = layout.kept(ring)
    pixels = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)
    unsent = boxes[(grid.classes == NO_CLASS) & (pixels > 0)]
    own = tuple(Box(tuple(box[:2]), tuple(box[2:])) for box in unsent.tolist())
    edge = whole.size - inner.size + sum(box.size for box in own)
    shares = {"ring": inner.size - int(pixels.sum()), "edge": edge}
    reasons = {reason: count / whole.size for reason, count in shares.items() if count}
    return (*whole.without(inner), *layout.gaps(ring), *own), reasons


def _can_hide(operation: Filter) -> bool:
    """Whether grey levels may be offset before the operation."""
    return operation.symmetries.offset_gain is not None


def _all_at_home(job: Job, study: Study, reason: str) -> Plan:
    """The plan for what is not worth sending, or too small to hide its blocks among one another."""
    nobody, nothing = np.empty(0, np.intp), np.empty((0, 4), np.intp)
    return Plan(
        block=None,
        regions=0,
        halo_policy=None,
        counts=(1, 1),
        places=nobody,
        boxes=nothing,
        windows=nothing,
        owners=nobody,
        stand_ins=nobody,
        home=(Box.of(job.shape),),
        reasons={reason: 1.0},
        study=study,
    )
