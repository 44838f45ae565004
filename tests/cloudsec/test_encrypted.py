"""The law on ciphertexts, what providers are sent, and those that are lost or lie."""

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
from providers import Filter, ciphertexts, make_operation
from providers.testing import images
from providers.wire import Answer, decode_task
from tests.losses import check_fault, check_liar, fleet
from tests.simulator import FAULTS, Behaviour, changed

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 66), np.uint8)
WANTED = providers.apply(IMAGE, "mean", size=3)
PLANES = (
    make_operation("binomial", size=3, mode="mirror"),
    make_operation("mean", size=(2, 5), mode="constant", cval=7),
    make_operation("sobel", mode="nearest"),
    make_operation("laplacian"),
    make_operation("unsharp", radius=0.7, amount=1.5),
    make_operation("convolve", weights=[[-(2**9), 2**9, 1]], mode="constant", cval=0),
)


@st.composite
def jobs(draw: st.DrawFn) -> tuple[NDArray[Any], int | None, Filter]:
    """A small image, grey or in colour, or a volume, and a linear operation on it."""
    sides = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    kind = draw(st.sampled_from(["plane", "colour", "volume"]))
    if kind == "volume":
        return draw(images((2, *sides[:1], 5))), None, make_operation("mean", size=3)
    shape = sides if kind == "plane" else (*sides, 3)
    return draw(images(shape)), None if kind == "plane" else -1, draw(st.sampled_from(PLANES))


@settings(max_examples=20)
@given(jobs(), st.integers(1, 3), st.sampled_from([True, True, False]))
def test_a_result_on_ciphertexts_is_that_of_the_unsplit_operation(
    job: tuple[NDArray[Any], int | None, Filter], count: int, packing: bool
) -> None:
    image, axis, operation = job
    try:
        wanted = providers.apply(image, operation, channel_axis=axis)
    except ValueError:
        # What the operation itself refuses.
        return
    with cloudsec.Broker(count, scheme="paillier", tolerate=0, plan={"packing": packing}) as broker:
        result = broker.process(image, operation, channel_axis=axis)
    assert result.image is not None
    assert result.image.dtype == wanted.dtype
    assert (result.image == wanted).all()
    assert result.report.home == {"pixel_share": 0.0, "reasons": {}}
    assert "secret tag" in result.report.exact


