"""What providers could learn from what they were sent in a job; figures are computed when first read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cloudsec.schemes import Job, Plan, ProtectionScheme, Sealed
from providers.stencil import answers_in
from regions import (
    BlockLinks,
    CollusionCurve,
    Figure,
    adjacent_area,
    assembled_area,
    collusion_threshold,
    correlation,
    coverage,
    covered_area,
    detail_share,
    entropy_map,
    gradient_map,
    grey_levels,
    npcr,
    stack_entropy,
    uaci,
)

FEWEST_COLLUDERS = 4
"""Coalitions up to this size are looked at in every report, and one more than are to be withstood."""

_Area: TypeAlias = Callable[[NDArray[np.bool_], BlockLinks, int], CollusionCurve]


@dataclass(frozen=True, eq=False)
class Exposure:
    """Who was sent what of an image.

    Attributes
    ----------
    job : Job
    plan : Plan
    scheme : ProtectionScheme
    owners : (n,) ndarray
        The party whose answer was kept for each piece; HOME for the broker.
    deliveries : tuple of (parties, n) ndarrays of bool
        Which pieces each party was sent, whether or not it answered; one for each delivery, at least one.
    """

    job: Job = field(repr=False)
    plan: Plan = field(repr=False)
    scheme: ProtectionScheme = field(repr=False)
    owners: NDArray[np.intp] = field(repr=False)
    deliveries: tuple[NDArray[np.bool_], ...] = field(repr=False)

    @property
    def statement(self) -> str:
        """One plain sentence on what the providers could learn."""
        return self.scheme.statement(self.job, self.plan, self)

    @cached_property
    def received(self) -> NDArray[np.bool_]:
        """Which pieces each party was sent in any delivery, ``(parties, n)``."""
        received: NDArray[np.bool_] = np.logical_or.reduce(self.deliveries)
        return received

    @property
    def parties(self) -> range:
        return range(len(self.received))

    @cached_property
    def pixel_shares(self) -> tuple[float, ...]:
        """Per party, the share of the result's pixels that its answers gave."""
        boxes = self.plan.boxes
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        total = self.job.shape[0] * self.job.shape[1]
        return tuple(float(areas[self.owners == party].sum()) / total for party in self.parties)

    @cached_property
    def received_shares(self) -> tuple[float, ...]:
        """Per party, the share of the image's pixels that it was sent, halos included; each counts once."""
        total = self.job.shape[0] * self.job.shape[1]
        return tuple(covered_area(self.plan.windows[own]) / total for own in self.received)

    @cached_property
    def gradient_shares(self) -> tuple[float, ...]:
        """Per party, the share of the image's gradient energy in the pixels that it was sent."""
        return self._detail_shares(gradient_map)

    @cached_property
    def entropy_shares(self) -> tuple[float, ...]:
        """Per party, the share of the image's entropy, by 16 x 16 blocks, in the pixels that it was sent."""
        return self._detail_shares(entropy_map)

    @property
    def worst_pixel_share(self) -> float:
        return max(self.pixel_shares)

    @property
    def worst_received_share(self) -> float:
        return max(self.received_shares)

    @property
    def worst_gradient_share(self) -> float:
        return max(self.gradient_shares)

    @property
    def worst_entropy_share(self) -> float:
        return max(self.entropy_shares)

    @cached_property
    def assembled(self) -> CollusionCurve:
        """A_1, A_2, … by pixels that blocks share: an upper bound."""
        return self._curve(assembled_area, self.received)

    @cached_property
    def adjacent(self) -> CollusionCurve:
        """A_1, A_2, … if every common edge were found as well."""
        return self._curve(adjacent_area, self.received)

    @cached_property
    def with_stand_ins(self) -> CollusionCurve | None:
        """A_1, A_2, … if stand-ins were asked for all that they may be; None where there are none."""
        planned = np.arange(len(self.received))[:, None] == self.plan.stand_ins
        return self._curve(assembled_area, self.received | planned) if planned.any() else None

    @property
    def figures(self) -> dict[str, Any]:
        """What one provider, and colluding ones, could learn at most."""
        figures = {
            "worst_pixel_share": self.worst_pixel_share,
            "worst_gradient_share": self.worst_gradient_share,
            "assembled_area": list(self.assembled.areas),
            "adjacent_area": list(self.adjacent.areas),
            "bound": "greedy" if "greedy" in (self.assembled.bound, self.adjacent.bound) else "exact",
            "collusion_threshold": collusion_threshold(self.assembled, self.adjacent),
            "anonymity_set": self.anonymity_set,
            "over_study": self.over_study,
        }
        if self.with_stand_ins is not None:
            figures["with_stand_ins"] = list(self.with_stand_ins.areas)
        return figures

    @property
    def informative(self) -> int:
        """How many blocks of the image show something."""
        return int(self._links.informative.sum()) if self.received.any() else 0

    @cached_property
    def anonymity_set(self) -> int:
        """How many blocks were shuffled together at the provider that got the fewest; 1 where none were."""
        if self.plan.block is None and self.received.any():
            # Slabs travel in order.
            return 1
        # What a stand-in is given later comes under other secrets: it is shuffled by itself. Colour
        # components add none, because those of one block look alike.
        counts = np.concatenate([sent.sum(axis=1) for sent in self.deliveries])
        return int(counts[counts > 0].min()) if counts.any() else 0

    @property
    def over_study(self) -> bool:
        """Whether no provider was sent other blocks of the study's images, or wider rims, in another job.

        Goes by the study's record as it was when this job was planned. A grid of another shape is of other
        positions, as those of a crop are. Not known here: images that show the same at another place, and
        what was sent by a scheme that keeps no record.
        """
        if self.plan.study is None:
            # Without a record nothing is known of other jobs.
            return False
        grids = self.plan.study.grids
        own = (0, 0) if self.plan.halo_policy == "ring" else self.job.halo
        return not grids or (
            [(grid.shape, grid.block) for grid in grids] == [(self.job.shape, self.plan.block)]
            and all(was <= now for was, now in zip(grids[0].halo or (0, 0), own, strict=True))
            and self._one_holds_all(grids[0].classes)
            and not any(self._lent_before(name, blocks) for name, blocks in grids[0].lent.items())
        )

    def _one_holds_all(self, classes: NDArray[np.intp]) -> bool:
        """Whether of every class one party was sent all blocks.

        Who held a class before may be gone; several stand-ins in its place are more parties than it was.
        """
        labels = classes.ravel()[self.plan.places]
        return all(self.received[:, labels == label].all(axis=1).any() for label in np.unique(labels))

    def _lent_before(self, name: str, blocks: NDArray[np.bool_]) -> bool:
        """Whether a stand-in was ever given blocks that it was not sent in this job."""
        sent = self.received[self.job.providers.index(name)] if name in self.job.providers else False
        return bool((blocks.ravel()[self.plan.places] & ~np.asarray(sent)).any())

    def paper_metrics(self, sealed: Sequence[Sealed]) -> dict[str, Figure]:
        """The paper's Cor, NPCR, UACI and entropy of what was sent, each beside its ceiling.

        Cor and entropy are of the blocks as they were sent. NPCR and UACI compare them, in the order of
        sending, with the same blocks unhidden in the order of the grid.
        """
        if not sealed:
            return {}
        plain = {
            party: self.scheme.plain(self.job, self.plan, np.flatnonzero(self.received[party]))
            for party in np.flatnonzero(self.received.any(axis=1)).tolist()
        }
        found = []
        for number in range(len(self.job.planes)):
            views = []
            for party, stacks in plain.items():
                unhidden = [stack for component, stack in stacks if component == number]
                sent = [each.task.stack[each.components == number] for each in sealed if each.party == party]
                views.append((unhidden, sent))
            found.append(_metrics(views))
        return {
            name: Figure(
                tuple(figures[name].mean for figures in found),
                tuple(figures[name].ceiling for figures in found),
            )
            for name in found[0]
        }

    def _detail_shares(self, map_of: Callable[..., NDArray[np.float64]]) -> tuple[float, ...]:
        """Party by party, what of a map of the image lies in the pixels that it was sent."""
        if not self.received.any():
            return (0.0,) * len(self.received)
        detail = map_of(self.job.shown, channel_axis=0)
        return tuple(detail_share(detail, covered) for covered in self._covered())

    def _covered(self) -> Iterator[NDArray[np.bool_]]:
        """Party by party, the pixels of the image that it was sent."""
        for own in self.received:
            yield coverage(self.job.shape, self.plan.windows[own])

    @cached_property
    def _links(self) -> BlockLinks:
        return self.scheme.links(self.job, self.plan)

    def _curve(self, area: _Area, received: NDArray[np.bool_]) -> CollusionCurve:
        """What coalitions could join of the places of the grid that they were sent."""
        if not self.received.any():
            return CollusionCurve((0.0,) * FEWEST_COLLUDERS, "exact")
        holds = np.zeros((len(received), self.plan.counts[0] * self.plan.counts[1]), bool)
        holds[:, self.plan.places] = received
        # Who was sent nothing adds nothing to a coalition.
        held = holds[received.any(axis=1)].reshape(-1, *self.plan.counts)
        return area(held, self._links, max(self.job.tolerate + 1, FEWEST_COLLUDERS))


def _metrics(views: list[tuple[list[NDArray[np.generic]], list[NDArray[np.generic]]]]) -> dict[str, Figure]:
    """The paper's metrics of one colour component: by party, what it was sent, unhidden and as it was."""
    before, after, shown = [], [], []
    for plain, sent in views:
        unhidden, hidden = (np.concatenate([stack.ravel() for stack in stacks]) for stacks in (plain, sent))
        before.append(unhidden)
        # The last task of each party is filled with repeats.
        after.append(hidden[: len(unhidden)])
        shown += [stack for stack in sent if stack.size]
    one, other = np.concatenate(before), np.concatenate(after)
    pair = one.astype(answers_in(one.dtype)), other.astype(answers_in(other.dtype))
    correlated = [correlation(stack).mean for stack in shown]
    return {
        "cor": Figure((float(np.average(correlated, weights=[stack.size for stack in shown])),), (1.0,)),
        "npcr": npcr(*pair),
        "uaci": uaci(*pair),
        "entropy": stack_entropy(grey_levels(np.concatenate([stack.ravel() for stack in shown]))),
    }
