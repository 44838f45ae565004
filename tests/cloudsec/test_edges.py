"""Where a block lies, at the image's edge or in the middle, shows in nothing that is sent."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cloudsec.schemes.layout import Layout
from providers import handle
from providers.wire import decode_task
from regions import NO_CLASS, coverage
from tests import in_blocks
from tests.locating import Locator, noise
from tests.simulator import FAULTS, Simulated

KEY = b"a key of the tests and of nobody else"
COUNTS = (2, 3, 4, 5, 9, 16)
SHAPES = ((288, 320), (301, 333), (307, 351))
"""One that blocks divide, and two that no block does."""


def sent(
    image: NDArray[Any], count: int, operation: str = "median", lost: int | None = None, **options: Any
) -> list[Simulated]:
    """Providers after one job in the unnamed study of one key."""
    parameters = options.pop("parameters", {})
    clouds = [Simulated(f"cloud-{i}", FAULTS["exception"][0] if i == lost else handle) for i in range(count)]
    channel_axis = -1 if image.ndim == 3 else None
    with in_blocks.Broker(clouds, key=KEY, **options) as broker:
        broker.process(image, operation, channel_axis=channel_axis, **parameters)
    return clouds


def stacks_of(clouds: list[Simulated]) -> list[NDArray[Any]]:
    return [decode_task(request).stack for cloud in clouds for request in cloud.requests]


JOBS: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("mean", {"size": 1}, {}),
    ("sobel", {}, {}),
    ("median", {"size": 5}, {}),
    ("gaussian", {"sigma": 2.0}, {}),
    ("median", {"size": 5}, {"halo": "ring"}),
    ("mean", {"size": (9, 1)}, {"halo": "ring"}),
)
"""Operations of halos from none to the widest for the study's blocks, and what the plan fixes."""


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_windows_lie_around_the_same_places_whatever_the_halo_and_with_a_ring_too(
    shape: tuple[int, int], count: int
) -> None:
    image = noise(shape)
    locator = Locator(image)
    held = []
    for operation, parameters, plan in JOBS:
        if count < 4 and operation == "gaussian":
            continue  # Too wide for the ring, and there is no other way with so few.
        clouds = sent(image, count, operation, plan=plan, parameters=parameters)
        held.append([locator.centres(cloud) for cloud in clouds])
        # Windows of a job are of one size, and no pixel is made up: `received` finds each in the image.
        boxes = np.concatenate([locator.received(cloud) for cloud in clouds])
        assert len(np.unique(boxes[:, 2:4] - boxes[:, :2], axis=0)) == 1
    assert all(each == held[0] for each in held)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("colour", [False, True])
