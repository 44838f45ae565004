"""Workers end each job once: a claim that is lost is let go, and one that is stopped is given back."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import requests
from sqlalchemy import update

from cloudsec.errors import Cancelled, DatabaseFailed, ProviderFailed, VaultError
from cloudsec.jobs import JobQueue, Role, State
from cloudsec.server import daemon as daemons
from cloudsec.server import workers
from cloudsec.vault.job_tables import jobs
from tests.certificates import Authority
from tests.daemons import Served, npy, served

IMAGE = npy(np.arange(32 * 32, dtype=np.uint16).reshape(32, 32))


class Slow:
    """Work that goes on until it is told to stop."""

    def __init__(self) -> None:
        self.begun, self.ended = threading.Event(), threading.Event()

    def __call__(self, request: Any, images: Any, clouds: Any, progress: Any) -> Any:
        self.begun.set()
        try:
            while True:
                progress(1, 3)
                threading.Event().wait(0.01)
        finally:
            self.ended.set()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    work = Slow()
    monkeypatch.setattr(workers, "carried_out", work)
    return work


def running(daemon: Served, slow: Slow) -> str:
    job = daemon.client(Role.SERVICE).submit(IMAGE)
    assert slow.begun.wait(20)
    return job


def test_a_job_that_is_cancelled_is_stopped(tmp_path: Path, slow: Slow) -> None:
    with served(tmp_path, lease_seconds=1.0) as daemon:
        job = running(daemon, slow)
        answer = daemon.client(Role.SERVICE).ask("POST", f"/v1/jobs/{job}/cancel")
        assert answer.json()["state"] == "cancelled"
        assert slow.ended.wait(20)
        assert daemon.daemon.store.job(job).state is State.CANCELLED


def test_a_daemon_that_stops_gives_its_jobs_back_with_no_attempt_lost(tmp_path: Path, slow: Slow) -> None:
    with served(tmp_path) as daemon:
        job = running(daemon, slow)
        daemon.daemon.stop()
        assert slow.ended.wait(20)
        left = daemon.daemon.store.job(job)
        assert left.state is State.QUEUED
        claim = JobQueue(daemon.daemon.vault).claim("another")
        assert claim is not None
        assert claim.job == job


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("the median of this"), "refused"),
        (ProviderFailed("provider x failed"), "provider_failed"),
        (MemoryError(), "too_large"),
        (KeyError("Karenina"), "internal"),
        (VaultError("/srv/Karenina.key"), "vault"),
    ],
)
def test_why_a_job_cannot_be_done_is_told_to_its_user_and_not_to_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(workers, "carried_out", fail)
    with served(tmp_path) as daemon:
        client = daemon.client(Role.SERVICE)
        view = client.ended(client.submit(IMAGE))
        assert (view["state"], view["code"]) == ("failed", code)
        if code in ("refused", "provider_failed"):
            assert view["message"] == str(error)
            assert str(error) not in daemon.log.getvalue()
        assert "Karenina" not in view["message"] + daemon.log.getvalue()


def test_a_worker_that_stood_still_beyond_its_lease_sends_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, stopped = threading.Event(), threading.Event()

    def work(request: Any, images: Any, clouds: Any, progress: Any) -> Any:
        # As if all threads had stood still until another worker had the job.
        with daemon.daemon.vault.writing() as base:
            base.connection.execute(update(jobs).values(owner="another", attempt=2, lease=1e12))
        taken.set()
        with pytest.raises(Cancelled):
            progress(1, 3)
        stopped.set()
        raise Cancelled

    monkeypatch.setattr(workers, "carried_out", work)
    monkeypatch.setattr(workers.Workers, "_keep", lambda _: None)
    clock = SimpleNamespace(monotonic=lambda: 1e9 if taken.is_set() else 0.0)
    monkeypatch.setattr(workers, "time", clock)
    with served(tmp_path) as daemon:
        job = daemon.client(Role.SERVICE).submit(IMAGE)
        assert stopped.wait(20)
        assert daemon.daemon.store.job(job).attempt == 2


def test_a_database_that_is_away_for_a_while_fails_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = workers.carried_out
    tries: list[str] = []

    def restarted(*arguments: Any) -> Any:
        tries.append("once")
        if len(tries) == 1:
            raise DatabaseFailed("the database db.hospital.example failed")
        return done(*arguments)

    monkeypatch.setattr(workers, "carried_out", restarted)
    with served(tmp_path, lease_seconds=1.0) as daemon:
        client = daemon.client(Role.SERVICE)
        view = client.ended(client.submit(IMAGE))
        assert view["state"] == "done"
        assert view["attempt"] >= 2


def test_a_job_whose_results_take_too_much_memory_fails(tmp_path: Path) -> None:
    with served(tmp_path, job_bytes=3000) as daemon:
        client = daemon.client(Role.SERVICE)
        # Twice as wide: a result of 4 KiB and more from an image of 2 KiB.
        view = client.ended(client.submit(IMAGE, operation="laplacian", parameters={}))
        assert (view["state"], view["code"]) == ("failed", "refused")
        assert "3000 bytes" in view["message"]


def test_a_daemon_without_its_providers_is_not_ready(tmp_path: Path) -> None:
    named = tmp_path / "providers.toml"
    named.write_text('[[provider]]\nurl = "http://127.0.0.1:9"\n')
    with served(tmp_path, providers_file=named) as daemon:
        answer = requests.get(daemon.url + "/readyz", timeout=20)
        assert answer.status_code == 503
        assert answer.json() == {"database": True, "key": True, "providers": False}


def test_nobody_waits_while_providers_are_asked_whether_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "providers.toml"
    named.write_text('[[provider]]\nurl = "http://127.0.0.1:9"\n')
    asked, go_on = threading.Event(), threading.Event()

    def silent(_: Any) -> bool:
        asked.set()
        return go_on.wait(60)

    monkeypatch.setattr(daemons, "_answers", silent)
    with served(tmp_path, providers_file=named) as daemon:
        client = daemon.client(Role.SERVICE)
        first = threading.Thread(target=requests.get, args=(daemon.url + "/readyz",), kwargs={"timeout": 60})
        first.start()
        try:
            assert asked.wait(20)
            assert not requests.get(daemon.url + "/readyz", timeout=20).json()["providers"]
            assert client.ask("GET", "/v1/jobs").status_code == 200
        finally:
            go_on.set()
            first.join()
        assert requests.get(daemon.url + "/readyz", timeout=20).json()["providers"]


def test_the_daemon_speaks_tls_as_providers_do(tmp_path: Path, authority: Authority) -> None:
    certificate, key = authority.issue("daemon")
    with served(tmp_path, tls_cert=certificate, tls_key=key) as daemon:
        answer = requests.get(daemon.url + "/healthz", verify=str(authority.file), timeout=20)
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
