"""A cloud that delays, drops, lies and garbles, in this process or behind a socket of this machine."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

import numpy as np
from starlette.types import ASGIApp

from providers import handle
from providers.errors import Busy, TooLarge, UnknownOperation
from providers.http import Limits, create_app
from providers.server import make_server
from providers.wire import Answer, decode_answer, encode_answer, encode_error

Behaviour = Callable[[bytes], bytes]


@dataclass
class Simulated:
    """An endpoint that does with each request what its behaviour says, and keeps what it received."""

    name: str
    behaviour: Behaviour = handle
    requests: list[bytes] = field(default_factory=list)

    def send(self, request: bytes, timeout: float) -> bytes:
        self.requests.append(request)
        return self.behaviour(request)


def changed(change: Callable[[Answer], Answer]) -> Behaviour:
    """A behaviour that answers rightly and then changes its answer."""
    return lambda request: encode_answer(change(decode_answer(handle(request))))


def fail(_: bytes) -> bytes:
    raise RuntimeError("a secret of the endpoint's own")


FAULTS: dict[str, tuple[Behaviour, str]] = {
    "nothing": (lambda _: b"", "no answer"),
    "garbage": (lambda _: b"<html>hello</html>" * 100, "no answer"),
    "half": (lambda request: handle(request)[:-100], "no answer"),
    "too much": (lambda request: handle(request) + bytes(1000), "no answer"),
    "the request": (lambda request: request, "no answer"),
    "wrong shape": (changed(lambda a: replace(a, stack=a.stack[:, :-1])), "pixels of"),
    "wrong dtype": (changed(lambda a: replace(a, stack=a.stack.astype(np.int64))), "pixels of"),
    "another task": (changed(lambda a: replace(a, id="0" * 32)), "another task"),
    "refusal": (lambda _: encode_error(UnknownOperation("not here")), "refused the task: not here"),
    "too large": (lambda _: encode_error(TooLarge("by far")), "refused the task: by far"),
    "busy": (lambda _: encode_error(Busy("later")), "did not do the task: later"),
    "exception": (fail, "failed with RuntimeError"),
}
"""Fault → behaviour, and words of the error that must come of it."""


class RawServer:
    """A server that reads a request and then sends exactly these bytes, and drips others; a context manager.

    Or it sends what a behaviour makes of the request, of which it keeps every byte.

    It hangs up then, or answers so many requests of one connection, and hangs up when it has read the next.
    What it drips comes without end, twenty times a second.
    """

    def __init__(
        self,
        response: bytes | Behaviour,
        *,
        then_hang: bool = False,
        drip: bytes = b"",
        answers: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._response, self._then_hang, self._drip, self._tls = response, then_hang, drip, tls
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stop = threading.Event()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self.connections = 0

    def __enter__(self) -> RawServer:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._listener.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                for _ in range(self._answers or 1):
                    self.requests.append(_read_request(connection))
                    self._answer(connection, self.requests[-1])
                if self._answers is not None:
                    self.requests.append(_read_request(connection))

    def _answer(self, connection: socket.socket, request: bytes) -> None:
        connection.sendall(self._response if isinstance(self._response, bytes) else self._response(request))
        while self._drip and not self._stop.wait(0.05):
            connection.sendall(self._drip)
        if self._then_hang:
            self._stop.wait()


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            return received
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    (length,) = (
        int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length")
    )
    while len(body) < length and (chunk := connection.recv(65536)):
        body += chunk
    return head + b"\r\n\r\n" + body


def http_response(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    # The raw server hangs up after its answer: a second attempt must not run into that.
    size = f"Content-Length: {len(body) if length is None else length}"
    lines = [f"HTTP/1.1 {status}", size, "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def over_http(request: bytes) -> bytes:
    """What an honest provider answers to all bytes of a request."""
    return http_response("200 OK", handle(request.partition(b"\r\n\r\n")[2]))


def http_error(status: str, code: str, message: str) -> bytes:
    return http_response(status, json.dumps({"code": code, "message": message}).encode())


@contextmanager
def serving(limits: Limits | None = None, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The URL of a real provider that listens on the loopback interface, in a thread of this process."""
    with answering(create_app(limits or Limits()), tls) as url:
        yield url


@contextmanager
def answering(app: ASGIApp, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The URL of an application that is served so."""
    ready = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = make_server(app, ready.set, tls)
        thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
        thread.start()
        if not ready.wait(20):
            raise RuntimeError("the server did not start")
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join(10)
