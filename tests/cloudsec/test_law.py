"""The law: what the broker gives back equals the operation on the whole image, bit for bit."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cloudsec
import providers
from cloudsec import course
from cloudsec.endpoints import Endpoint
from cloudsec.errors import IncompatibleScheme
from cloudsec.schemes import HOME
from providers import Filter, handle, make_operation
from providers.testing import images
from providers.wire import decode_task
from tests.planning import names
from tests.simulator import FAULTS, Behaviour, Simulated, changed

MODES = st.sampled_from(["reflect", "nearest", "mirror", "constant"])
SIDES = st.one_of(st.integers(1, 3), st.integers(1, 80))
SHAPES = st.tuples(SIDES, SIDES)
OPERATIONS = st.one_of(
    st.builds(
        lambda sigma, truncate, mode: make_operation("gaussian", sigma=sigma, truncate=truncate, mode=mode),
        st.sampled_from([0.0, 0.5, 1.0, (0.5, 1.0)]),
        st.sampled_from([1.0, 2.0]),
        MODES,
    ),
    st.builds(
        lambda name, size, mode: make_operation(name, size=size, mode=mode, cval=3),
        st.sampled_from(["mean", "median", "minimum", "maximum"]),
        st.sampled_from([1, 2, 3, 4, (1, 3), (3, 2)]),
        MODES,
    ),
    st.builds(
        lambda size, percentile, mode: make_operation(
            "percentile", size=size, percentile=percentile, mode=mode
        ),
        st.sampled_from([2, 3, (3, 2)]),
        st.sampled_from([0, 10, 50, 100]),
        MODES,
    ),
    st.builds(
        lambda name, mode: make_operation(name, mode=mode), st.sampled_from(["sobel", "laplacian"]), MODES
    ),
    st.builds(
        lambda weights, mode: make_operation("convolve", weights=weights, mode=mode, cval=3),
        st.sampled_from(
            [
                ((1, 2, 1), (2, -12, 2), (1, 2, 1)),
                ((1, 0, -1),),
                ((0.25, 0.5), (0.25, 0)),
                ((-0.3,), (1.618,), (0.1,)),
                ((1 / 9,) * 3,) * 3,
                ((-(2**10),),),
            ]
        ),
        MODES,
    ),
    st.builds(
        lambda radius, amount, mode: make_operation("unsharp", radius=radius, amount=amount, mode=mode),
        st.sampled_from([0.0, 0.5, (0.5, 0.2)]),
        st.sampled_from([1.0, 0.5, -0.3, 1.5]),
        MODES,
    ),
)
POINTWISE = st.one_of(
    st.builds(lambda value: make_operation("threshold", value=value), st.integers(-300, 300)),
    st.builds(
        lambda center, width: make_operation("window", center=center, width=width),
        st.sampled_from([0, 127.5, 1040]),
        st.sampled_from([1, 256, 400.25, 2**17]),
    ),
    st.just(make_operation("invert")),
)
# A lie of one grey level may be clipped away with all that is clipped, and then does no harm.
UNCLIPPED = OPERATIONS.filter(lambda operation: operation.name != "unsharp")
LAYOUTS = st.sampled_from(["C", "Fortran", "strided", "reversed", "read-only", "big-endian"])
CHANNELS = st.sampled_from([None, None, 3, 4])


def laid_out(image: NDArray[Any], layout: str) -> NDArray[Any]:
    if layout == "Fortran":
        return np.asfortranarray(image)
    if layout == "strided":
        wide = np.zeros((2 * image.shape[0], 3 * image.shape[1], *image.shape[2:]), image.dtype)
        wide[::2, ::3] = image
        return wide[::2, ::3]
    if layout == "reversed":
        return image[::-1, ::-1].copy()[::-1, ::-1]
    if layout == "read-only":
        image.flags.writeable = False
    return image.astype(image.dtype.newbyteorder(">")) if layout == "big-endian" else image


@st.composite
def cases(draw: st.DrawFn, most: int = 16) -> dict[str, Any]:
    """An image that is large enough to be sent, a number of providers, and what a user may fix."""
    count, block = draw(st.integers(2, most)), draw(st.sampled_from([8, 9, 12]))
    period = {4: 2, 9: 3}.get(count, 2)
    wide = draw(st.integers(period, 9))
    shape = tuple(
        block * whole + draw(st.integers(0, block - 1))
        for whole in (max(period, -(-4 * count // wide)), wide)
    )
    channels = draw(CHANNELS)
    plan: dict[str, Any] = {"block": block}
    halo = draw(st.sampled_from([None, "shared", "ring"]))
    if halo is not None and (halo == "ring" or count >= 4):
        plan["halo"] = halo
    return {
        "image": draw(images(shape if channels is None else (*shape, channels))),
        "channel_axis": None if channels is None else -1,
        "count": count,
        "tolerate": draw(st.integers(0, min(3, count - 1))),
        "plan": plan,
    }


def recommended_block(error: IncompatibleScheme) -> int:
    """The way out that a refusal names, which works for the same image."""
    found = re.search(r"plan=\{'block': (\d+)\}", str(error))
    assert found is not None, str(error)
    return int(found[1])


def broker_for(case: dict[str, Any], fleet: int | Sequence[Endpoint], **options: Any) -> cloudsec.Broker:
    # A key of its own makes the study one of its own.
    return cloudsec.Broker(fleet, plan=case["plan"], tolerate=case["tolerate"], key=os.urandom(32), **options)


def processed(case: dict[str, Any], operation: Filter, layout: str, fleet: Any = None) -> cloudsec.Result:
    """The result; where a refusal recommends a block, that with this block."""
    image = laid_out(case["image"].copy(), layout)
    while True:
        with broker_for(case, fleet or case["count"]) as broker:
            try:
                return broker.process(image, operation, channel_axis=case["channel_axis"])
            except IncompatibleScheme as error:
                block = recommended_block(error)
                assert block > case["plan"]["block"]
                case = case | {"plan": case["plan"] | {"block": block}}


def check_ga_es(case: dict[str, Any], operation: Filter, layout: str) -> None:
    wanted = providers.apply(case["image"], operation, channel_axis=case["channel_axis"])
    before = case["image"].copy()
    result = processed(case, operation, layout)
    assert result.image.dtype == wanted.dtype
    assert (result.image == wanted).all()
    assert (case["image"] == before).all()
    report = result.report
    assert report.losses == ()
    shares = [provider.pixel_share for provider in report.providers]
    used = sum(share > 0 for share in shares)
    assert used == report.plan["regions"]
    assert (used > 0) != ("small" in report.home["reasons"])
    # Fewer than all are used only where several are to be withstood.
    assert case["tolerate"] > 1 or used in (0, case["plan"].get("regions", case["count"]))
    assert sum(shares) + report.home["pixel_share"] == pytest.approx(1)
    assert report.plan["halo_policy"] in (case["plan"].get("halo", report.plan["halo_policy"]), None)


@settings(max_examples=90)
@given(cases(), OPERATIONS, LAYOUTS)
def test_ga_es_equals_the_unsplit_operation(case: dict[str, Any], operation: Filter, layout: str) -> None:
    check_ga_es(case, operation, layout)


@pytest.mark.slow
@settings(max_examples=5000)
@given(cases(), OPERATIONS, LAYOUTS)
def test_ga_es_equals_the_unsplit_operation_at_length(
    case: dict[str, Any], operation: Filter, layout: str
) -> None:
    check_ga_es(case, operation, layout)


@settings(max_examples=30)
@given(cases(), POINTWISE, LAYOUTS)
def test_ga_es_computes_pointwise_operations_at_home(
    case: dict[str, Any], operation: Filter, layout: str
) -> None:
    result = processed(case, operation, layout)
    wanted = providers.apply(case["image"], operation, channel_axis=case["channel_axis"])
    assert result.image.dtype == wanted.dtype
    assert (result.image == wanted).all()
    assert result.report.home == {"pixel_share": 1.0, "reasons": {"pointwise": 1.0}}
    assert {provider.bytes_up for provider in result.report.providers} == {0}
    assert "reads one pixel at a time, which is less work than hiding it" in result.report.statement


@settings(max_examples=80)
@given(images(SHAPES), OPERATIONS, st.integers(2, 16), LAYOUTS)
def test_ga_es_equals_the_unsplit_operation_on_images_of_any_size(
    image: NDArray[Any], operation: Filter, count: int, layout: str
) -> None:
    result = cloudsec.process(laid_out(image, layout), operation, providers=count, key=os.urandom(32))
    assert (result.image == providers.apply(image, operation)).all()


@settings(max_examples=80)
@given(st.data(), CHANNELS, st.one_of(OPERATIONS, POINTWISE), st.integers(1, 9), LAYOUTS)
def test_unprotected_equals_the_unsplit_operation(
    data: st.DataObject, channels: int | None, operation: Filter, count: int, layout: str
) -> None:
    size = data.draw(SHAPES)
    image = data.draw(images(size if channels is None else (*size, channels)))
    axis = None if channels is None else -1
    wanted = providers.apply(image, operation, channel_axis=axis)
    with cloudsec.Broker(count, scheme="unprotected") as broker:
        result = broker.process(laid_out(image, layout), operation, channel_axis=axis)
    assert result.image.dtype == wanted.dtype
    assert (result.image == wanted).all()


@settings(max_examples=60)
@given(
    st.data(),
    CHANNELS,
    st.one_of(OPERATIONS, POINTWISE),
    st.integers(2, 14),
    st.sampled_from([None, 7, 8, 12, 40]),
    st.sampled_from([None, "shared", "ring"]),
    LAYOUTS,
)
def test_ga_es_2018_equals_the_unsplit_operation(
    data: st.DataObject,
    channels: int | None,
    operation: Filter,
    count: int,
    block: int | None,
    halo: str | None,
    layout: str,
) -> None:
    size = data.draw(SHAPES)
    image = data.draw(images(size if channels is None else (*size, channels)))
    axis = None if channels is None else -1
    wanted = providers.apply(image, operation, channel_axis=axis)
    plan = {key: value for key, value in (("block", block), ("halo", halo)) if value is not None}
    with cloudsec.Broker(count, scheme="ga-es-2018", plan=plan, seed=0) as broker:
        result = broker.process(laid_out(image, layout), operation, channel_axis=axis)
    assert result.image.dtype == wanted.dtype
    assert (result.image == wanted).all()
    report = result.report
    shares = sum(provider.pixel_share for provider in report.providers)
    assert shares + report.home["pixel_share"] == pytest.approx(1)
    assert report.home["reasons"].keys() <= ({"ring"} if halo == "ring" else set())


def off_by_one(request: bytes) -> bytes:
    """A lie of one grey level in every pixel of every block."""
    task = decode_task(request)
    step = 1 if task.rounded else task.operation.scale
    lie = changed(lambda answer: replace(answer, stack=np.add(answer.stack, step, dtype=answer.stack.dtype)))
    return lie(request)


class After:
    """Does what another behaviour does, after some right answers."""

    def __init__(self, right: int, behaviour: Behaviour) -> None:
        self._right, self._behaviour = right, behaviour

    def __call__(self, request: bytes) -> bytes:
        self._right -= 1
        return handle(request) if self._right >= 0 else self._behaviour(request)


BEHAVIOURS: dict[str, Behaviour] = {"lies": off_by_one, "refuses": FAULTS["refusal"][0]}
BEHAVIOURS |= {fault: FAULTS[fault][0] for fault in ("exception", "busy", "garbage", "wrong shape", "half")}


def check_losses(case: dict[str, Any], operation: Filter, faults: dict[int, tuple[str, int]]) -> None:
    listed = names(case["count"])
    fleet = [
        Simulated(name, After(faults[n][1], BEHAVIOURS[faults[n][0]]) if n in faults else handle)
        for n, name in enumerate(listed)
    ]
    wanted = providers.apply(case["image"], operation, channel_axis=case["channel_axis"])
    image, axis = case["image"], case["channel_axis"]
    with broker_for(case, fleet) as broker:
        try:
            results = [broker.process(image, operation, channel_axis=axis) for _ in range(2)]
        except IncompatibleScheme as error:
            recommended_block(error)
            return
    for result in results:
        assert (result.image == wanted).all()
        counted = re.search(r"and (\d+) of (\d+) pieces", result.report.exact)
        if counted is not None:
            # A piece that was sent again and checked again is one piece.
            kept = int((result.report.exposure.owners != HOME).sum())
            assert int(counted[1]) == kept <= int(counted[2])
        shares = sum(provider.pixel_share for provider in result.report.providers)
        assert shares + result.report.home["pixel_share"] == pytest.approx(1)
    asked = {cloud.name for cloud in fleet if cloud.requests}
    lost = [{loss.provider for loss in result.report.losses} for result in results]
    at_once = {listed[n] for n, (_, right) in faults.items() if not right}
    assert at_once & asked <= lost[0] <= {listed[n] for n in faults}
    found = {
        loss.provider
        for loss in results[0].report.losses
        if "answered wrongly" in loss.reason or "no image leads to" in loss.reason
    }
    assert {name for name in at_once & asked if faults[listed.index(name)][0] == "lies"} <= found
    # Who lied is not asked again, and its absence is told again.
    assert found <= lost[1]


@st.composite
def faulty(draw: st.DrawFn) -> tuple[dict[str, Any], dict[int, tuple[str, int]]]:
    case = draw(cases())
    losers = draw(st.sets(st.integers(0, case["count"] - 1), min_size=1, max_size=4))
    fault = st.tuples(st.sampled_from(list(BEHAVIOURS)), st.sampled_from([0, 0, 1]))
    return case, {loser: draw(fault) for loser in losers}


@pytest.fixture(scope="module")
def all_sampled() -> Any:
    """Every piece is computed again, so that each lie is found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course, "SAMPLED_SHARE", 1)
        yield


