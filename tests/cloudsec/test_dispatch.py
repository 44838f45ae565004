"""Tasks on their way: each provider by itself, each within its time, and one clear error for each failure."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cloudsec
import providers
from cloudsec import Dishonest, ProviderFailed, Refused, Unavailable, dispatch
from cloudsec.dispatch import Delivered, Delivery, Lost
from cloudsec.schemes import Sealed
from providers import make_operation
from providers.wire import Task
from tests import in_blocks
from tests.simulator import (
    FAULTS,
    Behaviour,
    RawServer,
    Simulated,
    changed,
    fail,
    http_error,
    http_response,
)

MEAN = make_operation("mean").resolved(2, "uint16")


@pytest.fixture
def image() -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 4096, (200, 200), np.uint16)


@pytest.fixture
def over(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set when the test is over, so that silent providers end."""
    monkeypatch.setattr(dispatch, "GRACE", 0.1)
    event = threading.Event()
    yield event
    event.set()


def sealed(*parties: int) -> list[Sealed]:
    """One task for each of these parties, in this order."""
    pixels = np.random.default_rng(1).integers(0, 4096, (len(parties), 2, 9, 9), np.uint16)
    return [
        Sealed(Task(f"{number + 1:032x}", MEAN, stack, True), party, np.zeros(2, np.intp))
        for number, (party, stack) in enumerate(zip(parties, pixels, strict=True))
    ]


def delivered(tasks: list[Sealed], clouds: list[Simulated], timeout: float = 20.0) -> list[Delivered | Lost]:
    with Delivery(tasks, clouds, timeout) as delivery:
        return list(delivery)


def failing(times: int, behaviour: Behaviour) -> Behaviour:
    """Misbehaves so many times, and is good then."""
    calls = iter(range(10**6))
    return lambda request: (behaviour if next(calls) < times else providers.handle)(request)


def test_every_task_goes_to_its_own_party_in_turn_and_comes_back_right() -> None:
    tasks = sealed(0, 1, 0, 2, 1, 0)
    clouds = [Simulated(f"c{i}") for i in range(3)]
    answers = delivered(tasks, clouds)
    assert sorted(answer.number for answer in answers if isinstance(answer, Delivered)) == list(range(6))
    for answer in answers:
        assert isinstance(answer, Delivered)
        task = tasks[answer.number].task
        assert (answer.stack == MEAN.finish(MEAN.run(task.stack), task.stack.dtype)).all()
        assert answer.party == tasks[answer.number].party
        assert answer.retries == 0
    for party, cloud in enumerate(clouds):
        sent = [providers.wire.decode_task(request).id for request in cloud.requests]
        assert sent == [each.task.id for each in tasks if each.party == party]


@pytest.mark.parametrize("fault", ["busy", "exception"])
def test_a_provider_that_cannot_be_had_at_first_is_asked_once_more_and_that_is_counted(fault: str) -> None:
    cloud = Simulated("c", failing(1, FAULTS[fault][0]))
    first, second = delivered(sealed(0, 0), [cloud])
    assert isinstance(first, Delivered)
    assert isinstance(second, Delivered)
    assert (first.retries, second.retries) == (1, 0)
    # The same bytes, to the same party.
    assert len(cloud.requests) == 3
    assert cloud.requests[0] == cloud.requests[1] != cloud.requests[2]


@pytest.mark.parametrize("fault", ["busy", "exception"])
def test_a_provider_that_cannot_be_had_twice_is_lost(fault: str) -> None:
    cloud = Simulated("c", failing(2, FAULTS[fault][0]))
    (lost,) = delivered(sealed(0, 0), [cloud])
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, Unavailable)
    assert lost.retries == 1
    assert len(cloud.requests) == 2


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"busy", "exception"}))
def test_a_refusal_or_a_wrong_answer_is_final(fault: str) -> None:
    cloud = Simulated("c", failing(1, FAULTS[fault][0]))
    (lost,) = delivered(sealed(0, 0), [cloud])
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, Refused if fault in ("refusal", "too large") else Dishonest)
    assert len(cloud.requests) == 1
    assert lost.retries == 0


