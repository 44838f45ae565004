"""Which grid a study gets, who sits where, and what is refused with which way out."""

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.schemes import HOME, Job, Plan
from cloudsec.schemes.assignment import halo_policy, ring_share, study_grid, tolerated_area, within_limit
from cloudsec.schemes.ga_es import GaEs
from cloudsec.schemes.layout import Layout
from cloudsec.study import Study, StudyGrid
from providers import make_operation
from regions import assembled_area, block_links, informative
from tests.planning import KEYS, job_of, names, noise

NOISE = noise(330, 300)


def plan_of(job: Job, study: Study | None = None, keys: Keystream = KEYS) -> Plan:
    return GaEs().plan(job, study or Study(), keys)


def grid_of(plan: Plan) -> StudyGrid:
    assert plan.study is not None
    (grid,) = plan.study.grids
    return grid


def recommended(message: str) -> int:
    found = re.search(r"use plan=\{'block': (\d+)\}, on the command line --block (\d+)", message)
    assert found is not None, message
    assert found[1] == found[2]
    return int(found[1])


@settings(max_examples=60)
# Of blocks of 8 two of seven could join little enough, of the next larger ones not.
@example(7, 2, (0, 4), 8, None)
@given(
    st.integers(2, 12),
    st.integers(0, 3),
    st.tuples(st.integers(0, 7), st.integers(0, 7)),
    st.sampled_from([8, 16, 21, 32]),
    st.sampled_from([None, "shared", "ring"]),
)
def test_the_block_that_a_refusal_recommends_works(
    count: int, tolerate: int, halo: tuple[int, int], block: int, choice: str | None
) -> None:
    if (choice == "shared" and count < 4) or tolerate >= count:
        return
    size = (2 * halo[0] + 1, 2 * halo[1] + 1)
    plan: dict[str, Any] = {"block": block, "halo": choice}

    def policy(side: int) -> str | None:
        job = job_of(NOISE, "mean", count, tolerate=tolerate, plan=plan | {"block": side}, size=size)
        return plan_of(job).halo_policy

    try:
        found = policy(block)
    except IncompatibleScheme as error:
        side = recommended(str(error))
        assert side % 16 == 0
        assert side > block or (not tolerate and choice is None)
        if 4 * count <= (300 // side) * (330 // side):
            assert policy(side) in (("shared", "ring") if choice is None else (choice,))
    else:
        assert found in ((None, "shared", "ring") if choice is None else (None, choice))


@pytest.mark.parametrize(
    ("count", "tolerate", "radius", "plan", "says"),
    [
        (4, 0, 5, {}, "'median' needs 5 pixels around a block, and blocks of 16 would travel with too much"),
        (
            9,
            1,
            5,
            {"halo": "shared"},
            "blocks of 16 would travel with too much of their neighbours; use plan",
        ),
        (
            4,
            3,
            5,
            {"halo": "shared"},
            r"neighbours; use plan={'block': 32}, on the command line --block 32",
        ),
        (2, 1, 3, {}, "'median' needs 3 pixels around a block, and blocks of 16 would leave too much of the"),
        (
            9,
            1,
            3,
            {"halo": "ring"},
            "needs 3 pixels around a block, and blocks of 16 would leave too much of",
        ),
        (4, 2, 3, {}, r"as they must where 2 of 4 providers could join \d+% of the image by them"),
        (4, 2, 3, {}, r"blocks of 16 would leave .*, or more providers, or tolerate fewer"),
        (3, 0, 1, {"halo": "shared"}, "with 3 providers blocks of one provider touch, .* leave 'halo' out"),
        (1, 0, 1, {}, "needs at least 2 providers, because one alone would see everything"),
    ],
)
def test_a_refusal_names_the_cause_and_the_way_out(
    count: int, tolerate: int, radius: int, plan: dict[str, Any], says: str
) -> None:
    plan = {"block": 16} | plan
    with pytest.raises(IncompatibleScheme, match=says):
        plan_of(job_of(NOISE, "median", count, tolerate=tolerate, plan=plan, size=2 * radius + 1))


def test_a_refusal_recommends_no_block_that_would_be_refused() -> None:
    # Two providers have the ring only, which for a halo of 300 pixels wants blocks of 2336.
    wide = make_operation("mean", size=(601, 601))
    with pytest.raises(IncompatibleScheme, match="use scheme 'unprotected' if the image may be seen$"):
        plan_of(job_of(NOISE, wide, 2, plan={"block": 32}))
    with pytest.raises(IncompatibleScheme, match=r"use plan={'block': 1200}"):
        plan_of(job_of(NOISE, wide, 4, plan={"block": 32}))


WRONG = [
    ({"block": 0}, "block must be from 1 to 2000, not 0"),
    ({"block": -16}, "block must be from 1 to 2000"),
    ({"block": 2001}, "block must be from 1 to 2000"),
    ({"block": True}, "block must be from 1 to 2000, not True"),
    ({"block": 16.0}, "block must be a whole number, not 16.0"),
    ({"block": "16"}, "block must be a whole number"),
    ({"regions": 1}, "regions must be from 2 to 4, not 1"),
    ({"regions": 5}, "regions must be from 2 to 4, not 5"),
    ({"regions": "all"}, "regions must be a whole number"),
    ({"halo": "none"}, "halo must be 'shared' or 'ring', not 'none'"),
    ({"halo": 2}, "halo must be 'shared' or 'ring', not 2"),
    ({"halo": ["ring"]}, r"halo must be 'shared' or 'ring', not \['ring'\]"),
    ({"blocks": 16}, "no choice 'blocks' in its plan; it takes: block, regions, halo"),
]


@pytest.mark.parametrize("shape", [(330, 300), (20, 20)], ids=["large", "small"])
@pytest.mark.parametrize(("plan", "says"), WRONG)
def test_a_wrong_choice_is_refused_whether_the_image_is_sent_or_not(
    shape: tuple[int, int], plan: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        plan_of(job_of(noise(*shape), plan=plan))


@pytest.mark.parametrize("shape", [(330, 300), (20, 20)], ids=["large", "small"])
def test_a_shared_halo_is_refused_to_blocks_that_touch_whether_the_image_is_sent_or_not(
    shape: tuple[int, int],
) -> None:
    with pytest.raises(IncompatibleScheme, match="with 3 providers blocks of one provider touch"):
        plan_of(job_of(noise(*shape), "median", 3, plan={"halo": "shared"}))


@pytest.mark.parametrize("shape", [(330, 300), (20, 20)], ids=["large", "small"])
def test_tolerance_of_all_providers_that_are_used_is_refused(shape: tuple[int, int]) -> None:
    for count, plan in ((4, {}), (9, {"regions": 4})):
        job = job_of(noise(*shape), "median", count, tolerate=4, plan=plan)
        with pytest.raises(ValueError, match="less than the number of providers, which is 4, not 4"):
            plan_of(job)


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
    with pytest.raises(ValueError, match="less than the number of providers, which is 5"):
        plan_of(job_of(NOISE, "median", 9, tolerate=5), study)


# Halves of the image are flat, or all but one corner: coalitions join more or less of it.
PARTLY = [NOISE, np.where(np.arange(300) < 150, NOISE, 7).astype(np.uint8), np.full_like(NOISE, 7)]
PARTLY.append(np.where((np.arange(330) < 80)[:, None], NOISE, 7).astype(np.uint8))


@settings(max_examples=40)
@given(st.integers(4, 12), st.integers(0, 3), st.sampled_from(PARTLY), st.sampled_from(PARTLY))
def test_the_ring_is_taken_exactly_where_tolerated_colluders_join_too_much_of_the_first_image(
    count: int, tolerate: int, first: NDArray[np.uint8], later: NDArray[np.uint8]
) -> None:
    plan = plan_of(job_of(first, "median", count, tolerate=tolerate, plan={"block": 16}))
    grid = grid_of(plan)
    shown = informative(first, 16)
    # Windows under the widest halo.
    starts = Layout((330, 300), 16, count).core_starts
    links = block_links(first, starts - 4, (24, 24), (4, 4), shown)
    holds = grid.classes == np.arange(count)[:, None, None]
    area = assembled_area(holds, links, tolerate).areas[-1] if tolerate else 0.0
    over = area > max(0.05, tolerate / max(int(shown.sum()), 1))
    assert plan.halo_policy == ("ring" if over else "shared")
    if tolerate:
        assert (grid.areas[-1], grid.informative) == (area, shown.sum())
    # It is the study's first image that decides, if it shows more than a few blocks.
    if tolerate <= 0.05 * shown.sum():
        again = plan_of(job_of(later, "median", count, tolerate=tolerate), plan.study)
        assert (again.halo_policy, again.study) == (plan.halo_policy, plan.study)


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
def test_the_first_job_takes_the_smallest_block_that_works(
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

    wanted = next((side for side in range(32, 240, 16) if works(side)), None)
    assert plan_of(job_of(image, "mean", count, tolerate=tolerate, size=size)).block == wanted


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
        study_grid(job_of(NOISE, name, 7, **parameters), Study(), KEYS)
        for name, parameters in (("median", {"size": 3}), ("mean", {"size": 15}), ("sobel", {}))
    ]
    assert all(grid is not None and grids[0] is not None for grid in grids)
    for grid in grids[1:]:
        assert grid is not None
        assert grids[0] is not None
        assert (grid.classes == grids[0].classes).all()
        assert (grid.stand_ins == grids[0].stand_ins).all()
        assert grid.seats == grids[0].seats


def test_the_share_of_a_ring_is_counted_pixel_by_pixel() -> None:
    for block, halo in ((16, (2, 2)), (9, (0, 1)), (8, (4, 0)), (8, (9, 9))):
        pixels = np.zeros((block, block), bool)
        pixels[halo[0] : max(block - halo[0], 0), halo[1] : max(block - halo[1], 0)] = True
        assert ring_share(block, halo) == pytest.approx(1 - pixels.mean())


def test_tolerated_is_a_twentieth_of_the_image_or_a_block_for_each_colluder() -> None:
    assert tolerated_area(2, 1000) == 0.05
    assert tolerated_area(2, 20) == 0.1
    assert tolerated_area(3, 0) == 3
    grid = StudyGrid((8, 8), 8, np.zeros((1, 1), np.intp), np.zeros((1, 1), np.intp), (), (0.05, 0.06), 40)
    assert within_limit(grid, 0)
    assert within_limit(grid, 1)
    assert not within_limit(grid, 2)


def test_halos_of_a_quarter_of_a_block_are_the_widest_to_be_shared() -> None:
    for block, width, policy in ((32, 8, "shared"), (36, 9, "shared"), (16, 2, "shared")):
        job = job_of(NOISE, "median", 4, plan={"block": block}, size=2 * width + 1)
        grid = study_grid(job, Study(), KEYS)
        assert grid is not None
        assert halo_policy(job, grid) == policy
    with pytest.raises(IncompatibleScheme):
        plan_of(job_of(NOISE, "median", 4, plan={"block": 35}, size=19))
