"""The HTTP face of a provider: what it answers, what it refuses, and that it stands."""

import asyncio
import json
import socket
import threading
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import requests

import providers
from providers import handle, http, make_operation, server, transfer
from providers.errors import CODES
from providers.http import Limits, create_app
from providers.wire import Task, encode_task
from tests.simulator import serving

STACK = np.random.default_rng(0).integers(0, 2**12, (4, 40, 40), np.uint16)
REQUEST = encode_task(Task("0a" * 16, make_operation("median").resolved(2, "uint16"), STACK, True))


def refusal(response: requests.Response) -> tuple[int, str]:
    body = response.json()
    assert body.keys() == {"code", "message"}
    assert body["code"] in CODES
    return response.status_code, body["code"]


def test_a_task_is_answered_with_the_bytes_of_handle(http_providers: list[str]) -> None:
    response = requests.post(http_providers[0] + "/v1/tasks", data=REQUEST, timeout=20)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.content == providers.handle(REQUEST)


def test_a_provider_tells_that_it_is_up_and_what_it_does(http_providers: list[str]) -> None:
    url = http_providers[0]
    assert requests.get(url + "/healthz", timeout=20).json() == {"status": "ok"}
    operations = requests.get(url + "/v1/operations", timeout=20).json()
    assert [each["name"] for each in operations] == list(providers.operation_names())
    keys = {"name", "version", "bit_exact", "parameters", "whole", "halo"}
    assert all(each.keys() == keys for each in operations)
    assert [each["name"] for each in operations if each["whole"]] == [
        "backprojection",
        "dct",
        "operator",
        "rescale",
    ]
    of = {each["name"]: each["parameters"] for each in operations}
    assert of["unsharp"]["amount"]["default"] == 1
    assert of["threshold"]["value"].keys() == {"description", "example"}
    described = requests.get(url + "/openapi.json", timeout=20).json()
    assert described["paths"].keys() == {"/healthz", "/v1/operations", "/v1/tasks"}
    answers = described["paths"]["/v1/tasks"]["post"]["responses"]
    assert answers.keys() >= {"200", "400", "401", "408", "413", "422", "500", "503"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_task"),
        (b"nonsense", 400, "bad_task"),
        (REQUEST[:-1], 400, "bad_task"),
        (REQUEST.replace(b'"median"', b'"mediam"'), 422, "unknown_operation"),
    ],
)
def test_what_is_no_task_gets_an_error_with_a_code(
    http_providers: list[str], body: bytes, status: int, code: str
) -> None:
    response = requests.post(http_providers[0] + "/v1/tasks", data=body, timeout=20)
    assert refusal(response) == (status, code)


def test_other_paths_and_methods_get_an_error_of_the_same_form(http_providers: list[str]) -> None:
    assert refusal(requests.get(http_providers[0] + "/nowhere", timeout=20)) == (404, "not_found")
    assert refusal(requests.put(http_providers[0] + "/v1/tasks", timeout=20)) == (405, "not_found")


def test_a_token_is_wanted_for_all_but_health() -> None:
    with serving(Limits(token="right")) as url:
        assert requests.get(url + "/healthz", timeout=20).ok
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "right"}):
            for response in (
                requests.post(url + "/v1/tasks", data=REQUEST, headers=headers, timeout=20),
                requests.get(url + "/v1/operations", headers=headers, timeout=20),
            ):
                assert refusal(response) == (401, "unauthorized")
                assert "right" not in response.text
        good = requests.post(
            url + "/v1/tasks", data=REQUEST, headers={"Authorization": "Bearer right"}, timeout=20
        )
        assert good.ok
    assert "right" not in repr(Limits(token="right"))


def test_a_task_over_the_limit_is_refused_by_its_claim_or_as_it_comes() -> None:
    with serving(Limits(request_bytes=1000)) as url:
        assert refusal(requests.post(url + "/v1/tasks", data=REQUEST, timeout=20)) == (413, "too_large")
        chunks = (REQUEST[i : i + 500] for i in range(0, len(REQUEST), 500))
        assert refusal(requests.post(url + "/v1/tasks", data=chunks, timeout=20)) == (413, "too_large")


