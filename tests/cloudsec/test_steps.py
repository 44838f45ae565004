"""Floats on shares: whole multiples of a step that the plan fixes, and an error that is stated."""

import os
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cloudsec
import providers
from cloudsec.cli import main
from cloudsec.errors import IncompatibleScheme
from providers import Filter, make_operation
from providers.image import FLOAT_DTYPES
from providers.operation import float_tolerance, resolved_for
from tests.laws import MODES

STEP = 2.0**-6
IMAGE = np.random.default_rng(0).normal(0, 40, (33, 28)).astype(np.float32)
OPERATIONS = [
    ("gaussian", {"sigma": 1.0, "truncate": 2.0}),
    ("mean", {"size": (2, 5)}),
    ("binomial", {"size": 5}),
    ("convolve", {"weights": [[0.3, -2, 1 / 3]]}),
    ("convolve", {"weights": [[2**0.5], [-0.1]]}),
    ("laplacian", {}),
    ("unsharp", {"radius": 0.5, "amount": 1.5}),
    ("sobel", {}),
]
WHOLE = ("mean", "binomial", "laplacian", "sobel")
SHARED = st.sampled_from([("additive", 2), ("shamir", 3), ("packed", 4)])


@st.composite
def jobs(draw: st.DrawFn) -> tuple[NDArray[Any], Filter, float]:
    """An image of floats, an operation, and a step of which its pixels are few thousands."""
    name, parameters = draw(st.sampled_from(OPERATIONS))
    operation = make_operation(name, **parameters, mode=draw(MODES), cval=3)
    step = draw(st.sampled_from([2.0**-10, 0.001, 0.3, 1.0, 7.0]))
    sides = draw(st.tuples(st.integers(3, 24), st.integers(3, 24)))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    # A border of three grey levels is as many steps as the finest of these steps allows.
    levels = random.uniform(-4000, 4000, sides) * min(step, 0.9)
    return levels.astype(draw(st.sampled_from(FLOAT_DTYPES))), operation, step


def check_the_law(image: NDArray[Any], operation: Filter, step: float, scheme: str, count: int) -> None:
    wanted = providers.apply(image, operation)
    result = cloudsec.process(image, operation, scheme=scheme, providers=count, plan={"step": step})
    plan = result.report.plan
    assert plan["step"] == step
    pixels = step / 2 * resolved_for(image, operation).float_gain
    exact = operation.name in WHOLE
    assert plan["greatest_error"] == pixels if exact else plan["greatest_error"] < 2 * pixels
    assert f"at most {plan['greatest_error']:g} grey levels" in result.report.exact
    # Rounded to steps, pixels may be half a step larger.
    largest = np.abs(image).max() + step
    allowed = plan["greatest_error"] + float_tolerance(
        resolved_for(image, operation), np.array([[largest]], image.dtype)
    )
    assert result.image.dtype == wanted.dtype
    assert np.abs(result.image.astype(np.float64) - wanted).max() <= allowed


@settings(max_examples=60)
@given(jobs(), SHARED)
def test_on_floats_shares_answer_what_the_unsplit_operation_does_but_for_the_stated_error(
    job: tuple[NDArray[Any], Filter, float], chosen: tuple[str, int]
) -> None:
    check_the_law(*job, *chosen)


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
@pytest.mark.parametrize("chosen", [("mean", {"size": 3}), ("sobel", {})])
def test_on_floats_so_do_ciphertexts(dtype: str, chosen: tuple[str, dict[str, Any]]) -> None:
    check_the_law(IMAGE[:9, :8].astype(dtype), make_operation(chosen[0], **chosen[1]), 0.01, "paillier", 1)


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
@pytest.mark.parametrize("name", ["binomial", "laplacian", "sobel"])
def test_pixels_that_are_whole_multiples_of_the_step_lead_to_the_unsplit_answers_themselves(
    dtype: str, name: str
) -> None:
    image = (np.rint(IMAGE / STEP) * STEP).astype(dtype)
    with cloudsec.Broker(4, plan={"step": STEP}) as broker:
        result = broker.process(image, name)
    assert (result.image == providers.apply(image, name)).all()


def test_the_error_that_is_stated_is_no_larger_than_it_can_be() -> None:
    image = np.full((8, 8), 1.499)
    with cloudsec.Broker(3, plan={"step": 1.0}) as broker:
        result = broker.process(image, "mean", size=3)
    assert (result.image == 1).all()
    assert result.report.plan["greatest_error"] == 0.5


