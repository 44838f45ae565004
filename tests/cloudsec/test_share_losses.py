"""Providers of shares that are lost or lie: named, made up for, and never in the result."""

import re
import threading
from dataclasses import replace

import numpy as np
import pytest

import cloudsec
import providers
from cloudsec.endpoints import late
from cloudsec.errors import Dishonest
from providers.wire import Answer, decode_task
from tests.losses import check_fault, check_liar, fleet
from tests.simulator import FAULTS, Behaviour, Simulated, changed

SCHEMES = ("additive", "shamir", "packed")
IMAGE = np.random.default_rng(0).integers(0, 4096, (40, 33), np.uint16)


def adding(number: int) -> Behaviour:
    def change(answer: Answer) -> Answer:
        stack = answer.stack.copy()
        # An array of one pixel, which wraps.
        stack[:1, :1, :1] += stack.dtype.type(number)
        return replace(answer, stack=stack)

    return changed(change)


LIES: dict[str, Behaviour] = {
    "one more": adding(1),
    "half of a ring": adding(2**15),
    "zeros": changed(lambda a: replace(a, stack=np.zeros_like(a.stack))),
    "upside down": changed(lambda a: replace(a, stack=np.ascontiguousarray(a.stack[:, ::-1]))),
    "no residues": changed(lambda a: replace(a, stack=np.full_like(a.stack, np.iinfo(a.stack.dtype).max))),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize(("scheme", "count"), [("additive", 3), ("shamir", 3), ("packed", 4), ("packed", 5)])
def test_a_liar_is_named_not_asked_again_and_harms_nothing(scheme: str, count: int, lie: str) -> None:
    check_liar(scheme, count, LIES[lie], IMAGE)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("scheme", "count"), [("additive", 3), ("shamir", 3), ("packed", 3)])
def test_a_provider_that_fails_harms_nothing(scheme: str, count: int, fault: str) -> None:
    check_fault(scheme, count, fault, IMAGE)


@pytest.mark.parametrize("lost", range(3))
@pytest.mark.parametrize("behaviour", [FAULTS["exception"][0], LIES["one more"], LIES["upside down"]])
def test_shamir_with_three_needs_nobody_anew_for_one_that_is_lost_or_lies_whoever_it_is(
    behaviour: Behaviour, lost: int
) -> None:
    named = fleet(3, {lost: behaviour})
    with cloudsec.Broker(named, scheme="shamir") as broker:
        result = broker.process(IMAGE, "mean", size=3)
    assert (result.image == providers.apply(IMAGE, "mean", size=3)).all()
    assert [loss.provider for loss in result.report.losses] == [f"c{lost}"]
    assert [provider.verified for provider in result.report.providers] == [int(i != lost) for i in range(3)]
    assert all(len(cloud.requests) == 1 for number, cloud in enumerate(named) if number != lost)


@pytest.mark.parametrize("liars", [(0, 5), (4, 5), (2, 4)])
def test_liars_beyond_the_quorum_are_found_too(liars: tuple[int, int]) -> None:
    named = fleet(6, {liars[0]: adding(1), liars[1]: adding(100)})
    with cloudsec.Broker(named, scheme="packed", plan={"spare": 2}) as broker:
        result = broker.process(IMAGE, "sobel")
    assert (result.image == providers.apply(IMAGE, "sobel")).all()
    assert {loss.provider for loss in result.report.losses} == {f"c{liar}" for liar in liars}


def test_a_liar_that_answers_last_is_found_as_well() -> None:
    named, answered = fleet(3), threading.Semaphore(0)

    def honest(request: bytes) -> bytes:
        try:
            return providers.handle(request)
        finally:
            answered.release()

    def lies_after_all_others(request: bytes) -> bytes:
        assert answered.acquire(timeout=60)
        assert answered.acquire(timeout=60)
        return adding(1)(request)

    for cloud, behaviour in zip(named, (honest, lies_after_all_others, honest), strict=True):
        cloud.behaviour = behaviour
    with cloudsec.Broker(named, scheme="shamir") as broker:
        result = broker.process(IMAGE, "mean", size=3)
    assert (result.image == providers.apply(IMAGE, "mean", size=3)).all()
    assert [loss.provider for loss in result.report.losses] == ["c1"]


