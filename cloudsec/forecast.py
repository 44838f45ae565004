"""How long a plan will take: what is known of costs, and what a plan asks of everybody; values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OWN_COSTS = (3e-9, 5e-6)
"""Seconds of a broker per pixel moved and per piece, until it has timed itself."""
KERNEL = 1e-8
"""Seconds for a pixel of an operation that was not timed here."""


class Lane(NamedTuple):
    """What one provider's part costs.

    Attributes
    ----------
    asked : float
        Seconds for being asked at all.
    moved : float
        Seconds per pixel moved.
    computed : float
        Seconds per second that the operation takes on this machine.
    """

    asked: float
    moved: float
    computed: float


LANE_COSTS = Lane(3e-3, 3e-9, 1.0)
"""Of a provider of which nothing is known: as near and as fast as a process here."""


@dataclass(frozen=True, eq=False)
class Workload:
    """What a plan asks of everybody; each colour component counts by itself.

    Attributes
    ----------
    pieces : int
        Blocks that travel.
    home : float
        Pixels of the result that the broker computes.
    moved, answered : (P,) ndarray of float64
        By provider: pixels sent and answered, pixels answered.
    """

    pieces: int
    home: float
    moved: NDArray[np.float64] = field(repr=False)
    answered: NDArray[np.float64] = field(repr=False)

    def units(self, kernel: float) -> NDArray[np.float64]:
        """What each provider does, ``(P, 3)``, in the units of a `Lane`; nothing where it is sent nothing."""
        return np.stack([self.moved > 0, self.moved, kernel * self.answered], axis=1)


@dataclass(frozen=True)
class Forecast:
    """What a job's parts cost.

    Attributes
    ----------
    lanes : tuple of Lane
        Of the providers, by party.
    kernel : float
        Seconds that the operation takes on this machine for one pixel of its answer.
    own : (float, float)
        Seconds of the broker per pixel moved and per piece.
    """

    lanes: tuple[Lane, ...]
    kernel: float = KERNEL
    own: tuple[float, float] = OWN_COSTS

    def seconds(self, work: Workload) -> float:
        """Until the result is there: the broker's own part, and then whoever of all ends last."""
        last = (work.units(self.kernel) * self.lanes).sum(axis=1).max(initial=0.0)
        own = self.own[0] * work.moved.sum() + self.own[1] * work.pieces
        return float(own + max(last, work.home * self.kernel))

    def least(self, pixels: int) -> float:
        """Seconds for so many pixels without halos and pieces, if all who are of use end together."""
        asked, each = self._linear()
        order = np.argsort(asked)
        asked, each = asked[order], each[order]
        # Of those who take longest to be asked, some are of use only if the rest would take longer yet.
        together = (pixels + np.cumsum(asked / each)) / np.cumsum(1 / each)
        return float(2 * self.own[0] * pixels + together.min())

    def speeds(self, pixels: int) -> tuple[float, ...]:
        """Of the providers, by party, with an equal share each of so many pixels; the average is 1."""
        asked, each = self._linear()
        rates = 1 / (asked + each * pixels / len(self.lanes))
        return tuple((rates / rates.mean()).tolist())

    def of(self, parties: Sequence[int]) -> Forecast:
        """Of these providers alone, in this order."""
        return replace(self, lanes=tuple(self.lanes[party] for party in parties))

    def rounded(self, pixels: int) -> Forecast:
        """With every figure a power of four, so that the noise of timings seldom decides.

        Providers differ by nothing but their speeds then, as they are for so many pixels.
        """
        speeds = np.array(self.speeds(pixels))
        typical = [_coarse(cost) for cost in (speeds[:, None] * self.lanes).mean(axis=0).tolist()]
        return replace(
            self,
            lanes=tuple(Lane(*(cost / _coarse(speed) for cost in typical)) for speed in speeds.tolist()),
            kernel=_coarse(self.kernel),
            own=(_coarse(self.own[0]), _coarse(self.own[1])),
        )

    def _linear(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """By provider, seconds for being asked, and per pixel that is sent without a halo and answered."""
        asked, moved, computed = np.array(self.lanes).T
        return asked, 2 * moved + computed * self.kernel


def _coarse(value: float) -> float:
    return float(4.0 ** round(log2(value) / 2))
