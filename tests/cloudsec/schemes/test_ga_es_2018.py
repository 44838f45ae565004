from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import cloudsec
import providers
from cloudsec import dispatch
from cloudsec.dispatch import Delivered, Delivery
from cloudsec.errors import IncompatibleScheme
from cloudsec.keystream import Keystream
from cloudsec.schemes import HOME, SCHEMES, Job, Plan, hiding
from cloudsec.study import Study
from providers.operation import PAD_MODES
from providers.wire import Task, decode_task
from regions import block_entropy, coverage, detail_share, gradient_map
from tests.planning import KEYS, job_of, names, noise
from tests.simulator import FAULTS, Simulated

SCHEME = SCHEMES["ga-es-2018"]
FLAT = np.zeros((70, 90), np.uint8)


def textured(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    """Noise that grows from the left to the right, so that blocks differ in entropy."""
    spread = np.linspace(1, 200, shape[1])
    return (np.random.default_rng(seed).random(shape) * spread).astype(np.uint8)


IMAGE = textured(150, 170)


def planned(job: Job) -> Plan:
    return SCHEME.plan(job, Study(), KEYS)


def tasks_of(job: Job, plan: Plan, keys: Keystream = KEYS) -> list[tuple[int, Task]]:
    sent = SCHEME.protect(job, plan, np.flatnonzero(plan.owners != HOME), keys).sealed
    return [(each.party, each.task) for each in sent]


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("count", [2, 4, 13])
def test_the_kth_region_by_rising_entropy_goes_to_the_kth_provider(count: int, colour: bool) -> None:
    image = np.stack([IMAGE, IMAGE[::-1], IMAGE // 2]) if colour else IMAGE
    job = job_of(image, "median", count, plan={"block": 10})
    plan = planned(job)
    bits = np.mean([block_entropy(plane, 10) for plane in job.planes], axis=0)
    in_order = plan.owners[np.argsort(bits.ravel()[plan.places], kind="stable")]
    assert (np.diff(in_order) >= 0).all()
    assert plan.places.tolist() == list(range(15 * 17))
    assert set(plan.owners.tolist()) == set(range(plan.regions))
    assert 2 <= plan.regions <= min(12, count)
    assert plan.thresholds is not None
    assert len(plan.thresholds) == plan.regions - 1
    edges = [[bits.ravel()[plan.owners == k].max(), bits.ravel()[plan.owners == k + 1].min()] for k in
             range(plan.regions - 1)]  # fmt: skip
    assert all(low < at < high for (low, high), at in zip(edges, plan.thresholds, strict=True))
    assert (plan.stand_ins == HOME).all()
    assert plan.study is None


def test_who_is_there_takes_the_regions_in_list_order() -> None:
    job = job_of(IMAGE, "median", 5, present=["cloud-1", "cloud-3", "cloud-4"], plan={"block": 10})
    plan = planned(job)
    bits = block_entropy(IMAGE, 10).ravel()
    means = [bits[plan.owners == party].mean() for party in (1, 3, 4)]
    assert means == sorted(means)
    assert set(plan.owners.tolist()) == {1, 3, 4}


@pytest.mark.parametrize(("present", "owner"), [(["cloud-2"], 2), ([], HOME)])
def test_one_provider_gets_all_and_none_leaves_all_at_home(present: list[str], owner: int) -> None:
    plan = planned(job_of(IMAGE, "median", 3, present=present))
    assert (plan.owners == owner).all()
    assert (plan.regions, plan.thresholds, plan.convergence) == (len(present), None, ())


@pytest.mark.parametrize("wanted", [2, 3, 5, 7])
def test_the_user_may_fix_the_number_of_regions(wanted: int) -> None:
    for seed in range(3):
        plan = planned(job_of(IMAGE, "median", 7, plan={"block": 10, "regions": wanted}, seed=seed))
        assert plan.regions == len(np.unique(plan.owners)) == wanted


@pytest.mark.parametrize("image", [FLAT, FLAT[:1, :1], noise(20, 30)])
@pytest.mark.parametrize("plan", [{}, {"regions": 3}])
def test_blocks_of_one_entropy_are_one_region_and_the_report_says_so(
    image: NDArray[Any], plan: dict[str, Any]
) -> None:
    with cloudsec.Broker(4, scheme="ga-es-2018", plan=plan) as broker:
        result = broker.process(image, "median")
    assert (result.image == providers.apply(image, "median")).all()
    assert (result.report.plan["regions"], result.report.plan["thresholds"]) == (1, [])
    assert [provider.tasks for provider in result.report.providers] == [1, 0, 0, 0]
    assert result.report.statement.endswith("There is a single region, because all blocks have one entropy.")


def test_the_seed_and_the_speeds_decide_the_regions_and_nothing_else_does() -> None:
    unequal = (1.0, 3.0, 2.0, 1.0)

    def owners(seed: int, speeds: Sequence[float], keys: Keystream = KEYS) -> list[int]:
        job = job_of(IMAGE, "median", 4, plan={"block": 6}, seed=seed, speeds=speeds)
        return list(SCHEME.plan(job, Study(), keys).owners)

    assert owners(1, unequal) == owners(1, unequal, Keystream.fresh())
    searches = [planned(job_of(IMAGE, seed=seed, plan={"block": 6})).convergence for seed in (1, 2)]
    assert searches[0] != searches[1]
    equal = np.bincount(owners(1, (1.0,) * 4))
    assert equal.max() < 1.6 * equal.min()
    counts = np.bincount(owners(1, unequal))
    assert counts[1] > 2 * counts[0]
    assert counts[1] > counts[2] > counts[3]


def test_two_jobs_under_a_seed_have_the_same_regions_in_other_orders() -> None:
    clouds = [Simulated(name) for name in names(3)]
    with cloudsec.Broker(clouds, scheme="ga-es-2018", plan={"block": 10}, seed=7) as broker:
        # Real timings differ from job to job.
        first = broker.process(IMAGE, "median", size=1).report
    with cloudsec.Broker(clouds, scheme="ga-es-2018", plan={"block": 10}, seed=np.int64(7)) as broker:
        second = broker.process(IMAGE, "median", size=1).report
    # What was timed on the way differs.
    assert first.plan | {"predicted_seconds": 0} == second.plan | {"predicted_seconds": 0}
    for cloud in clouds:
        one, other = (decode_task(request).stack for request in cloud.requests)
        assert (one != other).any()
        assert sorted(map(bytes, one)) == sorted(map(bytes, other))
    assert len({decode_task(request).id for cloud in clouds for request in cloud.requests}) == 6


def test_a_seed_is_drawn_where_none_is_given() -> None:
    brokers = [cloudsec.Broker(2, scheme="ga-es-2018") for _ in range(2)]
    assert brokers[0]._seed != brokers[1]._seed


@settings(max_examples=60)
@given(
    st.integers(1, 45),
    st.integers(1, 45),
    st.sampled_from([1, 3]),
    st.sampled_from(list(PAD_MODES)),
    st.sampled_from([1, 3, (5, 3), 9]),
    st.sampled_from(["shared", "ring"]),
)
def test_windows_are_those_of_the_continued_image_byte_for_byte(
    rows: int, columns: int, components: int, mode: str, size: Any, halo: str
) -> None:
    chosen = {"block": 11, "halo": halo}
    planes = np.random.default_rng(0).integers(-(2**15), 2**15, (components, rows, columns), np.int16)
    job = job_of(planes, "median", 3, plan=chosen, mode=mode, size=size, cval=-7)
    plan = planned(job)
    reach = np.array(job.operation.halo)
    outside = reach * (halo == "shared")
    side = tuple(11 + 2 * outside)
    fill = {"constant_values": -7} if mode == "constant" else {}
    widths = [(0, 0), *((int(r), int(r) + -n % 11) for r, n in zip(reach, (rows, columns), strict=True))]
    continued = np.pad(planes, widths, PAD_MODES[mode], **fill)
    every = sliding_window_view(continued, side, axis=(1, 2))
    at = np.stack(np.unravel_index(plan.places, plan.counts), axis=1) * 11 + reach - outside
    for party, task in tasks_of(job, plan):
        assert task.rounded
        assert task.stack.dtype == np.int16
        own = at[plan.owners == party]
        wanted = [
            bytes(np.ascontiguousarray(every[c, top, left])) for c in range(components) for top, left in own
        ]
        assert sorted(map(bytes, task.stack)) == sorted(wanted)
    # What a piece gives, and what the broker computes, is the image, each pixel of a piece once.
    given = np.zeros((rows, columns), int)
    for top, left, bottom, right in plan.boxes:
        given[top:bottom, left:right] += 1
    assert given.max(initial=0) <= 1
    assert plan.reasons == ({"ring": 1 - given.mean()} if halo == "ring" and reach.any() else {})
    for box in plan.home:
        given[box.slices] += 1
    assert given.min() >= 1


@pytest.mark.parametrize("mode", list(PAD_MODES))
@pytest.mark.parametrize("shape", [(23, 40), (25, 34), (3, 12), (1, 1)])
@pytest.mark.parametrize("halo", ["shared", "ring"])
def test_what_was_received_is_all_that_a_window_shows(shape: tuple[int, int], mode: str, halo: str) -> None:
    # Where the last block is narrow, its mirrored part shows more than its own window with the halo.
    numbered = np.arange(1, shape[0] * shape[1] + 1, dtype=np.int32).reshape(shape)
    job = job_of(numbered, "median", 2, plan={"block": 11, "halo": halo}, mode=mode, size=5, cval=0)
    plan = planned(job)
    for piece, box in enumerate(plan.windows):
        ((_, window),) = SCHEME.plain(job, plan, np.array([piece]))
        shown = np.isin(numbered, window)
        assert (shown == coverage(shape, box[None])).all()


def test_tasks_are_small_and_none_is_filled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hiding, "TASK_BYTES", 12 * 12 * 20)
    job = job_of(IMAGE, "median", 3, plan={"block": 10})
    plan = planned(job)
    sent = tasks_of(job, plan)
    assert max(len(task.stack) for _, task in sent) <= 20
    for party in range(3):
        own = [len(task.stack) for p, task in sent if p == party]
        assert sum(own) == (plan.owners == party).sum()
        assert len(set(own)) <= 2
    # In no order of the providers.
    parties = [party for party, _ in sent]
    assert parties != sorted(parties)


class Timed:
    """Answers take as long as these providers would take for so many pixels; nobody waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, speeds: dict[str, float]) -> None:
        delivered = Delivery._deliver

        def timed(self_: Delivery, number: int, party: int, timeout: float, retries: int) -> Delivered:
            answer = delivered(self_, number, party, timeout, retries)
            name = self_._endpoints[party].name
            return replace(answer, seconds=answer.stack.size / speeds[name] / 1e6)

        monkeypatch.setattr(dispatch.Delivery, "_deliver", timed)


def test_a_slow_provider_gets_fewer_blocks_in_the_next_job(monkeypatch: pytest.MonkeyPatch) -> None:
    Timed(monkeypatch, {"cloud-0": 2.0, "cloud-1": 0.5, "cloud-2": 2.0})
    with cloudsec.Broker(
        [Simulated(name) for name in names(3)], scheme="ga-es-2018", plan={"block": 6}, seed=0
    ) as broker:
        first, *later = (broker.process(IMAGE, "median").report for _ in range(6))
    shares = [[provider.pixel_share for provider in report.providers] for report in (first, *later)]
    assert np.ptp(shares[0]) < 0.05
    assert all(each[1] < 0.8 * shares[0][1] for each in shares[1:])
    assert "pixels" not in first.to_dict()["providers"][0]


def test_while_one_that_was_asked_was_never_timed_all_count_as_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    Timed(monkeypatch, {"cloud-0": 9.0, "cloud-1": 1.0, "cloud-2": 1.0})
    clouds = [Simulated(name) for name in names(3)]
    clouds[2].behaviour = FAULTS["exception"][0]
    with cloudsec.Broker(clouds, scheme="ga-es-2018", plan={"block": 6}, seed=0) as broker:
        for _ in range(2):
            result = broker.process(IMAGE, "median")
            assert result.report.home["reasons"].keys() == {"lost"}
            assert (result.image == providers.apply(IMAGE, "median")).all()
            shares = [provider.pixel_share for provider in result.report.providers]
            assert abs(shares[0] - shares[1]) < 0.05


@pytest.mark.parametrize("halo", ["shared", "ring"])
def test_the_report_says_that_there_is_no_confidentiality_and_why(halo: str) -> None:
    with cloudsec.Broker(3, scheme="ga-es-2018", plan={"block": 10, "halo": halo}) as broker:
        report = broker.process(IMAGE, "median").report
    leakage = report.leakage
    areas = leakage["assembled_area" if halo == "shared" else "adjacent_area"]
    assert report.assurance == "none"
    assert report.statement.startswith("No confidentiality: ")
    assert f"received {leakage['worst_gradient_share']:.1%} of the image's gradient" in report.statement
    assert f"one could join {areas[0]:.1%} of the image" in report.statement
    assert f"two together {areas[1]:.1%}." in report.statement
    assert areas[0] > 0.2
    assert leakage["collusion_threshold"] == 1
    owners = report.exposure.owners
    assert leakage["anonymity_set"] == np.bincount(owners).min()
    assert not leakage["over_study"]
    energy = gradient_map(IMAGE)
    worst = max(
        detail_share(energy, coverage(IMAGE.shape, report.exposure.plan.windows[owners == party]))
        for party in range(3)
    )
    assert leakage["worst_gradient_share"] == worst
    assert report.stronger_scheme == "ga-es"
    assert len(report.plan["thresholds"]) == report.plan["regions"] - 1
    assert report.plan["generations"] == len(report.plan["convergence"]) > 20
    assert report.plan["convergence"] == list(report.exposure.plan.convergence)


def test_one_alone_could_join_a_whole_of_what_lies_together() -> None:
    image = np.zeros((64, 64), np.uint8)
    image[:, 32:] = noise(64, 32)
    image[:, :32] = noise(64, 32) // 32
    with cloudsec.Broker(2, scheme="ga-es-2018", plan={"block": 8}) as broker:
        report = broker.process(image, "median").report
    assert report.leakage["assembled_area"] == pytest.approx([0.5, 1.0], abs=0.05)


def test_where_all_is_ring_nothing_leaves_the_house() -> None:
    image = noise(2, 2)
    with cloudsec.Broker(3, scheme="ga-es-2018", plan={"halo": "ring"}) as broker:
        result = broker.process(image, "median", size=5)
    assert (result.image == providers.apply(image, "median", size=5)).all()
    assert result.report.home == {"pixel_share": 1.0, "reasons": {"ring": 1.0}}
    assert result.report.plan["regions"] == 0
    assert result.report.statement.startswith("Nothing left the house: all pixels are in the ring")


def test_where_all_are_lost_nothing_is_said_to_have_been_kept_secret() -> None:
    clouds = [Simulated(name, FAULTS["exception"][0]) for name in names(2)]
    with cloudsec.Broker(clouds, scheme="ga-es-2018") as broker:
        report = broker.process(IMAGE, "median").report
    # They were sent their blocks, though they did not answer.
    assert report.statement.startswith("No confidentiality: ")
    assert report.home["reasons"] == {"lost": 1.0}


@pytest.mark.parametrize(
    ("count", "options", "says"),
    [
        (3, {"tolerate": 1}, "withstands nobody; use scheme 'ga-es', or tolerate=0"),
        (3, {"plan": {"side": 3}}, "no choice 'side' in its plan; it takes: block, regions, halo"),
        (3, {"plan": {"block": 0}}, "block must be from 1 to"),
        (3, {"plan": {"regions": 1}}, "regions must be from 2 to 3, not 1"),
        (30, {"plan": {"regions": 13}}, "regions must be from 2 to 12, not 13"),
        (3, {"plan": {"halo": "none"}}, "halo must be 'shared' or 'ring', not 'none'"),
        (
            3,
            {"plan": {"block": 9}, "size": 21},
            r"of 9 would travel with .* plan=\{'block': 32\}, .* --block 32",
        ),
        (
            3,
            {"plan": {"block": 40, "halo": "ring"}, "size": 41},
            r"would be all ring; use plan=\{'block': 48\}",
        ),
        (1, {}, "needs at least 2 providers"),
    ],
)
def test_what_the_scheme_does_not_offer_is_refused(count: int, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        planned(job_of(IMAGE, "median", count, **options))


@pytest.mark.parametrize(("size", "halo", "block"), [(5, "shared", 32), (81, "shared", 48), (33, "ring", 48)])
def test_the_default_block_has_room_for_the_halo(size: int, halo: str, block: int) -> None:
    assert planned(job_of(IMAGE, "mean", plan={"halo": halo}, size=size)).block == block


def test_a_refusal_is_an_incompatible_scheme_and_its_way_out_works() -> None:
    with (
        cloudsec.Broker(3, scheme="ga-es-2018", plan={"block": 4}) as broker,
        pytest.raises(IncompatibleScheme),
    ):
        broker.process(IMAGE, "median", size=13)
    with cloudsec.Broker(3, scheme="ga-es-2018", plan={"block": 32}) as broker:
        result = broker.process(IMAGE, "median", size=13)
    assert (result.image == providers.apply(IMAGE, "median", size=13)).all()
