"""Providers that are lost: the result stays exact, nobody sees more than planned, and the report says so."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

import cloudsec
import providers
from cloudsec import Dishonest, Unavailable, dispatch
from cloudsec.schemes import hiding
from tests import in_blocks
from tests.losses import (
    IMAGES,
    KEY,
    at_first,
    behaviour,
    check,
    fleet,
    healthy,
    lie_once,
    process,
)
from tests.sightings import windows
from tests.simulator import Simulated, changed, fail


@pytest.fixture
def over(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set when the test is over, so that silent providers end."""
    monkeypatch.setattr(dispatch, "GRACE", 0.1)
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("count", [4, 9, 12, 16])
@pytest.mark.parametrize(
    "faults",
    [
        {1: "dead"},
        {1: "liar"},
        {2: "liar in one pixel"},
        {0: "dead", 2: "dead", 3: "liar"},
        {0: "dead", 1: "silent", 3: "liar in one pixel"},
    ],
    ids=lambda faults: ", ".join(faults.values()),
)
def test_whoever_is_lost_the_result_is_exact_and_only_stand_ins_see_more(
    over: threading.Event, count: int, faults: dict[int, str]
) -> None:
    before = healthy(count)
    assert (count > 9) == any(before.stand_in.values())
    clouds = fleet(count, {i: behaviour(fault, over) for i, fault in faults.items()})
    result = process(clouds, IMAGES[count], timeout=2.0)
    check(result, clouds, before, {f"c{i}": fault.split()[0] for i, fault in faults.items()})
    leakage = result.report.leakage
    for figure, planned in leakage["without_losses"].items():
        assert planned == before.report.leakage[figure]
    received = {cloud.name: len(windows(IMAGES[count][None], cloud.requests)) for cloud in clouds}
    most = max(share.received_share for share in result.report.providers)
    assert (most > before.report.exposure.worst_received_share) == (
        max(received.values()) > max(map(len, map(before.of, received)))
    )


@pytest.mark.parametrize("count", [4, 9, 12])
@pytest.mark.parametrize("fault", ["dead", "liar"])
def test_without_any_provider_all_is_computed_at_home(over: threading.Event, count: int, fault: str) -> None:
    before = healthy(count)
    clouds = fleet(count, {i: behaviour(fault, over) for i in range(count)})
    result = process(clouds, IMAGES[count])
    check(result, clouds, before, dict.fromkeys((f"c{i}" for i in range(count)), fault))
    assert result.report.home["pixel_share"] == pytest.approx(1)


def test_a_loss_of_unprotected_goes_home(over: threading.Event) -> None:
    image = IMAGES[4]
    clouds = fleet(4, {1: fail, 3: behaviour("liar", over)})
    with cloudsec.Broker(clouds, scheme="unprotected") as broker:
        result = broker.process(image, "mean")
    assert (result.image == providers.apply(image, "mean")).all()
    assert {loss.provider: (loss.blocks, loss.at_home) for loss in result.report.losses} == {
        "c1": (24, 24),
        "c3": (24, 24),
    }
    assert result.report.home["reasons"] == {"lost": 0.5}


def lender_and_stand_in(count: int) -> tuple[int, int]:
    """Two providers of which the second stands in for the first."""
    before = healthy(count)
    name = next(name for name in before.stand_in.values() if name is not None)
    lender = next(before.owner[w] for w, taker in before.stand_in.items() if taker == name)
    return int(lender[1:]), int(name[1:])


def test_what_a_stand_in_does_not_answer_goes_home(over: threading.Event) -> None:
    lender, second = lender_and_stand_in(12)
    before = healthy(12)
    clouds = fleet(12, {lender: fail, second: at_first(1, fail)})
    result = process(clouds, IMAGES[12])
    assert (result.image == providers.apply(IMAGES[12], "median", size=3)).all()
    first, then = result.report.losses
    lent = before.lent_to(f"c{second}", [f"c{lender}"])
    assert first.at_stand_ins[f"c{second}"] == len(lent)
    assert (then.provider, then.blocks, then.at_stand_ins, then.at_home) == (
        f"c{second}", len(lent), {}, len(lent)
    )  # fmt: skip
    check_nobody_saw_more_than_planned(clouds, {f"c{lender}", f"c{second}"})


