import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cloudsec
import providers
import regions
from cloudsec import IncompatibleScheme
from tests import in_blocks
from tests.simulator import Simulated, fail

IMAGE = np.random.default_rng(0).integers(0, 256, (256, 256), np.uint8)


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        ((0,), {}, "no providers"),
        (([],), {}, "no providers"),
        ((-1,), {}, "no providers"),
        ((2.5,), {}, "a number, or a list"),
        (("http://a.example",), {}, "a number, or a list"),
        (([4],), {}, "a URL or an endpoint, not int"),
        ((["http://a.example", "http://a.example/"],), {}, "given twice"),
        ((["http://a.example", "http://A.example.:080"],), {}, "given twice"),
        ((["https://a.example:443", "https://a.example"],), {}, "given twice"),
        ((["http://[::1]:9001", "http://[0:0:0:0:0:0:0:1]:9001"],), {}, "given twice"),
        ((4,), {"scheme": "none"}, "there are: auto, additive, shamir, packed, bfv, paillier, ga-es"),
        ((True,), {}, "up to 256 embedded"),
        ((10**9,), {}, "up to 256 embedded"),
        ((4,), {"scheme": ["ga-es"]}, "there are: auto, additive, shamir, packed, bfv, paillier, ga-es"),
        ((4,), {"plan": [1]}, "plan must be a dict"),
        ((4,), {"token": 3}, "token must be a string"),
        ((4,), {"progress": 3}, "progress must be a function"),
        (([Simulated(None)],), {}, "name that is a string"),
        ((4,), {"timeout": 0}, "positive number of seconds"),
        ((4,), {"timeout": float("nan")}, "positive number of seconds"),
        ((4,), {"timeout": "long"}, "positive number of seconds"),
        ((4,), {"verify": "all"}, "verify must be True, 'sample' or False"),
        ((4,), {"verify": 0}, "verify must be True, 'sample' or False"),
        ((4,), {"verify": None}, "verify must be True, 'sample' or False"),
        ((4,), {"on_loss": "retry"}, "on_loss must be 'home' or 'fail', not 'retry'"),
        ((4,), {"on_loss": ["home"]}, "on_loss must be 'home' or 'fail'"),
        ((4,), {"on_loss": None}, "on_loss must be 'home' or 'fail'"),
        ((4,), {"tolerate": -1}, "tolerate must be a number of providers, not -1"),
        ((4,), {"tolerate": True}, "tolerate must be a number of providers, not True"),
        ((4,), {"tolerate": 1.0}, "tolerate must be a number of providers, not 1.0"),
        ((4,), {"tolerate": "1"}, "tolerate must be a number of providers, not '1'"),
        ((4,), {"tolerate": 4}, "less than the number of providers, 4, not 4"),
        ((4,), {"tolerate": 1, "scheme": "unprotected"}, "withstands nobody, not even tolerate=1"),
        ((4,), {"tolerate": 1, "scheme": "ga-es-2018"}, "withstands nobody, not even tolerate=1"),
        ((4,), {"seed": -1}, "seed must be a whole number from 0, or None"),
        ((4,), {"seed": 1.5}, "seed must be a whole number from 0, or None"),
        ((4,), {"seed": True}, "seed must be a whole number from 0, or None"),
        ((4,), {"seed": "7"}, "seed must be a whole number from 0, or None"),
        ((4,), {"key": b"short"}, "at least 32 bytes, this one 5"),
        ((4,), {"key": 7}, "key must be bytes, the name of a key file, or None"),
        ((4,), {"key": [1]}, "key must be bytes, the name of a key file, or None"),
        ((4,), {"key": 7, "scheme": "unprotected"}, "key must be bytes"),
        ((4,), {"plan": "block"}, "plan must be a dict"),
    ],
)
def test_a_broker_that_cannot_work_is_refused(arguments: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        in_blocks.Broker(*arguments, **options)


@pytest.mark.parametrize(
    ("count", "plan", "operation", "parameters", "says"),
    [
        (1, {}, "median", {}, "needs at least 2 providers"),
        (4, {"blocks": 32}, "median", {}, "no choice 'blocks' in its plan; it takes: block, regions, halo"),
        (4, {"block": 0}, "median", {}, "block must be from 1"),
        (4, {"block": 2.5}, "median", {}, "block must be a whole number, not 2.5"),
        (4, {"block": "32"}, "median", {}, "block must be a whole number, not '32'"),
        (4, {"block": True}, "median", {}, "block must be from 1 to"),
        (4, {"block": 10**6}, "median", {}, "block must be from 1"),
        (4, {"regions": 1}, "median", {}, "regions must be from 2 to 4, not 1"),
        (4, {"regions": 5}, "median", {}, "regions must be from 2 to 4, not 5"),
        (4, {"regions": [2]}, "median", {}, r"regions must be a whole number, not \[2\]"),
        (4, {"halo": "none"}, "median", {}, "halo must be 'shared' or 'ring', not 'none'"),
        (4, {"halo": ["ring"]}, "median", {}, r"halo must be 'shared' or 'ring', not \['ring'\]"),
        (3, {"halo": "shared"}, "median", {}, "with 3 providers blocks of one provider touch"),
        (4, {"block": 16}, "gaussian", {"sigma": 3.0}, r"use plan=\{'block': 48\}"),
    ],
)
def test_what_the_scheme_cannot_do_is_refused_before_anything_is_sent(
    count: int, plan: dict[str, Any], operation: str, parameters: dict[str, Any], says: str
) -> None:
    clouds = [Simulated(f"c{i}") for i in range(count)]
    tolerate = 0 if count == 1 else None
    with (
        in_blocks.Broker(clouds, plan=plan, tolerate=tolerate) as broker,
        pytest.raises(ValueError, match=says),
    ):
        broker.process(IMAGE, operation, **parameters)
    assert not any(cloud.requests for cloud in clouds)


def test_an_incompatible_scheme_is_a_value_error_and_one_of_ours() -> None:
    with pytest.raises(IncompatibleScheme) as caught:
        in_blocks.process(IMAGE, "median", providers=1, tolerate=0)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, cloudsec.CloudsecError)


