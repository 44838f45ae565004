"""A hospital system's side of the daemon: requests to it, and its answers or its reasons."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlsplit

from cloudsec.errors import CloudsecError

SECONDS = 60.0
"""For an answer that holds no image."""
TRANSFER_SECONDS = 3600.0
"""For an image: 256 MiB at half a megabit a second."""
PATIENCE_SECONDS = 60.0
"""For a daemon that says when to come again: a study has more slices than a user has requests a minute."""
PIECE = 1 << 20
ENDS = ("done", "failed", "cancelled")
_STARTED = ("queued", "running", "done", "failed")


class DaemonError(CloudsecError):
    """The daemon will not do it, or cannot be reached; the message says why.

    Attributes
    ----------
    code : str
        Of the daemon's closed list; "" where no daemon answered.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Client:
    """A daemon by its URL, as one user has it. Use it as a context manager.

    Parameters
    ----------
    url : str
        Of another machine it is an https URL.
    token : str
        The user's.
    ca : Path or None
        Whose certificate the daemon must show; None: those that requests trusts.
    certificate : pair of Path, or None
        Files with the certificate that the daemon may want of us, and its key.

    Raises
    ------
    ValueError
        For a URL that would show the token on the way, and a file that cannot be used.
    """

    def __init__(
        self, url: str, token: str, ca: Path | None = None, certificate: tuple[Path, Path] | None = None
    ) -> None:
        from cloudsec.connections import LOOPBACK, open_session
        from cloudsec.endpoints import check_files, check_token

        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or "@" in url:
            raise ValueError(f"{url!r} is no URL of a daemon, such as https://broker.example:8443")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError(f"{url} would show token and images on the way; use https://")
        check_token(token)
        self._url = url.rstrip("/")
        self._ca = None if ca is None else str(ca)
        shown = None if certificate is None else (str(certificate[0]), str(certificate[1]))
        check_files(self._ca, shown)
        self._certificate = None if shown is None else shown[0]
        self._session = open_session(token, self._ca, shown)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def submit(self, request: dict[str, Any]) -> str:
        """A new job that waits for its images; its id."""
        job: str = self._json("POST", "/v1/jobs", json=request)["id"]
        return job

    def send(self, job: str, number: int, image: Path) -> None:
        """An image of a job, from a file of which little is in memory at a time."""
        with image.open("rb") as file:
            self._json("PUT", f"{_job(job)}/images/{number}", image=file, timeout=TRANSFER_SECONDS)

    def start(self, job: str) -> None:
        """All images are there."""
        try:
            self._json("POST", f"{_job(job)}/start")
        except DaemonError as error:
            # A request whose answer was lost on the way is made again, and finds the job started.
            if error.code != "conflict" or self.job(job)["state"] not in _STARTED:
                raise

    def job(self, name: str) -> dict[str, Any]:
        """How a job stands."""
        view: dict[str, Any] = self._json("GET", _job(name))
        return view

    def jobs(self) -> list[dict[str, Any]]:
        """The latest jobs."""
        views: list[dict[str, Any]] = self._json("GET", "/v1/jobs")
        return views

    def cancel(self, name: str) -> dict[str, Any]:
        """A job is not done, or not further."""
        view: dict[str, Any] = self._json("POST", f"{_job(name)}/cancel")
        return view

    def remove(self, name: str) -> None:
        """Nothing is kept of a job that ended."""
        self._json("DELETE", _job(name))

    def ended(self, name: str, progress: Callable[[int, int], None] | None) -> dict[str, Any]:
        """How a job ended, once it has; `progress` is told the tasks that are answered, and all."""
        while True:
            view: dict[str, Any] = {}
            # A connection that ends early is opened anew: every event says all.
            for line in self._lines(f"{_job(name)}/events"):
                if not line.startswith(b"data: "):
                    continue
                view = json.loads(line.removeprefix(b"data: "))
                if progress is not None and view["total"]:
                    progress(view["done"], view["total"])
                if view["state"] in ENDS:
                    return view
            if not view:
                view = self.job(name)

    def result(self, name: str, number: int, *, identity: bool) -> bytes:
        """A file of the result."""
        chosen = {"number": number, "identity": "restored" if identity else "none"}
        path = f"{_job(name)}/result"
        with self._asked("GET", path, params=chosen, timeout=TRANSFER_SECONDS) as answer:
            content = b"".join(answer.iter_content(PIECE))
            if len(content) != int(answer.headers["content-length"]):
                raise DaemonError("the daemon stopped half-way through the result; fetch it again")
            return content

    def report(self, name: str) -> dict[str, Any]:
        """What was sent to whom, and how it was checked."""
        told: dict[str, Any] = self._json("GET", f"{_job(name)}/report")
        return told

    def users(self) -> list[dict[str, Any]]:
        """All users, for admins."""
        views: list[dict[str, Any]] = self._json("GET", "/v1/users")
        return views

    def add_user(self, user: dict[str, Any]) -> str:
        """A new user's token."""
        token: str = self._json("POST", "/v1/users", json=user)["token"]
        return token

    def remove_user(self, name: str) -> None:
        """A user's token is good for nothing any more."""
        self._json("DELETE", _place("users", name))

    def _json(self, method: str, path: str, **more: Any) -> Any:
        with self._asked(method, path, **more) as answer:
            return answer.json() if answer.content else None

    def _lines(self, path: str) -> Iterator[bytes]:
        from cloudsec.connections import Broken

        with self._asked("GET", path) as answer:
            try:
                yield from answer.iter_lines()
            except Broken:
                return

    @contextmanager
    def _asked(
        self,
        method: str,
        path: str,
        *,
        timeout: float = SECONDS,
        image: BinaryIO | None = None,
        **more: Any,
    ) -> Iterator[Any]:
        """The answer to a request, of which the body is not read yet; DaemonError for any but a good one."""
        from cloudsec.connections import Broken, Stale
        from cloudsec.handshake import hung_up_because, refused_because

        def ask() -> Any:
            if image is not None:
                # Of an image that is sent again, some was read before.
                image.seek(0)
                more["data"] = image
            return self._session.request(
                method, self._url + path, timeout=timeout, stream=True, allow_redirects=False, **more
            )

        try:
            answer = _in_its_time(ask)
            with answer:
                if answer.status_code >= 300:
                    raise _refusal(answer.status_code, answer.content)
                yield answer
        except (Broken, Stale) as error:
            secure = self._url.startswith("https:")
            why = refused_because(error, self._ca, self._certificate) or (
                f"cannot be reached, or hung up: {hung_up_because(error, secure, self._certificate)}"
            )
            raise DaemonError(f"the daemon at {self._url} {why}") from error


def _in_its_time(ask: Callable[[], Any]) -> Any:
    """The answer to a request, which is made again when a daemon that is asked too often wants it."""
    from cloudsec.connections import Stale
    from cloudsec.endpoints import wanted_pause

    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = ask()
        except Stale:
            answer = ask()
        pause = wanted_pause(answer.headers) if answer.status_code == 429 else 0.0
        # A quota says no time: that is not over by waiting.
        if not pause or time.monotonic() + pause > until:
            return answer
        answer.close()
        time.sleep(pause)


def _job(name: str) -> str:
    return _place("jobs", name)


def _place(kind: str, name: str) -> str:
    """Where a job or a user is; no name leads anywhere else."""
    if not name:
        # As an empty variable of a script gives it: that is where all of them are.
        raise ValueError("the ID or name is empty; `cloudsec jobs` and `cloudsec users list` tell them")
    return f"/v1/{kind}/{quote(name, safe='')}"


def _refusal(status: int, content: bytes) -> DaemonError:
    try:
        told = json.loads(content)
        return DaemonError(str(told["message"]), str(told["code"]))
    except (ValueError, KeyError, TypeError):
        return DaemonError(f"what answered with HTTP status {status} is no daemon; check the URL")
