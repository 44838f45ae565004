"""Parameters that are accepted or refused; an operation as the value of them."""

from typing import Any

import numpy as np
import pytest

import providers
from providers import make_operation
from providers.operation import resolved_for
from providers.operations import Operator
from providers.registry import example_operation


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("gausian", {}, "there are: .*gaussian, .*mean, median, .*sobel"),
        (None, {}, "unknown operation"),
        ("gaussian", {"sgima": 1}, "it takes: sigma, truncate, mode, cval"),
        ("gaussian", {"weights": ((1,), (1,))}, "no parameter 'weights'"),
        ("sobel", {"axes": 2}, "no parameter 'axes'"),
        ("gaussian", {"sigma": -1}, "sigma must be a number from 0"),
        ("gaussian", {"sigma": float("nan")}, "sigma must be a number"),
        ("gaussian", {"sigma": "wide"}, "sigma must be a number"),
        ("gaussian", {"sigma": 10**400}, "sigma must be a number"),
        ("median", {"size": 53}, "at most 2601 pixels"),
        ("percentile", {"size": 53}, "percentile: a window has at most 2601 pixels"),
        ("convolve", {}, r"needs the parameter 'weights', such as \[\[1,2,1\]"),
        ("convolve", {"weights": 3}, "must be a list of rows"),
        ("convolve", {"weights": []}, "must be a list of rows"),
        ("convolve", {"weights": [[]]}, "must be a list of rows"),
        ("convolve", {"weights": [1, 2, 1]}, "weights have 1 axes, but the image has 2; nest lists"),
        ("convolve", {"weights": [[1, 2], [3]]}, "same length"),
        ("convolve", {"weights": [[1, [2]]]}, "same length"),
        ("convolve", {"weights": [["x"]]}, "weights must be a number"),
        ("convolve", {"weights": [[True]]}, "weights must be a number"),
        ("convolve", {"weights": [[float("nan")]]}, "weights must be a number"),
        ("convolve", {"weights": [[[[1]]]]}, "weights must be a number"),
        ("convolve", {"weights": np.ones((52, 51))}, "there can be 2601 weights.* 52 x 51"),
        ("convolve", {"weights": [[2**50]]}, "add up to 51 bits; on uint8 images up to 50 are exact"),
        ("convolve", {"weights": [[1]], "divisor": 2}, "no parameter 'divisor'"),
        ("unsharp", {"radius": -1}, "radius must be a number from 0"),
        ("unsharp", {"radius": 400}, "unsharp: radius=400 .* the limit is 500"),
        ("unsharp", {"amount": 101}, "amount must be a number from -100 to 100"),
        ("threshold", {}, "threshold needs the parameter 'value', such as 128"),
        ("threshold", {"value": "x"}, "value must be a number"),
        ("threshold", {"value": 2**40}, "value must be a number from"),
        ("window", {"center": 40}, "window needs the parameter 'width'"),
        ("window", {"center": 40, "width": 0.5}, "width must be a number from 1"),
        ("invert", {"ends": 255}, "no parameter 'ends'"),
        ("percentile", {"percentile": 101}, "percentile must be a number from 0 to 100, not 101"),
        ("percentile", {"percentile": -1}, "percentile must be a number from 0 to 100"),
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


def test_an_operation_is_resolved_for_the_axes_of_space_whatever_the_image_has_besides() -> None:
    colour = np.zeros((8, 8, 3), np.uint8)
    for name in providers.operation_names():
        operation = example_operation(name)
        if isinstance(operation, Operator):
            operation = make_operation(name, matrix=np.eye(64, dtype=int), output_shape=(8, 8))
        assert resolved_for(colour, operation, -1) == resolved_for(colour[..., 0], operation)
    volume = np.zeros((5, 6, 7), np.uint8)
    assert resolved_for(volume, make_operation("median")).halo == (1, 1, 1)
    with pytest.raises(ValueError, match="size has 3 values, but the image has 2 axes"):
        providers.apply(colour, "median", channel_axis=-1, size=(3, 3, 3))


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
    sharpen = make_operation("convolve", weights=np.array([[0, -1.0], [2.5, 0]]))
    assert sharpen == make_operation("convolve", weights=[[0, -1], [2.5, 0]])
    assert str(sharpen) == "convolve weights=[[0,-1],[2.5,0]]"


def test_facts_of_an_operation_that_is_not_resolved_are_refused() -> None:
    with pytest.raises(ValueError, match="not resolved"):
        _ = make_operation("gaussian").halo
    for name in ("median", "laplacian", "unsharp"):
        with pytest.raises(ValueError, match=f"{name} is not resolved"):
            _ = make_operation(name).halo
    with pytest.raises(ValueError, match="convolve is not resolved"):
        _ = make_operation("convolve", weights=[[0.1]]).halo