def test_of_a_stand_in_that_lies_nothing_is_kept(over: threading.Event) -> None:
    lender, second = lender_and_stand_in(12)
    before = healthy(12)
    clouds = fleet(12, {lender: fail, second: at_first(1, changed(lie_once))})
    result = process(clouds, IMAGES[12])
    assert (result.image == providers.apply(IMAGES[12], "median", size=3)).all()
    then = result.report.losses[1]
    own, lent = before.of(f"c{second}"), before.lent_to(f"c{second}", [f"c{lender}"])
    elsewhere = {w for w in own if before.stand_in[w] not in (None, f"c{lender}")}
    assert then.blocks == len(own) + len(lent)
    assert sum(then.at_stand_ins.values()) == len(elsewhere)
    assert then.at_home == len(lent) + len(own - elsewhere)
    assert next(p.pixel_share for p in result.report.providers if p.name == f"c{second}") == 0
    check_nobody_saw_more_than_planned(clouds, {f"c{lender}", f"c{second}"})


def check_nobody_saw_more_than_planned(clouds: list[Simulated], lost: set[str]) -> None:
    before = healthy(len(clouds))
    for cloud in clouds:
        seen = windows(IMAGES[len(clouds)][None], cloud.requests)
        assert seen <= before.of(cloud.name) | before.lent_to(cloud.name, lost)