def raw(url: str, *parts: bytes) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    for part in parts:
        connection.sendall(part)
    return connection


def head(length: int) -> bytes:
    return f"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


def answer_of(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    top, _, body = received.partition(b"\r\n\r\n")
    return int(top.split()[1]), json.loads(body)


def test_a_claim_of_a_huge_body_is_refused_before_it_is_read(http_providers: list[str]) -> None:
    with raw(http_providers[0], head(10**15)) as connection:
        status, body = answer_of(connection)
    assert (status, body["code"]) == (413, "too_large")


def test_a_body_that_never_comes_is_given_up_and_others_are_served() -> None:
    # What is served afterwards has no more time than this either, on a machine that may be busy.
    with serving(Limits(seconds=1.0, tasks=1)) as url, raw(url, head(1000), b"half") as connection:
        status, body = answer_of(connection)
        assert (status, body["code"]) == (408, "too_slow")
        assert requests.post(url + "/v1/tasks", data=REQUEST, timeout=20).ok


def test_a_computation_that_overruns_keeps_its_turn_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def slow(request: bytes, limit: int) -> bytes:
        over.wait(20)
        return b"late"

    monkeypatch.setattr(http, "answer", slow)
    with serving(Limits(seconds=0.3, tasks=1)) as url:
        assert refusal(requests.post(url + "/v1/tasks", data=REQUEST, timeout=20)) == (408, "too_slow")
        busy = requests.post(url + "/v1/tasks", data=REQUEST, timeout=20)
        assert refusal(busy) == (503, "busy")
        assert int(busy.headers["Retry-After"]) >= 1
        over.set()
        for _ in range(100):
            response = requests.post(url + "/v1/tasks", data=REQUEST, timeout=20)
            if response.ok:
                break
        assert response.content == b"late"


def test_an_error_of_the_provider_tells_nothing_of_its_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(request: bytes, limit: int) -> bytes:
        raise RuntimeError("inside")

    monkeypatch.setattr(http, "answer", broken)
    with serving(Limits()) as url:
        response = requests.post(url + "/v1/tasks", data=REQUEST, timeout=20)
        assert refusal(response) == (500, "internal")
        assert "inside" not in response.text
        assert refusal(requests.post(url + "/v1/tasks", data=REQUEST, timeout=20)) == (500, "internal")


def test_more_tasks_than_turns_wait_and_are_all_done() -> None:
    from concurrent.futures import ThreadPoolExecutor

    def ask(_: int) -> int:
        return requests.post(url + "/v1/tasks", data=REQUEST, timeout=20).status_code

    with serving(Limits(tasks=1)) as url, ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(24))) == {200}


def test_who_finds_a_long_queue_is_told_at_once_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "WAITING", 2)
    with serving(Limits(tasks=1)) as url:
        with raw(url, head(1000)):
            # It has its turn and sends no body. Who waits a moment leaves, and still has its place.
            status = 0
            for _ in range(9):
                with suppress(requests.Timeout):
                    status = requests.post(url + "/v1/tasks", data=REQUEST, timeout=0.3).status_code
                if status == 503:
                    break
            assert status == 503
        assert any(requests.post(url + "/v1/tasks", data=REQUEST, timeout=20).ok for _ in range(100))


