"""The law on floats: equal where nothing is rounded, else within the stated tolerance."""

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cloudsec
import providers
from cloudsec import checks
from cloudsec.errors import IncompatibleScheme
from providers import Filter, make_operation
from providers.image import FLOAT_DTYPES
from providers.operation import float_tolerance, resolved_for
from providers.testing import float_images
from providers.wire import decode_task
from tests import in_blocks
from tests.laws import MODES, recommended_block
from tests.planning import names
from tests.simulator import Simulated, changed

EXACT = [
    ("median", {"size": 3}),
    ("minimum", {"size": (1, 2)}),
    ("maximum", {"size": 4}),
    ("percentile", {"percentile": 10}),
    ("threshold", {"value": 0.5}),
    ("window", {"center": 0.25, "width": 300}),
    ("invert", {}),
]
ROUNDED = [
    ("gaussian", {"sigma": 1.0, "truncate": 2.0}),
    ("mean", {"size": (2, 5)}),
    ("convolve", {"weights": [[0.3, -2, 1 / 3]]}),
    ("convolve", {"weights": [[2**0.5], [-0.1]]}),
    ("laplacian", {}),
    ("unsharp", {"radius": 0.5, "amount": 1.5}),
    ("sobel", {}),
]
OPERATIONS = st.builds(
    lambda chosen, mode: make_operation(chosen[0], **chosen[1], mode=mode, cval=3),
    st.sampled_from(EXACT + ROUNDED),
    MODES,
)
SCHEMES = st.sampled_from([("ga-es", 2), ("ga-es", 4), ("ga-es", 5), ("ga-es-2018", 3), ("unprotected", 3)])


@settings(max_examples=60)
@given(float_images(st.tuples(st.integers(30, 70), st.integers(30, 70))), OPERATIONS, SCHEMES)
def test_on_floats_every_scheme_answers_what_the_unsplit_operation_does_within_the_tolerance(
    image: NDArray[Any], operation: Filter, chosen: tuple[str, int]
) -> None:
    scheme, count = chosen
    wanted = providers.apply(image, operation)
    plan = {} if scheme == "unprotected" else {"block": 12}
    while True:
        try:
            result = cloudsec.process(
                image, operation, scheme=scheme, providers=count, plan=plan, key=os.urandom(32), seed=0
            )
            break
        except IncompatibleScheme as error:
            plan = {"block": recommended_block(error)}
    allowed = float_tolerance(resolved_for(image, operation), image)
    assert (allowed == 0) == (operation.name in dict(EXACT))
    assert result.image.dtype == wanted.dtype
    assert np.abs(result.image.astype(np.float64) - wanted).max() <= allowed
    assert not result.report.losses


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_blocks_of_floats_are_turned_and_negated_but_not_offset_and_the_statement_says_so(
    dtype: str,
) -> None:
    image = np.random.default_rng(0).normal(100, 1, (96, 96)).astype(dtype)
    fleet = [Simulated(name) for name in names(4)]
    with in_blocks.Broker(fleet, plan={"block": 16}, key=bytes(32)) as broker:
        report = broker.process(image, "median").report
    stacks = [decode_task(request).stack for cloud in fleet for request in cloud.requests]
    assert {stack.dtype for stack in stacks} == {image.dtype}
    signs = np.concatenate([np.sign(stack).mean(axis=(1, 2)) for stack in stacks])
    assert set(signs.tolist()) == {-1.0, 1.0}
    assert np.isin(np.abs(np.concatenate([stack.ravel() for stack in stacks])), image).all()
    assert "negated at random" in report.statement
    assert "floats are not offset: a block shows them as they are but for the sign" in report.statement
    assert set(report.to_dict()["paper_metrics"]) == {"cor", "npcr", "uaci", "entropy"}
    assert all(view.stack.dtype == np.uint16 for view in report.views)


@pytest.mark.parametrize("lie", [np.nan, np.inf, 1e-3])
def test_a_provider_that_answers_floats_wrongly_is_found_and_spoils_nothing(
    lie: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All are computed again: a sample would miss a liar now and then.
    monkeypatch.setattr(checks, "SAMPLED_SHARE", 1.0)
    image = np.random.default_rng(0).normal(0, 1, (96, 96))
    liar = changed(lambda answer: replace(answer, stack=answer.stack + lie))
    fleet = [Simulated(name, liar) if name == "cloud-2" else Simulated(name) for name in names(4)]
    with in_blocks.Broker(fleet, plan={"block": 16}, key=bytes(32)) as broker:
        result = broker.process(image, "gaussian", sigma=1.0)
    assert [loss.provider for loss in result.report.losses] == ["cloud-2"]
    assert np.abs(result.image - providers.apply(image, "gaussian", sigma=1.0)).max() <= 1e-13


def test_nobody_is_a_liar_for_how_the_smallest_floats_are_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "SAMPLED_SHARE", 1.0)
    # Of so few bits that eps times them is no float any more.
    image = np.random.default_rng(0).normal(0, 1e-310, (96, 96))
    with in_blocks.Broker(4, plan={"block": 16}, key=bytes(32)) as broker:
        result = broker.process(image, "gaussian", sigma=1.0, truncate=2.0)
    assert not result.report.losses
    wanted = providers.apply(image, "gaussian", sigma=1.0, truncate=2.0)
    assert np.abs(result.image - wanted).max() == np.finfo(np.float64).smallest_subnormal


def test_nan_and_infinite_pixels_are_refused_before_anything_is_sent() -> None:
    fleet = [Simulated(name) for name in names(4)]
    for wrong in (np.nan, np.inf, -np.inf):
        image = np.zeros((96, 96), np.float32)
        image[3, 4] = wrong
        with in_blocks.Broker(fleet, key=bytes(32)) as broker, pytest.raises(ValueError, match="nan_to_num"):
            broker.process(image, "median")
    assert not any(cloud.requests for cloud in fleet)