@pytest.mark.parametrize("fault", ["dead", "liar"])
def test_a_stand_in_gets_what_was_not_answered_or_all_of_a_liars(
    over: threading.Event, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(hiding, "TASK_BYTES", 1)
    before, image = healthy(12), IMAGES[12]
    own = before.of("c3")
    clouds = fleet(12, {3: at_first(2, behaviour(fault, over))})
    result = process(clouds, image)
    assert (result.image == providers.apply(image, "median", size=3)).all()
    answered = windows(image[None], clouds[3].requests[:2])
    moved = own if fault == "liar" else own - answered
    (loss,) = result.report.losses
    assert loss.blocks == len(moved)
    for cloud in clouds:
        if cloud.name != "c3":
            lent = windows(image[None], cloud.requests) - before.of(cloud.name)
            assert lent == before.lent_to(cloud.name, ["c3"]) & moved


@pytest.mark.parametrize("count", [4, 9])
@pytest.mark.parametrize(("fault", "error"), [("dead", Unavailable), ("liar", Dishonest)])
def test_a_loss_that_may_not_go_home_ends_the_job_and_nothing_more_is_sent(
    over: threading.Event, count: int, fault: str, error: type[Exception]
) -> None:
    before = healthy(count)
    clouds = fleet(count, {2: behaviour(fault, over)})
    with pytest.raises(error, match="provider c2 "):
        process(clouds, IMAGES[count], on_loss="fail")
    for cloud in clouds:
        assert windows(IMAGES[count][None], cloud.requests) <= before.of(cloud.name)
        assert len(cloud.requests) <= 1 + (cloud.name == "c2" and fault == "dead")


def test_a_loss_that_stand_ins_make_up_for_ends_no_job(over: threading.Event) -> None:
    before = healthy(16)
    whole = next(name for name in before.owner.values() if all(before.stand_in[w] for w in before.of(name)))
    clouds = fleet(16, {int(whole[1:]): fail})
    result = process(clouds, IMAGES[16], on_loss="fail")
    check(result, clouds, before, {whole: "dead"})
    # With the second one, there is a block whose owner and stand-in are both gone.
    taker = next(before.stand_in[w] for w in before.of(whole))
    assert taker is not None
    clouds = fleet(16, {int(whole[1:]): fail, int(taker[1:]): fail})
    with pytest.raises(Unavailable, match=f"provider ({whole}|{taker}) failed"):
        process(clouds, IMAGES[16], on_loss="fail")


@pytest.mark.parametrize("count", [4, 9, 12])
def test_a_provider_of_the_study_that_is_not_named_is_a_loss(over: threading.Event, count: int) -> None:
    before, image = healthy(count), IMAGES[count]
    process(fleet(count), image)
    clouds = fleet(count)
    result = process(clouds[1:], image)
    assert (result.image == providers.apply(image, "median", size=3)).all()
    (loss,) = result.report.losses
    own = before.of("c0")
    assert loss.provider == "c0"
    assert "is not among those that may be asked; name it again" in loss.reason
    assert loss.blocks == len(own)
    assert sum(loss.at_stand_ins.values()) == sum(before.stand_in[w] is not None for w in own)
    for cloud in clouds[1:]:
        seen = windows(image[None], cloud.requests)
        assert seen == before.of(cloud.name) | before.lent_to(cloud.name, ["c0"])


@pytest.mark.parametrize("count", [4, 9])
def test_a_provider_of_the_study_that_is_not_named_ends_a_job_before_anything_is_sent(
    over: threading.Event, count: int
) -> None:
    process(fleet(count), IMAGES[count])
    clouds = fleet(count)
    with pytest.raises(Unavailable, match="provider c0 holds a part of this study"):
        process(clouds[1:], IMAGES[count], on_loss="fail")
    assert not any(cloud.requests for cloud in clouds)


def test_a_job_after_a_loss_is_as_if_there_had_been_none(over: threading.Event) -> None:
    before = healthy(12)
    process(fleet(12, {1: fail, 2: fail}), IMAGES[12])
    clouds = fleet(12)
    check(process(clouds, IMAGES[12]), clouds, before, {})


def test_a_loss_in_one_study_is_none_in_another(over: threading.Event) -> None:
    clouds = fleet(4, {1: at_first(0, fail)})
    with in_blocks.Broker(clouds, key=KEY, plan={"block": 16}) as broker:
        assert broker.process(IMAGES[4], "mean", study="a").report.losses
        clouds[1].behaviour = providers.handle
        assert not broker.process(IMAGES[4], "mean", study="b").report.losses


def test_the_stated_odds_are_those_of_the_delivery_that_was_sampled_least() -> None:
    report = process(fleet(16, {1: fail}), IMAGES[16], verify="sample").report
    # 9 × 9 blocks, of which 8 were chosen; of those that went to stand-ins, all.
    assert "of 81 pieces" in report.exact
    assert f"found with a chance of {8 / 81:.1%}," in report.exact


def test_only_what_was_really_sent_counts_as_received(
    over: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hiding, "TASK_BYTES", 1)
    image, clouds = IMAGES[4], fleet(4, {1: at_first(2, fail)})
    report = process(clouds, image).report
    for cloud, provider in zip(clouds, report.providers, strict=True):
        seen = windows(image[None], cloud.requests)
        covered = np.zeros(image.shape, bool)
        for top, left in seen:
            covered[top : top + 18, left : left + 18] = True
        assert provider.received_share == pytest.approx(covered.mean())
        assert provider.tasks == (2 if cloud.name == "c1" else len(cloud.requests))
        assert provider.retries == (cloud.name == "c1")
    assert len(clouds[1].requests) == 4
    assert {view.name: len(view.stack) for view in report.views} == {
        cloud.name: len(set(cloud.requests)) for cloud in clouds
    }


@pytest.mark.parametrize("count", [4, 12])
@pytest.mark.parametrize("fault", ["dead", "liar"])
def test_progress_counts_the_tasks_that_can_still_be_answered(
    over: threading.Event, monkeypatch: pytest.MonkeyPatch, count: int, fault: str
) -> None:
    monkeypatch.setattr(hiding, "TASK_BYTES", 1)
    calls: list[tuple[int, int]] = []
    clouds = fleet(count, {1: at_first(1, behaviour(fault, over))})
    report = process(clouds, IMAGES[count], progress=lambda done, of: calls.append((done, of))).report
    done = [answered for answered, _ in calls]
    assert done == sorted(done)
    assert calls[-1][0] == calls[-1][1] == sum(provider.tasks for provider in report.providers)
    assert all(answered <= tasks for answered, tasks in calls)
