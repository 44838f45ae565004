"""What a broker learns of how long things take, from job to job; values, without a clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cloudsec.course import Ended
from cloudsec.forecast import LANE_COSTS, OWN_COSTS, Forecast
from cloudsec.pace import Pace
from cloudsec.schemes import Job, Plan

NOISE = 0.2
"""By how much of what was expected a timing is off."""
LEAST_SECONDS = 1e-3
"""A timing is at least as noisy as one of so many seconds."""
FADING = 0.8
"""What a job counts beside the one after it."""
LEAST_UNITS = 0.01
"""Of what is typical, no cost is taken to be less: timings of sums could say less than nothing."""

OWN_PHASES = ("protect", "recover", "finish")
"""Of a job's time, what the broker works while no provider does."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """What several kinds of work cost, from timings of their sums: least squares towards what is typical.

    Of what no timing speaks, what is typical stays.

    Attributes
    ----------
    typical : tuple of float
        Seconds per unit of each kind of work, before anything was timed.
    squares, products : (k, k) and (k,) ndarrays of float64
        Σ f fᵀ and Σ f y over timings y of the work f, in units of what is typical and of their noise.

    >>> told = Estimate.of((1.0, 1.0)).after([[1, 0], [1, 1]], [3.0, 4.0])
    >>> np.round(told.costs, 1).tolist()
    [2.9, 1.1]
    """

    typical: tuple[float, ...]
    squares: NDArray[np.float64] = field(repr=False)
    products: NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(cls, typical: tuple[float, ...]) -> Estimate:
        """Before anything was timed."""
        return cls(typical, np.zeros((len(typical),) * 2), np.zeros(len(typical)))

    @property
    def costs(self) -> NDArray[np.float64]:
        """Seconds per unit of each kind of work."""
        # What is typical is in it as one more timing of each by itself.
        units = np.linalg.solve(self.squares + np.eye(len(self.typical)), self.products + 1)
        return np.asarray(self.typical * np.maximum(units, LEAST_UNITS))

    def after(self, work: ArrayLike, seconds: ArrayLike) -> Estimate:
        """With the timings of a job: units of each kind of work ``(n, k)``, and the seconds they took."""
        expected = np.asarray(work, np.float64).reshape(-1, len(self.typical)) * self.typical
        noise = NOISE * np.maximum(expected.sum(axis=1), LEAST_SECONDS)
        units, taken = expected / noise[:, None], np.asarray(seconds, np.float64) / noise
        return replace(
            self,
            squares=FADING * self.squares + units.T @ units,
            products=FADING * self.products + units.T @ taken,
        )


@dataclass(frozen=True, eq=False)
class Experience:
    """What is known of how long jobs take.

    Attributes
    ----------
    alike : bool
        Whether all providers are as fast, as those in one process, whose timings say nothing of each.
    pace : Pace
        How fast providers are beside each other.
    own, lane : Estimate
        Costs of the broker, and of a provider of speed 1, as in `Forecast`.
    kernels : dict of str to float
        Seconds per pixel on this machine, of operations that were timed.
    """

    alike: bool = False
    pace: Pace = field(default_factory=Pace)
    own: Estimate = field(default_factory=lambda: Estimate.of(OWN_COSTS))
    lane: Estimate = field(default_factory=lambda: Estimate.of(LANE_COSTS))
    kernels: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def embedded(cls, providers: int, processors: int) -> Experience:
        """Of a broker whose providers share this process, and its processors."""
        asked, moving, computing = LANE_COSTS
        return cls(True, lane=Estimate.of((asked, moving, computing * max(1.0, providers / processors))))

    def rehearsed(self, operation: str, kernel: float) -> Experience:
        """With an operation's seconds per pixel on this machine."""
        return replace(self, kernels={**self.kernels, operation: kernel})

    def forecast(self, names: Sequence[str], operation: str) -> Forecast:
        """What a job of a rehearsed operation will cost at these providers."""
        per_pixel, per_piece = self.own.costs.tolist()
        asked, moving, computing = self.lane.costs.tolist()
        return Forecast(
            self.pace.of(names), self.kernels[operation], (per_pixel, per_piece), (asked, moving, computing)
        )

    def after(
        self, job: Job, plan: Plan, ended: Ended, timings: Mapping[str, float], operation: str
    ) -> Experience:
        """With a job of this operation; only one that went as it was planned says what work costs."""
        asked = np.any(ended.deliveries, axis=(0, 2))
        accounts = [(account.pixels, account.seconds) for account in ended.accounts]
        timed = dict(zip(np.array(job.providers)[asked].tolist(), np.array(accounts)[asked], strict=True))
        pace = self.pace if self.alike else self.pace.after(timed)
        work, kernel = plan.workload(job), job.forecast.kernel
        if ended.losses or not work.answered[asked].any():
            return replace(self, pace=pace)
        lanes = np.stack([np.ones(len(asked)), work.moved, kernel * work.answered], axis=1)[asked]
        seconds = np.array([seconds for _, seconds in accounts]) * pace.of(job.providers)
        own = sum(timings[phase] for phase in OWN_PHASES)
        # A large stack may take other seconds for a pixel than the small piece that was timed here.
        expected = lanes @ job.forecast.lane
        computing = lanes[:, 2].sum() * job.forecast.lane[2]
        left = computing + seconds[asked].sum() - expected.sum()
        ratio = np.sqrt(max(left / computing, LEAST_UNITS))
        # The providers are then blamed for the other half alone.
        lanes[:, 2] *= ratio
        return replace(
            self.rehearsed(operation, float(kernel * ratio)),
            pace=pace,
            own=self.own.after([work.moved.sum(), work.pieces], [own]),
            lane=self.lane.after(lanes, seconds[asked]),
        )
