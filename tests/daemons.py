"""The broker daemon in this process, on a real socket, and clients of it by their roles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray

from cloudsec.jobs import Role
from cloudsec.server.app import create_app
from cloudsec.server.daemon import Daemon, open_daemon
from cloudsec.server.logs import make_log
from cloudsec.server.run import tls_context
from cloudsec.server.settings import Settings
from tests.simulator import answering

GAUSSIAN = {"operation": "gaussian", "parameters": {"sigma": 2.0}}


@dataclass
class Client:
    """Somebody who asks, with a token or without."""

    url: str
    token: str | None = None

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        return requests.request(method, self.url + path, headers=headers, timeout=30, **more)

    def submit(self, *images: bytes, start: bool = True, **asked: Any) -> str:
        """The id of a new job with these images."""
        answer = self.ask("POST", "/v1/jobs", json=GAUSSIAN | asked)
        assert answer.status_code == 201, answer.text
        job: str = answer.json()["id"]
        for number, image in enumerate(images):
            sent = self.ask("PUT", f"/v1/jobs/{job}/images/{number}", data=image)
            assert sent.status_code == 200, sent.text
        if start:
            assert self.ask("POST", f"/v1/jobs/{job}/start").status_code == 200
        return job

    def ended(self, job: str) -> dict[str, Any]:
        """How a job ended, by its events."""
        view: dict[str, Any] = {}
        for line in self.ask("GET", f"/v1/jobs/{job}/events", stream=True).iter_lines():
            if line.startswith(b"data: "):
                view = json.loads(line[6:])
        return view


@dataclass
class Served:
    """A daemon that answers."""

    url: str
    daemon: Daemon
    log: StringIO
    _clients: dict[str, Client] = field(default_factory=dict)

    def client(self, role: Role, name: str | None = None) -> Client:
        """A user of this role; the same one for the same name."""
        name = name or f"the-{role}"
        if name not in self._clients:
            self._clients[name] = Client(self.url, self.daemon.users.add(name, role))
        return self._clients[name]

    def lines(self) -> list[dict[str, Any]]:
        """What was written to the log."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@contextmanager
def served(place: Path, **settings: Any) -> Iterator[Served]:
    """A daemon with its database in a directory."""
    chosen = {
        "database": f"sqlite:///{place}/vault.db",
        "vault_key_file": place / "vault.key",
        "embedded_providers": 4,
    }
    all_settings = Settings(**chosen | settings)
    log = StringIO()
    with (
        open_daemon(all_settings, make_log("test", "info", log)) as daemon,
        answering(create_app(daemon), tls_context(all_settings)) as url,
    ):
        yield Served(url, daemon, log)
        daemon.stopping.set()


def npy(image: NDArray[Any]) -> bytes:
    """An image as the bytes of an NPY file."""
    file = BytesIO()
    np.save(file, image)
    return file.getvalue()


def of_npy(content: bytes) -> NDArray[Any]:
    """The image in such bytes."""
    image: NDArray[Any] = np.load(BytesIO(content))
    return image
