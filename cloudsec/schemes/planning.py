"""The planner of `ga-es`: which grid a new study gets, searched among all that would do; pure.

What a grid is worth is the paper's J with what the paper leaves out: beside Cor, NPCR and time, what
colluders could join, how evenly providers share what there is to see, and what is left at home.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from math import gcd, inf, prod

import numpy as np
from numpy.typing import NDArray

from cloudsec.keystream import Keystream
from cloudsec.schemes.base import HaloPolicy, Job, chosen_halo, chosen_number
from cloudsec.schemes.front import Candidate, front
from cloudsec.schemes.layout import FEWEST_SEPARATED, Layout
from cloudsec.schemes.policy import (
    BLOCK_STEP,
    DEFAULT_BLOCK,
    LARGEST_BLOCK,
    MOST_RING,
    TOLERATED_AREA,
    Price,
    fits,
    price,
    tolerated_area,
)
from cloudsec.study import StudyGrid
from regions import (
    LATTICE_PERIODS,
    NO_CLASS,
    BlockContent,
    BlockLinks,
    assembled_area,
    block_content,
    neighbours,
    stand_ins,
)
from regions.colouring import FEWEST_GREEDY

MOST_SIDES = 6
"""So many sides of blocks are tried, of those with room for the halo."""
SKEWS = (0.0, 0.5, 1.0)
"""Loads that are tried: speeds to this power, from equal to proportional."""
BLOCKS_DRAWN = 1024
"""So many blocks are coloured for one kind of grid, as often as that goes: the more there are, the less
colourings differ."""
MOST_DRAWS = 8
WHOLE_BLOCKS_PER_PROVIDER = 4
"""With fewer, too few blocks are shuffled together to be worth sending; all is computed at home."""
_WISHES = 2**53
"""Numbers from 0 to 1 that a float64 tells apart."""


@dataclass(frozen=True)
class Design:
    """One grid of many: the side of blocks, providers used, how loads go by speeds, and which drawing."""

    block: int
    regions: int
    skew: float = 0.0
    draw: int = 0


@dataclass(frozen=True)
class Worth:
    """What a grid is worth: all figures are to be small.

    Attributes
    ----------
    price : Price
    share : float
        The largest share of the image's entropy or detail that one provider holds, where 1 is an equal part.
    spread : float
        Providers named over providers used: what is spread over more of them is less for any few.
    correlation, sameness : float
        Cor of what providers hold, and 1 − NPCR, as in `regions.Fitness`.
    """

    price: Price
    share: float
    spread: float
    correlation: float
    sameness: float

    @property
    def total(self) -> float:
        """J: the sum of all, each of weight 1."""
        return self.price.total + self.share + self.spread + self.correlation + self.sameness


@dataclass(frozen=True, eq=False)
class Chosen:
    """The grid of a job, and what its plan says of the search for a new one.

    Attributes
    ----------
    grid : StudyGrid
    worth : Worth or None
        None if the study had the grid, or no grid carries the operation.
    convergence : tuple of float
        What the best was worth, at first and after every generation.
    front : tuple of Candidate
        What else could have been chosen, if the job asks for it.
    """

    grid: StudyGrid
    worth: Worth | None = None
    convergence: tuple[float, ...] = field(default=(), repr=False)
    front: tuple[Candidate, ...] = field(default=(), repr=False)


def searched(
    job: Job, block: int | None, regions: int | None, keys: Keystream, *, ring: bool = False
) -> Chosen | None:
    """Search the grid that is worth most for a new study, under its keys and by the job's seed.

    Parameters
    ----------
    block, regions : int or None
        As the user fixed them.
    ring : bool
        Whether halos may not be shared.

    Returns
    -------
    Chosen or None
        None if the image has too few blocks for the providers that are to be used. Where no grid carries the
        operation, one of the smallest blocks.
    """
    planner = Planner(job, keys, ring)
    sides = [block] if block else planner.sides()
    first = planner.same(Design(sides[0], regions or len(job.providers)))
    if planner.classes(first) is None:
        return None
    numbers = [regions] if regions else planner.numbers()
    skews = SKEWS if len(set(planner.speeds)) > 1 else SKEWS[:1]
    draws = range(MOST_DRAWS) if any(map(by_chance, numbers)) else range(1)
    options = (sides, numbers, skews, draws)
    if prod(map(len, options)) == 1:
        return Chosen(planner.grid(first), planner.worth(first), front=planner.front(first))
    # DEAP takes a while to load, and most jobs use a grid that their study has.
    from regions.evolution import Genes, genetic_choice

    def design(genes: Genes) -> Design:
        side, number, skew, draw = genes
        return planner.same(Design(sides[side], numbers[number], skews[skew], draws[draw]))

    def judge(people: list[Genes]) -> list[float]:
        return [planner.total(design(genes)) for genes in people]

    found = genetic_choice([len(kind) for kind in options], judge, seed=job.seed)
    best = design(found.best)
    worth = planner.worth(best)
    # Generations in which no grid carried the operation were worth nothing that could be told.
    convergence = tuple(total for total in found.convergence if total < inf)
    return Chosen(planner.grid(best if worth else first), worth, convergence, planner.front(best))


class Planner:
    """What the grids of a job are worth; each is drawn and judged once, and remembered."""

    def __init__(self, job: Job, keys: Keystream, ring: bool = False) -> None:
        self._job, self._keys = job, keys
        self._halo = "ring" if ring else chosen_halo(job.choices)
        self.speeds = job.forecast.rounded(job.planes.size).speeds(job.planes.size)
        self._classes: dict[Design, NDArray[np.intp] | None] = {}
        self._worth: dict[Design, Worth | None] = {}
        self._contents: dict[int, BlockContent] = {}
        self._best = inf

    def sides(self) -> list[int]:
        """Sides of blocks to try, smallest first: those with room for the halo."""
        halo, every = self._job.halo, range(DEFAULT_BLOCK, LARGEST_BLOCK + 1, BLOCK_STEP)
        return list(islice((side for side in every if fits(side, "shared", halo)), MOST_SIDES))

    def numbers(self) -> list[int]:
        """Numbers of providers to try: all that are named, or all that are not slower than some.

        Where several are to be withstood, also as many as a lattice keeps apart.
        """
        speeds, count = sorted(self.speeds, reverse=True), len(self.speeds)
        slower = {used for used in range(1, count) if speeds[used] < speeds[used - 1]}
        lattices = set(LATTICE_PERIODS) if self._job.tolerate > 1 else set[int]()
        fewest = FEWEST_SEPARATED if self._halo == "shared" else 2
        tried = {used for used in slower | lattices if max(fewest, self._job.tolerate + 1) <= used < count}
        return [*sorted(tried), count]

    def same(self, design: Design) -> Design:
        """The design by which all go that make the same grid."""
        if not by_chance(design.regions):
            return replace(design, skew=0.0, draw=0)
        blocks = prod(self._layout(design).counts)
        return replace(design, draw=design.draw % min(max(BLOCKS_DRAWN // blocks, 1), MOST_DRAWS))

    def classes(self, design: Design) -> NDArray[np.intp] | None:
        """The class of every block; None if the image has too few blocks for them."""
        if design not in self._classes:
            self._classes[design] = self._drawn(design)
        return self._classes[design]

    def worth(self, design: Design) -> Worth | None:
        """What a grid is worth; None if it does not carry the operation.

        Of one that cannot be the best of those asked for so far, what colluders join is not looked for.
        """
        if design not in self._worth:
            worth = self._worth[design] = self._judged(design, self._best)
            self._best = min(self._best, worth.total if worth else inf)
        return self._worth[design]

    def total(self, design: Design) -> float:
        """J of a grid; infinite if it does not carry the operation."""
        worth = self.worth(design)
        return worth.total if worth else inf

    def front(self, chosen: Design) -> tuple[Candidate, ...]:
        """Of all that were judged, those that nothing betters; none if the job does not ask for them."""
        if not self._job.compared:
            return ()
        judged = [design for design, worth in self._worth.items() if worth]
        worths = ((design, self._judged(design, inf)) for design in judged)
        return front([self._candidate(design, worth, design == chosen) for design, worth in worths if worth])

    def grid(self, design: Design) -> StudyGrid:
        """The grid of a design that the image has room for, with its stand-ins and seats."""
        classes, layout = self.classes(design), self._layout(design)
        assert classes is not None
        substitutes = np.full_like(classes, NO_CLASS)
        if layout.separates and design.regions not in LATTICE_PERIODS:
            # In the lattices every provider holds a neighbour of every block.
            wishes = self._wishes(f"stand-ins {self._label(design)}", classes.size, design.regions)
            substitutes = stand_ins(layout.grid, classes, wishes)
        seats = tuple((self._job.providers[party],) for party in self._parties(design.regions))
        return StudyGrid(self._job.shape, design.block, classes, substitutes, seats)

    def _drawn(self, design: Design) -> NDArray[np.intp] | None:
        layout = self._layout(design)
        enough = layout.grid.whole_blocks >= WHOLE_BLOCKS_PER_PROVIDER * design.regions
        if not layout.holds_each_class or not enough:
            return None
        wishes = self._wishes(f"classes {self._label(design)}", prod(layout.counts), design.regions)
        loads = np.array([self.speeds[party] for party in self._parties(design.regions)]) ** design.skew
        classes = layout.coloured(wishes, loads)
        used = len(np.unique(classes[classes != NO_CLASS]))
        return classes if used == design.regions else None

    def _judged(self, design: Design, limit: float) -> Worth | None:
        """What a grid is worth, exactly where J is less than a limit; at least that where it is not."""
        classes = self.classes(design)
        if classes is None:
            return None
        sent = int((classes != NO_CLASS).sum())
        # One provider holds no neighbours, so that one block is the least that any can have of the image.
        priced = self._priced(design, classes, 1 / sent, True)
        if priced is None:
            return None
        worth = self._held(design, classes, priced)
        # Where other figures say that it is not the best, it is not worth while to find out by how much.
        if self._job.tolerate > 1 and worth.total < limit:
            tolerable = tolerated_area(self._job.tolerate, sent)
            area = self._area(design, classes, tolerable)
            priced = self._priced(design, classes, area, area <= tolerable)
        return replace(worth, price=priced) if priced else None

    def _priced(self, design: Design, classes: NDArray[np.intp], area: float, allowed: bool) -> Price | None:
        """The price of a grid; None if blocks are too small for what `halo_policy` would say of it."""
        layout = self._layout(design)
        policy: HaloPolicy = self._halo or ("shared" if allowed and layout.separates else "ring")
        touching = policy == "shared" and not layout.separates
        if touching or not fits(design.block, policy, self._job.halo):
            return None
        return price(self._job, layout, classes, self._parties(design.regions), policy, area)

    def _held(self, design: Design, classes: NDArray[np.intp], priced: Price) -> Worth:
        """What a grid is worth at a price, by what providers hold of the image."""
        content, count, out = self._content(design.block), design.regions, classes != NO_CLASS
        weights = np.bincount(classes[out], minlength=count) / out.sum()
        worst = max(
            float(np.bincount(classes[out], seen[out], count).max()) / max(float(seen.sum()), 1.0)
            for seen in (content.entropy, content.detail)
        )
        return Worth(
            price=priced,
            share=worst * len(self._job.providers),
            spread=len(self._job.providers) / count,
            correlation=float(weights @ content.correlation(classes, count)),
            sameness=float(1 - weights @ content.change_rate(classes, count)),
        )

    def _candidate(self, design: Design, worth: Worth, chosen: bool) -> Candidate:
        """A design in units that people know."""
        return Candidate(
            block=design.block,
            regions=design.regions,
            halo_policy=worth.price.policy,
            seconds=worth.price.seconds,
            area=worth.price.area * TOLERATED_AREA,
            share=worth.share / len(self._job.providers),
            home=worth.price.home * MOST_RING,
            total=worth.total,
            chosen=chosen,
        )

    def _area(self, design: Design, classes: NDArray[np.intp], limit: float) -> float:
        """What the colluders could join of an image in which nothing is flat, under shared halos.

        Where fewer of them could join more than the limit, what those could: coalitions are many.
        """
        pairs = neighbours(self._layout(design).grid)
        links = BlockLinks(classes != NO_CLASS, pairs, pairs)
        holds = classes == np.arange(design.regions)[:, None, None]
        colluders, area = 2, 0.0
        while colluders <= self._job.tolerate and area <= limit:
            area = assembled_area(holds, links, colluders).areas[-1]
            colluders += 1
        return area

    def _content(self, block: int) -> BlockContent:
        """What blocks of this side show; all sides share the sums over small ones."""
        if block not in self._contents:
            self._contents[block] = self._cells.coarser(block // self._cell)
        return self._contents[block]

    @cached_property
    def _cell(self) -> int:
        """Side of blocks of which all others are made."""
        return gcd(BLOCK_STEP, chosen_number(self._job.choices, "block", 1, LARGEST_BLOCK) or BLOCK_STEP)

    @cached_property
    def _cells(self) -> BlockContent:
        return block_content(self._job.shown, self._cell, channel_axis=0)

    def _layout(self, design: Design) -> Layout:
        return Layout(self._job.shape, design.block, design.regions)

    def _parties(self, regions: int) -> list[int]:
        """Who sits in the classes: the fastest, of equal ones by the study's key; all in an order by key."""
        fastest = sorted(self._keyed, key=lambda party: -self.speeds[party])[:regions]
        return sorted(fastest, key=self._keyed.index)

    @cached_property
    def _keyed(self) -> list[int]:
        names = {name: party for party, name in enumerate(self._job.providers)}
        return [names[name] for name in in_keyed_order(names, self._keys)]

    def _label(self, design: Design) -> str:
        rows, columns = self._job.shape
        return f"{rows}x{columns} {design.block} {design.regions} {design.draw}"

    def _wishes(self, label: str, blocks: int, regions: int) -> NDArray[np.float64]:
        """Random preferences of every block for every class."""
        return (self._keys.integers(label, _WISHES, blocks * regions) / _WISHES).reshape(blocks, regions)


def by_chance(regions: int) -> bool:
    """Whether blocks are coloured by the key, in one of many ways, and not in a lattice."""
    return regions >= FEWEST_GREEDY and regions not in LATTICE_PERIODS


def in_keyed_order(names: Iterable[str], keys: Keystream) -> list[str]:
    """Names in an order that depends on nothing but the study's key and each name."""
    return sorted(names, key=lambda name: keys.octets(f"seat of {name}", 16))
