"""How long a plan will take, from what its parts cost."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsec.forecast import Forecast, Lane, Workload
from tests.planning import lanes_of

COST = st.floats(1e-12, 1e6)


def test_a_forecast_is_the_brokers_part_and_whoever_ends_last() -> None:
    forecast = Forecast((Lane(2.0, 1e-2, 3.0), Lane(1.0, 5e-3, 1.5)), 1e-3, (1e-4, 0.5))
    work = Workload(4, 0, np.array([100.0, 300.0]), np.array([50.0, 150.0]))
    lanes = [2 + 1 + 0.15, (2 + 3 + 0.45) / 2]
    assert forecast.seconds(work) == pytest.approx(0.04 + 2 + max(lanes))
    assert forecast.seconds(replace(work, home=1e4)) == pytest.approx(0.04 + 2 + 10)
    # Who is sent nothing is not waited for.
    idle = replace(work, moved=np.array([0.0, 300.0]), answered=np.array([0.0, 150.0]))
    assert forecast.seconds(idle) == pytest.approx(0.03 + 2 + lanes[1])


def test_the_least_time_is_that_of_those_who_are_of_use() -> None:
    near, far = Lane(1.0, 0.0, 2.0), Lane(100.0, 0.0, 1.0)
    # In one second near ones do half a pixel, far ones a whole one, once they were asked.
    both = Forecast((near, near), 1.0, (0.5, 0.0))
    assert both.least(10) == pytest.approx(10 + 1 + 10)
    assert Forecast((near, far, near), 1.0, (0.5, 0.0)).least(10) == pytest.approx(both.least(10))
    assert Forecast((near, far, near), 1.0, (0.0, 0.0)).least(199) == pytest.approx(100 + 100 / 2)


def test_speeds_count_how_far_away_a_provider_is_for_as_many_pixels_as_it_would_get() -> None:
    forecast = Forecast((Lane(0.0, 0.0, 2.0), Lane(100.0, 0.0, 1.0)), 1.0)
    slower, faster = (forecast.speeds(pixels) for pixels in (20, 20_000))
    assert slower[0] / slower[1] == pytest.approx(110 / 20)
    assert faster[0] / faster[1] == pytest.approx(10_100 / 20_000)
    assert np.mean(slower) == np.mean(faster) == pytest.approx(1)


@given(
    st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5),
    st.tuples(COST, COST),
    st.tuples(COST, COST, COST),
    COST,
)
def test_rounded_costs_are_powers_of_four_and_keep_who_is_faster(
    speeds: list[float], own: tuple[float, float], costs: tuple[float, float, float], kernel: float
) -> None:
    lanes = tuple(Lane(*(cost / speed for cost in costs)) for speed in speeds)
    forecast = Forecast(lanes, kernel, own)
    exact, rounded = (
        np.hstack([np.ravel(each.lanes), each.kernel, each.own])
        for each in (forecast, forecast.rounded(1000))
    )
    mantissas, exponents = np.frexp(rounded)
    assert (mantissas == 0.5).all()
    assert (exponents % 2 == 1).all()
    # A cost and a speed, each off by at most two.
    assert (np.abs(np.log2(rounded / exact)) <= 2 + 1e-6).all()
    order = np.argsort(speeds)
    assert (np.diff(np.array(forecast.rounded(1000).speeds(1000))[order]) >= -1e-9).all()


def test_providers_that_are_as_fast_up_to_noise_are_rounded_alike() -> None:
    for typical in np.geomspace(0.5, 2, 7).tolist():
        speeds = [typical * noise for noise in (0.7, 1.0, 1.3, 1.4)]
        assert len(set(Forecast(lanes_of(speeds)).rounded(10**6).lanes)) == 1
