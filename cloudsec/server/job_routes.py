"""Jobs: submitted, filled, started, followed, cancelled, fetched and removed by whose they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

from cloudsec.jobs import ENDS, Job, Kind, NoSuchJob, Role, User, Words
from cloudsec.jobs.parts import PIECE
from cloudsec.server.access import MAY, job_for, user_who_may
from cloudsec.server.daemon import Daemon
from cloudsec.server.errors import Conflict, Forbidden, Refused, TooLarge, TooSlow
from cloudsec.server.requests import JobRequest, JobView
from providers.transfer import OCTETS, Arrival, Delivery, in_pieces

LOOK_SECONDS = 0.3
"""Between two looks at a job that somebody follows: another daemon may be working on it."""
UPLOADS = 2
"""Images that get or lose an identity at one time, each with a few copies in memory; more wait."""
_SECONDS = float("inf")
"""For a transfer of any size, as long as it is not slower than `providers.transfer.SLOWEST`."""


def job_routes(daemon: Daemon) -> APIRouter:
    """The routes of jobs."""
    routes = APIRouter(prefix="/v1/jobs", tags=["jobs"])
    store, turns = daemon.store, asyncio.Semaphore(UPLOADS)
    may = {act: Depends(user_who_may(daemon, act)) for act in ("submit", "see", "end", "fetch")}

    def own(act: str) -> Any:
        """The job that a path names, for whoever may do this with it."""

        def found(user: User = may[act], job: str = Path(pattern="^[0-9a-f]{32}$")) -> Job:
            return job_for(daemon, user, job)

        return Depends(found)

    to_fill, to_see, to_end, to_fetch = map(own, ("submit", "see", "end", "fetch"))

    def viewed(job: Job, user: User) -> JobView:
        """A job as this user may see it."""
        if user.role is Role.ADMIN:
            return JobView.of(job, user=job.user)
        return _own(job, store.words(job.id))

    @routes.post("", status_code=201, summary="A new job, which waits for its images")
    def submit(asked: JobRequest, user: User = may["submit"]) -> JobView:
        try:
            asked.check()
            daemon.clouds.broker(asked).close()
        except ValueError as error:
            raise Refused(str(error)) from error
        job = store.create(user.id, asked.model_dump_json().encode(), user.quota(daemon.quota))
        return viewed(job, user)

    @routes.get("", summary="The latest jobs: one's own, or for admins all")
    def list_jobs(user: User = may["see"], limit: int = Query(100, ge=1, le=1000)) -> list[JobView]:
        if user.role is Role.ADMIN:
            return [viewed(job, user) for job in store.jobs(limit=limit)]
        return [_own(job, words) for job, words in store.own(user.id, limit=limit)]

    @routes.get("/{job}", summary="How a job stands")
    def see(user: User = may["see"], job: Job = to_see) -> JobView:
        return viewed(job, user)

    @routes.put(
        "/{job}/images/{number}",
        summary="An image of a job: a whole file, as it is",
        openapi_extra={"requestBody": {"required": True, "content": {OCTETS: {}}}},
    )
    async def send(
        request: Request,
        user: User = may["submit"],
        job: Job = to_fill,
        number: int = Path(ge=0, lt=1 << 31),
    ) -> JobView:
        largest = daemon.settings.image_bytes
        if int(request.headers.get("content-length", 0)) > largest:
            raise TooLarge(f"an image has up to {largest} bytes here")
        part = await run_in_threadpool(store.receive, job.id, number)
        try:
            await _received(request, daemon, user, job, part)
            # The turn comes after the body, which is not in memory: what waits costs a connection.
            async with turns:
                kept = await run_in_threadpool(_take_in, daemon, job, number, part)
        except BaseException:
            await asyncio.shield(run_in_threadpool(store.refuse, part))
            raise
        return await run_in_threadpool(viewed, kept, user)

    @routes.post("/{job}/start", summary="All images are there: do it")
    def start(user: User = may["submit"], job: Job = to_fill) -> JobView:
        started = store.start(job.id)
        daemon.workers.tell()
        return viewed(started, user)

    @routes.post("/{job}/cancel", summary="Do not do it, or stop")
    def cancel(user: User = may["end"], job: Job = to_end) -> JobView:
        return viewed(store.cancel(job.id), user)

    @routes.delete("/{job}", status_code=204, summary="Remove a job that ended, and all that is kept of it")
    def remove(job: Job = to_end) -> None:
        store.remove(job.id)

    @routes.get(
        "/{job}/events",
        summary="How a job goes on: an event for every change, until it ends",
        response_class=EventSourceResponse,
    )
    async def follow(user: User = may["see"], job: Job = to_see) -> AsyncIterator[ServerSentEvent]:
        told, view = "", await run_in_threadpool(viewed, job, user)
        while True:
            if (text := view.model_dump_json()) != told:
                told = text
                yield ServerSentEvent(raw_data=text, event="job")
            if view.state in ENDS or daemon.stopping.is_set():
                return
            await asyncio.sleep(LOOK_SECONDS)
            try:
                view = await run_in_threadpool(lambda: viewed(store.job(job.id), user))
            except NoSuchJob:
                # It was removed, or its user or patient.
                return

    @routes.get(
        "/{job}/result",
        summary="A result as a file: de-identified, or for clinicians with the identity that went in",
        response_class=Response,
        responses={200: {"content": {OCTETS: {}}, "description": "The file"}},
    )
    async def result(
        user: User = may["fetch"],
        job: Job = to_fetch,
        number: int = Query(0, ge=0, lt=1 << 31),
        identity: Literal["none", "restored"] = "none",
    ) -> Response:
        _refuse_unfinished(job)
        if identity == "none":
            part, content = await run_in_threadpool(store.content, job.id, Kind.RESULT, number)
            return Delivery(iterate_in_threadpool(content), part.size, _SECONDS, lambda: None)
        if user.role not in MAY["identify"]:
            raise Forbidden("results with identity are for clinicians; fetch it without")
        # Whole, and several times, in memory.
        async with turns:
            whole = await run_in_threadpool(_identified, daemon, job, number)
        return Delivery(in_pieces(whole), len(whole), _SECONDS, lambda: None)

    @routes.get("/{job}/report", summary="What was sent to whom, how it was checked, what they learnt")
    def report(job: Job = to_fetch) -> dict[str, Any]:
        _refuse_unfinished(job)
        told: dict[str, Any] = json.loads(b"".join(store.content(job.id, Kind.REPORT, 0)[1]))
        return told

    return routes


def _own(job: Job, words: Words) -> JobView:
    """A job as whose it is may see it."""
    asked = JobRequest.model_validate_json(words.request)
    return JobView.of(job, operation=asked.operation, message=words.failure)


async def _received(request: Request, daemon: Daemon, user: User, job: Job, part: str) -> None:
    """The body of a request into sealed pieces, of which one is in memory at a time."""
    arrival, quota, received, piece = Arrival(request, _SECONDS), user.quota(daemon.quota), 0, 0
    while True:
        try:
            content = await arrival.take(PIECE)
        except TimeoutError:
            raise TooSlow("the image came too slowly") from None
        received += len(content)
        if received > daemon.settings.image_bytes:
            raise TooLarge(f"an image has up to {daemon.settings.image_bytes} bytes here")
        last = len(content) < PIECE
        add = daemon.store.add
        await run_in_threadpool(add, job.id, part, piece, content, last=last, quota=quota)
        if last:
            return
        piece += 1


def _take_in(daemon: Daemon, job: Job, number: int, part: str) -> Job:
    """What was received, as an image of the job."""
    asked = JobRequest.model_validate_json(daemon.store.words(job.id).request)
    image, patient = daemon.intake.taken(
        daemon.store.received(part),
        name=f"image {number}",
        project=asked.project or daemon.settings.project,
        burned_in=asked.burned_in,
    )
    return daemon.store.keep(job.id, number, image, patient)


def _identified(daemon: Daemon, job: Job, number: int) -> bytes:
    """A result with its patient's identity."""
    asked = JobRequest.model_validate_json(daemon.store.words(job.id).request)
    content = b"".join(daemon.store.content(job.id, Kind.RESULT, number)[1])
    return daemon.intake.given_back(content, project=asked.project or daemon.settings.project)


def _refuse_unfinished(job: Job) -> None:
    if job.state not in ENDS:
        raise Conflict(f"the job is {job.state}; its result comes when it is done")
    if not job.results:
        raise Conflict(
            f"the job is {job.state}, and has no result; see what is said of it, and submit another"
        )