@settings(max_examples=40)
@given(faulty(), UNCLIPPED)
def test_providers_that_fail_or_lie_spoil_no_result_and_are_named(
    all_sampled: None, drawn: tuple[dict[str, Any], dict[int, tuple[str, int]]], operation: Filter
) -> None:
    check_losses(drawn[0], operation, drawn[1])


@pytest.mark.slow
@settings(max_examples=3000)
@given(faulty(), UNCLIPPED)
def test_providers_that_fail_or_lie_spoil_no_result_and_are_named_at_length(
    all_sampled: None, drawn: tuple[dict[str, Any], dict[int, tuple[str, int]]], operation: Filter
) -> None:
    check_losses(drawn[0], operation, drawn[1])


def test_a_lie_in_every_block_is_found_by_the_usual_sample() -> None:
    image = np.random.default_rng(0).integers(0, 4096, (96, 96), np.uint16)
    fleet = [Simulated(name, off_by_one) for name in names(4)]
    with cloudsec.Broker(fleet, plan={"block": 8}, key=os.urandom(32)) as broker:
        result = broker.process(image, "median")
        assert result.report.losses
        assert all("answered wrongly" in loss.reason for loss in result.report.losses)
        # The sample shows some of them in each job, and those are not asked again.
        while len(result.report.losses) < 4:
            before = len(result.report.losses)
            result = broker.process(image, "median")
            assert len(result.report.losses) > before
    assert (result.image == providers.apply(image, "median")).all()