def test_who_finds_all_connections_taken_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 1)
    with serving() as url, raw(url, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") as first:
        assert first.recv(4096).startswith(b"HTTP/1.1 200")
        full = requests.get(url + "/healthz", timeout=20)
        assert refusal(full) == (503, "busy")
        assert int(full.headers["Retry-After"]) >= 1
        assert full.headers["Connection"] == "close"


def test_a_body_that_drips_in_is_given_up_before_the_limit_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PATIENCE", 0.3)
    with serving(Limits(seconds=1000.0, tasks=1)) as url, raw(url, head(1000)) as dripping:
        dripping.settimeout(0.02)
        received = b""
        while not received:
            with suppress(TimeoutError):
                dripping.sendall(b"x")
                received = dripping.recv(65536)
        assert received.startswith(b"HTTP/1.1 408")
        assert requests.post(url + "/v1/tasks", data=REQUEST, timeout=20).ok


def test_a_transfer_has_the_more_time_the_more_of_it_came() -> None:
    assert transfer._due(0, 60.0) == transfer.PATIENCE
    assert transfer._due(10 * transfer.SLOWEST, 60.0) == transfer.PATIENCE + 10
    assert transfer._due(1000 * transfer.SLOWEST, 60.0) == 60.0
    assert transfer._due(0, 0.5) == 0.5


def test_an_answer_that_nobody_reads_gives_its_turn_back() -> None:
    stack = np.zeros((60, 300, 300), np.uint8)
    task = Task("0a" * 16, make_operation("mean", size=1).resolved(2, "uint8"), stack, False)
    request = encode_task(task)
    with serving(Limits(seconds=1.0, tasks=1)) as url, raw(url, head(len(request)), request):
        # Its 43 megabytes of answer fill every buffer on the way.
        for _ in range(50):
            if requests.post(url + "/v1/tasks", data=REQUEST, timeout=20).ok:
                break
        assert requests.post(url + "/v1/tasks", data=REQUEST, timeout=20).ok


def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.3)
    with serving(Limits()) as url:
        with raw(url) as silent, raw(url, b"GET /healthz HTTP/1.1\r\nHos") as slow:
            assert silent.recv(1) == b""
            assert slow.recv(1) == b""
        with raw(url, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") as stray:
            assert stray.recv(4096)
            stray.sendall(b"\r\n")
            while stray.recv(4096):
                pass


@pytest.mark.parametrize(
    "start",
    [
        b"POST /",
        b"POST /v1/tasks HTTP/1.1\r\nX: ",
        b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\n",
        b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9;",
        b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ],
    ids=["path", "field", "fields", "extension of a chunk", "trailer"],
)
def test_what_is_no_body_and_does_not_end_is_not_kept_in_memory(start: bytes) -> None:
    fields = (b"a: b\r\n" if start.endswith(b"\n") else b"x") * server.MAX_HEAD
    with serving() as url, raw(url, start) as flooding, pytest.raises(ConnectionError):
        for _ in range(200):
            flooding.sendall(fields)


def test_a_body_in_many_pieces_is_not_taken_for_a_head() -> None:
    body = encode_task(
        Task(
            "0b" * 16, make_operation("median").resolved(2, "uint8"), np.zeros((4, 300, 300), np.uint8), True
        )
    )
    assert len(body) > 2 * server.MAX_HEAD
    pieces = (body[start : start + 99] for start in range(0, len(body), 99))
    with serving() as url:
        assert requests.post(url + "/v1/tasks", data=pieces, timeout=20).content == handle(body)


def test_a_connection_that_pauses_between_requests_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.3)
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(Limits()) as url, raw(url, request) as pausing:
        assert pausing.recv(4096)
        # The time that closes a silent connection passes for this one too.
        with raw(url) as silent:
            assert silent.recv(1) == b""
        pausing.sendall(request)
        assert pausing.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_client_that_leaves_half_way_does_no_harm(capfd: pytest.CaptureFixture[str]) -> None:
    with serving(Limits(tasks=1)) as url:
        for _ in range(3):
            raw(url, head(1000), b"half").close()
        assert requests.post(url + "/v1/tasks", data=REQUEST, timeout=20).ok
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "limits",
    [
        {"request_bytes": 0},
        {"seconds": 0},
        {"seconds": -1},
        {"tasks": 0},
        {"token": ""},
        {"token": "a b"},
        {"token": "a\n"},
    ],
)
def test_limits_that_are_none_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="limits|a token is made of"):
        Limits(**limits)


def test_the_application_speaks_asgi() -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/healthz", "headers": [], "query_string": b""}
    asyncio.run(create_app()(scope | {"asgi": {"version": "3.0"}}, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 200
