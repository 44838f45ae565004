"""Bounds on some real images, by what simulated clouds received; `make privacy` asks all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.assignments import entropy_grid, joined, own_grid, random_grid, sent_under
from benchmarks.open_data import LeftOut, Picture, every_picture, pictures
from benchmarks.paper import HEADS, compared
from benchmarks.privacy import areas, bounded, job, with_stand_ins
from benchmarks.volumes import sent, volumes

SOME = ("IMG0010.dcm", "drive_21.tif")
"""A CT slice and a colour image; of sizes that blocks divide and not."""


@pytest.fixture(scope="module")
def some(open_data: Path) -> list[Picture]:
    found = [entry for word in SOME for entry in pictures(open_data, word)]
    return [picture for picture in found if isinstance(picture, Picture)]


def some_with(some: list[Picture], block: int) -> list[Picture]:
    """The colour image in large blocks only, for the time that it takes."""
    assert len(some) == len(SOME)
    return some if block > 16 else some[:1]


@pytest.mark.parametrize("block", [16, 32])
@pytest.mark.parametrize("parties", [9, 4])
def test_one_and_two_providers_can_join_next_to_nothing(
    some: list[Picture], parties: int, block: int
) -> None:
    for picture in some_with(some, block):
        line = bounded(picture, parties, block)
        assert not line.broken, line


@pytest.mark.parametrize("parties", [5, 12])
def test_what_two_may_hold_is_at_least_what_they_were_sent(some: list[Picture], parties: int) -> None:
    for picture in some:
        _, report = job(picture, parties, {"block": 32}, idle=True)
        shown = report.exposure
        own = areas(shown, shown.received)
        held = areas(shown, with_stand_ins(shown))
        # One provider alone has no two blocks to join, not even with those that it may stand in for.
        assert own[0] == held[0] == pytest.approx(1 / shown.informative)
        assert own[1] <= held[1]
        assert own == tuple(report.leakage["assembled_area"][:2])


@pytest.mark.parametrize("parties", [4, 9])
@pytest.mark.parametrize("block", [16, 32])
def test_the_strip_join_finds_random_and_entropy_assignments_and_has_nothing_to_find_in_ours(
    some: list[Picture], parties: int, block: int
) -> None:
    for picture in some_with(some, block):
        for grid_of in (random_grid, entropy_grid):
            score = joined(sent_under(grid_of(picture.planes, block, parties), picture.planes))
            assert score.with_strips > 10
            assert (score.by_strips or 0) >= 0.95
            assert (score.precision or 0) >= 0.95
        # Whatever it names in ours is no pair of neighbours.
        assert joined(sent_under(own_grid(picture.planes, block, parties), picture.planes)).neighbours == 0


@pytest.mark.parametrize("parties", [4, 9, 16])
def test_slices_and_their_volume_are_at_the_same_positions_and_columns_cannot_be_joined(
    open_data: Path, parties: int
) -> None:
    for volume in volumes(open_data):
        shown, same = sent(volume, parties, f"{volume.name} {parties}")
        assert same
        one = 1 / shown.informative
        assert shown.assembled.areas[0] == shown.adjacent.areas[0] == pytest.approx(one)
        # Two of four hold half of all blocks; with more providers, two hold few neighbours.
        limit = max(0.05, 5 * one) if parties > 4 else 0.51
        assert shown.assembled.areas[1] <= shown.adjacent.areas[1] <= limit


def test_what_is_left_out_of_the_open_data_is_named(open_data: Path) -> None:
    left_out = [entry for entry in pictures(open_data, "JPLL") if isinstance(entry, LeftOut)]
    assert [entry.name for entry in left_out] == ["cr/RG3_JPLL.dcm", "xa/XA1_JPLL.dcm"]
    assert all("not decoded here: JPEG Lossless" in entry.reason for entry in left_out)


def test_every_image_is_there_once(open_data: Path) -> None:
    entries = list(every_picture(open_data))
    found = [entry for entry in entries if isinstance(entry, Picture)]
    assert len({(entry.pixels.shape, entry.pixels.tobytes()) for entry in found}) == len(found)
    # The demonstration's slice is one of the series.
    assert [entry.name for entry in entries if isinstance(entry, LeftOut) and "the same as" in entry.reason]


def test_without_the_open_data_there_is_what_anybody_has() -> None:
    sizes = [entry.pixels.shape for entry in every_picture(None) if isinstance(entry, Picture)]
    assert sizes == [(512, 512), (1411, 1411, 3), (512, 512, 3)]


def test_the_papers_scheme_gives_one_provider_more_of_the_detail_than_ours() -> None:
    slice_ = next(entry for entry in every_picture(None) if isinstance(entry, Picture))
    ours, paper = compared(slice_, "ga-es"), compared(slice_, "ga-es-2018")
    assert len(ours) == len(HEADS)
    own = HEADS.index("home")
    for figure in (0, own - 2, own - 1):
        assert ours[figure] < paper[figure], HEADS[figure]
    assert ours[:own] == compared(slice_, "ga-es")[:own]


def test_other_assignments_are_of_the_same_blocks() -> None:
    planes = np.random.default_rng(0).integers(0, 256, (3, 301, 333), np.uint8)
    for parties in (4, 9):
        own, *others = (make(planes, 16, parties) for make in (own_grid, random_grid, entropy_grid))
        for other in others:
            assert ((other.classes < 0) == (own.classes < 0)).all()
            counts = np.bincount(other.classes[other.classes >= 0])
            assert np.ptp(counts) <= 1
