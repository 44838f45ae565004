"""Jobs to plan without a broker: no threads, no files, keys that are the same in every run."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloudsec.forecast import LANE_COSTS, Forecast, Lane
from cloudsec.keystream import Keystream
from cloudsec.schemes import Job, Plan
from cloudsec.schemes.ga_es import GaEs
from cloudsec.study import Study, StudyGrid
from providers import Filter, make_operation

KEYS = Keystream(bytes(range(32))).for_study("knee")


def noise(*shape: int) -> NDArray[np.uint8]:
    """An image of which every block is informative."""
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"cloud-{number}" for number in range(count))


def job_of(
    image: NDArray[Any],
    operation: str | Filter = "median",
    providers: int | Sequence[str] = 4,
    *,
    present: Sequence[str] | None = None,
    tolerate: int = 0,
    plan: dict[str, Any] | None = None,
    seed: int = 0,
    speeds: Sequence[float] | None = None,
    **parameters: Any,
) -> Job:
    """The job of a broker with these providers on a grey image `(M, N)`, or on planes `(C, [P,] M, N)`."""
    planes = image[None] if image.ndim == 2 else image
    listed = names(providers) if isinstance(providers, int) else tuple(providers)
    there = listed if present is None else present
    chosen = operation if isinstance(operation, Filter) else make_operation(operation, **parameters)
    return Job(
        planes,
        chosen.resolved(planes.ndim - 1, planes.dtype),
        listed,
        {name: place for place, name in enumerate(listed) if name in there},
        tolerate,
        plan or {},
        seed,
        Forecast(lanes_of(speeds or [1.0] * len(listed))),
    )


def lanes_of(speeds: Sequence[float]) -> tuple[Lane, ...]:
    """Of providers that are so many times as fast as is typical."""
    return tuple(Lane(*(cost / speed for cost in LANE_COSTS)) for speed in speeds)


def plan_of(job: Job, study: Study | None = None, keys: Keystream = KEYS) -> Plan:
    return GaEs().plan(job, study or Study(), keys)


def grid_of(plan: Plan) -> StudyGrid:
    assert plan.study is not None
    (grid,) = plan.study.grids
    return grid


def recommended(message: str) -> int:
    found = re.search(r"plan=\{'block': (\d+)\}, on the command line --block (\d+)", message)
    assert found is not None, message
    assert found[1] == found[2]
    return int(found[1])