def test_steps_in_which_nothing_would_be_left_are_refused() -> None:
    with pytest.raises(ValueError, match="all pixels up to 0.499 would be zero; use smaller steps"):
        cloudsec.process(np.full((8, 8), 0.499), "mean", plan={"step": 1.0})
    assert (cloudsec.process(np.zeros((8, 8)), "mean", plan={"step": 1.0}).image == 0).all()


def test_providers_are_probed_with_what_they_will_be_asked(http_providers: list[str]) -> None:
    with cloudsec.Broker(http_providers[:2], plan={"step": 0.25}) as broker:
        assert broker.probe(IMAGE, "gaussian").keys() == set(http_providers[:2])
        assert broker.process(IMAGE, "gaussian").report.scheme == "additive"


def test_halves_of_a_step_are_rounded_to_even() -> None:
    image = np.array([[0.5, 1.5, 2.5, -0.5, -1.5]])
    assert cloudsec.process(image, "mean", size=1, plan={"step": 1.0}).image.tolist() == [[0, 2, 2, 0, -2]]


def test_auto_takes_shares_for_floats_only_where_a_step_is_fixed_and_says_so() -> None:
    without = cloudsec.process(IMAGE, "mean", providers=4, key=os.urandom(32)).report
    assert (without.scheme, without.stronger_scheme) == ("ga-es", None)
    assert without.choice is not None
    assert without.choice.endswith("'additive' carries floats as whole multiples of a step only")
    step = cloudsec.process(IMAGE, "mean", providers=4, plan={"step": 0.25}).report
    assert step.scheme == "additive"
    assert step.choice is not None
    assert step.choice.endswith("carries 'mean' on floats in steps of 0.25 with these providers")


@pytest.mark.parametrize("scheme", ["additive", "paillier", "bfv"])
def test_floats_without_a_step_are_refused_with_the_way_out(scheme: str) -> None:
    with pytest.raises(IncompatibleScheme, match=re.escape("such as plan={'step': 2**-10}")):
        cloudsec.process(IMAGE, "mean", scheme=scheme)


@pytest.mark.parametrize("scheme", ["auto", "shamir", "paillier", "bfv"])
@pytest.mark.parametrize(
    ("image", "step", "operation", "words"),
    [
        (IMAGE, 0, "mean", "step must be a positive number of grey levels"),
        (IMAGE, -1.0, "mean", "step must be a positive number"),
        (IMAGE, float("nan"), "mean", "step must be a positive number"),
        (IMAGE, float("inf"), "mean", "step must be a positive number"),
        (IMAGE, 2.0**97, "mean", "step must be a positive number"),
        (IMAGE, True, "mean", "step must be a positive number"),
        (IMAGE, "fine", "mean", "step must be a positive number"),
        (IMAGE.astype(np.int32), 0.5, "mean", "step is for images of floats, and this one is of int32"),
        (IMAGE, 5e-324, "mean", "in steps of 4.94066e-324; use larger steps, or scheme 'ga-es'"),
        (IMAGE, 2.0**-53, "mean", "or larger steps"),
        (IMAGE, 0.5, "invert", "needs a linear operation"),
    ],
)
def test_steps_that_cannot_be_are_refused_with_the_way_out(
    scheme: str, image: NDArray[Any], step: Any, operation: str, words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        cloudsec.process(image, operation, scheme=scheme, plan={"step": step})


def test_an_operation_whose_error_nobody_bounds_takes_no_step() -> None:
    brighter = make_operation("brightness", offset=1)
    with pytest.raises(IncompatibleScheme, match="how far steps move answers of 'brightness'"):
        cloudsec.process(IMAGE, brighter, scheme="additive", plan={"step": 0.5})


def test_the_command_line_takes_a_step(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "in.npy", IMAGE)
    words = [str(tmp_path / "in.npy"), str(tmp_path / "out.npy"), "-o", "mean", "--step", "0.125"]
    assert main(["process", *words]) == 0
    assert "by scheme additive" in capsys.readouterr().out
    error = np.abs(np.load(tmp_path / "out.npy") - providers.apply(IMAGE, "mean")).max()
    assert 0 < error <= 0.125 / 2 + 1e-4
