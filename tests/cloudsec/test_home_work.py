"""Clouds do the work: what the broker computes itself, counted where kernels run."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cloudsec
from cloudsec import course
from cloudsec.forecast import LANE_COSTS, Forecast
from cloudsec.keystream import Keystream
from cloudsec.schemes import SCHEMES, Job
from cloudsec.study import Study
from providers import Filter, make_operation
from providers.operations import Median
from providers.operations.linear import LinearFilter
from regions import coverage
from tests import in_blocks
from tests.simulator import Simulated

RING = {"block": 16, "halo": "ring"}
FOUR_TOLERATING_TWO = {"plan": {"block": 16}, "tolerate": 2}


class Counted:
    """Kernels by the thread that ran them, and the pixels that the broker wrote to the result itself."""

    def __init__(self, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
        self.at_home = np.zeros(shape, bool)
        self.kernels: Counter[bool] = Counter()
        here = threading.current_thread()
        for kind in (LinearFilter, Median):

            def run(self_: Any, stack: NDArray[Any], original: Any = kind.run) -> NDArray[np.int64]:
                answer: NDArray[np.int64] = original(self_, stack)
                self.kernels[threading.current_thread() is here] += answer.size
                return answer

            monkeypatch.setattr(kind, "run", run)
        filtered = course.filter_boxes

        def marked(
            planes: NDArray[Any], operation: Filter, boxes: NDArray[np.intp], **options: Any
        ) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
            self.at_home |= coverage(shape, boxes)
            yield from filtered(planes, operation, boxes, **options)

        monkeypatch.setattr(course, "filter_boxes", marked)
        # What times the operation before its plan is no part of the job.
        monkeypatch.setattr(cloudsec.broker, "kernel_seconds", lambda *_: 1e-8)

    @property
    def by_broker(self) -> int:
        """Answers that kernels computed in the broker's thread."""
        return self.kernels[True]


@pytest.mark.parametrize(
    ("shape", "count", "options", "at_least"),
    [
        ((512, 512), 9, {}, 0.90),
        ((1024, 768), 9, {}, 0.90),
        ((512, 535), 9, {}, 0.85),
        ((551, 543), 9, {}, 0.85),
        ((512, 512), 4, {}, 0.90),
        ((551, 543), 4, {}, 0.85),
        ((512, 512), 4, FOUR_TOLERATING_TWO, 0.55),
        ((528, 640), 4, FOUR_TOLERATING_TWO, 0.55),
        ((512, 512), 2, {"plan": RING}, 0.55),
        ((512, 512), 3, {"plan": RING}, 0.55),
    ],
)
@pytest.mark.parametrize(("name", "parameters"), [("gaussian", {"sigma": 0.5}), ("median", {"size": 5})])
def test_clouds_do_the_work(
    shape: tuple[int, int],
    count: int,
    options: dict[str, Any],
    at_least: float,
    name: str,
    parameters: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    clouds = [Simulated(f"c{i}") for i in range(count)]
    counted = Counted(shape, monkeypatch)
    with in_blocks.Broker(clouds, verify=False, **options) as broker:
        report = broker.process(image, name, **parameters).report
    assert report.plan["halo_policy"] == ("ring" if at_least == 0.55 else "shared")
    assert 1 - counted.at_home.mean() >= at_least
    # The report counts each pixel once, and providers computed all the others.
    assert report.home["pixel_share"] == pytest.approx(counted.at_home.mean())
    assert sum(p.pixel_share for p in report.providers) == pytest.approx(1 - counted.at_home.mean())
    assert counted.kernels[False] >= (1 - counted.at_home.mean()) * image.size
    # No kernel ran in the broker's thread but for those pixels; where strips cross, some are computed twice.
    assert counted.at_home.sum() <= counted.by_broker <= 1.15 * counted.at_home.sum()


def test_samples_are_computed_beside_the_share_at_home_and_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (512, 512), np.uint8)
    work = []
    for verify in (False, "sample"):
        with monkeypatch.context() as patch:
            counted = Counted(image.shape, patch)
            with in_blocks.Broker([Simulated(f"c{i}") for i in range(9)], verify=verify) as broker:
                report = broker.process(image, "median", size=5).report
        work.append((counted.by_broker, report.home["pixel_share"]))
    assert work[0][1] == work[1][1]
    # 8 of 256 blocks, of which those at the edge are cut.
    assert 0 < work[1][0] - work[0][0] <= 8 * 32 * 32
    assert sum(provider.verified for provider in report.providers) == 8


def share_of_clouds(shape: tuple[int, int], count: int, choices: dict[str, Any]) -> tuple[float, int | None]:
    """Of the pixels, by the plan alone; each counts once. And the side of its blocks."""
    names = tuple(f"cloud-{i}" for i in range(count))
    operation = make_operation("median", size=5).resolved(2, "uint8")
    present = {name: party for party, name in enumerate(names)}
    job = Job(
        np.zeros((1, *shape), np.uint8),
        operation,
        names,
        present,
        0,
        choices,
        0,
        Forecast((LANE_COSTS,) * count),
    )
    plan = SCHEMES["ga-es"].plan(job, Study(), Keystream.of(bytes(32)))
    answered = coverage(shape, plan.boxes[plan.owners >= 0])
    assert 1 - answered.mean() == pytest.approx(sum(plan.reasons.values()))
    return float(answered.mean()), plan.block


@pytest.mark.parametrize("count", [4, 5, 7, 9, 16])
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_on_squares_from_512_to_639_the_clouds_compute_their_share(count: int, step: int) -> None:
    # Every fifth leaves each rest that a block can leave.
    for length in range(512, 640, step):
        share, block = share_of_clouds((length, length), count, {})
        assert block is not None
        assert share >= (0.90 if length % block == 0 or count in (4, 9) else 0.85), length


def test_with_the_ring_four_clouds_compute_more_than_55_percent_of_every_square() -> None:
    for length in range(512, 640):
        assert share_of_clouds((length, length), 4, RING)[0] >= 0.55, length


@pytest.mark.parametrize("count", [2, 3])
def test_with_the_ring_the_clouds_compute_more_than_half_of_every_square(count: int) -> None:
    for length in range(512, 640):
        whole = length - length % 16
        # What a whole block leaves to its provider, of the part that whole blocks cover.
        exactly = (12 / 16) ** 2 * (whole / length) ** 2
        share, _ = share_of_clouds((length, length), count, RING)
        assert share == pytest.approx(exactly, abs=2e-4)
        assert share >= (0.55 if length % 16 <= 5 else 0.53), length
