"""How `ga-es` chooses a study's grid, and whether blocks travel with a halo; decisions only, pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from math import prod

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.schemes.base import HaloPolicy, Job, chosen_halo, chosen_number
from cloudsec.schemes.layout import FEWEST_SEPARATED, Layout
from cloudsec.study import Study, StudyGrid
from providers.operation import MAX_RADIUS
from regions import (
    HALOS_PER_BLOCK,
    LATTICE_PERIODS,
    NO_CLASS,
    assembled_area,
    block_links,
    informative,
    stand_ins,
)

DEFAULT_BLOCK = 32
BLOCK_STEP = 16
"""Pixels between the sides of blocks that are tried, and that errors recommend."""
LARGEST_BLOCK = HALOS_PER_BLOCK * MAX_RADIUS
"""Pixels: enough for the widest halo that there is."""
WHOLE_BLOCKS_PER_PROVIDER = 4
"""With fewer, too few blocks are shuffled together to be worth sending; all is computed at home."""
MOST_RING = 0.45
"""Of the pixels, at home under the ring; with more, sending the rest out is hardly worth it."""
TOLERATED_AREA = 0.05
"""Of the informative blocks, what tolerated colluders may join at most; or one block for each of them."""
_WISHES = 2**53
"""Numbers from 0 to 1 that a float64 tells apart."""


def study_grid(job: Job, study: Study, keys: Keystream) -> StudyGrid | None:
    """The grid that a job uses: the study's, or a new one; None if the image is too small to be sent.

    Raises
    ------
    ValueError
        For a choice that there is not.
    IncompatibleScheme
        If no grid carries the operation, or not that of the study.
    """
    block = chosen_number(job.choices, "block", 1, LARGEST_BLOCK)
    regions = chosen_number(job.choices, "regions", 2, len(job.providers))
    # Choices are looked at also where the image will turn out to be too small to be sent.
    chosen_halo(job.choices)
    known = study.grid(job.shape, block)
    if known is not None:
        if regions not in (None, len(known.seats)):
            raise IncompatibleScheme(
                f"the study spreads images of {job.shape} over {len(known.seats)} providers for good, not "
                f"over {regions}; leave 'regions' out of the plan, or name another study"
            )
        _refuse_what_cannot_be(job, len(known.seats), " of this study")
        newcomers = [name for name in _in_keyed_order(job.present, keys) if name not in study.members]
        return _measured(known.seated(list(job.present), newcomers), job)
    classes = regions or len(job.providers)
    if classes < 2:
        raise IncompatibleScheme(
            "scheme 'ga-es' needs at least 2 providers, because one alone would see everything; name more, "
            "or use scheme 'unprotected' if the image may be seen"
        )
    _refuse_what_cannot_be(job, classes)
    for side in _sides(job) if block is None else (block,):
        grid = _drawn(job, side, classes, keys)
        if grid is None:
            return None
        grid = _measured(grid, job)
        try:
            halo_policy(job, grid)
        except IncompatibleScheme:
            if block is not None:
                raise
        else:
            return grid
    return None


def halo_policy(job: Job, grid: StudyGrid, *, known: bool = False) -> HaloPolicy:
    """Whether blocks travel with their halo, or the broker computes the ring.

    A halo is shared where those who are to be withstood could join little by it.

    Raises
    ------
    IncompatibleScheme
        If the blocks are too small for the operation's halo; names a size that is not.
    """
    halo, choice = job.operation.halo, job.choices.get("halo")
    separates = Layout(job.shape, grid.block, len(grid.seats)).separates
    withstands = separates and within_limit(grid, job.tolerate)
    policy: HaloPolicy = "shared" if choice == "shared" or (choice is None and withstands) else "ring"
    if _fits(grid.block, policy, halo):
        return policy
    cause = f"{job.operation.name!r} needs {max(halo)} pixels around a block, and blocks of {grid.block} "
    if policy == "shared":
        cause += "would travel with too much of their neighbours"
    else:
        cause += "would leave too much of the work at home if those were computed there"
    advice = ""
    if separates and choice is None and not withstands:
        who = f"{job.tolerate} of {len(grid.seats)} providers"
        cause += (
            f", as they must where {who} could join {grid.areas[job.tolerate - 1]:.0%} of the image by them"
        )
        advice = ", or more providers, or tolerate fewer"
    # One provider holds no neighbours. What several could join of larger blocks is not known here, and the
    # ring does not depend on it.
    sure = policy if choice is not None or job.tolerate <= 1 else "ring"
    enough = next(side for side in count(BLOCK_STEP, BLOCK_STEP) if _fits(side, sure, halo))
    way_out = f"plan={{'block': {enough}}}, on the command line --block {enough}"
    if enough > LARGEST_BLOCK:
        way_out = "scheme 'unprotected' if the image may be seen"
    elif known:
        cause += ", which is how an earlier job laid out the study's images of this shape"
        way_out = (
            f"another study (study=…, --study), or, at the price of more positions for providers, {way_out}"
        )
    raise IncompatibleScheme(f"{cause}; use {way_out}{advice}")


def _fits(block: int, policy: HaloPolicy, halo: tuple[int, ...]) -> bool:
    """Whether blocks are wide enough for a halo; whatever fits with the ring fits with a shared halo too."""
    return (
        HALOS_PER_BLOCK * max(halo) <= block if policy == "shared" else ring_share(block, halo) <= MOST_RING
    )


def ring_share(block: int, halo: tuple[int, ...]) -> float:
    """Share of the pixels whose window crosses the edge of their block."""
    return 1 - prod(max(block - 2 * reach, 0) / block for reach in halo)


def within_limit(grid: StudyGrid, colluders: int) -> bool:
    """Whether so many providers could join little enough of the study's first image by shared halos."""
    if colluders == 0:
        return True
    return grid.areas[colluders - 1] <= tolerated_area(colluders, grid.informative)


