"""The scheme as a whole: what its plans promise, what its tasks hold, and how answers are put back."""

from math import isqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.schemes import HOME, Job, Plan, Protected
from cloudsec.schemes.ga_es import GaEs
from cloudsec.schemes.hiding import wire_values
from cloudsec.study import Study
from providers import apply, make_operation
from providers.operations.rank import Median
from providers.wire import Task
from regions import Box, Symmetries
from tests.planning import KEYS, job_of, names, noise


def plan_of(job: Job, study: Study | None = None) -> Plan:
    return GaEs().plan(job, study or Study(), KEYS)


def all_sent(job: Job, plan: Plan, keys: Keystream = KEYS) -> Protected:
    return GaEs().protect(job, plan, np.flatnonzero(plan.owners != HOME), keys)


def answered(task: Task) -> NDArray[Any]:
    exact = task.operation.run(task.stack)
    return task.operation.finish(exact, task.stack.dtype) if task.rounded else exact


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """A job that is sent, of any number of providers and colours, some of them not there."""
    count, components = draw(st.integers(2, 16)), draw(st.sampled_from([1, 1, 3, 4]))
    block, period = draw(st.sampled_from([8, 9, 16])), {4: 2, 9: 3}.get(count, 1)
    wide = max(2, period, draw(st.integers(2, 9)))
    high = max(period, 2, -(-4 * count // wide))
    rest = draw(st.tuples(st.integers(0, block - 1), st.integers(0, block - 1)))
    image = noise(components, high * block + rest[0], wide * block + rest[1])
    listed = names(count)
    gone = draw(st.sets(st.sampled_from(listed), max_size=2))
    size = draw(st.sampled_from([3, (3, 1), (1, 2)]))
    halo = draw(st.sampled_from([None, "ring"]))
    return job_of(
        image,
        draw(st.sampled_from(["median", "mean"])),
        listed,
        present=[name for name in listed if name not in gone],
        plan={"block": block, "halo": halo},
        size=size,
    )


@settings(max_examples=60)
@given(jobs())
def test_pieces_and_what_is_computed_at_home_tile_the_image_and_make_up_the_shares(job: Job) -> None:
    plan = plan_of(job)
    assert plan.owners.size
    count = np.zeros(job.shape, np.intp)
    for top, left, bottom, right in plan.boxes:
        assert top < bottom
        assert left < right
        count[top:bottom, left:right] += 1
    at_home = np.zeros(job.shape, bool)
    for box in plan.home:
        at_home[box.slices] = True
    assert (count + at_home == 1).all()
    assert sum(plan.reasons.values()) == pytest.approx(at_home.mean())
    assert plan.reasons.keys() <= {"ring", "edge", "small"}


@settings(max_examples=60)
@given(jobs())
def test_every_window_is_that_of_its_piece_in_the_image(job: Job) -> None:
    plan = plan_of(job)
    halo = np.array(job.operation.halo)
    assert (plan.windows[:, :2] + halo <= plan.boxes[:, :2]).all()
    assert (plan.windows[:, 2:] - halo >= plan.boxes[:, 2:]).all()
    assert plan.windows.min(initial=0) >= 0
    assert (plan.windows[:, 2:] <= job.shape).all()
    sides = plan.windows[:, 2:] - plan.windows[:, :2]
    assert (
        plan.block is None or (sides == plan.block + (2 * halo if plan.halo_policy == "shared" else 0)).all()
    )


@settings(max_examples=60)
@given(jobs())
def test_answers_put_back_and_what_is_computed_at_home_are_the_result(job: Job) -> None:
    plan = plan_of(job)
    wanted = np.stack([apply(plane, job.operation) for plane in job.planes])
    result = np.full_like(wanted, 77)
    protected = all_sent(job, plan)
    for sealed, entry in zip(protected.sealed, protected.manifest, strict=True):
        GaEs().place(result, answered(sealed.task), sealed.task, entry)
    given_back = np.zeros(job.shape, bool)
    for top, left, bottom, right in plan.boxes[plan.owners != HOME]:
        given_back[top:bottom, left:right] = True
    assert (result == np.where(given_back, wanted, 77)).all()


@settings(max_examples=60)
@given(jobs(), st.data())
def test_tasks_are_all_equal_and_hold_the_pieces_of_their_party_and_no_others(
    job: Job, data: st.DataObject
) -> None:
    plan = plan_of(job)
    out = np.flatnonzero(plan.owners != HOME)
    pieces = out[np.array(data.draw(st.lists(st.booleans(), min_size=len(out), max_size=len(out))), bool)]
    protected = GaEs().protect(job, plan, pieces, KEYS)
    assert len({(s.task.stack.shape, s.task.stack.dtype, s.task.rounded) for s in protected.sealed}) <= 1
    assert len({sealed.task.id for sealed in protected.sealed}) == len(protected.sealed)
    for sealed, own in zip(protected.sealed, protected.pieces, strict=True):
        assert (plan.owners[own] == sealed.party).all()
        assert len(sealed.components) == len(sealed.task.stack)
        assert set(sealed.components.tolist()) <= set(range(len(job.planes)))
    for party in range(len(job.providers)):
        carried = [own for s, own in zip(protected.sealed, protected.pieces, strict=True) if s.party == party]
        found = np.unique(np.concatenate([np.empty(0, np.intp), *carried]))
        assert (found == pieces[plan.owners[pieces] == party]).all()


def test_what_stand_ins_are_given_at_once_is_in_the_record_that_is_written_first() -> None:
    listed = names(7)
    study = plan_of(job_of(noise(300, 300), "median", listed, plan={"block": 16})).study
    plan = plan_of(job_of(noise(300, 300), "median", listed, present=listed[1:]), study)
    assert plan.study is not None
    (grid,) = plan.study.grids
    lost = next(label for label, seat in enumerate(grid.seats) if seat == (listed[0],))
    places = plan.places[(grid.classes.ravel()[plan.places] == lost) & (plan.owners != HOME)]
    assert places.size
    assert sum(blocks.sum() for blocks in grid.lent.values()) == len(places)
    for name, blocks in grid.lent.items():
        own = plan.places[plan.owners == listed.index(name)]
        assert (np.isin(places, own) == blocks.ravel()[places]).all()
    again = plan_of(job_of(noise(300, 300), "median", listed, present=listed[1:]), plan.study)
    assert again.study is plan.study


@pytest.mark.parametrize("count", [2, 3, 4, 6, 9])
def test_jobs_of_other_halos_and_of_the_ring_send_windows_around_the_same_places(count: int) -> None:
    image = noise(330, 301)
    study: Study | None = None
    centres = []
    for size, halo in ((1, None), (3, None), ((1, 9), "shared"), ((5, 3), None), ((3, 5), "ring")):
        if halo == "shared" and count < 4:
            continue
        plan = plan_of(job_of(image, "mean", count, plan={"halo": halo}, size=size), study)
        study = plan.study
        centres.append((plan.windows[:, :2] + plan.windows[:, 2:]).tolist())
    assert all(each == centres[0] for each in centres)


def test_a_ring_records_no_halo_and_a_halo_is_recorded_before_it_is_sent() -> None:
    image = noise(300, 300)
    ring = plan_of(job_of(image, "median", 4, plan={"halo": "ring"})).study
    assert ring is not None
    assert ring.grids[0].halo == (0, 0)
    shared = plan_of(job_of(image, "median", 4, size=(3, 7)), ring).study
    assert shared is not None
    assert shared.grids[0].halo == (1, 3)
    assert plan_of(job_of(image, "median", 4, size=(1, 5)), shared).study is shared


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_scrambled_pixels_lie_among_the_values_of_the_wire_and_use_most_of_them(dtype: str) -> None:
    limits = np.iinfo(dtype)
    image = np.random.default_rng(0).choice(np.array([limits.min, limits.max], dtype), (400, 400))
    job = job_of(image, "median", 4)
    wire, values = wire_values(limits.max - limits.min, image.dtype)
    sealed = all_sent(job, plan_of(job)).sealed
    assert {each.task.stack.dtype for each in sealed} == {wire}
    assert min(int(each.task.stack.min()) for each in sealed) in range(values // 20)
    assert max(int(each.task.stack.max()) for each in sealed) in range(values - values // 20, values)


def test_equal_keys_give_equal_tasks_and_other_keys_do_not() -> None:
    job = job_of(noise(200, 200), "median", 4)
    plan = plan_of(job)
    one, same, other = (all_sent(job, plan, keys).sealed for keys in (KEYS, KEYS, Keystream(b"k" * 32)))
    for a, b, c in zip(one, same, other, strict=True):
        assert a.party == b.party
        assert a.task.id == b.task.id != c.task.id
        assert (a.task.stack == b.task.stack).all()
        assert not (a.task.stack == c.task.stack).all()


def test_colour_components_travel_as_blocks_of_their_own_and_not_in_turn() -> None:
    image = np.zeros((3, 200, 200), np.uint8)
    image[1], image[2] = noise(200, 200), noise(200, 200)[::-1]
    job = job_of(image, "median", 4)
    plan = plan_of(job)
    for sealed in all_sent(job, plan).sealed:
        own = int((plan.owners == sealed.party).sum())
        flat = np.ptp(sealed.task.stack, axis=(1, 2)) == 0
        assert (flat == (sealed.components == 0)).all()
        assert (np.bincount(sealed.components) >= own).all()
        runs = np.flatnonzero(np.diff(sealed.components)).size
        assert runs > 1.2 * own


def test_an_operation_whose_facts_forbid_a_turn_is_never_turned() -> None:
    job = job_of(noise(200, 200), "mean", 4, size=(2, 3))
    protected = all_sent(job, plan_of(job))
    for entry in protected.manifest:
        assert not entry.scramble.flips[:, 0].any()
        assert entry.scramble.flips[:, 1].any()
        assert not entry.scramble.swaps.any()
    # The weights of two by three pixels add up to an even number: halves would be rounded to the wrong side.
    assert not any(sealed.task.rounded for sealed in protected.sealed)


class Opaque(Median):
    """Says nothing of offsets."""

    @property
    def symmetries(self) -> Symmetries:
        return Symmetries((True, True))


def test_an_operation_that_does_not_say_what_an_offset_does_is_refused_with_the_way_out() -> None:
    with pytest.raises(IncompatibleScheme, match="'median' does not say .*; use scheme 'unprotected'"):
        plan_of(job_of(noise(200, 200), Opaque(), 4))
    assert not GaEs().carries(Opaque().resolved(2, "uint8"))


def test_the_order_of_sending_differs_from_job_to_job() -> None:
    job = job_of(noise(300, 300), "median", 9, plan={"block": 16})
    plan = plan_of(job)
    orders = {tuple(s.party for s in all_sent(job, plan, KEYS.for_job()).sealed) for _ in range(10)}
    assert len(orders) == 10


def test_what_stays_at_home_never_shows_itself() -> None:
    job = job_of(np.full((200, 200), 77, np.uint8), "median", 4)
    plan = plan_of(job)
    for shown in (repr(all_sent(job, plan)), repr(plan), repr(job), repr(plan.study)):
        assert "shift" not in shown
        assert "array" not in shown
        assert "77" not in shown


def test_only_its_own_pixels_are_kept_of_a_shifted_blocks_answer() -> None:
    job = job_of(noise(16 * 6 + 5, 16 * 6 + 9), "median", 9, plan={"block": 16})
    plan = plan_of(job)
    protected = all_sent(job, plan)
    for sealed, own, entry in zip(protected.sealed, protected.pieces, protected.manifest, strict=True):
        result = np.zeros((1, *job.shape), np.uint8)
        GaEs().place(result, answered(sealed.task), sealed.task, entry)
        allowed = np.zeros(job.shape, bool)
        for top, left, bottom, right in plan.boxes[own]:
            allowed[top:bottom, left:right] = True
        assert not result[0][~allowed].any()


@pytest.mark.parametrize("count", [2, 3, 4, 5, 9])
def test_an_image_goes_out_from_four_whole_blocks_a_provider_and_one_of_each_class_on(count: int) -> None:
    period = isqrt(count) if count in (4, 9) else 1
    rows = {2: 2, 3: 3, 4: 4, 5: 4, 9: 6}[count]
    columns = 4 * count // rows

    def parties(*shape: int) -> int:
        plan = plan_of(job_of(noise(*shape), "median", count, plan={"block": 16}))
        assert (not plan.study.grids) == (plan.reasons == {"small": 1.0}) == (plan.home == (Box.of(shape),))
        return len(np.unique(plan.owners))

    assert parties(16 * rows, 16 * columns) == count
    assert parties(16 * rows, 16 * columns - 1) == 0
    assert parties(16 * period - 1, 8000) == 0
    if period > 1:
        assert parties(16 * period, 8000) == count


def test_a_halo_of_a_quarter_of_the_block_is_the_widest() -> None:
    operation = make_operation("median", size=9)
    plan_of(job_of(noise(200, 200), operation, 4, plan={"block": 16}))
    with pytest.raises(IncompatibleScheme, match="needs 4 pixels around a block"):
        plan_of(job_of(noise(200, 200), operation, 4, plan={"block": 15}))