def test_one_provider_withstands_nobody() -> None:
    with pytest.raises(ValueError, match="less than the number of providers, 1, not 1"):
        in_blocks.Broker(1, tolerate=1)


@pytest.mark.parametrize("study", ["", " ", "a\nb", "\ud800", 7, b"knee", "x" * 1001, ["knee"]])
def test_what_is_no_name_of_a_study_is_refused_before_anything_is_sent(study: Any) -> None:
    clouds = [Simulated(f"c{i}") for i in range(4)]
    with (
        in_blocks.Broker(clouds) as broker,
        pytest.raises(ValueError, match="a name of 1 to 1000 printable characters"),
    ):
        broker.process(IMAGE, "median", study=study)
    assert not any(cloud.requests for cloud in clouds)


@pytest.mark.parametrize("study", ["x" * 1000, "Knie 17/ä", "../.."])
def test_any_words_name_a_study(study: str) -> None:
    with in_blocks.Broker(4) as broker:
        assert (broker.process(IMAGE, "mean", study=study).image == providers.apply(IMAGE, "mean")).all()


def test_a_study_has_one_name_however_its_letters_are_composed() -> None:
    with in_blocks.Broker(4) as broker:
        reused = [
            broker.process(IMAGE, "mean", study=study).report.plan["reused"]
            for study in ("M\u00fcller", "Mu\u0308ller", " M\u00fcller ", "Muller")
        ]
    assert reused == [False, True, True, False]


def test_defaults_are_the_safe_and_the_common_case() -> None:
    report = in_blocks.process(IMAGE, "median").report
    assert report.scheme == "ga-es"
    assert [provider.name for provider in report.providers] == [f"embedded-{i}" for i in range(1, 10)]
    assert report.plan["tolerate"] == 1
    # Every block that was sent.
    assert sum(provider.verified for provider in report.providers) == 64
    lost = [Simulated("dead", fail), *(Simulated(f"c{i}") for i in range(3))]
    with in_blocks.Broker(lost) as broker:
        assert broker.process(IMAGE, "median").report.home["reasons"]["lost"] > 0
    unprotected = cloudsec.process(IMAGE, "median", scheme="unprotected").report
    assert unprotected.plan["tolerate"] == 0


