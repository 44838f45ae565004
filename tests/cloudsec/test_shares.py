"""The law on shares, what any tolerated coalition is sent, and providers that are lost or lie."""

import os
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cloudsec
import providers
from cloudsec.errors import Dishonest, IncompatibleScheme
from providers import Filter, make_operation
from providers.testing import images
from providers.wire import Answer, decode_task
from tests.simulator import FAULTS, Behaviour, Simulated, changed

SCHEMES = ("additive", "shamir", "packed")
IMAGE = np.random.default_rng(0).integers(0, 4096, (40, 33), np.uint16)
PLANES = (
    make_operation("gaussian", sigma=1.0),
    make_operation("mean", size=(2, 5), mode="constant", cval=7),
    make_operation("binomial", size=5, mode="mirror"),
    make_operation("sobel", mode="nearest"),
    make_operation("unsharp", radius=0.7, amount=1.5),
    make_operation("brightness", offset=-300),
    make_operation("contrast", factor=-1.7, pivot=90),
    make_operation("gabor_bank", frequencies=(0.25, 0.5), orientations=3, n_stds=1),
    make_operation("laplacian"),
    make_operation("convolve", weights=[[1, -2.5], [0.25, 3]]),
    make_operation("convolve", weights=[[-(2**9), 2**9, 1]], mode="constant", cval=0),
)
VOLUMES = (
    make_operation("gaussian", sigma=(0.5, 1.0, 1.0)),
    make_operation("mean", size=3),
    make_operation("sobel"),
    make_operation("laplacian", mode="constant"),
)


@st.composite
def jobs(draw: st.DrawFn) -> tuple[NDArray[Any], int | None, Filter]:
    """A grey image, one in colour, or a volume, and a linear operation on it."""
    sides = draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    kind = draw(st.sampled_from(["plane", "colour", "volume"]))
    if kind == "volume":
        return draw(images((draw(st.integers(1, 4)), *sides[:1], 5))), None, draw(st.sampled_from(VOLUMES))
    shape = sides if kind == "plane" else (*sides, draw(st.sampled_from([3, 4])))
    return draw(images(shape)), None if kind == "plane" else -1, draw(st.sampled_from(PLANES))


def check_the_law(job: tuple[NDArray[Any], int | None, Filter], scheme: str, count: int, seeds: bool) -> None:
    image, axis, operation = job
    try:
        wanted = providers.apply(image, operation, channel_axis=axis)
    except ValueError:
        # What the operation itself refuses.
        return
    with cloudsec.Broker(count, scheme=scheme, plan={"seeds": seeds}) as broker:
        try:
            result = broker.process(image, operation, channel_axis=axis)
        except IncompatibleScheme as error:
            assert "bands" in str(error)
            return
    assert result.image is not None
    assert result.image.dtype == wanted.dtype
    assert (result.image == wanted).all()
    assert result.report.home == {"pixel_share": 0.0, "reasons": {}}
    assert "secret tag" in result.report.exact


@settings(max_examples=60)
@given(jobs(), st.sampled_from(SCHEMES), st.integers(2, 7), st.booleans())
def test_a_result_on_shares_is_that_of_the_unsplit_operation(
    job: tuple[NDArray[Any], int | None, Filter], scheme: str, count: int, seeds: bool
) -> None:
    check_the_law(job, scheme, count, seeds)


