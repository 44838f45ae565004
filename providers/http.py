"""The HTTP face of a provider: an ASGI application around `service.answer`, with its limits."""

from __future__ import annotations

import asyncio
import hmac
import os
import re
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import Field, dataclass, field
from math import inf
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.requests import ClientDisconnect

from providers.errors import CODES, BadTask, Busy, NotFound, ProviderError, TooLarge, TooSlow, Unauthorized
from providers.operation import BORDER
from providers.registry import example_operation, operations, user_fields
from providers.service import MAX_REQUEST, answer
from providers.transfer import OCTETS, Arrival, Delivery, in_pieces

COME_AGAIN = 1
"""Seconds after which a turn may be free: many tasks take less, and the header can say no shorter time."""
WAITING = 8
"""Requests that wait for each turn; who comes when these are there is told to come again."""
_TOKEN = re.compile(r"[\x21-\x7e]+")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a provider allows one request, and all together.

    Attributes
    ----------
    request_bytes : int
        Largest body of a task.
    seconds : float
        For a task to get its turn, to arrive, and to be computed: each within this time.
    tasks : int
        How many are received or computed at one time; more wait for their turn, up to `WAITING` for each.
    token : str or None
        What clients must show as bearer token; None lets anyone in.
    """

    request_bytes: int = MAX_REQUEST
    seconds: float = 60.0
    tasks: int = field(default_factory=lambda: os.cpu_count() or 1)
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.request_bytes < 1 or not 0 < self.seconds < inf or self.tasks < 1:
            raise ValueError("a provider's limits on bytes, seconds and tasks must be positive")
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise ValueError("a token is made of visible ASCII characters, and has at least one")


def create_app(limits: Limits | None = None) -> FastAPI:
    """The ASGI application of one provider. It writes no pixel to disk and logs no request."""
    allowed = limits or Limits()
    app = FastAPI(
        title="CloudSec provider",
        version="1",
        description="Runs image operations on regions of images; knows neither image nor patient.",
        docs_url=None,
        redoc_url=None,
    )
    # For the description only: `_authorize` answers in the form of all refusals.
    token = [Security(HTTPBearer(auto_error=False))] if allowed.token is not None else []
    turns = asyncio.Semaphore(allowed.tasks)
    waiting = 0
    # A thread cannot be stopped: a task that overruns keeps its turn until it ends, so that late work
    # never piles up beyond the limit.
    workers = ThreadPoolExecutor(allowed.tasks, thread_name_prefix="task")

    async def take_turn() -> None:
        nonlocal waiting
        if waiting >= WAITING * allowed.tasks:
            raise Busy("too many wait for a turn; come again later")
        waiting += 1
        try:
            await _within(allowed.seconds, turns.acquire(), Busy("all turns are taken; come again later"))
        finally:
            waiting -= 1

    def give_back_turn(done: asyncio.Future[bytes]) -> None:
        turns.release()
        if not done.cancelled():
            done.exception()  # Seen here, as nobody waits for it any more.

    @app.exception_handler(ProviderError)
    async def provider_error(_: Request, error: ProviderError) -> Response:
        return refusal(error)

    @app.exception_handler(ClientDisconnect)
    async def client_left(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=BadTask.status)

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def unknown_path(_: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", NotFound.status)
        told = _described(NotFound("no such path or method; see /openapi.json"))
        # Of a method that there is not, which there are (RFC 9110).
        return JSONResponse(told, status, getattr(error, "headers", None))

    @app.exception_handler(Exception)
    async def internal_error(_: Request, __: Exception) -> Response:
        return JSONResponse(_described(ProviderError("the provider failed; its operator must look")), 500)

    @app.get("/healthz", summary="Whether the provider is up")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/v1/operations",
        summary="Operations with version, parameters and halo",
        responses=_errors(Unauthorized),
        dependencies=token,
    )
    async def list_operations(request: Request) -> list[dict[str, Any]]:
        _authorize(request, allowed.token)
        return describe_operations()

    @app.post(
        "/v1/tasks",
        summary="Do one encoded task",
        response_class=Response,
        responses={200: {"content": {OCTETS: {}}, "description": "The encoded answer"}, **_errors()},
        dependencies=token,
        openapi_extra={"requestBody": {"required": True, "content": {OCTETS: {}}}},
    )
    async def do_task(request: Request) -> Response:
        _authorize(request, allowed.token)
        if int(request.headers.get("content-length", 0)) > allowed.request_bytes:
            raise TooLarge(f"this provider takes tasks of up to {allowed.request_bytes} bytes")
        # The turn comes before the body: what waits costs a connection, not memory.
        await take_turn()
        try:
            body = await _body(request, allowed)
            work = asyncio.get_running_loop().run_in_executor(workers, answer, body, allowed.request_bytes)
        except BaseException:
            turns.release()
            raise
        try:
            finished = await _within(
                allowed.seconds,
                asyncio.shield(work),
                TooSlow("the task takes longer than is allowed here"),
            )
        except BaseException:
            work.add_done_callback(give_back_turn)
            raise
        return Delivery(in_pieces(finished), len(finished), allowed.seconds, turns.release)

    return app


def refusal(error: ProviderError) -> Response:
    """What a client is told of a task that is not done, or not now."""
    # Some bytes of the request may be unread: the connection cannot serve another one.
    headers = {"Connection": "close"}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Busy):
        headers["Retry-After"] = str(COME_AGAIN)
    return JSONResponse(_described(error), error.status, headers)


def describe_operations() -> list[dict[str, Any]]:
    """What tasks a provider does; the border is the broker's affair and is left out."""
    return [
        {
            "name": name,
            "version": kind.version,
            "bit_exact": kind.bit_exact,
            "parameters": {
                f.name: {"description": f.metadata["doc"], **_usual(f)}
                for f in user_fields(kind)
                if f.name not in BORDER
            },
            "whole": kind.whole,
            "halo": example_operation(name).resolved(2, "uint8").halo,
        }
        for name, kind in operations().items()
    ]


def _usual(known: Field[Any]) -> dict[str, Any]:
    """The default of a parameter, or an example where it has none."""
    example = known.metadata.get("example")
    return {"default": known.default} if example is None else {"example": example}


async def _body(request: Request, allowed: Limits) -> bytes:
    try:
        # A byte more than is allowed tells that there are too many.
        body = await Arrival(request, allowed.seconds).take(allowed.request_bytes + 1)
    except TimeoutError:
        raise TooSlow("the task came too slowly") from None
    if len(body) > allowed.request_bytes:
        raise TooLarge(f"this provider takes tasks of up to {allowed.request_bytes} bytes")
    return body


async def _within(seconds: float, work: Awaitable[T], otherwise: ProviderError) -> T:
    try:
        return await asyncio.wait_for(work, seconds)
    except TimeoutError:
        raise otherwise from None


def _authorize(request: Request, token: str | None) -> None:
    shown = request.headers.get("authorization", "")
    if token is not None and not hmac.compare_digest(shown.encode(), f"Bearer {token}".encode()):
        raise Unauthorized("this provider wants its bearer token")


def _described(error: ProviderError) -> dict[str, str]:
    return {"code": error.code, "message": str(error)}


def _errors(*kinds: type[ProviderError]) -> dict[int | str, dict[str, Any]]:
    schema = {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
    }
    return {
        kind.status: {
            "description": (kind.__doc__ or "").strip(),
            "content": {"application/json": {"schema": schema}},
        }
        for kind in kinds or CODES.values()
    }
