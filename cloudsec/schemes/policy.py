"""Whether blocks travel with a halo or the broker computes the ring between them, and the price; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import prod

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.schemes.base import HaloPolicy, Job, workload
from cloudsec.schemes.layout import Layout
from cloudsec.study import StudyGrid
from providers.operation import MAX_RADIUS
from regions import HALOS_PER_BLOCK, NO_CLASS

DEFAULT_BLOCK = 32
"""Pixels of the smallest side of blocks that is tried; only a user fixes a smaller one."""
BLOCK_STEP = 16
"""Pixels between the sides of blocks that are tried, and that errors recommend."""
LARGEST_BLOCK = HALOS_PER_BLOCK * MAX_RADIUS
"""Pixels: enough for the widest halo that there is."""
MOST_RING = 0.45
"""Of the pixels, at home under the ring; with more, sending the rest out is hardly worth it."""
TOLERATED_AREA = 0.05
"""Of the informative blocks, what tolerated colluders may join at most; or one block for each of them."""
_NO_HALO = (0, 0)


@dataclass(frozen=True)
class Price:
    """What a grid costs under a halo policy: figures to be made small.

    Attributes
    ----------
    time : float
        Predicted seconds over the least that the image would take at these providers.
    area : float
        What the colluders to be withstood could join, in units of what they may.
    home : float
        The share of the pixels that the broker computes, in units of what it may.
    policy : {"shared", "ring"}
    seconds : float
        As they are foretold, where `time` is of rounded costs.
    """

    time: float
    area: float
    home: float
    policy: HaloPolicy
    seconds: float

    @property
    def total(self) -> float:
        return self.time + self.area + self.home


def price(
    job: Job,
    layout: Layout,
    classes: NDArray[np.intp],
    parties: Sequence[int],
    policy: HaloPolicy,
    area: float,
) -> Price:
    """What a grid costs whose classes are held by these parties.

    `area` is what the colluders could join under shared halos; bare blocks share no pixel to join them by.
    """
    outside, ring = reaches(job, policy)
    boxes = layout.kept(ring)
    pixels, sent = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1), classes != NO_CLASS
    components, whole = len(job.planes) * prod(job.depth), prod(job.shape)
    windows = np.full(int(sent.sum()), prod(layout.block + 2 * reach for reach in outside))
    work = workload(job, classes[sent], windows, pixels[sent], len(parties))
    at_home = whole - int(pixels[sent].sum())
    rounded = job.forecast.rounded(job.planes.size)
    return Price(
        time=rounded.of(parties).seconds(work) / rounded.least(whole * components),
        area=(1 / max(int(sent.sum()), 1) if policy == "ring" else area) / TOLERATED_AREA,
        home=at_home / whole / MOST_RING,
        policy=policy,
        seconds=job.forecast.of(parties).seconds(work),
    )


def halo_policy(job: Job, grid: StudyGrid, *, known: bool = False) -> HaloPolicy:
    """Whether blocks travel with their halo, or the broker computes the ring.

    A halo is shared where those who are to be withstood could join little by it, whatever it costs: costs are
    timed, and a study's jobs should not differ by the noise of that.

    Raises
    ------
    IncompatibleScheme
        If the blocks are too small for the operation's halo; names a size that is not.
    """
    halo, choice = job.halo, job.choices.get("halo")
    separates = Layout(job.shape, grid.block, len(grid.seats)).separates
    withstands = separates and within_limit(grid, job.tolerate)
    policy: HaloPolicy = choice or ("shared" if withstands else "ring")
    if fits(grid.block, policy, halo):
        return policy
    because = advice = ""
    if separates and choice is None and not withstands:
        who = f"{job.tolerate} of {len(grid.seats)} providers"
        because = (
            f", as they must where {who} could join {grid.areas[job.tolerate - 1]:.0%} of the image by them"
        )
        advice = ", or more providers, or tolerate fewer"
    raise too_small(job, grid.block, policy, because, advice, known=known)


def too_small(
    job: Job, block: int, policy: HaloPolicy, because: str = "", advice: str = "", *, known: bool = False
) -> IncompatibleScheme:
    """The error for blocks that are too small for a halo under a policy; names a size that is not."""
    halo, choice = job.halo, job.choices.get("halo")
    cause = f"{job.operation.name!r} needs {max(halo)} pixels around a block, and blocks of {block} "
    if policy == "shared":
        cause += "would travel with too much of their neighbours"
    else:
        cause += "would leave too much of the work at home if those were computed there"
    cause += because
    # One provider holds no neighbours. What several could join of larger blocks is not known here, and the
    # ring does not depend on it.
    sure = policy if choice is not None or job.tolerate <= 1 else "ring"
    enough = next(side for side in count(BLOCK_STEP, BLOCK_STEP) if fits(side, sure, halo))
    way_out = f"plan={{'block': {enough}}}, on the command line --block {enough}"
    if enough > LARGEST_BLOCK:
        way_out = "scheme 'unprotected' if the image may be seen"
    elif known:
        cause += ", which is how an earlier job laid out the study's images of this shape"
        way_out = (
            f"another study (study=…, --study), or, at the price of more positions for providers, {way_out}"
        )
    return IncompatibleScheme(f"{cause}; use {way_out}{advice}")


def fits(block: int, policy: HaloPolicy, halo: tuple[int, ...]) -> bool:
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


def reaches(job: Job, policy: HaloPolicy | None) -> tuple[tuple[int, int], tuple[int, int]]:
    """Pixels around a block that travel with it, and pixels within it that are not answered, per axis."""
    return (_NO_HALO, job.halo) if policy == "ring" else (job.halo, _NO_HALO)
