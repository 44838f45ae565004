"""The daemon's workers: threads that claim jobs, hold their leases, and end each job once or not at all."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from cloudsec.errors import Cancelled, CloudsecError, DatabaseFailed, ProviderFailed, VaultError
from cloudsec.jobs import Claim, JobQueue, JobStore, Kind, LostClaim
from cloudsec.server.labour import Clouds, carried_out
from cloudsec.server.logs import Log, failure
from cloudsec.server.metrics import Metrics
from cloudsec.server.requests import JobRequest

IDLE_SECONDS = 0.5
"""Between two looks for a job that another daemon received; of our own, workers are told at once."""
SWEEP_SECONDS = 600.0
PARTING_SECONDS = 5.0
"""For threads to end; what they do after that is of no consequence, because their claims are given back."""


class _Held:
    """A job that is being done here, which by this process's clock is nobody else's until some time."""

    def __init__(self, claim: Claim, until: float) -> None:
        self.claim, self.until = claim, until
        self.done, self.total = 0, 0
        self.lost = threading.Event()


class Workers:
    """Threads that do jobs until they are stopped.

    Parameters
    ----------
    store, queue : JobStore, JobQueue
    clouds : Clouds
    log, metrics : Log, Metrics
    count : int
        How many jobs are done at one time.
    lease, kept : float
        Seconds for which a claim holds, and after which what ended is removed.
    """

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        clouds: Clouds,
        log: Log,
        metrics: Metrics,
        *,
        count: int,
        lease: float,
        kept: float,
    ) -> None:
        self._store, self._queue, self._clouds = store, queue, clouds
        self._log, self._metrics = log, metrics
        self._lease, self._kept = lease, kept
        self._owner = secrets.token_hex(8)
        self._held: dict[Claim, _Held] = {}
        self._stopping = threading.Event()
        self._news = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        self._threads.append(threading.Thread(target=self._keep, daemon=True))

    def start(self) -> None:
        """Begin to look for jobs."""
        for thread in self._threads:
            thread.start()

    def tell(self) -> None:
        """There is a job that may be claimed."""
        self._news.release()

    def stop(self) -> None:
        """Give all jobs back, so that another daemon has them at once; no attempt of theirs is lost."""
        self._stopping.set()
        for held in list(self._held.values()):
            held.lost.set()
            with suppress(CloudsecError):
                self._queue.give_back(held.claim)
                self._log.info("job given back", job=held.claim.job, attempt=held.claim.attempt)
        for _ in self._threads:
            self._news.release()

    def join(self) -> None:
        """Wait for the threads, but not for ever."""
        until = time.monotonic() + PARTING_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                claim = self._queue.claim(self._owner)
            except Exception as error:
                self._log.error("no job can be claimed", **failure(error))
                self._stopping.wait(IDLE_SECONDS)
                continue
            if claim is None:
                self._news.acquire(timeout=IDLE_SECONDS)
                continue
            held = self._held[claim] = _Held(claim, began + self._lease)
            try:
                if self._stopping.is_set():
                    # It was claimed while all others were given back.
                    self._queue.give_back(claim)
                else:
                    self._do(held)
            except Exception as error:
                # Nothing could be written: the lease runs out, and the job is claimed anew.
                self._log.error("job abandoned", job=claim.job, attempt=claim.attempt, **failure(error))
            finally:
                del self._held[claim]

    def _do(self, held: _Held) -> None:
        claim, began = held.claim, time.monotonic()
        log = self._log.bind(job=claim.job, attempt=claim.attempt)
        log.info("job begun")
        try:
            state = self._ended(held, log)
        except (Cancelled, LostClaim):
            self._metrics.claims_lost.inc()
            log.info("claim lost")
            return
        seconds = time.monotonic() - began
        self._metrics.jobs_ended.labels(state).inc()
        self._metrics.job_seconds.observe(seconds)
        log.info("job ended", state=state, seconds=round(seconds, 3))

    def _ended(self, held: _Held, log: Log) -> str:
        claim = held.claim
        try:
            request = JobRequest.model_validate_json(self._store.words(claim.job).request)
            images = [
                b"".join(self._store.content(claim.job, Kind.IMAGE, number)[1])
                for number in range(self._store.job(claim.job).images)
            ]
            results, report = carried_out(request, images, self._clouds, partial(self._goes_on, held))
        except (Cancelled, LostClaim, DatabaseFailed):
            # A database that is away for a while is no end of a job.
            raise
        except Exception as error:
            code, reason = _why(error)
            self._queue.fail(claim, code, reason)
            log.warning("job failed", code=code, **failure(error))
            return "failed"
        # How far it came last, for who looks at it later.
        self._renew(held)
        self._queue.finish(claim, results, report)
        return "done"

    def _keep(self) -> None:
        """Renew what is held, several times in a lease; sweep what is old."""
        swept = -SWEEP_SECONDS
        while not self._stopping.wait(min(1.0, self._lease / 5)):
            for held in list(self._held.values()):
                self._guarded(partial(self._renew, held))
            if time.monotonic() - swept >= SWEEP_SECONDS:
                swept = time.monotonic()
                self._guarded(self._sweep)

    def _goes_on(self, held: _Held, done: int, total: int) -> None:
        """Tasks of a job were answered; Cancelled where the others are not this worker's to send."""
        held.done, held.total = done, total
        if time.monotonic() > held.until:
            # Database or process stood still: another worker may have the job by now.
            self._renew(held)
        if held.lost.is_set():
            raise Cancelled("the job is not this worker's any more")

    def _renew(self, held: _Held) -> None:
        until = time.monotonic() + self._lease
        if self._queue.renew(held.claim, held.done, held.total):
            held.until = until
        else:
            held.lost.set()

    def _sweep(self) -> None:
        if count := self._store.sweep(self._kept):
            self._log.info("old jobs removed", count=count)

    def _guarded(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as error:
            self._log.error("a lease or a sweep failed", **failure(error))


def _why(error: Exception) -> tuple[str, str]:
    """The code and the sentence of a job that cannot be done."""
    if isinstance(error, VaultError):
        # Where keys and databases lie is the administrator's affair.
        return "vault", "what is stored of this job cannot be opened; the administrator has to look"
    if isinstance(error, ProviderFailed):
        return "provider_failed", str(error)
    if isinstance(error, (CloudsecError, ValueError)):
        return "refused", str(error)
    if isinstance(error, MemoryError):
        return "too_large", "there is not enough memory for this job; split it, or give the daemon more"
    return "internal", f"an error of ours ({type(error).__name__}); the daemon's log says where"