def test_shamir_with_three_survives_one_that_never_answers() -> None:
    def time_is_over(_: bytes) -> bytes:
        # As an endpoint says of one that is silent; that no endpoint need say it is the delivery's law.
        raise late("c0", 0.5)

    with cloudsec.Broker(fleet(3, {0: time_is_over}), scheme="shamir") as broker:
        result = broker.process(IMAGE, "mean", size=3)
    assert (result.image == providers.apply(IMAGE, "mean", size=3)).all()
    assert "did not answer within" in result.report.losses[0].reason
    assert result.report.home["pixel_share"] == 0


@pytest.mark.parametrize("honest", range(3))
def test_of_two_liars_of_three_nothing_is_kept_and_the_rest_is_home_or_an_error(honest: int) -> None:
    def two_liars() -> list[Simulated]:
        return fleet(3, {number: adding(1 + number) for number in range(3) if number != honest})

    with cloudsec.Broker(two_liars(), scheme="shamir") as broker:
        result = broker.process(IMAGE, "mean", size=3)
    assert (result.image == providers.apply(IMAGE, "mean", size=3)).all()
    assert {loss.provider for loss in result.report.losses} == {f"c{i}" for i in range(3) if i != honest}
    assert result.report.home["pixel_share"] == 1
    with (
        cloudsec.Broker(two_liars(), scheme="shamir", on_loss="fail") as broker,
        pytest.raises(Dishonest, match="answered wrongly"),
    ):
        broker.process(IMAGE, "mean", size=3)


def test_a_share_of_a_lost_provider_is_never_sent_to_another() -> None:
    named = fleet(4, {3: FAULTS["exception"][0]})
    with cloudsec.Broker(named, scheme="additive", plan={"seeds": False}) as broker:
        broker.process(IMAGE, "mean", size=3)
    stacks = [decode_task(request).stack.tobytes() for cloud in named for request in cloud.requests]
    # It was sent its own twice, the second time because it had not been there.
    assert len(stacks) == 4 + 3 + 1
    assert len(set(stacks)) == 4 + 3


def test_the_chance_that_is_stated_counts_every_slab_and_every_answer_that_was_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def exponent(named: list[Simulated]) -> int:
        with cloudsec.Broker(named, scheme="shamir") as broker:
            found = re.search(r"at most 2\^(-\d+)", broker.process(IMAGE, "mean", size=5).report.exact)
        assert found is not None
        return int(found[1])

    # 2 / 2097143**4, rounded up.
    assert exponent(fleet(3)) == -82
    assert exponent(fleet(3, {0: LIES["one more"]})) == -81
    monkeypatch.setattr("cloudsec.schemes.shares.SLAB_BYTES", 2000)
    assert -82 < exponent(fleet(3)) < -70


@pytest.mark.parametrize("scheme", SCHEMES)
def test_if_too_few_are_left_all_is_computed_at_home_or_the_job_fails(scheme: str) -> None:
    def everyone() -> list[Simulated]:
        return fleet(3, {0: adding(1), 1: adding(10), 2: adding(100)})

    with cloudsec.Broker(everyone(), scheme=scheme) as broker:
        result = broker.process(IMAGE, "mean", size=3)
    assert (result.image == providers.apply(IMAGE, "mean", size=3)).all()
    assert result.report.home == {"pixel_share": 1.0, "reasons": {"lost": 1.0}}
    assert "computed on this machine" in result.report.exact
    with (
        cloudsec.Broker(everyone(), scheme=scheme, on_loss="fail") as broker,
        pytest.raises(Dishonest, match="answered wrongly"),
    ):
        broker.process(IMAGE, "mean", size=3)


def test_without_verification_shares_are_believed_and_the_report_says_so() -> None:
    with cloudsec.Broker(fleet(3, {1: adding(100)}), scheme="additive", verify=False) as broker:
        result = broker.process(IMAGE, "mean", size=3)
    assert (result.image != providers.apply(IMAGE, "mean", size=3)).any()
    assert "if every provider computed what it was asked" in result.report.exact


def test_without_verification_what_no_image_leads_to_still_has_its_liar_named() -> None:
    dark = IMAGE.astype(np.uint8)
    with cloudsec.Broker(fleet(3, {1: LIES["upside down"]}), scheme="additive", verify=False) as broker:
        result = broker.process(dark, "binomial", size=3)
    assert (result.image == providers.apply(dark, "binomial", size=3)).all()
    assert [loss.provider for loss in result.report.losses] == ["c1"]