def test_the_key_is_the_users_unless_one_is_given(tmp_path: Path) -> None:
    user = Path(os.environ["CLOUDSEC_KEY_FILE"])
    cloudsec.process(IMAGE, "mean", scheme="unprotected")
    in_blocks.process(IMAGE, "mean", key=bytes(32))
    in_blocks.process(IMAGE, "mean", key=tmp_path / "key")
    in_blocks.process(IMAGE, "mean", key=str(tmp_path / "key"))
    assert not user.exists()
    in_blocks.process(IMAGE, "mean")
    assert user.exists()


def test_unprotected_takes_no_plan() -> None:
    with pytest.raises(ValueError, match="it takes none"):
        cloudsec.Broker(4, scheme="unprotected", plan={"block": 32}).process(IMAGE, "median")


def test_bad_images_and_parameters_are_refused_as_by_apply() -> None:
    for image, parameters in (
        (IMAGE.astype(np.float16), {}),
        (IMAGE[0], {}),
        (IMAGE, {"size": 0}),
        (IMAGE, {"sz": 3}),
    ):
        with pytest.raises(ValueError) as ours:
            in_blocks.process(image, "median", **parameters)
        with pytest.raises(ValueError) as reference:
            providers.apply(image, "median", **parameters)
        assert str(ours.value) == str(reference.value)


def test_blocks_are_32_wide_unless_the_plan_says_otherwise_whatever_the_operation() -> None:
    image = np.zeros((600, 600), np.uint8)
    for sigma in (0.5, 2.0):
        assert in_blocks.process(image, "gaussian", providers=4, sigma=sigma).report.plan["block"] == 32
    with pytest.raises(IncompatibleScheme, match=r"another study .* plan=\{'block': 48\}"):
        in_blocks.process(image, "gaussian", providers=4, sigma=3.0)
    with in_blocks.Broker(4, plan={"block": 48}) as broker:
        assert broker.process(image, "gaussian", sigma=3.0).report.plan["block"] == 48


def test_a_count_of_numpy_is_a_count_and_an_iterator_a_list() -> None:
    for four in (np.int64(4), (Simulated(f"c{i}") for i in range(4))):
        with in_blocks.Broker(four) as broker:
            assert (broker.process(IMAGE, "mean").image == providers.apply(IMAGE, "mean")).all()


def test_a_broker_closes_the_connections_that_it_opened_and_no_others(
    http_providers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    monkeypatch.setattr(cloudsec.HttpEndpoint, "close", lambda self: closed.append(self.name))
    given = cloudsec.HttpEndpoint(http_providers[0])
    with in_blocks.Broker([given, *http_providers[1:4]]):
        pass
    assert closed == http_providers[1:4]


def test_progress_counts_every_task() -> None:
    calls: list[tuple[int, int]] = []
    with in_blocks.Broker(4, progress=lambda done, total: calls.append((done, total))) as broker:
        broker.process(IMAGE, "median")
    assert calls == [(i, 4) for i in range(5)]


def test_one_broker_serves_many_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    wanted = providers.apply(IMAGE, "median")
    with in_blocks.Broker(4) as broker, ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: broker.process(IMAGE, "median"), range(12)):
            assert (result.image == wanted).all()


@pytest.mark.parametrize("package", [cloudsec, providers, regions])
def test_every_public_name_is_there_and_documented(package: Any) -> None:
    for name in package.__all__:
        thing = getattr(package, name)
        assert isinstance(thing, (dict, str)) or thing.__doc__, name
    assert list(package.__all__) == sorted(
        package.__all__, key=lambda n: (not n.isupper(), n[0].islower() or n[0] == "_", n)
    )
