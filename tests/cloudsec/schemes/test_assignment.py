"""Which grid a study gets, and who sits where."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.schemes import HOME, Job, Plan
from cloudsec.schemes.assignment import study_grid
from cloudsec.schemes.layout import Layout
from cloudsec.study import Study, StudyGrid
from regions import NO_CLASS, assembled_area, block_links, informative
from tests.planning import KEYS, grid_of, job_of, names, noise, plan_of, recommended

NOISE = noise(330, 300)


def test_the_plan_fixes_block_regions_and_halo() -> None:
    chosen = plan_of(job_of(NOISE, "median", 9, plan={"block": 24, "regions": 5, "halo": "ring"}))
    assert (chosen.block, chosen.regions, chosen.halo_policy) == (24, 5, "ring")
    assert len(np.unique(chosen.owners)) == 5
    assert grid_of(chosen).seats == grid_of(plan_of(job_of(NOISE, "median", 9))).seats[:5]
    left_open = plan_of(job_of(NOISE, "median", 9, plan={"block": None, "regions": None, "halo": None}))
    assert (left_open.block, left_open.regions, left_open.halo_policy) == (32, 9, "shared")


def test_a_study_keeps_its_number_of_providers_whatever_a_later_plan_says() -> None:
    study = plan_of(job_of(NOISE, "median", 9, plan={"regions": 5})).study
    assert plan_of(job_of(NOISE, "median", 9), study).regions == 5
    assert plan_of(job_of(NOISE, "median", 9, plan={"regions": 5}), study).study is study
    with pytest.raises(
        IncompatibleScheme, match="over 5 providers for good, not over 4; leave 'regions' out"
    ):
        plan_of(job_of(NOISE, "median", 9, plan={"regions": 4}), study)
    with pytest.raises(ValueError, match="less than the number of providers of this study, which is 5"):
        plan_of(job_of(NOISE, "median", 9, tolerate=5), study)


# Halves of the image are flat, or all but one corner: coalitions join more or less of it.
PARTLY = [NOISE, np.where(np.arange(300) < 150, NOISE, 7).astype(np.uint8), np.full_like(NOISE, 7)]
PARTLY.append(np.where((np.arange(330) < 80)[:, None], NOISE, 7).astype(np.uint8))


@settings(max_examples=40)
@given(st.integers(4, 12), st.integers(0, 3), st.sampled_from(PARTLY), st.sampled_from(PARTLY))
def test_the_ring_is_taken_exactly_where_tolerated_colluders_join_too_much_of_the_first_image(
    count: int, tolerate: int, first: NDArray[np.uint8], later: NDArray[np.uint8]
) -> None:
    plan = plan_of(job_of(first, "median", count, tolerate=tolerate, plan={"block": 16, "regions": count}))
    grid = grid_of(plan)
    shown = informative(first, 16)
    # Windows under the widest halo.
    starts = Layout((330, 300), 16, count).core_starts
    # Nothing is flat in the other image: what could be joined of it is the least that is reckoned with.
    checkered = np.indices(first.shape).sum(axis=0) % 2
    holds = grid.classes == np.arange(count)[:, None, None]
    area = max(
        assembled_area(holds, block_links(image, starts - 4, (24, 24), (4, 4), counted), tolerate).areas[-1]
        if tolerate
        else 0.0
        for image, counted in ((first, shown), (checkered, grid.classes != NO_CLASS))
    )
    over = area > max(0.05, tolerate / max(int(shown.sum()), 1))
    assert plan.halo_policy == ("ring" if over else "shared")
    if tolerate:
        assert (grid.areas[-1], grid.informative) == (area, shown.sum())
    # It is the study's first image that decides, if it shows more than a few blocks.
    if tolerate <= 0.05 * shown.sum():
        again = plan_of(job_of(later, "median", count, tolerate=tolerate), plan.study)
        assert (again.halo_policy, again.study) == (plan.halo_policy, plan.study)


def test_a_test_card_of_dots_does_not_share_halos_for_good() -> None:
    # Every block shows something, and every strip that two blocks share is flat.
    card = np.zeros_like(NOISE)
    card[8::16, 8::16] = 255
    first = plan_of(job_of(card, "median", 4, tolerate=2, plan={"block": 16}))
    assert grid_of(first).informative > 300
    assert first.halo_policy == "ring"
    assert plan_of(job_of(NOISE, "median", 4, tolerate=2), first.study).halo_policy == "ring"


def test_a_blank_first_slice_does_not_decide_for_those_that_follow() -> None:
    blank = plan_of(job_of(np.full_like(NOISE, 7), "median", 4, tolerate=2))
    assert blank.halo_policy == "shared"
    first = plan_of(job_of(NOISE, "median", 4, tolerate=2), blank.study)
    assert first.halo_policy == "ring"
    again = plan_of(job_of(np.full_like(NOISE, 7), "median", 4, tolerate=2), first.study)
    assert (again.halo_policy, again.study) == ("ring", first.study)


def test_who_is_to_withstand_more_than_was_measured_measures_again() -> None:
    study = plan_of(job_of(NOISE, "median", 9, tolerate=1)).study
    assert study is not None
    assert len(study.grids[0].areas) == 1
    plan = plan_of(job_of(NOISE, "median", 9, tolerate=3), study)
    assert len(grid_of(plan).areas) == 3
    assert plan_of(job_of(NOISE, "median", 9, tolerate=2), plan.study).study is plan.study


def test_without_a_coalition_to_withstand_nothing_is_measured() -> None:
    assert grid_of(plan_of(job_of(NOISE, "median", 4))).areas == ()
    assert grid_of(plan_of(job_of(NOISE, "median", 3, tolerate=2))).areas == ()


@settings(max_examples=30)
@given(st.integers(2, 12), st.permutations(range(12)), st.integers(0, 1))
def test_who_sits_where_depends_on_names_and_not_on_the_order_in_which_they_are_given(
    count: int, order: list[int], fewer: int
) -> None:
    plan = {"regions": count - fewer} if count > 2 else {}
    listed = names(count)
    shuffled = [listed[number] for number in order if number < count]
    one, other = (plan_of(job_of(NOISE, "median", given_as, plan=plan)) for given_as in (listed, shuffled))
    assert grid_of(one).seats == grid_of(other).seats
    named = [[given_as[owner] for owner in p.owners] for p, given_as in ((one, listed), (other, shuffled))]
    assert named[0] == named[1]


def test_another_key_seats_providers_in_another_order() -> None:
    keys = [Keystream(bytes(31) + bytes([number])) for number in range(20)]
    seats = {grid_of(plan_of(job_of(NOISE, "median", 9), keys=key)).seats for key in keys}
    assert len(seats) == 20
    colours = [grid_of(plan_of(job_of(NOISE, "median", 7), keys=key)).classes for key in keys]
    assert not any((one == other).all() for one, other in pairwise(colours))


POOL = names(12)


def held(grid: StudyGrid) -> dict[str, NDArray[np.bool_]]:
    """What each name may ever be given: its class, and the blocks for which its class stands in."""
    return {
        name: (grid.classes == label) | (grid.stand_ins == label)
        for label, seat in enumerate(grid.seats)
        for name in seat
    }


@settings(max_examples=60)
@given(
    st.integers(2, 9),
    st.lists(
        st.tuples(st.sets(st.sampled_from(POOL), min_size=1), st.sets(st.sampled_from(POOL))), max_size=6
    ),
    st.randoms(use_true_random=False),
)
def test_no_provider_gains_a_position_however_the_list_of_providers_changes(
    count: int, lists: list[tuple[set[str], set[str]]], random: Any
) -> None:
    plan = plan_of(job_of(NOISE, "median", POOL[:count], plan={"block": 16}))
    study, before = plan.study, held(grid_of(plan))
    for listed, quarantined in lists:
        order = sorted(listed)
        random.shuffle(order)
        if len(order) < 2:
            continue
        job = job_of(NOISE, "median", order, present=sorted(listed - quarantined))
        plan = plan_of(job, study)
        grid = grid_of(plan)
        now = held(grid)
        for name, positions in before.items():
            assert (now[name] == positions).all()
        for name in now.keys() - before.keys():
            # A newcomer takes the class of one of whom nobody is there, as a whole.
            (seat,) = (seat for seat in grid.seats if name in seat)
            assert name == seat[-1]
            assert not set(seat[:-1]) & job.present.keys()
        for party, name in enumerate(job.providers):
            own = np.zeros(grid.classes.size, bool)
            own[plan.places[plan.owners == party]] = True
            own[plan.places[plan.stand_ins == party]] = True
            assert not own.any() or name in job.present
            assert not own.any() or not (own.reshape(grid.classes.shape) & ~now[name]).any()
        check_everyone_there_is_asked(grid, job, plan)
        study, before = Study.decoded(plan.study.encoded()) if plan.study else None, now


def check_everyone_there_is_asked(grid: StudyGrid, job: Job, plan: Plan) -> None:
    """A block is with the first of its class that is there, else with its stand-in, else at home."""
    asked = [next((name for name in seat if name in job.present), None) for seat in grid.seats]
    for piece, place in enumerate(plan.places):
        label, second = grid.classes.ravel()[place], grid.stand_ins.ravel()[place]
        name = asked[label] or (asked[second] if second >= 0 else None)
        assert plan.owners[piece] == (HOME if name is None else job.providers.index(name))
        if asked[label] is None or second < 0 or asked[second] is None:
            assert plan.stand_ins[piece] == HOME
        else:
            assert job.providers[plan.stand_ins[piece]] == asked[second]
    vacant = {seat[0]: label for label, seat in enumerate(grid.seats) if asked[label] is None}
    assert {name for name, _ in plan.absent} == vacant.keys()
    for name, pieces in plan.absent:
        assert (np.flatnonzero(grid.classes.ravel()[plan.places] == vacant[name]) == pieces).all()


def test_who_comes_back_is_asked_again_and_a_newcomer_keeps_the_class_for_the_next_time() -> None:
    study = plan_of(job_of(NOISE, "median", "abcd")).study

    def asked(listed: str, study: Study | None) -> tuple[Study | None, list[str]]:
        plan = plan_of(job_of(NOISE, "median", listed), study)
        return plan.study, [listed[owner] if owner != HOME else "" for owner in plan.owners]

    _, at_first = asked("abcd", study)
    lost = at_first[0]
    others = "abcd".replace(lost, "")
    study, without = asked(others, study)
    assert set(without) == {*others, ""}
    assert [name or lost for name in without] == at_first
    study, taken = asked(others + "x", study)
    assert [lost if name == "x" else name for name in taken] == at_first
    study, back = asked("xabcd", study)
    assert back == at_first
    # The second newcomer is too late: the first one is there.
    _, again = asked(others + "yx", study)
    assert again == taken


def test_a_provider_of_one_grid_takes_no_class_of_another() -> None:
    study = plan_of(job_of(NOISE, "median", "abcd")).study
    study = plan_of(job_of(noise(300, 300), "median", "abce"), study).study
    assert study is not None
    first, second = study.grids
    assert (first.members, second.members) == (set("abcd"), set("abce"))
    plan = plan_of(job_of(NOISE, "median", "abce"), study)
    assert plan.study is study
    assert (plan.owners == HOME).sum() == (
        first.classes == [("d",) in [s] for s in first.seats].index(True)
    ).sum()


@settings(max_examples=30)
@given(st.integers(2, 9), st.integers(0, 2), st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_the_first_job_takes_blocks_of_at_least_32_that_work_if_there_are_any(
    count: int, tolerate: int, halo: tuple[int, int]
) -> None:
    if tolerate >= count:
        return
    image, size = noise(480, 500), (2 * halo[0] + 1, 2 * halo[1] + 1)

    def works(side: int) -> bool:
        plan = {"block": side}
        try:
            return bool(plan_of(job_of(image, "mean", count, tolerate=tolerate, plan=plan, size=size)).block)
        except IncompatibleScheme:
            return False

    chosen = plan_of(job_of(image, "mean", count, tolerate=tolerate, size=size)).block
    assert chosen is not None or not any(map(works, range(32, 240, 16)))
    assert chosen is None or (chosen >= 32 and chosen % 16 == 0 and works(chosen))


def test_blocks_smaller_than_the_default_are_taken_only_where_the_plan_says_so() -> None:
    small = noise(100, 100)
    assert plan_of(job_of(small, "median", 4)).block is None
    assert not plan_of(job_of(small, "median", 4)).study.grids
    assert plan_of(job_of(small, "median", 4, plan={"block": 16})).block == 16


def test_a_study_with_too_small_blocks_takes_a_second_grid_only_where_the_plan_says_so() -> None:
    study = plan_of(job_of(NOISE, "median", 4, size=3)).study
    with pytest.raises(IncompatibleScheme) as refusal:
        plan_of(job_of(NOISE, "median", 4, size=19), study)
    side = recommended(str(refusal.value))
    plan = plan_of(job_of(NOISE, "median", 4, size=19, plan={"block": side}), study)
    assert not plan.reused
    assert plan.study is not None
    assert [grid.block for grid in plan.study.grids] == [32, side]
    # From then on it is the study's, and the first one stays what is taken without a choice.
    assert plan_of(job_of(NOISE, "median", 4, size=19, plan={"block": side}), plan.study).reused
    assert plan_of(job_of(NOISE, "median", 4, size=3), plan.study).block == 32


def test_the_grid_does_not_depend_on_the_operation() -> None:
    grids = [
        study_grid(job_of(NOISE, name, 7, **parameters), Study(), KEYS).grid
        for name, parameters in (("median", {"size": 3}), ("mean", {"size": 15}), ("sobel", {}))
    ]
    assert all(grid is not None and grids[0] is not None for grid in grids)
    for grid in grids[1:]:
        assert grid is not None
        assert grids[0] is not None
        assert (grid.classes == grids[0].classes).all()
        assert (grid.stand_ins == grids[0].stand_ins).all()
        assert grid.seats == grids[0].seats
