"""The law on shares, what any tolerated coalition is sent, and providers that are lost or lie."""

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cloudsec
import providers
from cloudsec.errors import IncompatibleScheme
from cloudsec.forecast import LANE_COSTS, Forecast
from cloudsec.keystream import Keystream
from cloudsec.schemes import Job, LinearScheme
from providers import Filter, make_operation
from providers.testing import images
from providers.wire import decode_task
from tests.losses import fleet
from tests.simulator import FAULTS

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


@pytest.mark.parametrize("seeds", [True, False])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_a_provider_is_sent_is_uniform_and_another_in_every_job(scheme: str, seeds: bool) -> None:
    # Two bands, each of one level.
    flat = np.repeat(np.array([1000, 2000], np.uint16), 32)[:, None] * np.ones((1, 80), np.uint16)
    named = fleet(3)
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
    named = fleet(4)
    with cloudsec.Broker(named, scheme="additive", plan={"seeds": seeds}) as broker:
        report = broker.process(IMAGE, "mean", size=3).report
    assert report.assurance == ("computational" if seeds else "perfect")
    sent = [decode_task(request).seed is not None for cloud in named for request in cloud.requests]
    assert sent == [seeds] * 3 + [False]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_slab_is_not_shared_twice_under_the_same_keys(scheme: str) -> None:
    operation, names = make_operation("mean").resolved(2, IMAGE.dtype), ("a", "b", "c")
    present = {name: place for place, name in enumerate(names)}
    job = Job(IMAGE[None], operation, names, present, 1, {}, 0, Forecast((LANE_COSTS,) * 3))
    sharing = cloudsec.SCHEMES[scheme]
    assert isinstance(sharing, LinearScheme)
    keys, dealing = Keystream.fresh(), sharing.plan(job)
    sharing.protect(job, dealing, 0, keys)
    with pytest.raises(ValueError, match="was used already.* take the keys of another delivery"):
        sharing.protect(job, dealing, 0, keys)
    sharing.protect(job, dealing, 0, keys.for_job())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_mask_is_used_twice_by_slabs_deliveries_or_jobs(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloudsec.schemes.shares.SLAB_BYTES", 500)
    named = fleet(4, {3: FAULTS["exception"][0]})
    with cloudsec.Broker(named, scheme=scheme, key=bytes(32), plan={"regions": 4}) as broker:
        broker.process(IMAGE, "mean", size=3)
    for cloud in named:
        cloud.behaviour = providers.handle
    with cloudsec.Broker(named, scheme=scheme, key=bytes(32)) as broker:
        broker.process(IMAGE, "mean", size=3)
    # The same bytes may be sent to one provider again, where it could not be had.
    tasks = [decode_task(request) for cloud in named for request in set(cloud.requests)]
    seeds = [task.seed for task in tasks if task.seed is not None]
    assert len(seeds) == len(set(seeds)) > 4
    stacks = [task.stack.tobytes() for task in tasks]
    assert len(stacks) == len(set(stacks))


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


def test_no_more_are_said_to_collude_than_there_are() -> None:
    report = cloudsec.process(IMAGE, "mean", providers=3, scheme="shamir").report
    assert report.leakage["assembled_area"] == [0.0, 1.0, 1.0]


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


@pytest.mark.parametrize("scheme", [*SCHEMES, "paillier"])
def test_what_forgets_all_pixels_is_carried_too(scheme: str) -> None:
    for operation in (
        make_operation("contrast", factor=0, pivot=9),
        make_operation("convolve", weights=[[0, 0], [0, 0]]),
    ):
        image = IMAGE[:12, :9]
        result = cloudsec.process(image, operation, scheme=scheme, providers=3)
        assert (result.image == providers.apply(image, operation)).all()


def test_few_holders_do_not_withstand_more_colluders_than_they_are() -> None:
    for scheme in SCHEMES:
        with pytest.raises(IncompatibleScheme, match="at least 4 providers here, and only 2 may be asked"):
            cloudsec.process(IMAGE, "mean", scheme=scheme, tolerate=3, plan={"regions": 2})