@pytest.mark.slow
@settings(max_examples=3000)
@given(jobs(), st.sampled_from(SCHEMES), st.integers(2, 12), st.booleans())
def test_a_result_on_shares_is_that_of_the_unsplit_operation_at_length(
    job: tuple[NDArray[Any], int | None, Filter], scheme: str, count: int, seeds: bool
) -> None:
    check_the_law(job, scheme, count, seeds)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_holds_over_http_and_in_many_slabs(
    http_providers: list[str], scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloudsec.schemes.shares.SLAB_BYTES", 2000)
    with cloudsec.Broker(http_providers[:3], scheme=scheme) as broker:
        result = broker.process(IMAGE, "mean", size=5)
    assert (result.image == providers.apply(IMAGE, "mean", size=5)).all()
    assert result.report.providers[0].tasks > 1


def clouds(count: int, faulty: dict[int, Behaviour] | None = None) -> list[Simulated]:
    return [
        Simulated(f"c{number}", **({"behaviour": faulty[number]} if faulty and number in faulty else {}))
        for number in range(count)
    ]


@pytest.mark.parametrize("seeds", [True, False])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_a_provider_is_sent_is_uniform_and_another_in_every_job(scheme: str, seeds: bool) -> None:
    # Two bands, each of one level.
    flat = np.repeat(np.array([1000, 2000], np.uint16), 32)[:, None] * np.ones((1, 80), np.uint16)
    named = clouds(3)
    with cloudsec.Broker(named, scheme=scheme, plan={"seeds": seeds}, key=bytes(32)) as broker:
        for _ in range(2):
            broker.process(flat, "mean", size=3)
    seen = set()
    for cloud in named:
        for request in cloud.requests:
            task = decode_task(request)
            assert (task.seed is not None) <= seeds
            assert task.modulus is not None
            seen.add(task.stack.tobytes())
            # Of a flat image, nothing is flat: about as many residues in each sixteenth of the range.
            counts = np.histogram(task.stack.astype(np.float64), 16, (0, task.modulus))[0]
            expected = task.stack.size / 16
            assert ((counts - expected) ** 2 / expected).sum() < 70
    assert len(seen) == 6


@pytest.mark.parametrize("seeds", [True, False])
def test_shares_are_called_perfect_if_and_only_if_no_seed_stands_for_one(seeds: bool) -> None:
    named = clouds(4)
    with cloudsec.Broker(named, scheme="additive", plan={"seeds": seeds}) as broker:
        report = broker.process(IMAGE, "mean", size=3).report
    assert report.assurance == ("computational" if seeds else "perfect")
    sent = [decode_task(request).seed is not None for cloud in named for request in cloud.requests]
    assert sent == [seeds] * 3 + [False]


def adding(number: int) -> Behaviour:
    def change(answer: Answer) -> Answer:
        stack = answer.stack.copy()
        stack[0, 0, 0] += stack.dtype.type(number)
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
    named = clouds(count, {1: LIES[lie]})
    with cloudsec.Broker(named, scheme=scheme) as broker:
        result = broker.process(IMAGE, "binomial", size=5)
        asked = len(named[1].requests)
        again = broker.process(IMAGE, "binomial", size=5)
    wanted = providers.apply(IMAGE, "binomial", size=5)
    assert (result.image == wanted).all()
    assert (again.image == wanted).all()
    (loss,) = result.report.losses
    assert loss.provider == "c1"
    assert "answered" in loss.reason
    assert (len(named[1].requests), again.report.losses) == (asked, ())
    assert result.report.home["pixel_share"] == 0


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("scheme", "count"), [("additive", 3), ("shamir", 3), ("packed", 3)])
def test_a_provider_that_fails_harms_nothing(scheme: str, count: int, fault: str) -> None:
    behaviour, words = FAULTS[fault]
    named = clouds(count, {0: behaviour})
    with cloudsec.Broker(named, scheme=scheme, timeout=5) as broker:
        result = broker.process(IMAGE, "mean", size=3)
    assert (result.image == providers.apply(IMAGE, "mean", size=3)).all()
    assert words in result.report.losses[0].reason


def test_shamir_with_three_needs_nobody_anew_for_one_that_is_lost_or_lies() -> None:
    for behaviour in (FAULTS["exception"][0], LIES["one more"]):
        named = clouds(3, {2: behaviour})
        with cloudsec.Broker(named, scheme="shamir") as broker:
            result = broker.process(IMAGE, "mean", size=3)
        assert (result.image == providers.apply(IMAGE, "mean", size=3)).all()
        assert len(named[0].requests) == len(named[1].requests) == 1


