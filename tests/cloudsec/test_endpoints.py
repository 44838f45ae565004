from typing import Any

import numpy as np
import pytest

import cloudsec
import providers
from cloudsec import Endpoint, HttpEndpoint, LocalEndpoint, endpoints
from cloudsec.endpoints import response_of
from providers import make_operation
from providers.residues import expanded
from providers.wire import Task, encode_task, task_parts
from tests.simulator import RawServer, http_response

REQUEST = encode_task(
    Task("a" * 32, make_operation("median").resolved(2, "uint8"), np.ones((2, 9, 9), np.uint16), True)
)


def test_every_way_to_a_provider_brings_the_same_bytes(http_providers: list[str]) -> None:
    wanted = providers.handle(REQUEST)
    for endpoint in (
        LocalEndpoint("here"),
        HttpEndpoint(http_providers[0]),
        HttpEndpoint(http_providers[0] + "/"),
    ):
        assert isinstance(endpoint, Endpoint)
        assert endpoint.send(REQUEST, 10) == wanted


def test_a_request_in_parts_arrives_as_one(http_providers: list[str]) -> None:
    wanted = providers.handle(REQUEST)
    parts = REQUEST[:9], memoryview(REQUEST)[9:]
    for endpoint in (LocalEndpoint("here"), HttpEndpoint(http_providers[0])):
        assert response_of(endpoint, parts, 10, len(wanted)) == wanted
    with RawServer(http_response("200 OK", b"")) as server:
        response_of(HttpEndpoint(server.url), parts, 10, 0)
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == REQUEST
    assert f"content-length: {len(REQUEST)}".encode() in head.lower().splitlines()


def test_a_seed_may_be_answered_by_many_times_its_bytes_and_nothing_by_more_than_asked(
    http_providers: list[str],
) -> None:
    seed, operation = b"sixteen  octets.", make_operation("sobel").resolved(2, "uint8")
    task = Task("a" * 32, operation, expanded(seed, 65521, (1, 300, 300)), False, 65521, seed)
    parts, wanted = task_parts(task), providers.handle(encode_task(task))
    assert len(wanted) > 500 * sum(map(len, parts))
    for endpoint in (LocalEndpoint("here"), HttpEndpoint(http_providers[0])):
        assert response_of(endpoint, parts, 10, 2 * 2 * 298**2) == wanted
    with pytest.raises(cloudsec.Refused, match="which no answer has"):
        response_of(HttpEndpoint(http_providers[0]), parts, 10, 298**2)


def test_an_endpoint_of_anybody_is_given_bytes() -> None:
    class Recorder:
        name = "recorder"
        given: object = None

        def send(self, request: bytes, timeout: float) -> bytes:
            self.given = request
            return b""

    recorder = Recorder()
    response_of(recorder, (REQUEST[:9], memoryview(REQUEST)[9:]), 10, 0)
    assert type(recorder.given) is bytes
    assert recorder.given == REQUEST


def test_a_request_tells_the_provider_nothing_but_the_task_and_the_token() -> None:
    with RawServer(http_response("200 OK", b"")) as server:
        HttpEndpoint(server.url, token="t0ken").send(REQUEST, 10)
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == REQUEST
    assert b"user-agent: cloudsec\r\n" in head.lower()
    names = {line.split(b":")[0].lower().decode() for line in head.splitlines()[1:]}
    about_the_task = {"content-type", "content-length", "authorization"}
    assert names <= {"host", "user-agent", "accept", "accept-encoding", "connection"} | about_the_task
    assert b"authorization: bearer t0ken" in head.lower()
    assert b"python" not in head.lower()


def test_the_environment_cannot_turn_tasks_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with RawServer(http_response("200 OK", b"fine")) as server:
        assert HttpEndpoint(server.url).send(REQUEST, 10) == b"fine"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:9001",
        "ftp://a.example",
        "http://",
        "http://a.example:x",
        "http://a.example:0",
        "http://a.example:99999",
        "http://a.example/#f",
        "file:///etc/passwd",
        "http://[::1",
        "http://a.example/\x1b[31m",
        "http://a.example\n",
        "http://a example",
        "http://ä.example",
    ],
)
def test_what_is_no_url_of_a_provider_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not the URL of a provider"):
        HttpEndpoint(url)


@pytest.mark.parametrize("url", ["http://me:hunter2@a.example", "http://a.example/?token=hunter2"])
def test_a_secret_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="give a token instead") as caught:
        HttpEndpoint(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("token", ["s3cret\n", "s3cret\r\nX: y", "s3cret geheim", "s3crèt", ""])
def test_a_token_that_no_header_can_hold_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII") as caught:
        HttpEndpoint("http://a.example", token=token)
    assert "s3c" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ([], 0.0),
        (["Retry-After: 7"], 7.0),
        (["Date: Fri, 31 Dec 1999 23:59:59 GMT", "Retry-After: Sat, 01 Jan 2000 00:01:00 GMT"], 61.0),
        (["Retry-After: Fri, 31 Dec 1999 23:59:59 GMT"], 0.0),
        (["Retry-After: -5"], 0.0),
        (["Retry-After: soon"], 0.0),
        (["Retry-After: 1e9"], 0.0),
        (["Date: never", "Retry-After: Sat, 01 Jan 2000 00:01:00 GMT"], 0.0),
    ],
)
@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests"])
@pytest.mark.parametrize("body", [b'{"code": "busy", "message": "later"}', b"later"])
def test_a_provider_says_when_it_wants_to_be_asked_again(
    status: str, body: bytes, headers: list[str], pause: float
) -> None:
    answer = http_response(status, body, *headers)
    with RawServer(answer) as server, pytest.raises(cloudsec.Unavailable) as caught:
        HttpEndpoint(server.url).send(REQUEST, 10)
    assert caught.value.pause == pause


def test_a_date_is_compared_with_our_clock_where_the_provider_shows_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoints.time, "time", lambda: 946684800.0)
    answer = http_response("503 Busy", b"", "Retry-After: Sat, 01 Jan 2000 00:00:30 GMT")
    with RawServer(answer) as server, pytest.raises(cloudsec.Unavailable) as caught:
        HttpEndpoint(server.url).send(REQUEST, 10)
    assert caught.value.pause == 30.0


def test_a_provider_cannot_mark_us_with_a_cookie() -> None:
    with RawServer(http_response("200 OK", b"", "Set-Cookie: track=me")) as server:
        endpoint = HttpEndpoint(server.url)
        for _ in range(2):
            endpoint.send(REQUEST, 10)
        assert not any(b"track" in request.lower() for request in server.requests)


def test_one_provider_has_one_name_however_it_is_written() -> None:
    names = {HttpEndpoint(url).name for url in ("http://A.example:9001", "http://a.EXAMPLE:9001/")}
    assert names == {"http://a.example:9001"}


def test_what_a_provider_says_cannot_reach_the_terminal_as_it_is() -> None:
    status_line = b"\x1b]0;pwned\x07\x1b[31mBAD\x1b[2J\r\n\r\n"
    with RawServer(status_line) as server, pytest.raises(cloudsec.Unavailable) as caught:
        HttpEndpoint(server.url).send(REQUEST, 10)
    assert str(caught.value).isprintable()


def test_an_endpoint_never_shows_its_token() -> None:
    endpoint: Any = HttpEndpoint("http://a.example", token="t0ken")
    assert "t0ken" not in repr(endpoint)
    assert "t0ken" not in endpoint.name