def check_jobs_in_a_row(case: dict[str, Any], operations: list[Filter]) -> None:
    image, axis = case["image"], case["channel_axis"]
    with broker_for(case, case["count"]) as broker:
        for operation in operations:
            try:
                result = broker.process(image, operation, channel_axis=axis, study="knee")
            except IncompatibleScheme as error:
                recommended_block(error)
                continue
            # The next job is on what this one gave: a chain of filters.
            wanted = providers.apply(image, operation, channel_axis=axis)
            assert (result.image == wanted).all()
            if wanted.dtype == image.dtype:
                image = result.image


@settings(max_examples=25)
@given(cases(), st.lists(OPERATIONS, min_size=2, max_size=3))
def test_jobs_in_a_row_on_one_study_are_each_exact(case: dict[str, Any], operations: list[Filter]) -> None:
    check_jobs_in_a_row(case, operations)


@pytest.mark.slow
@settings(max_examples=1500)
@given(cases(), st.lists(OPERATIONS, min_size=2, max_size=5))
def test_jobs_in_a_row_on_one_study_are_each_exact_at_length(
    case: dict[str, Any], operations: list[Filter]
) -> None:
    check_jobs_in_a_row(case, operations)


@settings(max_examples=25)
@given(cases(9), OPERATIONS, st.sampled_from(["ga-es", "ga-es-2018", "unprotected"]))
def test_the_law_holds_over_http(
    http_providers: list[str], case: dict[str, Any], operation: Filter, scheme: str
) -> None:
    image, axis, urls = case["image"], case["channel_axis"], http_providers[: case["count"]]
    if scheme == "ga-es":
        result = processed(case, operation, "C", urls)
    else:
        with cloudsec.Broker(urls, scheme=scheme) as broker:
            result = broker.process(image, operation, channel_axis=axis)
    assert (result.image == providers.apply(image, operation, channel_axis=axis)).all()
    # Providers beyond the regions have nothing to do.
    used = sum(provider.tasks > 0 for provider in result.report.providers)
    assert used == result.report.plan["regions"] > 0 or result.report.home["reasons"] == {"small": 1.0}


@pytest.mark.parametrize("count", [2, 4, 7, 9])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_the_law_holds_with_the_blocks_that_the_broker_chooses(count: int, dtype: str) -> None:
    limits = np.iinfo(dtype)
    image = np.random.default_rng(0).integers(limits.min, limits.max, (331, 290), dtype, endpoint=True)
    for name, parameters in (("gaussian", {"sigma": 1.0}), ("median", {"size": 5}), ("sobel", {})):
        result = cloudsec.process(image, name, providers=count, key=os.urandom(32), **parameters)
        assert (result.image == providers.apply(image, name, **parameters)).all()
        assert result.report.home["pixel_share"] < 0.5
