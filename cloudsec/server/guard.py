"""What every request passes: limits on its body, headers of the answer, a line in the log, figures."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloudsec.server.errors import ServerError, TooLarge, TooSlow
from cloudsec.server.logs import Log, failure
from cloudsec.server.metrics import Metrics

MAX_JSON = 1 << 16
"""Bytes of a body that is no image: many times what any request says."""
JSON_SECONDS = 20.0
"""For such a body to come."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Of every answer: no browser keeps, frames or runs what it is sent."""
STRICT_TRANSPORT = "max-age=31536000"


class Guard:
    """An application around another, which sees requests only through this.

    Parameters
    ----------
    app : ASGIApp
    log, metrics : Log, Metrics
    secure : bool
        Whether requests come by TLS.
    """

    def __init__(self, app: ASGIApp, log: Log, metrics: Metrics, *, secure: bool) -> None:
        self._app, self._log, self._metrics = app, log, metrics
        self._headers = HEADERS | ({"Strict-Transport-Security": STRICT_TRANSPORT} if secure else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, name, status = time.monotonic(), secrets.token_hex(8), 0
        sent = 0

        async def send_guarded(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers["X-Request-Id"] = name
            else:
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, _bounded(scope, receive), send_guarded)
        except Exception as error:
            self._log.error("a request failed", request=name, **failure(error))
        finally:
            self._tell(scope, name, status, sent, time.monotonic() - began)

    def _tell(self, scope: Scope, name: str, status: int, sent: int, seconds: float) -> None:
        # The path as the document has it: what stands in its places was sent by somebody.
        route = getattr(scope.get("route"), "path", "?")
        method = scope["method"] if route != "?" else "?"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.request_seconds.observe(seconds)
        told: dict[str, Any] = {"status": status, "seconds": round(seconds, 4), "bytes": sent}
        if (user := scope.get("state", {}).get("user")) is not None:
            told |= {"user": user.id, "role": user.role}
        if re.fullmatch("[0-9a-f]{32}", job := scope.get("path_params", {}).get("job", "")):
            told["job"] = job
        self._log.info("request", request=name, method=method, route=route, **told)


def described(error: ServerError) -> dict[str, str]:
    """What the body of an answer says of an error."""
    return {"code": error.code, "message": str(error)}


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """The body of a request, if it is no image: not too long, and not too slow."""
    if scope["method"] == "PUT":
        return receive
    received, until = 0, time.monotonic() + JSON_SECONDS
    over = False

    async def receive_bounded() -> Message:
        nonlocal received, over
        if over:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, until - time.monotonic()))
        except TimeoutError:
            raise HTTPException(TooSlow.status, "the body came too slowly") from None
        received += len(message.get("body", b""))
        over = not message.get("more_body", False)
        if received > MAX_JSON:
            raise HTTPException(TooLarge.status, f"a body that is no image has up to {MAX_JSON} bytes")
        return message

    return receive_bounded
