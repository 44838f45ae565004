"""The scheme `ga-es`: separated blocks, scrambled as far as the operation carries it exactly; pure.

Every provider gets the blocks of one class of a lattice, so that it never holds two neighbours. Where
they lie depends on the image's shape and the block size only, so that jobs with other operations show
a provider no other position (`layout.py`).
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.schemes.base import HOME, Plan, Protected, Sealed, refuse_choices, task_identity
from cloudsec.schemes.layout import Layout
from providers import Filter
from providers.operation import MAX_RADIUS
from providers.stencil import SCRAMBLE_BITS
from providers.wire import Task
from regions import HALOS_PER_BLOCK, LATTICE_PERIODS, Box, Scramble, cut, paste

DEFAULT_BLOCK = 32
BLOCK_STEP = 16
"""Pixels between the block sizes that an error recommends."""
LARGEST_BLOCK = HALOS_PER_BLOCK * MAX_RADIUS
"""Pixels: enough for the widest halo that there is."""
TASK_BYTES = 4 << 20
"""Pixels of one task: large enough that requests cost little beside the work, small enough to overlap."""
WHOLE_BLOCKS_PER_PROVIDER = 4
"""With fewer, too few blocks are shuffled together to be worth sending; all is computed at home."""


@dataclass(frozen=True, eq=False)
class _Placement:
    """Where the answers of one task belong, and how to undo what was done to their pixels."""

    starts: NDArray[np.intp] = field(repr=False)
    kept: NDArray[np.intp] = field(repr=False)
    scramble: Scramble = field(repr=False)
    dtype: np.dtype[Any]


class GaEs:
    """Blocks of one image for 4 or 9 providers, none of which holds two neighbours.

    A provider sees its blocks in random order, each turned, flipped, negated and offset at random under
    a key that is new for every job. That hides where a block lies; it is no encryption of what it shows.
    """

    name: ClassVar[str] = "ga-es"
    assurance: ClassVar[str] = "heuristic"

    def carries(self, operation: Filter) -> bool:
        return operation.symmetries.offset_gain is not None

    def plan(
        self, shape: tuple[int, ...], operation: Filter, parties: int, choices: Mapping[str, Any]
    ) -> Plan:
        if not self.carries(operation):
            raise IncompatibleScheme(
                f"scheme 'ga-es' hides grey levels by an offset, and {operation.name!r} does not say what an "
                "offset does to its answer; use scheme 'unprotected' if the image may be seen"
            )
        refuse_choices(choices, ("block",), self.name)
        if parties not in LATTICE_PERIODS:
            built = " or ".join(map(str, LATTICE_PERIODS))
            raise IncompatibleScheme(
                f"scheme 'ga-es' is built for {built} providers so far, not for {parties}"
            )
        layout = Layout(shape, _block(choices.get("block"), operation), LATTICE_PERIODS[parties])
        if not layout.reaches_all or layout.whole_blocks < WHOLE_BLOCKS_PER_PROVIDER * parties:
            nobody = np.full(layout.counts, HOME, np.intp)
            nothing = (0.0,) * parties
            return Plan(layout.block, nobody, nothing, nothing, (("small", Box.of(shape)),))
        window = np.prod([layout.block + 2 * halo for halo in operation.halo])
        held = np.bincount(layout.assignment[layout.assignment != HOME], minlength=parties)
        return Plan(
            layout.block,
            layout.assignment,
            tuple(map(float, layout.answered_pixels(parties) / np.prod(shape))),
            tuple(map(float, held * window / np.prod(shape))),
            tuple(("edge", box) for box in Box.of(shape).without(layout.answered)),
        )

    def protect(
        self, pixels: NDArray[np.generic], operation: Filter, plan: Plan, keys: Keystream
    ) -> Protected:
        if plan.block is None or not any(plan.pixel_shares):
            return Protected((), ())
        layout = Layout(pixels.shape, plan.block, LATTICE_PERIODS[len(plan.pixel_shares)])
        window = tuple(plan.block + 2 * halo for halo in operation.halo)
        low, high = int(pixels.min()), int(pixels.max())
        dtype, values = wire_values(high - low, pixels.dtype)
        counts = np.bincount(plan.assignment[plan.assignment != HOME])
        per_task = _blocks_per_task(int(counts.max()), int(np.prod(window)) * dtype.itemsize)
        starts, kept = layout.core_starts, layout.kept
        entries: list[tuple[Sealed, _Placement]] = []
        for party in np.flatnonzero(counts):
            own = plan.assignment == party
            for chosen, scramble in _hidings(
                int(counts[party]), per_task, operation, keys, f"provider {party}", low, high, values
            ):
                placement = _Placement(starts[own][chosen], kept[own][chosen], scramble, pixels.dtype)
                windows = cut(pixels, placement.starts - np.array(operation.halo), window)
                stack = scramble.hide(windows, dtype)
                task = Task(task_identity(keys, len(entries)), operation, stack, operation.tie_free)
                entries.append((Sealed(task, (int(party),)), placement))
        order = keys.permutation("order of tasks", len(entries))
        return Protected(tuple(entries[i][0] for i in order), tuple(entries[i][1] for i in order))

    def place(
        self, result: NDArray[np.generic], answer: NDArray[np.generic], task: Task, entry: _Placement
    ) -> None:
        operation = task.operation
        if task.rounded:
            rounded = entry.scramble.reveal(answer, operation.symmetries)
            finished = operation.fitted(rounded, entry.dtype)
        else:
            exact = entry.scramble.reveal(answer, operation.symmetries, operation.scale)
            finished = operation.finish(exact, entry.dtype)
        # Blocks that were shifted inward answer pixels of their neighbours too. Only their own are
        # kept, so that no provider can touch a pixel that is credited to another.
        kinds, kind_of = np.unique(entry.kept, axis=0, return_inverse=True)
        for kind, kept in enumerate(kinds):
            chosen = kind_of == kind
            first, stop = np.split(kept, 2)
            own = tuple(map(slice, first, stop))
            paste(result, finished[(chosen, *own)], entry.starts[chosen] + first)

    def statement(self, plan: Plan, operation: Filter) -> str:
        if not any(plan.pixel_shares):
            return "Nothing left the house: the image has too few blocks to hide them among one another."
        facts = operation.symmetries
        turned = "turned, " if any(facts.flips) or facts.quarter_turns else ""
        changes = f"{turned}{'negated' if facts.negation_sign is not None else 'not negated'} and offset"
        return (
            f"Each provider computed at most {max(plan.pixel_shares):.1%} of the pixels and received at most "
            f"{max(plan.received_shares):.1%}, in {plan.block}x{plan.block} blocks with "
            f"{max(operation.halo)} pixels around them, none next to another, in random order, {changes} at "
            "random; what a block shows is not encrypted, and providers that pool their blocks can join them."
        )


def wire_values(span: int, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], int]:
    """The dtype that scrambled pixels travel in, and how many values they spread over.

    The smallest of uint16, uint32 and int64 that holds four times the image's range, so that an offset
    has room; never more than two bits beyond the image's dtype, so that sums stay within proven bounds.
    """
    needed = 4 * (span + 1)
    widened = 2 ** (8 * dtype.itemsize + SCRAMBLE_BITS)
    for name, room in (("uint16", 2**16), ("uint32", 2**32)):
        if needed <= room:
            return np.dtype(name), min(room, widened)
    return np.dtype("int64"), widened


def _block(chosen: object, operation: Filter) -> int:
    """Side of the blocks: as chosen, else the default; IncompatibleScheme if the halo is too wide for it."""
    try:
        block = DEFAULT_BLOCK if chosen is None else operator.index(chosen)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"plan: block must be a number of pixels, not {chosen!r}") from None
    if isinstance(chosen, bool) or not 1 <= block <= LARGEST_BLOCK:
        raise ValueError(f"plan: block must be from 1 to {LARGEST_BLOCK} pixels, not {chosen!r}")
    halo = max(operation.halo)
    if block < HALOS_PER_BLOCK * halo:
        enough = -(-HALOS_PER_BLOCK * halo // BLOCK_STEP) * BLOCK_STEP
        raise IncompatibleScheme(
            f"{operation.name!r} needs {halo} pixels around a block, and blocks of {block} would travel with "
            f"too much of their neighbours; use plan={{'block': {enough}}}, on the command line "
            f"--block {enough}"
        )
    return block


def _blocks_per_task(most: int, block_bytes: int) -> int:
    """Blocks in every task of a job, from the most that one provider has."""
    tasks = max(1, -(-most * block_bytes // TASK_BYTES))
    return -(-most // tasks)


def _hidings(
    blocks: int,
    per_task: int,
    operation: Filter,
    keys: Keystream,
    label: str,
    low: int,
    high: int,
    values: int,
) -> Iterator[tuple[NDArray[np.intp], Scramble]]:
    """Per task of one provider: which of its blocks, in which order, under which scramble.

    The last task is filled with repeats under scrambles of their own, so that all tasks are equal.
    """
    total = -(-blocks // per_task) * per_task
    order = np.concatenate(
        [
            keys.permutation(f"{label} order", blocks),
            keys.integers(f"{label} repeats", blocks, total - blocks),
        ]
    )
    facts = operation.symmetries
    axes = len(facts.flips)
    flips = keys.bits(f"{label} flips", total, axes) & np.array(facts.flips)
    swaps = keys.bits(f"{label} swaps", total) & facts.quarter_turns
    negated = keys.bits(f"{label} signs", total) & (facts.negation_sign is not None)
    offset = keys.integers(f"{label} offsets", values - (high - low), total)
    # The scrambled pixels are low-based upward or high-based downward, and lie within 0 … values - 1.
    sign = np.where(negated, -1, 1).astype(np.int64)
    shift = offset + np.where(negated, high, -low)
    for first in range(0, total, per_task):
        part = slice(first, first + per_task)
        yield order[part], Scramble(flips[part], swaps[part], sign[part], shift[part])
