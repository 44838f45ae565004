"""Providers that fail: one clear error that names them, in time, and nothing else."""

import threading
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cloudsec
import providers
from cloudsec import Dishonest, ProviderFailed, Refused, Unavailable
from tests.simulator import FAULTS, Behaviour, RawServer, Simulated, fail, http_error, http_response


@pytest.fixture
def image() -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 4096, (200, 200), np.uint16)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scheme", ["ga-es", "unprotected"])
def test_a_provider_that_misbehaves_is_named(image: NDArray[Any], scheme: str, fault: str) -> None:
    behaviour, words = FAULTS[fault]
    clouds = [Simulated("good-1"), Simulated("good-2"), Simulated("bad", behaviour), Simulated("good-3")]
    with cloudsec.Broker(clouds, scheme=scheme) as broker, pytest.raises(ProviderFailed) as caught:
        broker.process(image, "median")
    assert "provider bad " in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_failures_are_told_apart(image: NDArray[Any]) -> None:
    for fault, kind in (("garbage", Dishonest), ("refusal", Refused), ("busy", Unavailable)):
        clouds = [Simulated(f"c{i}", FAULTS[fault][0]) for i in range(4)]
        with cloudsec.Broker(clouds) as broker, pytest.raises(kind):
            broker.process(image, "median")


def test_a_silent_provider_costs_no_more_than_its_time(image: NDArray[Any]) -> None:
    over = threading.Event()

    def hang(request: bytes) -> bytes:
        over.wait()
        return request

    clouds = [Simulated("a"), Simulated("silent", hang), Simulated("b"), Simulated("c")]
    started = time.monotonic()
    with (
        cloudsec.Broker(clouds, timeout=0.3) as broker,
        pytest.raises(Unavailable, match="silent did not answer"),
    ):
        broker.process(image, "median")
    over.set()
    assert time.monotonic() - started < 5


def test_after_a_failure_nothing_more_is_sent(image: NDArray[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from cloudsec.schemes import ga_es

    monkeypatch.setattr(ga_es, "TASK_BYTES", 5_000)
    over = threading.Event()

    def wait_until_all_is_over(request: bytes) -> bytes:
        over.wait()
        return providers.handle(request)

    slow = [Simulated(f"slow-{i}", wait_until_all_is_over) for i in range(3)]
    with cloudsec.Broker([Simulated("bad", fail), *slow]) as broker, pytest.raises(Unavailable, match="bad"):
        broker.process(image, "median")
    under_way = [thread for thread in threading.enumerate() if thread.name == "cloudsec delivery"]
    over.set()
    for thread in under_way:
        thread.join(10)
    assert all(len(cloud.requests) <= 1 for cloud in slow)


def test_an_answer_that_no_image_leads_to_is_refused(image: NDArray[Any]) -> None:
    from dataclasses import replace

    from tests.simulator import changed

    beyond: Behaviour = changed(lambda a: replace(a, stack=np.full_like(a.stack, 2**16 - 1)))
    flat = np.full((200, 200), 250, np.uint8)
    clouds = [Simulated("liar", beyond), *(Simulated(f"c{i}") for i in range(3))]
    with (
        cloudsec.Broker(clouds) as broker,
        pytest.raises(Dishonest, match="liar answered what no image leads to"),
    ):
        broker.process(flat, "mean")


def http_job(
    url: str, http_providers: list[str], image: NDArray[Any], timeout: float = 20.0
) -> cloudsec.Result:
    with cloudsec.Broker([*http_providers[:3], url], timeout=timeout) as broker:
        return broker.process(image, "median")


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (b"", "cannot be reached, or hung up"),
        (b"hello\r\n\r\n", "cannot be"),
        (http_response("200 OK", b""), "no answer"),
        (http_response("200 OK", b"<html>"), "no answer"),
        (http_response("200 OK", b"abc", length=5000), "half-way"),
        (http_response("200 OK", bytes(10**6)), "more than"),
        (http_response("302 Found", b"", "Location: http://127.0.0.1:9/"), "another address"),
        (http_response("404 Not Found", b"nothing here"), "HTTP status 404"),
        (http_response("502 Bad Gateway", b"oops"), "HTTP status 502"),
        (http_error("401 Unauthorized", "unauthorized", "who are you"), "wants its bearer token"),
        (http_error("413 Too Large", "too_large", "by far"), "refused the task: by far"),
        (http_error("503 Unavailable", "busy", "later"), "did not do the task: later"),
        (http_error("500 Error", "unheard of", "hm"), "did not do the task: hm"),
        (http_response("200 OK", b"x" * 64, "Content-Encoding: gzip"), "no answer"),
    ],
)
def test_a_server_that_misbehaves_is_named(
    http_providers: list[str], image: NDArray[Any], response: bytes, words: str
) -> None:
    with RawServer(response) as server, pytest.raises(ProviderFailed) as caught:
        http_job(server.url, http_providers, image)
    assert server.url in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)


@pytest.mark.parametrize(
    "server",
    [
        RawServer(b"", then_hang=True),
        RawServer(http_response("200 OK", b"abc", length=5000), then_hang=True),
        RawServer(http_response("200 OK", b"y" * 5000), drip=True),
    ],
    ids=["says nothing", "stops half-way", "drips"],
)
def test_a_server_that_stalls_costs_no_more_than_its_time(
    http_providers: list[str], image: NDArray[Any], server: RawServer
) -> None:
    started = time.monotonic()
    with server, pytest.raises(Unavailable) as caught:
        http_job(server.url, http_providers, image, timeout=0.5)
    assert server.url in str(caught.value)
    assert time.monotonic() - started < 20


def test_an_address_where_nobody_listens_is_named(http_providers: list[str], image: NDArray[Any]) -> None:
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:1 cannot be reached.*refused"):
        http_job("http://127.0.0.1:1", http_providers, image)
    with pytest.raises(Unavailable, match="provider http://nowhere.invalid:9001 cannot be reached"):
        http_job("http://nowhere.invalid:9001", http_providers, image)