def test_a_second_attempt_gets_what_is_left_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(dispatch, "time", SimpleNamespace(monotonic=lambda: now[0]))
    given: list[float] = []

    class Slow:
        name = "slow"

        def send(self, request: bytes, timeout: float) -> bytes:
            given.append(timeout)
            now[0] += 7.0
            raise Unavailable("provider slow cannot be had")

    for timeout, wanted in ((20.0, [20.0, 13.0]), (7.0, [7.0]), (5.0, [5.0])):
        given.clear()
        with Delivery(sealed(0), [Slow()], timeout) as delivery:
            (lost,) = delivery
        assert isinstance(lost, Lost)
        assert given == wanted


def busy(pause: float) -> Behaviour:
    def behaviour(_: bytes) -> bytes:
        raise Unavailable("provider c is busy", pause)

    return behaviour


def test_a_provider_that_says_when_is_asked_again_then_and_not_lost() -> None:
    cloud = Simulated("c", failing(5, busy(0.01)))
    started = time.monotonic()
    (answer,) = delivered(sealed(0), [cloud])
    assert isinstance(answer, Delivered)
    assert answer.retries == 5
    assert len(cloud.requests) == 6
    assert time.monotonic() - started >= 0.05
    # What it took is counted from the attempt that was answered.
    assert answer.seconds < time.monotonic() - started - 0.04


def test_no_provider_makes_us_wait_beyond_the_time_of_a_task() -> None:
    cloud = Simulated("c", busy(1000.0))
    started = time.monotonic()
    (lost,) = delivered(sealed(0), [cloud], timeout=20.0)
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, Unavailable)
    assert time.monotonic() - started < 10
    assert len(cloud.requests) == 1


def test_a_provider_that_is_busy_for_ever_is_lost_when_its_time_is_over() -> None:
    cloud = Simulated("c", busy(0.2))
    (lost,) = delivered(sealed(0), [cloud], timeout=0.5)
    assert isinstance(lost, Lost)
    assert str(lost.error) == "provider c is busy"
    assert len(cloud.requests) == 3


def test_a_provider_that_is_dropped_while_it_is_waited_for_is_not_asked_again() -> None:
    cloud = Simulated("c", busy(30.0))
    started = time.monotonic()
    with Delivery(sealed(0, 1), [cloud, Simulated("good")], 60.0) as delivery:
        next(iter(delivery))
        delivery.drop(0)
    for thread in (each for each in threading.enumerate() if each.name == "cloudsec delivery"):
        thread.join(10)
    assert time.monotonic() - started < 10
    assert len(cloud.requests) <= 1


def test_others_go_on_when_one_is_lost() -> None:
    tasks = sealed(0, 1, 1, 2, 0, 1)
    outcomes = delivered(tasks, [Simulated("good"), Simulated("bad", fail), Simulated("fine")])
    assert {o.number for o in outcomes if isinstance(o, Delivered)} == {0, 3, 4}
    assert [o.party for o in outcomes if isinstance(o, Lost)] == [1]


def test_no_answer_of_a_dropped_party_is_taken_and_it_is_sent_nothing_more(over: threading.Event) -> None:
    answered = threading.Event()

    def second_waits(request: bytes) -> bytes:
        if len(slow.requests) == 2:
            over.wait(60)
        if len(slow.requests) > 1:
            answered.set()
        return providers.handle(request)

    slow = Simulated("slow", second_waits)
    with Delivery(sealed(0, 0, 0, 1), [slow, Simulated("good")], 60.0) as delivery:
        taken = []
        for outcome in delivery:
            assert isinstance(outcome, Delivered)
            taken.append(outcome.number)
            if outcome.number == 0:
                delivery.drop(0)
                over.set()
    assert sorted(taken) in ([0], [0, 3])
    assert 3 in taken
    threads = [thread for thread in threading.enumerate() if thread.name == "cloudsec delivery"]
    for thread in threads:
        thread.join(10)
    assert len(slow.requests) <= 2
    assert delivery.asked == {0, 3} | ({1} if len(slow.requests) == 2 else set())


