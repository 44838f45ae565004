"""Which check an operation's answers get."""

from typing import Any

import numpy as np
import pytest

import providers
from benchmarks.plane import Costly
from cloudsec.verification.methods import method


def checked(name: str, dtype: str, **parameters: Any) -> str:
    axes = max(2, np.ndim(parameters.get("weights", ())))
    return method(providers.make_operation(name, **parameters).resolved(axes, dtype), dtype)


@pytest.mark.parametrize(
    ("name", "parameters", "wanted"),
    [
        ("gaussian", {"sigma": 2.0}, "freivalds"),
        ("mean", {"size": 4}, "freivalds"),
        ("convolve", {"weights": [[1, -2, 3]]}, "freivalds"),
        ("laplacian", {}, "freivalds"),
        ("median", {"size": 5}, "certificate"),
        ("percentile", {"size": 4, "percentile": 30}, "certificate"),
        ("minimum", {"size": 101}, "recomputed"),
        ("maximum", {}, "recomputed"),
        ("threshold", {"value": 7}, "recomputed"),
        ("window", {"center": 7, "width": 3}, "recomputed"),
        ("sobel", {}, "recomputed"),
    ],
)
def test_every_operation_is_checked_in_the_strongest_way(
    name: str, parameters: dict[str, Any], wanted: str
) -> None:
    assert checked(name, "int16", **parameters) == wanted


def test_of_floats_ranks_are_checked_to_the_bit_and_sums_are_computed_again_where_that_is_little_work() -> (
    None
):
    assert checked("median", "float32") == "certificate"
    for name, parameters in (("gaussian", {"sigma": 5.0}), ("unsharp", {}), ("laplacian", {}), ("sobel", {})):
        assert checked(name, "float32", **parameters) == "recomputed"
    for side, wanted in ((7, "recomputed"), (15, "sample")):
        assert checked("convolve", "float64", weights=np.ones((side, side))) == wanted


def test_operations_of_others_are_sampled() -> None:
    assert method(Costly(size=3).resolved(2, "uint8"), "uint8") == "sample"