def test_tasks_of_a_job_are_of_equal_size_and_of_one_type_with_and_without_a_loss(
    count: int, colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cloudsec.schemes import hiding

    monkeypatch.setattr(hiding, "TASK_BYTES", 20_000)
    image = noise((301, 333, 3) if colour else (301, 333))
    # The last one is the job that is compared with one in which a provider is lost.
    for options in ({"plan": {"halo": "ring"}}, {}):
        clouds = sent(image, count, **options)
        requests = [request for cloud in clouds for request in cloud.requests]
        assert len(requests) > count
        assert len({len(request) for request in requests}) == 1
        assert len({(stack.shape, stack.dtype) for stack in stacks_of(clouds)}) == 1
    # Those who stand in for another are sent tasks that are equal among themselves.
    before = {cloud.name: len(cloud.requests) for cloud in clouds}
    clouds = sent(image, count, lost=0)
    later = [r for cloud in clouds[1:] for r in cloud.requests[before[cloud.name] :]]
    assert len({len(request) for request in later}) <= 1


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("shape", [(301, 333), (256, 285, 3)])
def test_no_strip_is_mirrored_or_constant(shape: tuple[int, ...], count: int) -> None:
    # The image has no two equal neighbours, so that an equal pair of rows would be of the broker's making.
    image = noise(shape)
    for options in ({}, {"plan": {"halo": "ring"}}, {"lost": 1}):
        for stack in stacks_of(sent(image, count, parameters={"size": 5}, **options)):
            for turned in (stack.astype(np.int64), stack.astype(np.int64).swapaxes(1, 2)):
                assert (np.ptp(turned, axis=2) > 0).all()
                for apart in (1, 2, 3, 4):
                    assert not (turned[:, apart:] == turned[:, :-apart]).all(axis=2).any()
                # A mirror whose axis lies between two rows, or on one, in a negated copy too.
                sums = turned[:, 1:] + turned[:, :-1]
                assert (np.ptp(sums, axis=2) > 0).all()


@pytest.mark.parametrize("count", COUNTS)
def test_blocks_at_the_edge_are_in_no_other_order_sign_or_level_than_others(count: int) -> None:
    """Their ranks in the task, and the levels that they travel at, are those of any other blocks."""
    shape = (352, 352)
    ranks: dict[bool, list[float]] = {False: [], True: []}
    levels: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(12):
        image = noise(shape, turn)
        locator = Locator(image)
        for cloud in sent(image, count, "median"):
            for request in cloud.requests:
                stack = decode_task(request).stack
                boxes = locator.boxes(stack)
                middles = (boxes[:, :2] + boxes[:, 2:4]) / 2
                at_edge = ((middles < 32) | (middles > np.array(shape) - 32)).any(axis=1)
                # Repeats stand at the end, and are of blocks drawn at random.
                _, first = np.unique(boxes, axis=0, return_index=True)
                for kind in (False, True):
                    ranks[kind] += ((first[at_edge[first] == kind] + 0.5) / len(first)).tolist()
                    levels[kind] += np.median(stack, axis=(1, 2))[at_edge == kind].tolist()
    for values in (ranks, levels):
        few, many = (np.array(values[kind]) for kind in (True, False))
        # Six deviations of the difference of two means.
        error = np.sqrt(few.var() / len(few) + many.var() / len(many))
        assert abs(few.mean() - many.mean()) < 6 * error
        assert min(len(few), len(many)) > 200


@pytest.mark.parametrize("count", [4, 5, 7, 9])
def test_windows_of_one_provider_never_come_near_each_other_whatever_the_size(count: int) -> None:
    for block in (8, 9, 32):
        least = 2 * block if count == 4 else 4 * block
        for length in range(least, least + 2 * block + 3):
            layout = Layout((length, 9 * block - length), block, count)
            blocks = layout.counts[0] * layout.counts[1]
            labels = layout.coloured(np.random.default_rng(length).random((blocks, count)))
            # Windows of the widest halo, and a gap between them.
            reach = block + 2 * layout.margin + 1
            for party in range(count):
                own = layout.core_starts[labels == party]
                apart = (np.abs(own[:, None] - own[None]) >= reach).any(axis=-1)
                assert (apart | np.eye(len(own), dtype=bool)).all(), (count, block, length)


@pytest.mark.parametrize("count", [2, 3])
def test_blocks_of_one_provider_share_no_pixel_without_a_halo(count: int) -> None:
    for length in range(64, 97):
        layout = Layout((length, 160 - length), 16, count)
        labels = layout.coloured(np.zeros((layout.counts[0] * layout.counts[1], count)))
        assert {layout.margin, *np.unique(np.diff(layout.core_starts[: length // 16, 0, 0]))} == {0, 16}
        for party in range(count):
            boxes = layout.windows((0, 0))[labels == party]
            areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
            assert coverage(layout.shape, boxes).sum() == areas.sum()


@pytest.mark.parametrize("count", COUNTS)
def test_every_pixel_belongs_to_one_answer_or_to_the_broker(count: int) -> None:
    for length in range(64, 140):
        layout = Layout((length, 200 - length), 12, count)
        for ring in ((0, 0), (2, 2), (3, 1)):
            labels = layout.coloured(np.zeros((layout.counts[0] * layout.counts[1], count)))
            boxes = layout.kept(ring)
            kept = boxes[labels != NO_CLASS]
            own = np.array([(*box.start, *box.stop) for box in layout.gaps(ring)], np.intp).reshape(-1, 4)
            answered = coverage(layout.shape, kept)
            # No pixel is answered twice.
            assert answered.sum() == (kept[:, 2:] - kept[:, :2]).prod(axis=1).sum()
            # The broker's strips hold none that is answered, and with the answers they leave no hole.
            at_home = coverage(layout.shape, np.concatenate([own, boxes[labels == NO_CLASS]]))
            assert not (answered & at_home).any()
            box = layout.answered(ring)
            assert (answered | at_home)[box.slices].all()
            assert (answered | at_home).sum() == box.size
            # What is kept of a block lies in it, without the ring.
            low = layout.core_starts[labels != NO_CLASS] + ring
            high = layout.core_starts[labels != NO_CLASS] + 12 - np.array(ring)
            assert (kept[:, :2] >= low).all()
            assert (kept[:, 2:] <= high).all()


def test_a_second_grid_of_the_study_does_not_change_what_lies_where_in_the_first() -> None:
    image = noise((301, 333))
    locator = Locator(image)
    held = []
    for plan in ({}, {"block": 16}, {}):
        held.append([locator.centres(cloud) for cloud in sent(image, 9, plan=plan)])
    assert held[0] == held[2]
    assert all(one != other for one, other in pairwise(held))