def test_it_holds_over_http_and_in_many_slabs(
    http_providers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloudsec.schemes.paillier.SLAB_BYTES", 20_000)
    with cloudsec.Broker(http_providers[:2], scheme="paillier") as broker:
        result = broker.process(IMAGE, "mean", size=3)
    assert (result.image == WANTED).all()
    assert result.report.providers[0].tasks > 1


def test_no_two_pixels_or_jobs_have_a_ciphertext_or_a_key_in_common() -> None:
    flat, named = np.full((30, 40), 1000, np.uint16), fleet(2)
    with cloudsec.Broker(named, scheme="paillier", key=bytes(32)) as broker:
        for _ in range(2):
            broker.process(flat, "mean", size=1)
    tasks = [decode_task(request) for cloud in named for request in cloud.requests]
    assert len({task.modulus for task in tasks}) == 2
    rows = np.concatenate([task.stack.reshape(-1, task.stack.shape[-1]) for task in tasks])
    assert len(np.unique(rows, axis=0)) == len(rows) > 4


@pytest.mark.parametrize("packing", [True, False])
def test_many_pixels_ride_in_a_ciphertext_or_one(packing: bool) -> None:
    named = fleet(1)
    with cloudsec.Broker(named, scheme="paillier", tolerate=0, plan={"packing": packing}) as broker:
        report = broker.process(IMAGE[:9, :10], "mean", size=1).report
    (request,) = named[0].requests
    sent = decode_task(request).stack[..., 0].size
    assert sent == (1 if packing else 90)
    assert report.plan["shares"]["slots"] == 90 // sent


def swapped(answer: Answer) -> Answer:
    """Another's ciphertext in the place of one: right in form, and of the right key."""
    stack = answer.stack.copy()
    stack[0, 0, 0] = stack[0, 0, 1]
    return replace(answer, stack=stack)


LIES: dict[str, Behaviour] = {
    "another's": changed(swapped),
    "one": changed(lambda a: replace(a, stack=np.eye(1, a.stack.shape[-1], dtype=np.uint8) + 0 * a.stack)),
    "zeros": changed(lambda a: replace(a, stack=np.zeros_like(a.stack))),
    "too large": changed(lambda a: replace(a, stack=np.full_like(a.stack, 255))),
    "upside down": changed(lambda a: replace(a, stack=np.ascontiguousarray(a.stack[:, ::-1]))),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_liar_is_named_not_asked_again_and_harms_nothing(lie: str) -> None:
    check_liar("paillier", 3, LIES[lie], IMAGE)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_provider_that_fails_harms_nothing(fault: str) -> None:
    check_fault("paillier", 2, fault, IMAGE)


def test_if_all_lie_all_is_computed_at_home_or_the_job_fails() -> None:
    lying = {0: LIES["zeros"], 1: LIES["another's"]}
    with cloudsec.Broker(fleet(2, lying), scheme="paillier") as broker:
        result = broker.process(IMAGE, "mean", size=3)
    assert (result.image == WANTED).all()
    assert result.report.home == {"pixel_share": 1.0, "reasons": {"lost": 1.0}}
    with (
        cloudsec.Broker(fleet(2, lying), scheme="paillier", on_loss="fail") as broker,
        pytest.raises(Dishonest, match="answered"),
    ):
        broker.process(IMAGE, "mean", size=3)


@pytest.mark.parametrize(
    ("scheme", "options", "operation", "words"),
    [
        *(
            (scheme, *refused)
            for scheme in ("paillier", "bfv")
            for refused in (
                ({}, "median", "needs a linear operation, and 'median' is none; use scheme 'ga-es'"),
                ({"plan": {"seeds": True}}, "mean", "has no choice 'seeds'"),
                ({"plan": {"regions": 4}, "providers": 3}, "mean", "regions must be from 1 to 3"),
            )
        ),
        ("paillier", {"plan": {"packing": 1}}, "mean", "packing must be True or False"),
        ("bfv", {"plan": {"packing": True}}, "mean", "has no choice 'packing'"),
    ],
)
def test_what_cannot_be_encrypted_is_refused_with_the_way_out(
    scheme: str, options: dict[str, Any], operation: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        cloudsec.process(IMAGE, operation, scheme=scheme, **options)


def test_answers_that_have_no_room_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # What comes with CloudSec keeps within int64; plug-ins may not.
    monkeypatch.setattr("cloudsec.schemes.encryption.EXACT_INT", 255 * 16 // 2)
    with pytest.raises(IncompatibleScheme, match="may have 12 bits"):
        cloudsec.process(IMAGE, "binomial", size=3, scheme="paillier")


def test_reports_and_plans_say_that_all_together_learn_nothing(tmp_path: Any) -> None:
    with cloudsec.Broker(3, scheme="paillier") as broker:
        proposal = broker.plan(IMAGE, "sobel")
        report = broker.process(IMAGE, "sobel").report
    assert (report.assurance, report.stronger_scheme) == ("computational", None)
    assert set(report.leakage["assembled_area"]) == {0.0}
    assert "Withstands all providers together" in report.statement
    for told in (report, proposal):
        told.save(tmp_path / "r.html")
        assert told.to_dict()["plan"]["shares"] == proposal.plan["shares"]
        assert "Ciphertexts under a key of 2048 bits" in str(told)
        assert "Ciphertexts under a key of 2048 bits" in (tmp_path / "r.html").read_text()
    report.save_views(tmp_path / "views")


def test_what_is_sent_are_ciphertexts_under_the_modulus_in_the_task() -> None:
    named = fleet(2)
    with cloudsec.Broker(named, scheme="paillier") as broker:
        broker.process(IMAGE, "mean", size=3)
    for cloud in named:
        task = decode_task(cloud.requests[0])
        assert task.is_encrypted
        assert task.modulus is not None
        assert ciphertexts.are_ciphertexts(task.stack, task.modulus)
