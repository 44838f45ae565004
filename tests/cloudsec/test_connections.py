"""Connections that are kept: found dead, opened anew, and cut off in time."""

import ssl
import threading
import time
from contextlib import closing
from types import SimpleNamespace

import pytest

from cloudsec import HttpEndpoint, Unavailable, connections
from providers.certificates import server_context
from tests.certificates import Authority
from tests.simulator import RawServer

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
LARGE = bytes(5 << 20)


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, authority: Authority) -> ssl.SSLContext | None:
    return server_context(*authority.issue("kept")) if request.param == "https" else None


def endpoint(server: RawServer, authority: Authority) -> HttpEndpoint:
    return HttpEndpoint(server.url, ca=authority.file if server.url.startswith("https") else None)


def test_one_connection_carries_many_tasks(authority: Authority, tls: ssl.SSLContext | None) -> None:
    with RawServer(FINE, answers=9, tls=tls) as server, closing(endpoint(server, authority)) as provider:
        for _ in range(9):
            assert provider.send(b"task", 20) == b"fine"
        assert server.connections == 1


@pytest.mark.parametrize("request_bytes", [b"task", LARGE], ids=["small", "large"])
def test_a_kept_connection_that_ends_under_a_task_is_opened_anew_without_a_failure(
    authority: Authority, tls: ssl.SSLContext | None, request_bytes: bytes
) -> None:
    # Every connection ends when it has carried a second request, before that is answered.
    with RawServer(FINE, answers=1, tls=tls) as server, closing(endpoint(server, authority)) as provider:
        for _ in range(3):
            assert provider.send(request_bytes, 20) == b"fine"
        assert server.connections == 3


def test_a_new_connection_that_ends_is_a_failure(authority: Authority, tls: ssl.SSLContext | None) -> None:
    with RawServer(b"", tls=tls) as server, closing(endpoint(server, authority)) as provider:
        with pytest.raises(Unavailable, match="cannot be reached, or hung up"):
            provider.send(b"task", 20)
        assert server.connections == 1


def test_a_task_that_was_answered_in_part_is_not_sent_anew() -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfine"
    with RawServer(half) as server, closing(HttpEndpoint(server.url)) as provider:
        with pytest.raises(Unavailable, match="half-way"):
            provider.send(b"task", 20)
        assert server.connections == 1


def test_a_connection_that_idled_longer_than_providers_keep_it_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with RawServer(FINE, answers=9) as server, closing(HttpEndpoint(server.url)) as provider:
        for pause, wanted in ((0, 1), (connections.IDLE_SECONDS - 1, 1), (connections.IDLE_SECONDS + 1, 2)):
            now[0] += pause
            assert provider.send(b"task", 20) == b"fine"
            assert server.connections == wanted


def test_a_head_that_drips_in_is_cut_off_in_time(authority: Authority, tls: ssl.SSLContext | None) -> None:
    begun = b"HTTP/1.1 200 OK\r\nX-Long: "
    with RawServer(begun, drip=b"x", tls=tls) as server, closing(endpoint(server, authority)) as provider:
        started = time.monotonic()
        with pytest.raises(Unavailable, match="too slowly to finish in time"):
            provider.send(b"task", 0.5)
        # The head would never end.
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("last", ["", "Connection: close\r\n"], ids=["kept", "last"])
@pytest.mark.parametrize(
    ("begun", "drip"),
    [
        ("Content-Length: 9999\r\n\r\n", b"x"),
        ("Transfer-Encoding: chunked\r\n\r\n", b"0"),
        ("Transfer-Encoding: chunked\r\n\r\n9;", b"x"),
        ("Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
    ],
    ids=["bytes", "length of a chunk", "extension of a chunk", "fields of a trailer"],
)
def test_an_answer_that_drips_in_is_cut_off_in_time(
    authority: Authority, tls: ssl.SSLContext | None, last: str, begun: str, drip: bytes
) -> None:
    head = f"HTTP/1.1 200 OK\r\n{last}{begun}".encode()
    with RawServer(head, drip=drip, tls=tls) as server, closing(endpoint(server, authority)) as provider:
        started = time.monotonic()
        with pytest.raises(Unavailable, match="answered too slowly to finish in time"):
            provider.send(b"task", 0.5)
        assert time.monotonic() - started < 10


def test_who_answered_in_time_is_not_cut_off_later(authority: Authority, tls: ssl.SSLContext | None) -> None:
    with RawServer(FINE, answers=9, tls=tls) as server, closing(endpoint(server, authority)) as provider:
        provider.send(b"task", 20)
        timers = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
        assert all(timer.finished.is_set() for timer in timers)


def test_the_time_to_connect_is_not_the_time_to_send() -> None:
    with RawServer(FINE) as server:
        port = int(server.url.rpartition(":")[2])
        connection = connections._Connection("127.0.0.1", port, timeout=99.0)
        with closing(connection):
            connection.connect()
            assert connection.sock.gettimeout() == 99.0 > connections.CONNECT_SECONDS


def test_a_kept_connection_has_the_time_of_each_request_anew() -> None:
    with RawServer(FINE, answers=9) as server:
        port = int(server.url.rpartition(":")[2])
        with closing(connections._Connection("127.0.0.1", port, timeout=1.0)) as connection:
            connection.connect()
            connection.timeout = 99.0
            connection.request("POST", "/", body=b"task")
            assert connection.sock.gettimeout() == 99.0
            connection.getresponse()
