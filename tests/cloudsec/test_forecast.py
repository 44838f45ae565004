"""How long a plan will take, from what its parts cost."""

from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsec.forecast import Forecast, Workload

COST = st.floats(1e-12, 1e6)


def test_a_forecast_is_the_brokers_part_and_whoever_ends_last() -> None:
    forecast = Forecast((1.0, 2.0), 1e-3, (1e-4, 0.5), (2.0, 1e-2, 3.0))
    work = Workload(4, 0, np.array([100.0, 300.0]), np.array([50.0, 150.0]))
    lanes = [2 + 1 + 0.15, (2 + 3 + 0.45) / 2]
    assert forecast.seconds(work) == pytest.approx(0.04 + 2 + max(lanes))
    assert forecast.seconds(replace(work, home=1e4)) == pytest.approx(0.04 + 2 + 10)
    # Who is sent nothing is not waited for.
    idle = replace(work, moved=np.array([0.0, 300.0]), answered=np.array([0.0, 150.0]))
    assert forecast.seconds(idle) == pytest.approx(0.03 + 2 + lanes[1])
    assert forecast.least(90) == pytest.approx(0.018 + 2 + (1.8 + 0.27) / 3)


@given(st.lists(COST, min_size=1, max_size=5), st.tuples(COST, COST), st.tuples(COST, COST, COST), COST)
def test_rounded_costs_are_powers_of_four_and_off_by_at_most_a_factor_of_two(
    speeds: list[float], own: tuple[float, float], lane: tuple[float, float, float], kernel: float
) -> None:
    forecast = Forecast(tuple(speeds), kernel, own, lane)
    exact, rounded = (np.hstack(astuple(each)) for each in (forecast, forecast.rounded()))
    mantissas, exponents = np.frexp(rounded)
    assert (mantissas == 0.5).all()
    assert (exponents % 2 == 1).all()
    assert (np.abs(np.log2(rounded / exact)) <= 1 + 1e-9).all()
    assert forecast.rounded().rounded() == forecast.rounded()
