"""Which check an operation's answers get."""

from typing import Any

import pytest

import providers
from cloudsec.verification.methods import method


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
        ("sobel", {}, "sample"),
    ],
)
def test_every_operation_is_checked_in_the_strongest_way(
    name: str, parameters: dict[str, Any], wanted: str
) -> None:
    assert method(providers.make_operation(name, **parameters), "int16", rounded=False) == wanted


def test_rounded_sums_can_only_be_sampled() -> None:
    assert method(providers.make_operation("gaussian"), "uint8", rounded=True) == "sample"


def test_of_floats_ranks_are_checked_to_the_bit_and_sums_are_sampled() -> None:
    assert method(providers.make_operation("median"), "float32", rounded=False) == "certificate"
    assert method(providers.make_operation("gaussian"), "float32", rounded=False) == "sample"
