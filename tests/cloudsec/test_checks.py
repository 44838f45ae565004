"""No wrong pixel reaches a result, whatever a liar makes of right answers; and who lied is named."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cloudsec
import providers
from cloudsec import CloudsecError
from cloudsec.verification import freivalds
from providers import Filter, make_operation
from providers.operations.linear import Gaussian
from providers.wire import Answer
from tests import in_blocks
from tests.simulator import Simulated, changed
from tests.tampering import TAMPERINGS

KEY = bytes(range(32))
CHECKED: dict[str, Filter] = {
    "gaussian": make_operation("gaussian", sigma=0.5, truncate=2.0),
    "binomial": make_operation("binomial", size=3, mode="constant", cval=7),
    "mean": make_operation("mean", size=2, mode="nearest"),
    "laplacian": make_operation("laplacian"),
    "convolve": make_operation("convolve", weights=[[1, 0, -2], [3, 0, 1]]),
    "unsharp": make_operation("unsharp", radius=0.3, amount=1.5),
    "unsharp of nothing": make_operation("unsharp", radius=0.3, amount=0),
    "median": make_operation("median", size=3, mode="mirror"),
    "percentile": make_operation("percentile", size=(2, 3), percentile=20),
    "minimum": make_operation("minimum", size=4),
    "maximum": make_operation("maximum"),
    "sobel": make_operation("sobel"),
    "window": make_operation("window", center=128, width=200),
}
"""Operations of which all pixels are checked, whatever they are of."""
SETTINGS: dict[str, dict[str, Any]] = {
    "four": {"providers": 4, "plan": {"block": 8}},
    "nine": {"providers": 9, "plan": {"block": 8}},
    "two": {"providers": 2, "plan": {"block": 16}},
    "2018": {"providers": 3, "scheme": "ga-es-2018", "plan": {"block": 8}},
    "unprotected": {"providers": 3, "scheme": "unprotected"},
}
IMAGE = np.random.default_rng(0).integers(0, 256, (56, 61), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (*IMAGE.shape, 3), np.uint8)
DEEP = np.random.default_rng(2).integers(-2000, 3000, (4, *IMAGE.shape), np.int16)


class Liar:
    """Changes its answers in one way, as far as their dtype has room for it; may change nothing."""

    def __init__(self, tampering: str, seed: int) -> None:
        self._tampered, self._random = TAMPERINGS[tampering], np.random.default_rng(seed)
        self._before: NDArray[Any] | None = None

    def __call__(self, answer: Answer) -> Answer:
        right = answer.stack
        wide = right.astype(np.int64)
        other = wide if self._before is None else self._before
        self._before = wide[self._random.permutation(len(wide))]
        claimed = np.asarray(self._tampered(wide, np.flip(other, -1), self._random)).astype(right.dtype)
        return replace(answer, stack=claimed)


def run(
    image: NDArray[Any], operation: Filter, setting: dict[str, Any], lie: Callable[[Answer], Answer] | None
) -> cloudsec.Result:
    """A job of which the second provider lies."""
    chosen = dict(setting)
    clouds = [Simulated(f"c{number}") for number in range(chosen.pop("providers"))]
    if lie is not None:
        clouds[1].behaviour = changed(lie)
    with in_blocks.Broker(clouds, key=KEY, **chosen) as broker:
        return broker.process(image, operation, channel_axis=-1 if image.shape[-1] == 3 else None)


def tampered_jobs(tamperings: list[str], seed: int) -> Iterator[tuple[cloudsec.Result, NDArray[Any], str]]:
    """Jobs of all settings and operations, with the right result and what they are."""
    random = np.random.default_rng(seed)
    for setting, chosen in SETTINGS.items():
        for name, operation in CHECKED.items():
            for tampering in tamperings:
                flat = chosen.get("scheme") == "ga-es-2018" or name in ("convolve", "percentile")
                image = (IMAGE, COLOUR, DEEP)[int(random.integers(2 if flat else 3))]
                axis = -1 if image is COLOUR else None
                wanted = providers.apply(image, operation, channel_axis=axis)
                lie = Liar(tampering, int(random.integers(2**31)))
                yield (
                    run(image, operation, chosen, lie),
                    wanted,
                    f"{setting} {name} {tampering} {image.dtype}",
                )


@pytest.mark.parametrize("tampering", ["one pixel", "2**15", "block", "swap", "replay", "zero", "scale"])
def test_no_wrong_pixel_reaches_a_result(tampering: str) -> None:
    caught = 0
    for result, wanted, what in tampered_jobs([tampering], len(tampering)):
        assert result.image is not None
        assert (result.image == wanted).all(), what
        assert result.image.dtype == wanted.dtype
        assert {loss.provider for loss in result.report.losses} <= {"c1"}, what
        caught += bool(result.report.losses)
    # Some lies are none: pixels that nobody keeps, or what two like pixels are exchanged for.
    assert caught > 20


@pytest.mark.slow
def test_no_wrong_pixel_of_many_hundreds_of_jobs_reaches_a_result() -> None:
    jobs = caught = 0
    for seed in range(2):
        for result, wanted, what in tampered_jobs(list(TAMPERINGS), seed):
            assert result.image is not None
            assert (result.image == wanted).all(), what
            assert {loss.provider for loss in result.report.losses} <= {"c1"}, what
            jobs, caught = jobs + 1, caught + bool(result.report.losses)
    assert jobs == 2 * len(TAMPERINGS) * len(SETTINGS) * len(CHECKED)
    assert caught > jobs / 2


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", CHECKED)
def test_honest_answers_are_all_right_and_every_piece_counts_as_checked(setting: str, name: str) -> None:
    result = run(IMAGE, CHECKED[name], SETTINGS[setting], None)
    assert (result.image == providers.apply(IMAGE, CHECKED[name])).all()
    assert not result.report.losses
    sent = int(np.any(result.report.exposure.deliveries, axis=(0, 1)).sum())
    assert sum(provider.verified for provider in result.report.providers) == sent


def test_all_may_lie_and_nothing_of_theirs_is_kept() -> None:
    for name, operation in CHECKED.items():
        if name == "window":
            continue
        clouds = [Simulated(f"c{n}", changed(Liar("zero", n))) for n in range(4)]
        with in_blocks.Broker(clouds, key=KEY, plan={"block": 8}) as broker:
            result = broker.process(IMAGE, operation)
        assert (result.image == providers.apply(IMAGE, operation)).all()
        assert {loss.provider for loss in result.report.losses} == {"c0", "c1", "c2", "c3"}
        assert result.report.exact.startswith("computed on this machine")


def test_a_second_liar_is_found_when_the_first_is_gone() -> None:
    # Stand-ins answer rightly at first, and wrongly when they are asked again.
    lies = [Liar("zero", 1), Liar("one pixel", 2)]
    clouds = [Simulated(f"c{n}") for n in range(16)]
    clouds[3].behaviour, clouds[5].behaviour = map(changed, lies)
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
        result = run(IMAGE // 64, operation, SETTINGS[setting], a_little_more)
        assert [loss.provider for loss in result.report.losses] == ["c1"]


def test_of_sums_nothing_is_computed_again_unless_a_tag_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    original = freivalds.Tag.holds

    def noted(self: freivalds.Tag, answer: NDArray[Any]) -> NDArray[np.bool_]:
        held = original(self, answer)
        asked.append(bool(held.all()))
        return held

    monkeypatch.setattr(freivalds.Tag, "holds", noted)
    run(IMAGE, CHECKED["gaussian"], SETTINGS["nine"], None)
    assert asked == [True]
    run(IMAGE, CHECKED["gaussian"], SETTINGS["nine"], Liar("zero", 0))
    assert asked == [True, False, True]


def test_an_operation_that_is_not_the_linear_map_it_declares_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Gaussian, "shares", (1, 1))
    with pytest.raises(CloudsecError, match="gaussian is not the linear filter that it says it is"):
        run(IMAGE, CHECKED["gaussian"], SETTINGS["nine"], None)
