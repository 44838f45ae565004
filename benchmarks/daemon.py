"""Daemons that are killed in the middle of their work, and what becomes of each job.

python -m benchmarks.daemon [URL of an empty PostgreSQL database]
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sqlalchemy import func, select

import providers
from benchmarks.state import own_state
from cloudsec.client import Client, DaemonError
from cloudsec.jobs import ENDS, JobStore, Kind, Move, Role, Users
from cloudsec.vault import Vault, job_tables
from cloudsec.vault.settings import user_vault

ROOT = Path(__file__).parents[1]
SECONDS = 300.0


@dataclass
class Process:
    """A daemon that can be killed."""

    process: subprocess.Popen[bytes]
    url: str

    def kill(self, vault: Vault, owner: str) -> None:
        """As a machine that loses its power, at a moment when this daemon, which claims so, has a job."""
        held = select(func.count()).where(job_tables.jobs.c.owner == owner)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            # Who stands still can end no job while it is looked at.
            self.process.send_signal(signal.SIGSTOP)
            with vault.reading() as base:
                if base.scalar(held):
                    self.process.send_signal(signal.SIGKILL)
                    self.process.wait(20)
                    return
            self.process.send_signal(signal.SIGCONT)
            threading.Event().wait(0.005)
        raise RuntimeError("the daemon had no job any more when it was to be killed")


@dataclass(frozen=True)
class Life:
    """What became of jobs.

    Attributes
    ----------
    ends : Counter of str
        How many jobs ended how often, and as what.
    lost : int
        Leases that ran out.
    wrong : int
        Results that are not those of the unsplit operation.
    seconds : float
        From the first start of a job to the last end.
    """

    ends: Counter[tuple[str, ...]]
    lost: int
    wrong: int
    seconds: float


@contextmanager
def daemon(place: Path, database: str) -> Iterator[Process]:
    """A daemon process on a database; it is ended with the block."""
    config = place / "daemon.toml"
    config.write_text(
        f'database = "{database}"\nvault_key_file = "vault.key"\nport = 0\nlease_seconds = 1.0\nworkers = 2\n'
        "requests_per_minute = 1000000\nembedded_providers = 4\nuser_jobs = 10000\nlog_level = 'error'\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "cloudsec", "serve", "--config", str(config)],
        cwd=ROOT,
        env=os.environ | {"CLOUDSEC_STATE": str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        yield Process(process, process.stdout.readline().decode().strip())
    finally:
        process.kill()
        process.wait(20)
        process.stdout.close()


def killed(place: Path, database: str, *, count: int, second: bool) -> Life:
    """So many jobs at a daemon that is killed when some are done; a second one is there, or comes after."""
    images = [np.random.default_rng(n).integers(0, 4000, (32, 32)).astype(np.uint16) for n in range(count)]
    with user_vault(database, key_file=place / "vault.key") as vault, daemon(place, database) as first:
        token = Users(vault).add("ward-3", Role.SERVICE)
        names = []
        with Client(first.url, token) as client:
            for image in images:
                np.save(place / "image.npy", image)
                names.append(client.submit({"operation": "median", "parameters": {"size": 5}}))
                client.send(names[-1], 0, place / "image.npy")
        began = time.monotonic()
        # Only the first daemon can have had this one.
        _start(first.url, token, names[:1])
        _wait(vault, 1, count)
        with vault.reading() as base:
            owner = str(
                base.scalar(select(job_tables.moves.c.owner).where(job_tables.moves.c.move == Move.CLAIM))
            )
        starting = threading.Thread(target=_start, args=(first.url, token, names))
        if second:
            with daemon(place, database) as other:
                starting.start()
                _wait(vault, count // 4, count)
                first.kill(vault, owner)
                starting.join()
                _start(other.url, token, names)
                _wait(vault, count, count)
        else:
            starting.start()
            _wait(vault, count // 4, count)
            first.kill(vault, owner)
            starting.join()
            with daemon(place, database) as other:
                _start(other.url, token, names)
                _wait(vault, count, count)
        seconds = time.monotonic() - began
        return _told(vault, dict(zip(names, images, strict=True)), seconds)


def _start(url: str, token: str, names: list[str]) -> None:
    """Start all that are not started, until the daemon is gone."""
    with Client(url, token) as client:
        for name in names:
            try:
                client.start(name)
            except DaemonError as error:
                if error.code != "conflict":
                    return


def _wait(vault: Vault, ended: int, count: int) -> None:
    """Until so many have ended; RuntimeError after `SECONDS`."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        counts = JobStore(vault).counts()
        if sum(counts[state] for state in ENDS) >= ended:
            return
        threading.Event().wait(0.02)
    raise RuntimeError(f"{ended} of {count} jobs had not ended: {counts}")


def _told(vault: Vault, images: dict[str, Any], seconds: float) -> Life:
    moves, store = job_tables.moves, JobStore(vault)
    ends: Counter[tuple[str, ...]] = Counter()
    wrong = 0
    with vault.reading() as base:
        for name in images:
            rows = base.scalars(select(moves.c.state).where(moves.c.job == name).order_by(moves.c.id))
            ends[tuple(state for state in rows if state in ENDS)] += 1
        lost = base.scalar(select(func.count()).select_from(moves).where(moves.c.move == Move.LOSE)) or 0
    for name, image in images.items():
        result = np.load(BytesIO(b"".join(store.content(name, Kind.RESULT, 0)[1])))
        wrong += not np.array_equal(result, providers.apply(image, "median", size=5))
    return Life(ends, lost, wrong, seconds)


def main(arguments: list[str]) -> None:
    """Print what became of 200 jobs on each database."""
    with TemporaryDirectory() as directory:
        runs = [("SQLite, killed and started again", f"sqlite:///{directory}/vault.db", False)]
        runs += [("PostgreSQL, one of two killed", url, True) for url in arguments]
        for number, (name, database, second) in enumerate(runs):
            place = Path(directory, str(number))
            place.mkdir()
            life = killed(place, database, count=200, second=second)
            ends = ", ".join(f"{' then '.join(end) or 'never'}: {count}" for end, count in life.ends.items())
            print(
                f"{name}: 200 jobs; ended {ends}; {life.lost} taken over; {life.wrong} wrong results; "
                f"{200 / life.seconds:.1f} jobs/s"
            )


if __name__ == "__main__":
    with own_state():
        main(sys.argv[1:])