def test_what_was_asked_is_what_was_sent() -> None:
    tasks = sealed(0, 0, 0, 1)
    with Delivery(tasks, [Simulated("bad", fail), Simulated("good")], 20.0) as delivery:
        list(delivery)
    assert delivery.asked == {0, 3}


def test_a_silent_provider_costs_its_time_and_no_more(over: threading.Event) -> None:
    def hang(request: bytes) -> bytes:
        over.wait(60)
        return request

    silent = Simulated("silent", hang)
    started = time.monotonic()
    outcomes = delivered(sealed(0, 1, 0, 1), [silent, Simulated("good")], timeout=1.0)
    assert 1.0 <= time.monotonic() - started < 5
    assert {o.number for o in outcomes if isinstance(o, Delivered)} == {1, 3}
    (lost,) = (o for o in outcomes if isinstance(o, Lost))
    assert isinstance(lost.error, Unavailable)
    assert str(lost.error).startswith("provider silent did not answer within 1 s")
    assert len(silent.requests) == 1


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scheme", ["ga-es", "ga-es-2018", "unprotected"])
def test_a_provider_that_misbehaves_is_named(image: NDArray[Any], scheme: str, fault: str) -> None:
    behaviour, words = FAULTS[fault]
    clouds = [Simulated("good-1"), Simulated("good-2"), Simulated("bad", behaviour), Simulated("good-3")]
    with (
        cloudsec.Broker(clouds, scheme=scheme, on_loss="fail") as broker,
        pytest.raises(ProviderFailed) as caught,
    ):
        broker.process(image, "median")
    assert "provider bad " in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_failures_are_told_apart(image: NDArray[Any]) -> None:
    for fault, kind in (("garbage", Dishonest), ("refusal", Refused), ("busy", Unavailable)):
        clouds = [Simulated(f"c{i}", FAULTS[fault][0]) for i in range(4)]
        with in_blocks.Broker(clouds, on_loss="fail") as broker, pytest.raises(kind):
            broker.process(image, "median")


def test_after_a_failure_that_ends_the_job_nothing_more_is_sent(
    image: NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cloudsec.schemes import hiding

    monkeypatch.setattr(hiding, "TASK_BYTES", 5_000)
    over = threading.Event()

    def wait_until_all_is_over(request: bytes) -> bytes:
        over.wait(60)
        return providers.handle(request)

    slow = [Simulated(f"slow-{i}", wait_until_all_is_over) for i in range(3)]
    with (
        in_blocks.Broker([Simulated("bad", fail), *slow], on_loss="fail") as broker,
        pytest.raises(Unavailable, match="bad"),
    ):
        broker.process(image, "median")
    under_way = [thread for thread in threading.enumerate() if thread.name == "cloudsec delivery"]
    over.set()
    for thread in under_way:
        thread.join(10)
    assert all(len(cloud.requests) <= 1 for cloud in slow)


def test_an_answer_that_no_image_leads_to_is_refused() -> None:
    beyond: Behaviour = changed(lambda a: replace(a, stack=np.full_like(a.stack, 2**16 - 1)))
    flat = np.full((200, 200), 250, np.uint8)
    clouds = [Simulated("liar", beyond), *(Simulated(f"c{i}") for i in range(3))]
    with (
        in_blocks.Broker(clouds, on_loss="fail", verify="sample") as broker,
        pytest.raises(Dishonest, match="liar answered what no image leads to"),
    ):
        broker.process(flat, "mean")


def http_job(
    url: str, http_providers: list[str], image: NDArray[Any], timeout: float = 20.0
) -> cloudsec.Result:
    with in_blocks.Broker([*http_providers[:3], url], timeout=timeout, on_loss="fail") as broker:
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
        RawServer(b"HTTP/1.1 200 OK\r\nX-Long: ", drip=b"x"),
        RawServer(http_response("200 OK", b"", length=5000), drip=b"y"),
    ],
    ids=["says nothing", "stops half-way", "drips", "drips its answer"],
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
