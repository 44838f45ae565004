"""Runs an application on a socket, with limits on connections; logs no request."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from providers.errors import Busy
from providers.http import refusal

KEEP_ALIVE = 75
"""Seconds an idle connection stays open: longer than a broker keeps one that it does not use."""
MAX_CONNECTIONS = 100
"""Open connections at one time, idle ones included: each costs little, but not nothing."""
UNREAD_MILLISECONDS = 20_000
"""For a client to take bytes that were sent to it, before its connection is closed."""
HEADER_SECONDS = 10.0
"""For the head of a request to arrive, from the opening of the connection or the request's first byte."""
MAX_HEAD = 1 << 16
"""Bytes in a row that belong to no body: the head of a request, and what stands between and after the pieces
of its body. Many times what a broker sends; fields of a head cost twenty times as much memory."""
CLOSING_SECONDS = 1.0
"""For a client to end its side of an idle TLS connection when the provider stops."""
_FULL = refusal(Busy("all connections are taken; come again later"))


class _Protocol(HttpToolsProtocol):
    """Closes connections whose requests do not begin in earnest; uvicorn itself reads on for ever."""

    _patience: asyncio.TimerHandle | None = None
    _beside_body = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        self._beside_body += len(data)
        super().data_received(data)
        if self._beside_body > MAX_HEAD:
            self.transport.close()
        # Bytes after an answer that begin no request would stop uvicorn's own timer for good.
        if self._patience is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._beside_body = 0
        self._wait()

    def on_body(self, body: bytes) -> None:
        self._beside_body = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        if len(self.connections) > MAX_CONNECTIONS:
            self.app = _FULL
        super().on_headers_complete()

    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(CLOSING_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class _Server(uvicorn.Server):
    """Tells once it answers, and before it stops."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._ready, self._stopping = ready, stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        await super().shutdown(sockets)


def make_server(
    app: ASGIApp,
    ready: Callable[[], None],
    tls: ssl.SSLContext | None,
    stopping: Callable[[], None] = lambda: None,
) -> uvicorn.Server:
    """An application, to be run on a socket that listens.

    `ready` is called once it answers, `stopping` when it is told to stop, before it waits for answers that
    are under way.
    """
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        # A header would say of every client on this machine that it is another one each time.
        proxy_headers=False,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=5,
    )
    config.load()
    config.ssl = tls
    return _Server(config, ready, stopping)


def serve(
    app: ASGIApp,
    host: str,
    port: int,
    ready: Callable[[str], None],
    tls: ssl.SSLContext | None = None,
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Run an application until it is told to stop; `ready` is called with its URL once it answers.

    Raises OSError where the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A client that does not read its answer keeps its connection open for ever otherwise.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)
        listener.bind((host, port))
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        url = f"{'https' if tls else 'http'}://{shown}:{listener.getsockname()[1]}"
        make_server(app, lambda: ready(url), tls, stopping).run(sockets=[listener])
