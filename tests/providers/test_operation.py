"""Parameters, and images that are accepted or refused."""

from typing import Any

import numpy as np
import pytest

import providers
from providers import make_operation


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("gausian", {}, "there are: gaussian, mean, median, sobel"),
        (None, {}, "unknown operation"),
        ("gaussian", {"sgima": 1}, "it takes: sigma, truncate, mode, cval"),
        ("gaussian", {"weights": ((1,), (1,))}, "no parameter 'weights'"),
        ("sobel", {"axes": 2}, "no parameter 'axes'"),
        ("gaussian", {"sigma": -1}, "sigma must be a number from 0"),
        ("gaussian", {"sigma": float("nan")}, "sigma must be a number"),
        ("gaussian", {"sigma": "wide"}, "sigma must be a number"),
        ("gaussian", {"sigma": 10**400}, "sigma must be a number"),
        ("median", {"size": 53}, "at most 2601 pixels"),
        ("gaussian", {"sigma": True}, "sigma must be a number"),
        ("gaussian", {"sigma": 400}, "the limit is 500"),
        ("gaussian", {"truncate": -1}, "truncate must be a number"),
        ("median", {"size": 0}, "size must be from 1"),
        ("median", {"size": 10**9}, "size must be from 1"),
        ("median", {"size": 2.5}, "size must be an integer"),
        ("median", {"size": (3, "x")}, "size must be an integer"),
        ("mean", {"mode": "wrap"}, "mode must be one of reflect, nearest, mirror, constant"),
        ("mean", {"mode": ["reflect"]}, "mode must be one of"),
        ("mean", {"mode": "constant", "cval": 0.5}, "cval must be an integer"),
    ],
)
def test_a_wrong_name_or_parameter_is_refused_with_what_is_accepted(
    name: Any, parameters: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        make_operation(name, **parameters).resolved(2, "uint8")


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((4, 4)), "this one is float64"),
        (np.zeros((4, 4), bool), "this one is bool"),
        (np.zeros((4, 4), np.int8), "must be uint8, int16, uint16, int32"),
        (np.zeros((4, 4), object), "this one is object"),
        (np.zeros(4, np.uint8), r"shape \(M, N\)"),
        (np.zeros((4, 4, 3), np.uint8), r"neither colour \(M, N, 3|4\) nor volumes"),
        (np.zeros((2, 4, 4), np.uint8), r"shape \(M, N\)"),
        (np.zeros((0, 4), np.uint8), "at least one pixel"),
    ],
)
def test_an_image_that_is_not_accepted_is_refused_with_what_is(image: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        providers.apply(image, "median")


def test_as_many_values_as_axes_are_asked_for() -> None:
    with pytest.raises(ValueError, match="sigma has 3 values, but the image has 2 axes"):
        providers.apply(np.zeros((4, 4), np.uint8), "gaussian", sigma=(1, 1, 1))


def test_a_border_value_that_the_image_cannot_have_is_refused() -> None:
    with pytest.raises(ValueError, match="cval=-1 is not a value of uint8 images"):
        providers.apply(np.zeros((4, 4), np.uint8), "mean", mode="constant", cval=-1)
    with pytest.raises(ValueError, match="cval=256"):
        providers.apply(np.zeros((4, 4), np.uint8), "mean", mode="constant", cval=256)


def test_an_operation_takes_its_parameters_with_its_name_only() -> None:
    with pytest.raises(ValueError, match="already has its parameters"):
        providers.apply(np.zeros((4, 4), np.uint8), make_operation("mean"), size=3)


def test_an_operation_is_the_value_of_its_parameters() -> None:
    assert make_operation("gaussian", sigma=2) == make_operation("gaussian", sigma=np.float32(2))
    assert make_operation("median", size=[3, 5]) == make_operation("median", size=(3, 5))
    assert hash(make_operation("mean")) == hash(make_operation("mean", size=3))
    assert str(make_operation("gaussian", sigma=(1, 2), mode="nearest")) == (
        "gaussian sigma=1,2 truncate=4 mode=nearest"
    )


def test_facts_of_an_operation_that_is_not_resolved_are_refused() -> None:
    with pytest.raises(ValueError, match="not resolved"):
        _ = make_operation("gaussian").halo
    with pytest.raises(ValueError, match="not resolved"):
        _ = make_operation("median").halo