def tolerated_area(colluders: int, informative_blocks: int) -> float:
    """A_t up to which a scheme may say that it withstands so many colluders (cloudsec/README.md)."""
    return max(TOLERATED_AREA, colluders / max(informative_blocks, 1))


def _sides(job: Job) -> Iterator[int]:
    """Sides of blocks to try, smallest first: those with room for the halo."""
    for side in range(DEFAULT_BLOCK, LARGEST_BLOCK + 1, BLOCK_STEP):
        if _fits(side, "shared", job.operation.halo):
            yield side


def _drawn(job: Job, block: int, regions: int, keys: Keystream) -> StudyGrid | None:
    """A new grid under the study's key; None if the image has too few blocks of this size."""
    layout = Layout(job.shape, block, regions)
    if not layout.holds_each_class or layout.grid.whole_blocks < WHOLE_BLOCKS_PER_PROVIDER * regions:
        return None
    label, blocks = f"{job.shape[0]}x{job.shape[1]} {block}", prod(layout.counts)
    classes = layout.coloured(_wishes(keys, f"classes {label}", blocks, regions))
    if len(np.unique(classes[classes != NO_CLASS])) < regions:
        return None
    seconds = np.full_like(classes, NO_CLASS)
    if layout.separates and regions not in LATTICE_PERIODS:
        # In the lattices every provider holds a neighbour of every block.
        seconds = stand_ins(layout.grid, classes, _wishes(keys, f"stand-ins {label}", blocks, regions))
    seats = tuple((name,) for name in _in_keyed_order(job.providers, keys)[:regions])
    return StudyGrid(job.shape, block, classes, seconds, seats)


def _measured(grid: StudyGrid, job: Job) -> StudyGrid:
    """The grid with what as many colluders could join as the job is to withstand.

    Of the first image that shows enough to tell, and at least of one in which nothing is flat.
    """
    layout = Layout(grid.shape, grid.block, len(grid.seats))
    # Where a single block is more than what may be joined, as in a blank first slice, the figure says little.
    telling = job.tolerate <= TOLERATED_AREA * grid.informative
    if not layout.separates or (len(grid.areas) >= job.tolerate and telling):
        return grid
    shown = informative(job.planes, grid.block, channel_axis=0)
    if len(grid.areas) >= job.tolerate and int(shown.sum()) <= grid.informative:
        return grid
    # An image may show something in every block and yet share flat strips alone, as a test card of dots does.
    # What it says must not be less than what an image would in which no two pixels beside one another agree.
    checkered = (np.add.outer(*map(np.arange, job.shape)) % 2).astype(np.uint8)[None]
    curves = (
        _shared_area(grid, layout, job.tolerate, planes, counted)
        for planes, counted in ((job.planes, shown), (checkered, grid.classes != NO_CLASS))
    )
    return replace(grid, areas=tuple(map(max, *curves)), informative=int(shown.sum()))


def _shared_area(
    grid: StudyGrid,
    layout: Layout,
    colluders: int,
    planes: NDArray[np.generic],
    counted: NDArray[np.bool_],
) -> tuple[float, ...]:
    """A_1 up to A_`colluders` of the blocks that count, under the widest halo."""
    margin = layout.margin
    window = (grid.block + 2 * margin,) * 2
    links = block_links(
        planes, layout.core_starts - margin, window, (margin, margin), counted, channel_axis=0
    )
    holds = grid.classes == np.arange(len(grid.seats))[:, None, None]
    return assembled_area(holds, links, colluders).areas


def _in_keyed_order(names: Iterable[str], keys: Keystream) -> list[str]:
    """Names in an order that depends on nothing but the study's key and each name."""
    return sorted(names, key=lambda name: keys.octets(f"seat of {name}", 16))


def _wishes(keys: Keystream, label: str, blocks: int, regions: int) -> NDArray[np.float64]:
    """Random preferences of every block for every class."""
    return (keys.integers(label, _WISHES, blocks * regions) / _WISHES).reshape(blocks, regions)


def _refuse_what_cannot_be(job: Job, regions: int, whose: str = "") -> None:
    """Refuse to withstand everybody, and halos for blocks that touch."""
    if job.tolerate >= regions:
        raise ValueError(
            f"tolerate must be less than the number of providers{whose}, which is {regions}, not "
            f"{job.tolerate}: all of them together hold everything"
        )
    if job.choices.get("halo") == "shared" and regions < FEWEST_SEPARATED:
        raise IncompatibleScheme(
            f"with {regions} providers blocks of one provider touch, and halos would join them; leave 'halo' "
            f"out of the plan, or use {FEWEST_SEPARATED} providers or more"
        )
