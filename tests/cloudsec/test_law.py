"""The law: what the broker gives back equals the operation on the whole image, bit for bit."""

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
from providers import Filter
from providers.testing import images
from tests import in_blocks
from tests.laws import (
    CHANNELS,
    LAYOUTS,
    OPERATIONS,
    POINTWISE,
    SHAPES,
    broker_for,
    cases,
    laid_out,
    recommended_block,
)


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
    result = in_blocks.process(laid_out(image, layout), operation, providers=count, key=os.urandom(32))
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
        result = in_blocks.process(image, name, providers=count, key=os.urandom(32), **parameters)
        assert (result.image == providers.apply(image, name, **parameters)).all()
        assert result.report.home["pixel_share"] < 0.5
