"""The law: what the broker gives back equals the operation on the whole image, bit for bit."""

from math import isqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cloudsec
import providers
from providers import Filter, make_operation
from providers.testing import images

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
        st.sampled_from(["mean", "median"]),
        st.sampled_from([1, 2, 3, 4, (1, 3), (3, 2)]),
        MODES,
    ),
    st.builds(lambda mode: make_operation("sobel", mode=mode), MODES),
)
LAYOUTS = st.sampled_from(["C", "Fortran", "strided", "reversed", "read-only", "big-endian"])


def laid_out(image: NDArray[Any], layout: str) -> NDArray[Any]:
    if layout == "Fortran":
        return np.asfortranarray(image)
    if layout == "strided":
        wide = np.zeros((2 * image.shape[0], 3 * image.shape[1]), image.dtype)
        wide[::2, ::3] = image
        return wide[::2, ::3]
    if layout == "reversed":
        return image[::-1, ::-1].copy()[::-1, ::-1]
    if layout == "read-only":
        image.flags.writeable = False
    return image.astype(image.dtype.newbyteorder(">")) if layout == "big-endian" else image


@st.composite
def jobs(draw: st.DrawFn) -> tuple[NDArray[Any], int, int]:
    """An image that is large enough to be sent, a number of providers, and a block size."""
    count, block = draw(st.sampled_from([4, 9])), draw(st.sampled_from([8, 9, 12]))
    least = 2 * isqrt(count) * block  # 4 whole blocks for each
    shape = tuple(least + draw(st.integers(0, 2 * block)) for _ in range(2))
    return draw(images(shape)), count, block


def check_ga_es(job: tuple[NDArray[Any], int, int], operation: Filter, layout: str) -> None:
    image, count, block = job
    wanted = providers.apply(image, operation)
    before = image.copy()
    with cloudsec.Broker(count, plan={"block": block}) as broker:
        result = broker.process(laid_out(image, layout), operation)
    assert result.image.dtype == wanted.dtype
    assert (result.image == wanted).all()
    assert (image == before).all()
    shares = [provider.pixel_share for provider in result.report.providers]
    assert min(shares) > 0
    assert sum(shares) + result.report.home["pixel_share"] == pytest.approx(1)


@settings(max_examples=200)
@given(jobs(), OPERATIONS, LAYOUTS)
def test_ga_es_equals_the_unsplit_operation(
    job: tuple[NDArray[Any], int, int], operation: Filter, layout: str
) -> None:
    check_ga_es(job, operation, layout)


@pytest.mark.slow
@settings(max_examples=5000)
@given(jobs(), OPERATIONS, LAYOUTS)
def test_ga_es_equals_the_unsplit_operation_at_length(
    job: tuple[NDArray[Any], int, int], operation: Filter, layout: str
) -> None:
    check_ga_es(job, operation, layout)


@settings(max_examples=100)
@given(images(SHAPES), OPERATIONS, st.sampled_from([4, 9]), LAYOUTS)
def test_ga_es_equals_the_unsplit_operation_on_images_of_any_size(
    image: NDArray[Any], operation: Filter, count: int, layout: str
) -> None:
    result = cloudsec.process(laid_out(image, layout), operation, providers=count)
    assert (result.image == providers.apply(image, operation)).all()


@settings(max_examples=150)
@given(images(SHAPES), OPERATIONS, st.integers(1, 9), LAYOUTS)
def test_unprotected_equals_the_unsplit_operation(
    image: NDArray[Any], operation: Filter, count: int, layout: str
) -> None:
    wanted = providers.apply(image, operation)
    with cloudsec.Broker(count, scheme="unprotected") as broker:
        result = broker.process(laid_out(image, layout), operation)
    assert result.image.dtype == wanted.dtype
    assert (result.image == wanted).all()


@settings(max_examples=40)
@given(jobs(), OPERATIONS, st.sampled_from(["ga-es", "unprotected"]))
def test_the_law_holds_over_http(
    http_providers: list[str], job: tuple[NDArray[Any], int, int], operation: Filter, scheme: str
) -> None:
    image, count, block = job
    plan = {"block": block} if scheme == "ga-es" else None
    with cloudsec.Broker(http_providers[:count], scheme=scheme, plan=plan) as broker:
        result = broker.process(image, operation)
    assert (result.image == providers.apply(image, operation)).all()
    assert min(provider.tasks for provider in result.report.providers) > 0


@pytest.mark.parametrize("count", [4, 9])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_the_law_holds_with_the_blocks_that_the_broker_chooses(count: int, dtype: str) -> None:
    limits = np.iinfo(dtype)
    image = np.random.default_rng(0).integers(limits.min, limits.max, (331, 290), dtype, endpoint=True)
    for name, parameters in (("gaussian", {"sigma": 2.0}), ("median", {"size": 5}), ("sobel", {})):
        result = cloudsec.process(image, name, providers=count, **parameters)
        assert (result.image == providers.apply(image, name, **parameters)).all()
        assert result.report.home["pixel_share"] < 0.5
