"""What a choice of thresholds is worth (J): of whole populations at once, from prefix sums alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regions.thresholds import SortedBlocks

MOST_REGIONS = 12
"""The paper's regions go to one provider each, and it names no more than a handful."""


@dataclass(frozen=True, slots=True, eq=False)
class Speeds:
    """How fast providers answer, in list order: the k-th region goes to the k-th provider, the rest idle.

    Attributes
    ----------
    per_second : (N,) ndarray of float64
        Blocks that each provider processes in a second; only their ratios count while `latency` and
        `transfer` are 0.
    latency : (N,) ndarray of float64
        Seconds until a provider begins.
    transfer : (N,) ndarray of float64
        Seconds in which one block travels there and back: its bytes / bandwidth.

    >>> Speeds.equal(4).ideal(1024)
    256.0
    """

    per_second: NDArray[np.float64]
    latency: NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))
    transfer: NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))

    def __post_init__(self) -> None:
        speeds = np.asarray(self.per_second, np.float64)
        if speeds.ndim != 1 or len(speeds) < 2:
            raise ValueError(f"thresholds divide work among at least 2 providers, not {speeds.size}")
        if not (np.isfinite(speeds) & (speeds > 0)).all():
            raise ValueError(f"speeds must be positive and finite, not {speeds.tolist()}")
        object.__setattr__(self, "per_second", speeds)
        for name in ("latency", "transfer"):
            seconds = np.asarray(getattr(self, name), np.float64)
            if seconds.shape not in ((), speeds.shape) or not (np.isfinite(seconds) & (seconds >= 0)).all():
                raise ValueError(f"{name} needs one number of seconds, at least 0, for each of {len(speeds)}")
            object.__setattr__(self, name, np.broadcast_to(seconds, speeds.shape))

    @classmethod
    def equal(cls, providers: int) -> Speeds:
        """Of so many providers as fast as each other."""
        return cls(np.ones(providers))

    @property
    def most_regions(self) -> int:
        """How many of the providers could have a region: the first 12."""
        return min(MOST_REGIONS, len(self.per_second))

    def seconds(self, blocks: ArrayLike) -> NDArray[np.float64]:
        """Until each provider has answered for its ``(..., R)`` blocks; one without blocks takes none."""
        counts = np.asarray(blocks)
        used = counts.shape[-1]
        each = counts * (1 / self.per_second[:used] + self.transfer[:used]) + self.latency[:used]
        return np.asarray(np.where(counts > 0, each, 0.0))

    def ideal(self, blocks: int) -> float:
        """Total work / total speed: the seconds of so many blocks if all who could be used end together."""
        per_block = 1 / self.per_second + self.transfer
        return float(blocks / (1 / per_block[: self.most_regions]).sum())


@dataclass(frozen=True, slots=True)
class Fitness:
    """The three terms of J, which the search makes small.

    Attributes
    ----------
    correlation : float
        Σ (n_k / n) Cor_k over regions of n_k blocks (equations 7 to 10); from 0 to 1.
    sameness : float
        1 − Σ (n_k / n) NPCR_k, where NPCR_k = 1 − Σ_v p_k(v)² (equation 11); from 0 to 1.
    time : float
        Makespan / (total work / total speed); at least 1, and 1 when all providers end together.

    >>> Fitness(0.5, 0.125, 1.25).total
    1.875
    """

    correlation: float
    sameness: float
    time: float

    @property
    def total(self) -> float:
        """J: the sum of the terms, all of weight 1."""
        return self.correlation + self.sameness + self.time


def fitness_terms(blocks: SortedBlocks, cuts: ArrayLike, speeds: Speeds) -> NDArray[np.float64]:
    """The three terms of J of many choices of thresholds at once.

    Parameters
    ----------
    blocks : SortedBlocks
    cuts : (n, K) ndarray of int
        Of each choice the places between its regions, in rising order, from 1 to `blocks.steps` − 1; rows of
        fewer regions are filled with `blocks.steps`. ``blocks.thresholds[cuts - 1]`` are their bits.
    speeds : Speeds
        Of at least K + 1 providers.

    Returns
    -------
    (n, 3) ndarray of float64
        The attributes of `Fitness` in their order.

    Notes
    -----
    Equation 12 of the paper, Σ R_k T_k, is constant for equal speeds, and smallest with all blocks at the
    fastest otherwise. Its place is taken by the makespan: the most seconds that a provider takes, of latency
    + blocks · (transfer + 1 / speed).

    >>> from regions.thresholds import sorted_blocks
    >>> halves = sorted_blocks(np.repeat([[0, 0, 1, 2]], 2, axis=0), 2)
    >>> fitness_terms(halves, [[1]], Speeds.equal(2))
    array([[1.  , 0.75, 1.  ]])
    """
    inner = np.asarray(cuts, np.intp)
    if inner.ndim != 2 or inner.shape[1] >= len(speeds.per_second):
        raise ValueError(f"{len(speeds.per_second)} providers have no regions for cuts of {inner.shape}")
    ends = np.full((len(inner), inner.shape[1] + 2), blocks.steps)
    ends[:, 0], ends[:, 1:-1] = 0, inner
    low, high = ends[:, :-1], ends[:, 1:]
    if (low > high).any() or (low < 0).any():
        raise ValueError(f"cuts must rise from 1 to at most {blocks.steps}")
    sizes = blocks.blocks[high] - blocks.blocks[low]
    total = int(blocks.blocks[-1])
    share = sizes / total
    correlation = (share * blocks.correlation(low, high)).sum(axis=1)
    sameness = 1 - (share * blocks.change_rate(low, high)).sum(axis=1)
    makespan = speeds.seconds(sizes).max(axis=1)
    return np.stack([correlation, sameness, makespan / speeds.ideal(total)], axis=1)


def random_cuts(
    blocks: SortedBlocks, speeds: Speeds, rng: np.random.Generator, *, fewest: int = 2
) -> NDArray[np.intp]:
    """Places between `fewest` to `Speeds.most_regions` regions, any number as likely, any places as likely.

    Fewer where there are not so many steps.
    """
    most = min(speeds.most_regions, blocks.steps)
    regions = int(rng.integers(min(fewest, most), most + 1))
    return np.sort(rng.choice(blocks.steps - 1, regions - 1, replace=False) + 1).astype(np.intp)


def even_cuts(blocks: SortedBlocks, regions: int) -> NDArray[np.intp]:
    """Places nearest to equally many blocks in every region; of fewer regions where steps are too large.

    The paper's starting point: "the threshold is calculated using the ratio of the number of the blocks to
    the number of created regions" (section 3.1).
    """
    wanted = np.arange(1, regions) * blocks.blocks[-1] / regions
    if blocks.steps < 2:
        return np.zeros(0, np.intp)
    return np.unique(np.abs(blocks.blocks[1:-1, None] - wanted).argmin(axis=0) + 1).astype(np.intp)
