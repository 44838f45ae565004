"""What providers could learn from shares of an image: nothing, or, if too many collude, everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloudsec.exposure import FEWEST_COLLUDERS
from cloudsec.schemes import Dealing, Job, LinearScheme, Sealed
from regions import CollusionCurve, Figure, collusion_threshold


@dataclass(frozen=True, eq=False)
class ShareExposure:
    """Who was sent shares of an image; the figures of `cloudsec.exposure.Exposure`.

    Attributes
    ----------
    job : Job
    scheme : LinearScheme
    dealings : tuple of Dealing
        Independent of one another, one at least.
    at_home : float
        Share of the result's pixels that the broker computed in the end.
    """

    job: Job = field(repr=False)
    scheme: LinearScheme[Any] = field(repr=False)
    dealings: tuple[Dealing, ...] = field(repr=False)
    at_home: float = 0.0

    @property
    def statement(self) -> str:
        """One plain sentence on what the providers could learn."""
        return self.scheme.statement(self.job, self.dealings[-1])

    @property
    def received(self) -> NDArray[np.bool_]:
        """Which parties were sent a share, ``(parties, 1)``."""
        received = np.zeros((len(self.job.providers), 1), bool)
        for dealing in self.dealings:
            received[list(dealing.parties)] = True
        return received

    @property
    def pixel_shares(self) -> tuple[float, ...]:
        """Per party, of how many of the result's pixels it computed a share, for the last dealing."""
        shares = [0.0] * len(self.job.providers)
        for dealing in self.dealings[-1:]:
            for party in dealing.parties:
                shares[party] = dealing.pixel_share * (1 - self.at_home)
        return tuple(shares)

    @property
    def received_shares(self) -> tuple[float, ...]:
        """Per party, the share of the image's pixels that it was sent to see: none."""
        return (0.0,) * len(self.job.providers)

    gradient_shares = entropy_shares = received_shares

    @property
    def worst_pixel_share(self) -> float:
        return max(self.pixel_shares)

    @property
    def worst_received_share(self) -> float:
        return 0.0

    @property
    def worst_gradient_share(self) -> float:
        return 0.0

    @cached_property
    def assembled(self) -> CollusionCurve:
        """Nothing up to as many as are withstood; then, at worst, all."""
        most = min(len(self.job.providers), max(self.job.tolerate + 1, FEWEST_COLLUDERS))
        sizes = range(1, most + 1)
        held = (all(dealing.withstands(size) for dealing in self.dealings) for size in sizes)
        return CollusionCurve(tuple(0.0 if each else 1.0 for each in held), "exact")

    @property
    def adjacent(self) -> CollusionCurve:
        return self.assembled

    @property
    def figures(self) -> dict[str, Any]:
        """What one provider, and colluding ones, could learn at most."""
        areas = list(self.assembled.areas)
        return {
            "worst_pixel_share": self.worst_pixel_share,
            "worst_gradient_share": 0.0,
            "assembled_area": areas,
            "adjacent_area": areas,
            "bound": "exact",
            "collusion_threshold": collusion_threshold(self.assembled, self.adjacent),
            # Nothing is told by a share, so that there is nothing to tell apart.
            "anonymity_set": 0,
            # Every job has shares of its own.
            "over_study": True,
        }

    def paper_metrics(self, sealed: Sequence[Sealed]) -> dict[str, Figure]:
        """None: the paper's figures compare blocks with blocks, and shares are no blocks."""
        return {}
