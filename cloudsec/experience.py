"""What a broker learns of how long things take, from job to job; values, without a clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cloudsec.course import Ended
from cloudsec.forecast import LANE_COSTS, OWN_COSTS, Forecast, Lane
from cloudsec.schemes import Job, Plan

LANE_SPREAD = Lane(0.3, 3e-7, 1.0)
"""By how much a provider of which nothing is known may be off: it may be far away, behind a line of a few
megabytes a second, or on a machine that is as slow again."""
NOISE = 0.2
"""By how much of what was expected a timing is off."""
LEAST_SECONDS = 1e-3
"""A timing is at least as noisy as one of so many seconds."""
FADING = 0.8
"""What a job counts beside the one after it."""
LEAST_UNITS = 0.01
"""Of what is typical, no cost is taken to be less: timings of sums could say less than nothing."""

REMEMBERED = 0.9
"""What is left, on a scale of factors, of what is known of a provider after a job in which it had no part."""
LEAST_TIMED = 1e-6
"""Seconds: no provider answers in less."""
MOST_FACTOR = 30.0
"""An operation is at most so much slower or faster in large stacks than on the piece that was timed here."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """What several kinds of work cost, from timings of their sums: least squares towards what is typical.

    Of what no timing speaks, what is typical stays.

    Attributes
    ----------
    typical : tuple of float
        Seconds per unit of each kind of work, before anything was timed.
    spread : tuple of float
        By how much they may well be off. A timing that is not what was expected is put down to what may
        be off by most in it.
    squares, products : (k, k) and (k,) ndarrays of float64
        Σ f fᵀ and Σ f y over timings y of the work f, in units of what is typical and of their noise.

    >>> told = Estimate.of((1.0, 1.0)).after([[1, 0], [1, 1]], [3.0, 4.0])
    >>> np.round(told.costs, 1).tolist()
    [2.9, 1.1]
    """

    typical: tuple[float, ...]
    spread: tuple[float, ...]
    squares: NDArray[np.float64] = field(repr=False)
    products: NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(cls, typical: tuple[float, ...], spread: tuple[float, ...] | None = None) -> Estimate:
        """Before anything was timed; without a spread, costs may be off by themselves."""
        return cls(typical, spread or typical, np.zeros((len(typical),) * 2), np.zeros(len(typical)))

    @property
    def costs(self) -> NDArray[np.float64]:
        """Seconds per unit of each kind of work."""
        # What is typical is in it as one more timing of each by itself, as noisy as it may be off.
        before = np.square(np.divide(self.typical, self.spread))
        units = np.linalg.solve(self.squares + np.diag(before), self.products + before)
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
    own : Estimate
        Costs of the broker, as in `Forecast`.
    lanes : dict of str to Estimate
        By name, what providers cost that answered a probe or a job; of those that are alike, under no name.
    met : frozenset of str
        Names of the providers that were probed.
    kernels : dict of str to float
        Seconds per pixel on this machine, of operations that were timed.
    factors : dict of str to float
        How many times as long a pixel of larger stacks took at providers as one of the piece timed here.
    """

    alike: bool = False
    own: Estimate = field(default_factory=lambda: Estimate.of(OWN_COSTS))
    lanes: Mapping[str, Estimate] = field(default_factory=dict)
    met: frozenset[str] = frozenset()
    kernels: Mapping[str, float] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def embedded(cls, providers: int, processors: int) -> Experience:
        """Of a broker whose providers share this process, and its processors."""
        computed = LANE_COSTS.computed * max(1.0, providers / processors)
        return cls(True, lanes={"": Estimate.of(LANE_COSTS._replace(computed=computed))})

    def rehearsed(self, operation: str, kernel: float) -> Experience:
        """With an operation's seconds per pixel on this machine."""
        return replace(self, kernels={**self.kernels, operation: kernel})

    def strangers(self, names: Iterable[str]) -> list[str]:
        """Those of which neither a probe nor a job could tell anything yet."""
        if self.alike:
            return []
        return [name for name in names if name not in self.met and name not in self.lanes]

    def probed(self, asked: Iterable[str], told: Mapping[str, Lane], operation: str) -> Experience:
        """With what probes told of the providers that answered them, which did this operation."""
        news = {name: Estimate.of(lane) for name, lane in told.items() if name not in self.lanes}
        # What it takes at providers beside here is in their costs already.
        factors = {operation: 1.0, **self.factors} if news else self.factors
        return replace(self, lanes={**self.lanes, **news}, met=self.met | set(asked), factors=factors)

    def forecast(self, names: Sequence[str], operation: str) -> Forecast:
        """What a job of a rehearsed operation will cost at these providers."""
        per_pixel, per_piece = self.own.costs.tolist()
        kernel = self.kernels[operation] * self.factors.get(operation, 1.0)
        costs = {name: Lane(*lane.costs.tolist()) for name, lane in self.lanes.items()}
        # Of whom nothing is known, what is known of the others is the best guess.
        unknown = _middle(list(costs.values()))
        lanes = tuple(costs.get(self._label(name), unknown) for name in names)
        return Forecast(lanes, kernel, (per_pixel, per_piece))

    def after(
        self, job: Job, plan: Plan, ended: Ended, timings: Mapping[str, float], operation: str
    ) -> Experience:
        """With a job of this operation; only one that went as it was planned says what work costs."""
        asked = np.any(ended.deliveries, axis=(0, 2))
        work = plan.workload(job)
        if ended.losses or not work.answered[asked].any():
            return self
        units = work.units(job.forecast.kernel)
        seconds = np.array([account.seconds for account in ended.accounts])
        # Of what was foretold wrongly, on a scale of factors, as much as computing has a share in is put down
        # to the operation, which may be another work there than here; half, unless that alone is new there.
        expected = (units * job.forecast.lanes)[asked]
        # A provider that was never timed may itself be more off than any operation.
        strange = [self._label(name) not in self.lanes for name in np.array(job.providers)[asked].tolist()]
        blamed = np.where(np.array(strange)[:, None], np.square(units[asked] * LANE_SPREAD), expected)
        shares = blamed[:, 2] / blamed.sum(axis=1)
        wrong = np.log(np.maximum(seconds[asked], LEAST_TIMED) / expected.sum(axis=1))
        weight = 1.0 if self.factors and operation not in self.factors else 0.5
        before = self.factors.get(operation, 1.0)
        step = float(np.exp(weight * np.median(shares * wrong)))
        factor = min(max(before * step, 1 / MOST_FACTOR), MOST_FACTOR)
        units *= (1, 1, factor / before)
        lanes = dict(self.lanes)
        timed: dict[str, list[int]] = {}
        for party in np.flatnonzero(asked).tolist():
            timed.setdefault(self._label(job.providers[party]), []).append(party)
        for name, parties in timed.items():
            guess = job.forecast.lanes[parties[0]]
            known = lanes.get(name) or Estimate.of(guess, Lane(*np.maximum(guess, LANE_SPREAD).tolist()))
            lanes[name] = known.after(units[parties], seconds[parties])
        if not self.alike:
            middle = _middle([Lane(*lane.costs.tolist()) for lane in lanes.values()])
            for name in lanes.keys() - timed.keys():
                # Who stands by is forgotten in time, and so tried again one day.
                faded = lanes[name].costs ** REMEMBERED * np.array(middle) ** (1 - REMEMBERED)
                lanes[name] = Estimate.of(Lane(*faded.tolist()))
        # The broker's part is what is left of the time in which nobody else was waited for.
        elsewhere = max(seconds.max(), work.home * job.forecast.kernel)
        own = max(timings["total"] - timings["plan"] - elsewhere, 0.0)
        return replace(
            self,
            lanes=lanes,
            own=self.own.after([work.moved.sum(), work.pieces], [own]),
            factors={**self.factors, operation: factor},
        )

    def _label(self, name: str) -> str:
        return "" if self.alike else name


def _middle(lanes: Sequence[Lane]) -> Lane:
    """What is usual among these, on a scale of factors; what is typical if there are none."""
    if not lanes:
        return LANE_COSTS
    return Lane(*np.exp(np.log(lanes).mean(axis=0)).tolist())