def test_a_share_of_a_lost_provider_is_never_sent_to_another() -> None:
    named = clouds(4, {3: FAULTS["exception"][0]})
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
    assert exponent(clouds(3)) == -82
    assert exponent(clouds(3, {0: LIES["one more"]})) == -81
    monkeypatch.setattr("cloudsec.schemes.shares.SLAB_BYTES", 2000)
    assert -82 < exponent(clouds(3)) < -70


@pytest.mark.parametrize("scheme", SCHEMES)
def test_if_too_few_are_left_all_is_computed_at_home_or_the_job_fails(scheme: str) -> None:
    def everyone() -> list[Simulated]:
        return clouds(3, {0: adding(1), 1: adding(10), 2: adding(100)})

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
    with cloudsec.Broker(clouds(3, {1: adding(100)}), scheme="additive", verify=False) as broker:
        result = broker.process(IMAGE, "mean", size=3)
    assert (result.image != providers.apply(IMAGE, "mean", size=3)).any()
    assert "if every provider computed what it was asked" in result.report.exact


@pytest.mark.parametrize(
    ("options", "operation", "words"),
    [
        (
            {"scheme": "additive"},
            "median",
            "needs a linear operation, and 'median' is none; use scheme 'ga-es'",
        ),
        ({"scheme": "shamir", "providers": 1}, "mean", "at least 2 providers"),
        ({"scheme": "packed", "providers": 3, "plan": {"regions": 9}}, "mean", "regions must be from 1 to 3"),
        ({"scheme": "shamir", "plan": {"block": 32}}, "mean", "has no choice 'block'"),
        ({"scheme": "shamir", "plan": {"seeds": 1}}, "mean", "seeds must be True or False"),
        ({"scheme": "packed", "plan": {"spare": 8}}, "mean", "spare must be from 0 to 7"),
    ],
)
def test_what_cannot_be_shared_is_refused_with_the_way_out(
    options: dict[str, Any], operation: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        cloudsec.process(IMAGE, operation, **options)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_reports_and_plans_of_shares_say_what_few_and_many_could_learn(scheme: str, tmp_path: Any) -> None:
    with cloudsec.Broker(5, scheme=scheme, tolerate=2) as broker:
        proposal = broker.plan(IMAGE, "sobel")
        report = broker.process(IMAGE, "sobel").report
    privacy = report.plan["shares"]["privacy"]
    assert privacy == (4 if scheme == "additive" else 2)
    areas = report.leakage["assembled_area"]
    assert areas == [0.0] * min(privacy, len(areas)) + [1.0] * (len(areas) - privacy)
    assert report.leakage["worst_gradient_share"] == 0
    assert f"any {privacy} of the 5" in report.statement
    assert report.stronger_scheme is None
    for told in (report, proposal):
        told.save(tmp_path / "r.html")
        assert told.to_dict()["plan"]["shares"] == proposal.plan["shares"]
        assert "Shares modulo" in str(told)
        assert "Shares modulo" in (tmp_path / "r.html").read_text()
    report.save_views(tmp_path / "views")


def test_the_report_of_a_weaker_scheme_names_one_that_proves_more() -> None:
    for scheme in ("ga-es", "unprotected"):
        linear = cloudsec.process(IMAGE, "mean", scheme=scheme, providers=4, key=os.urandom(32)).report
        assert linear.stronger_scheme == "additive"
    ranks = cloudsec.process(IMAGE, "median", scheme="unprotected", providers=4).report
    assert ranks.stronger_scheme == "ga-es"


def test_few_holders_do_not_withstand_more_colluders_than_they_are() -> None:
    for scheme in SCHEMES:
        with pytest.raises(IncompatibleScheme, match="at least 4 providers here, and only 2 may be asked"):
            cloudsec.process(IMAGE, "mean", scheme=scheme, tolerate=3, plan={"regions": 2})
