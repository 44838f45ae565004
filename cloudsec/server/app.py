"""The daemon's HTTP face: routes, and what each error becomes. See `/openapi.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path
from starlette.types import ASGIApp

from cloudsec.errors import CloudsecError, PatientConflict, VaultError
from cloudsec.jobs import NoSuchJob, OverQuota, UserError, WrongState
from cloudsec.server import errors
from cloudsec.server.daemon import Daemon
from cloudsec.server.errors import CODES, ServerError
from cloudsec.server.guard import Guard, described
from cloudsec.server.job_routes import job_routes
from cloudsec.server.logs import failure
from cloudsec.server.metrics import CONTENT_TYPE
from cloudsec.server.user_routes import user_routes

_MEANT: tuple[tuple[type[Exception], type[ServerError]], ...] = (
    (NoSuchJob, errors.NotFound),
    (WrongState, errors.Conflict),
    (OverQuota, errors.OverQuota),
    (UserError, errors.Conflict),
    (PatientConflict, errors.Refused),
    (VaultError, errors.Unavailable),
    (CloudsecError, errors.Refused),
)
"""What errors of other rooms are to a client; the first that fits."""


def create_app(daemon: Daemon) -> ASGIApp:
    """The application of one daemon, guarded."""
    app = FastAPI(
        title="CloudSec broker",
        version="1",
        description="Takes jobs on medical images, and has clouds do them that are not trusted.",
        docs_url=None,
        redoc_url=None,
        responses=problems(),
    )

    @app.exception_handler(ServerError)
    async def server_error(_: Request, error: ServerError) -> Response:
        return _refusal(error)

    @app.exception_handler(CloudsecError)
    async def cloudsec_error(_: Request, error: CloudsecError) -> Response:
        kind = next(meant for kind, meant in _MEANT if isinstance(error, kind))
        if kind is errors.Unavailable:
            # What the database says of itself is the administrator's affair.
            daemon.log.error("the vault failed", **failure(error))
            return _refusal(kind("the database does not answer as it must; the administrator has to look"))
        return _refusal(kind(str(error)))

    @app.exception_handler(RequestValidationError)
    async def not_described(_: Request, error: RequestValidationError) -> Response:
        # Which field it is and what it must be, and not what was sent.
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"][1:])) or "the body"
        return _refusal(
            errors.BadRequest(f"{place}: {first['msg'].removeprefix('Value error, ')}; see /openapi.json")
        )

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        kind = next((kind for kind in CODES.values() if kind.status == error.status_code), errors.BadRequest)
        if error.status_code not in (404, 405):
            return _refusal(kind(str(error.detail)))
        methods = _methods(app.openapi()["paths"], request.url.path)
        told = described(errors.NotFound("no such path or method; see /openapi.json"))
        return JSONResponse(told, error.status_code, {"Allow": ", ".join(methods)} if methods else None)

    @app.exception_handler(Exception)
    async def our_error(_: Request, __: Exception) -> Response:
        return _refusal(ServerError("the daemon failed; its log says where"))

    @app.exception_handler(ClientDisconnect)
    async def client_left(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=errors.BadRequest.status)

    @app.get("/healthz", summary="Whether the daemon is up", tags=["state"])
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/readyz",
        summary="Whether jobs can be done: database, key and providers",
        tags=["state"],
        response_model=dict[str, bool],
        responses={503: {"model": dict[str, bool], "description": "Not now; what is missing is false"}},
    )
    def ready() -> JSONResponse:
        found = daemon.readiness()
        good = all(found.values()) and not daemon.stopping.is_set()
        return JSONResponse(found, 200 if good else errors.Unavailable.status)

    @app.get(
        "/metrics",
        summary="Figures for Prometheus",
        tags=["state"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Of jobs, requests and the process"}},
    )
    def metrics() -> Response:
        counts = {str(state): count for state, count in daemon.store.counts().items()}
        return Response(daemon.metrics.page(counts), media_type=CONTENT_TYPE)

    app.include_router(job_routes(daemon))
    app.include_router(user_routes(daemon))
    return Guard(app, daemon.log, daemon.metrics, secure=daemon.settings.tls_cert is not None)


def problems() -> dict[int | str, dict[str, Any]]:
    """What every route may answer instead of what it is for."""
    by_status: dict[int, list[type[ServerError]]] = {}
    for kind in CODES.values():
        by_status.setdefault(kind.status, []).append(kind)
    schema = {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "string", "enum": [*CODES]}, "message": {"type": "string"}},
    }
    return {
        status: {
            "description": " Or: ".join((kind.__doc__ or "").strip() for kind in kinds),
            "content": {"application/json": {"schema": schema}},
        }
        for status, kinds in by_status.items()
    }


def _methods(paths: Mapping[str, Mapping[str, Any]], path: str) -> list[str]:
    """What can be done with what is at a path; nothing where nothing is."""
    return [
        method.upper()
        for template, methods in paths.items()
        if compile_path(template)[0].fullmatch(path)
        for method in methods
    ]


def _refusal(error: ServerError) -> Response:
    # Some of the request may be unread: the connection cannot serve another one.
    headers = {"Connection": "close"}
    if isinstance(error, errors.Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.TooMany):
        headers["Retry-After"] = str(error.pause)
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = "1"
    return JSONResponse(described(error), error.status, headers)
