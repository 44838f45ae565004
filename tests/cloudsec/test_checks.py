"""What is known of answers that were checked, and of liars, each by hand; `test_tampering` draws them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cloudsec
import providers
from benchmarks.lies import Liar
from benchmarks.tampering import LINEAR, OTHERS
from cloudsec import CloudsecError
from cloudsec.endpoints import Endpoint, LocalEndpoint
from cloudsec.verification import freivalds
from providers import Filter, make_operation
from providers.operations.linear import Gaussian
from providers.operations.pointwise import PointFilter
from providers.wire import Answer
from tests import in_blocks
from tests.simulator import Simulated, changed

KEY = bytes(range(32))
CHECKED: dict[str, Filter] = (
    LINEAR | OTHERS | {"unsharp of nothing": make_operation("unsharp", radius=0.3, amount=0)}
)
"""Operations of which all pixels are checked, whatever they are of."""
SETTINGS: dict[str, dict[str, Any]] = {
    "four": {"providers": 4, "plan": {"block": 8}},
    "nine": {"providers": 9, "plan": {"block": 8}},
    "two": {"providers": 2, "plan": {"block": 16}},
    "2018": {"providers": 3, "scheme": "ga-es-2018", "plan": {"block": 8}},
    "unprotected": {"providers": 3, "scheme": "unprotected"},
}
IMAGE = np.random.default_rng(0).integers(0, 256, (56, 61), np.uint8)


def run(
    image: NDArray[Any], operation: Filter, setting: dict[str, Any], second: Endpoint | None = None
) -> cloudsec.Result:
    """A job with this provider as the second, or an honest one."""
    chosen = dict(setting)
    clouds: list[Endpoint] = [LocalEndpoint(f"c{number}") for number in range(chosen.pop("providers"))]
    if second is not None:
        clouds[1] = second
    with in_blocks.Broker(clouds, key=KEY, **chosen) as broker:
        return broker.process(image, operation)


def liar(number: int, kind: str) -> Liar:
    return Liar(f"c{number}", kind, np.random.default_rng(number))


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", CHECKED)
def test_honest_answers_are_all_right_and_every_piece_counts_as_checked(setting: str, name: str) -> None:
    result = run(IMAGE, CHECKED[name], SETTINGS[setting])
    assert (result.image == providers.apply(IMAGE, CHECKED[name])).all()
    assert not result.report.losses
    sent = int(np.any(result.report.exposure.deliveries, axis=(0, 1)).sum())
    assert sum(provider.verified for provider in result.report.providers) == sent


def test_all_may_lie_and_nothing_of_theirs_is_kept() -> None:
    for operation in CHECKED.values():
        if isinstance(operation, PointFilter):
            # Computed at home anyhow.
            continue
        clouds = [liar(number, "zero") for number in range(4)]
        with in_blocks.Broker(clouds, key=KEY, plan={"block": 8}) as broker:
            result = broker.process(IMAGE, operation)
        assert (result.image == providers.apply(IMAGE, operation)).all()
        assert {loss.provider for loss in result.report.losses} == {"c0", "c1", "c2", "c3"}
        assert result.report.exact.startswith("computed on this machine")


def test_a_second_liar_is_found_when_the_first_is_gone() -> None:
    # Stand-ins answer rightly at first, and wrongly when they are asked again.
    clouds: list[Endpoint] = [LocalEndpoint(f"c{number}") for number in range(16)]
    clouds[3], clouds[5] = liar(3, "zero"), liar(5, "zero")
    image = np.random.default_rng(0).integers(0, 4096, (144, 144), np.uint16)
    with in_blocks.Broker(clouds, key=KEY, plan={"block": 8}) as broker:
        result = broker.process(image, "binomial", size=3)
    assert (result.image == providers.apply(image, "binomial", size=3)).all()
    assert {loss.provider for loss in result.report.losses} == {"c3", "c5"}
    kept = sum(int((result.report.exposure.owners == party).sum()) for party in range(16))
    assert sum(provider.verified for provider in result.report.providers) >= kept
    # Two answers were tried on one tag.
    assert "at most 2^-81" in result.report.exact


@pytest.mark.parametrize("setting", ["nine", "unprotected"])
def test_a_lie_that_rounding_or_clipping_would_hide_is_found_too(setting: str) -> None:
    def a_little_more(answer: Answer) -> Answer:
        return replace(answer, stack=answer.stack + 1)

    for operation in (make_operation("unsharp", radius=0.3, amount=3.0), CHECKED["gaussian"]):
        result = run(IMAGE // 64, operation, SETTINGS[setting], Simulated("c1", changed(a_little_more)))
        assert [loss.provider for loss in result.report.losses] == ["c1"]


def test_of_sums_nothing_is_computed_again_unless_a_tag_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    original = freivalds.Tag.holds

    def noted(self: freivalds.Tag, answer: NDArray[Any]) -> NDArray[np.bool_]:
        held = original(self, answer)
        asked.append(bool(held.all()))
        return held

    monkeypatch.setattr(freivalds.Tag, "holds", noted)
    run(IMAGE, CHECKED["gaussian"], SETTINGS["nine"])
    assert asked == [True]
    run(IMAGE, CHECKED["gaussian"], SETTINGS["nine"], liar(1, "zero"))
    assert asked == [True, False, True]


def test_an_operation_that_is_not_the_linear_map_it_declares_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Gaussian, "shares", (1, 1))
    with pytest.raises(CloudsecError, match="gaussian is not the linear filter that it says it is"):
        run(IMAGE, CHECKED["gaussian"], SETTINGS["nine"])
