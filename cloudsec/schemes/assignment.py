"""Which grid of a study a job uses, and what could be joined of it; decisions only, pure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.schemes.base import Job, chosen_halo, chosen_number
from cloudsec.schemes.layout import FEWEST_SEPARATED, Layout
from cloudsec.schemes.planning import Chosen, in_keyed_order, searched
from cloudsec.schemes.policy import LARGEST_BLOCK, TOLERATED_AREA, fits, too_small, within_limit
from cloudsec.study import Study, StudyGrid
from regions import NO_CLASS, assembled_area, block_links, informative


def study_grid(job: Job, study: Study, keys: Keystream) -> Chosen | None:
    """The grid that a job uses: the study's, or a new one; None if the image is too small to be sent.

    Raises
    ------
    ValueError
        For a choice that there is not.
    IncompatibleScheme
        If no grid carries the operation, or not that of the study.
    """
    block = chosen_number(job.choices, "block", 1, LARGEST_BLOCK)
    known = study.grid(job.shape, block)
    if known is None and len(job.providers) < 2:
        raise IncompatibleScheme(
            "scheme 'ga-es' needs at least 2 providers, because one alone would see everything; name more, "
            "or use scheme 'unprotected' if the image may be seen"
        )
    regions = chosen_number(job.choices, "regions", 2, len(job.providers))
    # Choices are looked at also where the image will turn out to be too small to be sent.
    chosen_halo(job.choices)
    if known is not None:
        if regions not in (None, len(known.seats)):
            raise IncompatibleScheme(
                f"the study spreads images of {job.shape} over {len(known.seats)} providers for good, not "
                f"over {regions}; leave 'regions' out of the plan, or name another study"
            )
        _refuse_what_cannot_be(job, len(known.seats), " of this study")
        newcomers = [name for name in in_keyed_order(job.present, keys) if name not in study.members]
        return Chosen(_measured(known.seated(list(job.present), newcomers), job))
    classes = regions or len(job.providers)
    _refuse_what_cannot_be(job, classes)
    if block is not None and not fits(block, "shared", job.halo):
        # It fits under no policy, and of very small blocks there are too many to draw for an error's sake.
        separates = classes >= FEWEST_SEPARATED and job.choices.get("halo") != "ring"
        raise too_small(job, block, "shared" if separates else "ring")
    found = searched(job, block, regions, keys)
    if found is None:
        return None
    grid = _measured(found.grid, job)
    shared_only = grid.areas and not fits(grid.block, "ring", job.halo)
    if shared_only and job.choices.get("halo") is None and not within_limit(grid, job.tolerate):
        # Of this image more can be joined than of one in which nothing is flat, by which grids were judged.
        found = searched(job, block, regions, keys, ring=True) or found
        grid = _measured(found.grid, job)
    return replace(found, grid=grid)


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
    holds = grid.classes == np.arange(len(grid.seats))[:, None, None]
    if colluders == 1:
        # One provider holds no neighbours.
        return (float((holds & counted).any()) / max(int(counted.sum()), 1),)
    margin = layout.margin
    window = (grid.block + 2 * margin,) * 2
    links = block_links(
        planes, layout.core_starts - margin, window, (margin, margin), counted, channel_axis=0
    )
    return assembled_area(holds, links, colluders).areas


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
