"""Requests to a daemon: what is made again, and what is told at once."""

from pathlib import Path

import numpy as np
import pytest

from cloudsec import client
from cloudsec.client import Client, DaemonError
from cloudsec.jobs import Role
from tests.daemons import served
from tests.simulator import RawServer

IMAGE = bytes(range(256)) * 1000
JOB = "0" * 32


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "in.npy").write_bytes(IMAGE)
    return tmp_path / "in.npy"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr(client.time, "sleep", waited.append)
    return waited


def answer(status: str, body: bytes = b"{}", *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers)
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def refused(*headers: str) -> bytes:
    return answer("429 Too Many", b'{"code": "c", "message": "m"}', "Connection: close", *headers)


def test_an_image_whose_kept_connection_ended_under_it_is_sent_again_from_its_beginning(image: Path) -> None:
    with RawServer(answer("200 OK"), answers=1) as server, Client(server.url, "token") as daemon:
        daemon.send(JOB, 0, image)
        daemon.send(JOB, 1, image)
    assert server.connections == 2
    first, cut_off, again = server.requests[:3]
    assert all(request.endswith(b"\r\n\r\n" + IMAGE) for request in (first, cut_off, again))


def test_who_sends_more_images_than_may_be_sent_at_once_waits_as_long_as_the_daemon_says(
    image: Path, pauses: list[float]
) -> None:
    answers = [refused("Retry-After: 7"), refused("Retry-After: 1"), answer("200 OK")]
    with RawServer(lambda _: answers.pop(0)) as server, Client(server.url, "token") as daemon:
        daemon.send(JOB, 0, image)
    assert pauses == [7, 1]
    assert all(request.endswith(b"\r\n\r\n" + IMAGE) for request in server.requests)


@pytest.mark.parametrize("headers", [(), ("Retry-After: 86400",)], ids=["a quota", "a day"])
def test_what_is_not_over_by_waiting_a_while_is_told_at_once(
    headers: tuple[str, ...], image: Path, pauses: list[float]
) -> None:
    with (
        RawServer(refused(*headers)) as server,
        Client(server.url, "token") as daemon,
        pytest.raises(DaemonError, match="^m$"),
    ):
        daemon.send(JOB, 0, image)
    assert pauses == []
    assert len(server.requests) == 1


def test_a_job_that_is_started_twice_is_started_as_after_an_answer_that_was_lost(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.zeros((8, 8), np.uint8))
    with served(tmp_path) as running:
        token = running.client(Role.SERVICE).token or ""
        with Client(running.url, token) as daemon:
            job, other = (daemon.submit({"operation": "mean"}) for _ in range(2))
            daemon.send(job, 0, tmp_path / "in.npy")
            daemon.start(job)
            daemon.start(job)
            assert daemon.ended(job, None)["state"] == "done"
            with pytest.raises(DaemonError, match="images of the job are missing"):
                daemon.start(other)
            daemon.cancel(other)
            with pytest.raises(DaemonError, match="the job is cancelled"):
                daemon.start(other)
