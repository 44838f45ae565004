"""The daemon: what it is made of, opened with its settings and closed with all claims given back."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cloudsec.atomic import create_private, make_directory
from cloudsec.custody import Custody
from cloudsec.deidentification import read_rules
from cloudsec.dicom.rules import Rules
from cloudsec.endpoints import Endpoint
from cloudsec.errors import CloudsecError, ProviderFailed, VaultError, shown
from cloudsec.jobs import JobQueue, JobStore, Quota, Role, Users
from cloudsec.key_file import state_directory
from cloudsec.providers_file import read_providers
from cloudsec.server.intake import Intake
from cloudsec.server.labour import Clouds
from cloudsec.server.logs import Log, failure
from cloudsec.server.metrics import Metrics
from cloudsec.server.rates import Rates
from cloudsec.server.requests import JobRequest
from cloudsec.server.settings import Settings
from cloudsec.server.workers import Workers
from cloudsec.vault import Vault
from cloudsec.vault.settings import user_vault
from providers import make_operation
from providers.wire import Task, encode_task

FIRST_ADMIN = "admin"
PROVIDER_CHECK_SECONDS = 15.0
"""Between two tasks that ask providers whether they are there."""
PROVIDER_ANSWER_SECONDS = 5.0
"""For each of these: they take milliseconds, and whoever asks for /readyz waits."""


@dataclass
class Daemon:
    """All that requests and workers share.

    Attributes
    ----------
    asked, wrong : Rates
        Of users by their ids, and of wrong tokens by the addresses that they come from.
    under_way : Counter of str
        Requests that are not answered yet, by the ids of users.
    counting : threading.Lock
        Held by whoever counts in these three.
    stopping : threading.Event
        Whoever waits for something stops waiting.
    """

    settings: Settings
    vault: Vault
    intake: Intake
    clouds: Clouds
    log: Log
    metrics: Metrics
    store: JobStore
    users: Users
    workers: Workers
    asked: Rates
    wrong: Rates
    counting: threading.Lock = field(default_factory=threading.Lock)
    under_way: Counter[str] = field(default_factory=Counter)
    stopping: threading.Event = field(default_factory=threading.Event)
    _asking: threading.Lock = field(default_factory=threading.Lock)
    _providers_seen: tuple[float, bool] = (-PROVIDER_CHECK_SECONDS, False)

    @property
    def quota(self) -> Quota:
        """What a user may have of whom nothing else is said."""
        return Quota(self.settings.user_jobs, self.settings.user_bytes)

    def stop(self) -> None:
        """Give jobs back and end what lasts; answers under way are finished."""
        self.stopping.set()
        self.workers.stop()

    def readiness(self) -> dict[str, bool]:
        """Whether jobs can be done: what each needs."""
        database = key = False
        try:
            self.store.counts()
            database = True
            self.vault.secret("broker")
            key = True
        except CloudsecError as error:
            self.log.error("not ready", **failure(error))
        return {"database": database, "key": key, "providers": self._provider_answers()}

    def _provider_answers(self) -> bool:
        """Whether at least one provider does a task; asked anew after a while only, by one at a time.

        Who comes meanwhile is told what was found before: anybody may ask, and nobody waits for that.
        """
        if isinstance(self.clouds.providers, int):
            return True
        if self._asking.acquire(blocking=False):
            try:
                if time.monotonic() - self._providers_seen[0] >= PROVIDER_CHECK_SECONDS:
                    answers = any(map(_answers, self.clouds.providers))
                    self._providers_seen = time.monotonic(), answers
            finally:
                self._asking.release()
        return self._providers_seen[1]


def _answers(provider: Endpoint) -> bool:
    # Of zeros, so that it tells nothing.
    operation = make_operation("median").resolved(2, "uint8")
    task = Task(secrets.token_hex(16), operation, np.zeros((1, 8, 8), np.uint8), False)
    try:
        provider.send(encode_task(task), PROVIDER_ANSWER_SECONDS)
    except ProviderFailed:
        return False
    return True


@contextmanager
def open_daemon(settings: Settings, log: Log) -> Iterator[Daemon]:
    """A daemon whose workers work, until the block ends.

    Raises
    ------
    ValueError
        For settings that cannot be.
    VaultError
        If the database or its key cannot be used.
    """
    with ExitStack() as stack:
        vault = stack.enter_context(_vault(settings))
        providers: int | Sequence[Endpoint] = settings.embedded_providers
        if settings.providers_file is not None:
            providers = [
                stack.enter_context(closing(each)) for each in read_providers(settings.providers_file)
            ]
        custody = Custody(vault.secret("broker"), vault.records)
        clouds = Clouds(providers, custody, settings.scheme, settings.provider_seconds, settings.job_bytes)
        # A scheme that there is not would end every job.
        clouds.broker(JobRequest(operation="mean")).close()
        store = JobStore(vault, job_bytes=settings.job_bytes)
        queue = JobQueue(vault, lease=settings.lease_seconds)
        metrics = Metrics()
        workers = Workers(
            store,
            queue,
            clouds,
            log,
            metrics,
            count=settings.workers,
            lease=settings.lease_seconds,
            kept=settings.keep_days * 86400,
        )
        daemon = Daemon(
            settings,
            vault,
            Intake(vault, Rules() if settings.rules_file is None else read_rules(settings.rules_file)),
            clouds,
            log,
            metrics,
            store,
            Users(vault),
            workers,
            Rates(settings.requests_per_minute),
            Rates(settings.wrong_tokens_per_minute),
        )
        workers.start()
        try:
            yield daemon
        finally:
            daemon.stop()
            workers.join()


def add_first_admin(users: Users) -> Path | None:
    """A first user's token in a file of its owner's alone; None where there are users already."""
    place = state_directory() / "admin.token"
    try:
        make_directory(place.parent)
        added = users.add_first(
            FIRST_ADMIN, Role.ADMIN, lambda token: create_private(place, f"{token}\n".encode())
        )
    except OSError as error:
        raise VaultError(
            f"{shown(place)}: the first admin's token cannot be written there ({error.strerror}); move what "
            "is there away, and start again"
        ) from error
    return place if added else None


def _vault(settings: Settings) -> Vault:
    return user_vault(
        settings.database,
        key_file=settings.vault_key_file,
        passphrase_file=settings.vault_passphrase_file,
        kms_key=settings.vault_kms_key,
    )
