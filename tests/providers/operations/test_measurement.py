"""Measurements against numpy and against exact arithmetic, and that parts come to the whole."""

from fractions import Fraction
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cloudsec
import providers
from providers.operations import Histogram, Statistics, measurement
from providers.testing import check_operation, float_images, images
from tests import in_blocks

SHAPES = st.one_of(
    st.tuples(st.integers(1, 24), st.integers(1, 24)),
    st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(5, 9)),
)
STATISTICS = Statistics()


def exactly(pixels: NDArray[Any]) -> dict[str, Any]:
    """The statistics of integers in Python's own numbers."""
    values = [int(pixel) for pixel in pixels.ravel()]
    mean = Fraction(sum(values), len(values))
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    return {
        "count": len(values),
        "minimum": min(values),
        "maximum": max(values),
        "sum": sum(values),
        "sum_of_squares": sum(value * value for value in values),
        "mean": float(mean),
        "variance": float(variance),
        "standard_deviation": sqrt(float(variance)),
    }


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


@given(images(SHAPES))
def test_statistics_of_integers_are_exact(image: NDArray[Any]) -> None:
    assert providers.apply(image, "statistics") == exactly(image)


def test_sums_larger_than_any_integer_of_the_processor_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.full((64, 64), -(2**31), np.int32)
    monkeypatch.setattr(measurement, "AT_ONCE", 1000)
    assert providers.apply(image, "statistics") == exactly(image)
    assert exactly(image)["sum_of_squares"] > 2**63


@given(images(SHAPES), st.integers(1, 60))
def test_statistics_of_parts_merge_to_those_of_the_whole(image: NDArray[Any], size: int) -> None:
    flat = image.ravel()
    parts = [STATISTICS.measured(flat[first : first + size]) for first in range(0, flat.size, size)]
    assert STATISTICS.merged(parts) == STATISTICS.measured(image)


@given(float_images(SHAPES), st.integers(1, 60))
def test_statistics_of_floats_are_numpys_in_float64(image: NDArray[Any], size: int) -> None:
    reals, flat = image.astype(np.float64), image.ravel()
    parts = [STATISTICS.measured(flat[first : first + size]) for first in range(0, flat.size, size)]
    largest = np.abs(reals).max()
    for value in (providers.apply(image, "statistics"), STATISTICS.merged(parts)):
        assert (value["minimum"], value["maximum"]) == (reals.min(), reals.max())
        assert value["mean"] == pytest.approx(reals.mean(), rel=1e-12, abs=1e-14 * largest)
        assert value["variance"] == pytest.approx(reals.var(), rel=1e-9, abs=1e-14 * largest**2)


def test_the_variance_of_floats_far_from_zero_is_not_cancelled_out() -> None:
    image = 1e9 + np.random.default_rng(0).normal(0, 1, (1200, 1000))
    value = providers.apply(image, "statistics")
    assert image.size > measurement.AT_ONCE
    assert value["standard_deviation"] == pytest.approx(image.std(), rel=1e-6)


@given(
    st.one_of(images(SHAPES), float_images(SHAPES)),
    st.integers(1, 300),
    st.sampled_from([(None, None), (-3.5, 200.25), (0, 4095)]),
)
def test_a_histogram_is_numpys(
    image: NDArray[Any], bins: int, ends: tuple[float | None, float | None]
) -> None:
    low, high = ends
    extremes = (image.min() if low is None else low, image.max() if high is None else high)
    try:
        counts, edges = np.histogram(image, bins, tuple(map(float, extremes)))
    except ValueError:
        # Far from zero, floats lie too far from one another.
        with pytest.raises(ValueError, match="narrower than floats can tell apart; give min and max"):
            providers.apply(image, "histogram", bins=bins, min=low, max=high)
        return
    value = providers.apply(image, "histogram", bins=bins, min=low, max=high)
    assert same(value, {"counts": counts, "edges": edges})


@given(images(SHAPES), st.integers(1, 60))
def test_histograms_of_parts_merge_to_that_of_the_whole(image: NDArray[Any], size: int) -> None:
    histogram = Histogram(bins=37, min=-100, max=1000.5)
    flat = image.ravel()
    parts = [histogram.measured(flat[first : first + size]) for first in range(0, flat.size, size)]
    assert same(histogram.merged(parts), histogram.measured(image))


def test_a_histogram_of_one_level_far_from_zero_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="1 bins from 2e\\+28 .* narrower than floats can tell apart"):
        providers.apply(np.array([[2e28]]), "histogram", bins=1)


def test_histograms_with_other_bins_do_not_merge() -> None:
    histogram = Histogram()
    one, other = (histogram.measured(np.array([0, last])) for last in (10, 11))
    with pytest.raises(ValueError, match="give min and max"):
        histogram.merged([one, other])
    with pytest.raises(ValueError, match="at least one"):
        STATISTICS.merged([])


@settings(max_examples=20)
@given(
    images(st.just((70, 90))),
    st.sampled_from(["ga-es", "ga-es-2018", "unprotected"]),
    st.sampled_from([("statistics", {}), ("histogram", {"bins": 64})]),
)
def test_a_job_measures_what_the_unsplit_operation_measures(
    image: NDArray[Any], scheme: str, measure: tuple[str, dict[str, Any]]
) -> None:
    name, parameters = measure
    result = cloudsec.process(image, name, scheme=scheme, providers=4, key=bytes(32), **parameters)
    assert result.image is None
    assert result.value is not None
    assert same(result.value, providers.apply(image, name, **parameters))
    assert (result.report.home["pixel_share"] == 1) == (scheme == "ga-es")


def test_of_colours_every_component_has_its_figure() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)
    for name in ("statistics", "histogram"):
        value = in_blocks.process(colour, name, channel_axis=-1, key=bytes(32)).value
        assert value is not None
        for component in range(4):
            own = providers.apply(colour[..., component], name)
            assert same({key: value[key][component] for key in value}, own)


def test_measurements_leave_pixels_as_they_are_and_promise_no_more() -> None:
    check_operation(Statistics(), dtypes=("int16",), examples=5)
    check_operation(Histogram(bins=4), dtypes=("uint8",), examples=5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"bins": 0}, "bins must be from 1"),
        ({"bins": 2.5}, "bins must be an integer"),
        ({"bins": 2**21}, "bins must be from 1"),
        ({"min": "low"}, "min must be a number"),
        ({"max": float("nan")}, "max must be a number"),
        ({"min": 5, "max": 5}, "min must be below max"),
        ({"min": 300}, "give min and max"),
        ({"max": -1}, "give min and max"),
    ],
)
def test_bins_that_there_cannot_be_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        providers.apply(np.arange(12, dtype=np.uint8).reshape(3, 4), "histogram", **parameters)
