"""How long a plan will take: what is known of costs, and what a plan asks of everybody; values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import log2

import numpy as np
from numpy.typing import NDArray

OWN_COSTS = (3e-9, 5e-6)
"""Seconds of a broker per pixel moved and per piece, until it has timed itself."""
LANE_COSTS = (3e-3, 3e-9, 1.0)
"""Seconds of a provider for being asked, per pixel moved, and per second of the operation on this machine,
until one was timed: as near and as fast as a process here (`python -m benchmarks.forecast`)."""
KERNEL = 1e-8
"""Seconds for a pixel of an operation that was not timed here."""


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


@dataclass(frozen=True)
class Forecast:
    """What a job's parts cost.

    Attributes
    ----------
    speeds : tuple of float
        Of the providers, by party; only their ratios are known, the average is about 1.
    kernel : float
        Seconds that the operation takes on this machine for one pixel of its answer.
    own : (float, float)
        Seconds of the broker per pixel moved and per piece.
    lane : (float, float, float)
        Seconds of a provider of speed 1 for being asked, per pixel moved, and per second of `kernel`.
    """

    speeds: tuple[float, ...]
    kernel: float = KERNEL
    own: tuple[float, float] = OWN_COSTS
    lane: tuple[float, float, float] = LANE_COSTS

    def seconds(self, work: Workload) -> float:
        """Until the result is there: the broker's own part, and then whoever of all ends last."""
        asked, moving, computing = self.lane
        lanes = asked + moving * work.moved + computing * self.kernel * work.answered
        last = np.where(work.moved > 0, lanes / np.array(self.speeds), 0.0).max(initial=0.0)
        own = self.own[0] * work.moved.sum() + self.own[1] * work.pieces
        return float(own + max(last, work.home * self.kernel))

    def least(self, pixels: int) -> float:
        """Seconds for so many pixels without halos and pieces, if all providers end together."""
        asked, moving, computing = self.lane
        work = asked + (2 * moving + computing * self.kernel) * pixels / sum(self.speeds)
        return 2 * self.own[0] * pixels + work

    def of(self, parties: Sequence[int]) -> Forecast:
        """Of these providers alone, in this order."""
        return replace(self, speeds=tuple(self.speeds[party] for party in parties))

    def rounded(self) -> Forecast:
        """With every figure the nearest power of four, so that the noise of timings seldom decides."""
        return replace(
            self,
            speeds=tuple(map(_coarse, self.speeds)),
            kernel=_coarse(self.kernel),
            own=(_coarse(self.own[0]), _coarse(self.own[1])),
            lane=(_coarse(self.lane[0]), _coarse(self.lane[1]), _coarse(self.lane[2])),
        )


def _coarse(value: float) -> float:
    return float(4.0 ** round(log2(value) / 2))
