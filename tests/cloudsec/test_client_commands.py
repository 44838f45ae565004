"""The commands of a daemon's users: what is told of what goes wrong, and that nothing is lost by it."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cloudsec.cli import main
from cloudsec.client import Client, DaemonError
from cloudsec.jobs import Role
from tests.certificates import Authority
from tests.cloudsec.server.test_dicom_jobs import slice_of
from tests.daemons import Served, served

IMAGE = np.random.default_rng(3).integers(0, 4000, (40, 56)).astype(np.uint16)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("daemon"), wrong_tokens_per_minute=1000) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, daemon: Served, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with an image, and a daemon that is known to commands."""
    monkeypatch.setenv("CLOUDSEC_SERVER", daemon.url)
    np.save(tmp_path / "in.npy", IMAGE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(daemon: Served, role: Role, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setenv("CLOUDSEC_SERVER_TOKEN", daemon.client(role).token or "")
    return main(list(words))


SUBMIT = ("submit", "in.npy", "-o", "gaussian", "-p", "sigma=2")


def test_a_result_that_cannot_be_fetched_is_kept_under_an_id_that_is_told(
    daemon: Served, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*SUBMIT, "--identity", "--wait", "out.npy")
    assert run(daemon, Role.SERVICE, monkeypatch, *words) == 1
    told = capsys.readouterr().err
    assert "for clinicians" in told
    job = re.search("[0-9a-f]{32}", told)
    assert job is not None
    assert run(daemon, Role.SERVICE, monkeypatch, "fetch", job.group(), "out.npy") == 0
    assert (place / "out.npy").exists()


@pytest.mark.parametrize(
    "more",
    [
        ("--wait", "out.webp"),
        ("--wait", "out"),
        ("--wait", "none/out.npy"),
    ],
    ids=" ".join,
)
def test_an_output_that_cannot_be_is_refused_before_anything_is_sent(
    more: tuple[str, ...], daemon: Served, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(daemon.client(Role.SERVICE).ask("GET", "/v1/jobs").json())
    assert run(daemon, Role.SERVICE, monkeypatch, *SUBMIT, *more) in (1, 2)
    assert len(daemon.client(Role.SERVICE).ask("GET", "/v1/jobs").json()) == before


def test_an_image_that_is_refused_is_named_as_its_user_knows_it(
    daemon: Served, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "knee.dcm").write_bytes(b"")
    assert run(daemon, Role.SERVICE, monkeypatch, "submit", "in.npy", "knee.dcm", "-o", "median") == 1
    assert capsys.readouterr().err.startswith("cloudsec: knee.dcm: is not an image")


def test_no_name_of_a_job_or_a_user_leads_to_anything_else(
    daemon: Served, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.client(Role.CLINICIAN, "dr.a")
    assert run(daemon, Role.ADMIN, monkeypatch, "remove", "../users/dr.a") == 1
    assert any(each["name"] == "dr.a" for each in daemon.client(Role.ADMIN).ask("GET", "/v1/users").json())
    assert run(daemon, Role.ADMIN, monkeypatch, "users", "remove", "../users/dr.a") == 1
    assert any(each["name"] == "dr.a" for each in daemon.client(Role.ADMIN).ask("GET", "/v1/users").json())
    capsys.readouterr()


@pytest.mark.parametrize("words", [("status",), ("cancel",), ("remove",), ("users", "remove")], ids=" ".join)
def test_an_empty_name_of_a_job_or_a_user_is_wrong_usage_in_a_sentence(
    words: tuple[str, ...],
    daemon: Served,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(daemon, Role.ADMIN, monkeypatch, *words, "") == 2
    assert "the ID or name is empty" in capsys.readouterr().err


def test_a_user_of_an_impossible_name_is_wrong_usage_in_a_sentence(
    daemon: Served, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(daemon, Role.ADMIN, monkeypatch, "users", "add", "Dr. A", "clinician") == 2
    told = capsys.readouterr().err
    assert "a user's name is of a-z" in told
    assert "match pattern" not in told
    assert run(daemon, Role.ADMIN, monkeypatch, "users", "add", "dr.c", "clinician", "--max-jobs", "-1") == 2


def test_an_administrator_sees_whose_jobs_there_are(
    daemon: Served, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(daemon, Role.SERVICE, monkeypatch, *SUBMIT) == 0
    for role, column in ((Role.SERVICE, "operation"), (Role.ADMIN, "user")):
        capsys.readouterr()
        assert run(daemon, role, monkeypatch, "jobs") == 0
        assert column in capsys.readouterr().out.splitlines()[0]


def test_of_tasks_nothing_is_told_before_there_are_some(
    daemon: Served, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = daemon.client(Role.SERVICE)
    waiting, done = client.submit(start=False), client.submit((place / "in.npy").read_bytes())
    assert client.ended(done)["state"] == "done"
    for job, told in ((waiting, False), (done, True)):
        assert run(daemon, Role.SERVICE, monkeypatch, "status", job) == 0
        assert bool(re.search("^tasks", capsys.readouterr().out, re.MULTILINE)) == told
    assert run(daemon, Role.SERVICE, monkeypatch, "jobs") == 0
    assert "0/0" not in capsys.readouterr().out


def test_files_that_are_not_there_are_named_with_what_to_do(
    daemon: Served, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(daemon, Role.SERVICE, monkeypatch, "jobs", "--token-file", "none.token") == 1
    assert "none.token: there is no such file; check the name" in capsys.readouterr().err
    assert run(daemon, Role.SERVICE, monkeypatch, "jobs", "--ca", "none.pem") == 2
    assert "none.pem cannot be read: no such file" in capsys.readouterr().err
    assert run(daemon, Role.SERVICE, monkeypatch, "jobs", "--ca", "in.npy") == 2
    assert "in.npy holds no certificate" in capsys.readouterr().err
    assert run(daemon, Role.SERVICE, monkeypatch, *SUBMIT, "--wait", "out.npy") == 0
    job = daemon.client(Role.SERVICE).ask("GET", "/v1/jobs").json()[0]["id"]
    words = ("fetch", job, "out.npy", "--report", "none/r.json")
    assert run(daemon, Role.SERVICE, monkeypatch, *words) == 1
    assert "none/r.json: lies in a directory that does not exist" in capsys.readouterr().err


def test_https_to_a_daemon_without_it_says_so(
    daemon: Served, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = daemon.url.replace("http://", "https://")
    assert run(daemon, Role.SERVICE, monkeypatch, "jobs", "--server", url) == 1
    assert "does not speak TLS at this address" in capsys.readouterr().err


def test_a_daemon_that_wants_a_certificate_is_shown_it(
    authority: Authority, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = authority.issue("daemon")
    of_tls = {"tls_cert": certificate, "tls_key": key, "client_ca": authority.file}
    shown, of_shown = map(str, authority.issue("ward", host="ward.example"))
    with served(place, **of_tls) as daemon:
        monkeypatch.setenv("CLOUDSEC_SERVER_TOKEN", daemon.daemon.users.add("ward", Role.SERVICE))
        secured = ("--server", daemon.url, "--ca", str(authority.file))
        both = (*secured, "--certificate", shown, "--key", of_shown)
        assert main([*SUBMIT, *both, "--wait", "out.npy"]) == 0
        assert main(["jobs", *both]) == 0
        capsys.readouterr()
        assert main(["jobs", *secured]) == 1
        assert "wants a client certificate" in capsys.readouterr().err
        for one in (both[:-2], (*secured, "--key", of_shown)):
            assert main(["jobs", *one]) == 2
            assert "--certificate and --key belong together" in capsys.readouterr().err


def test_who_a_patient_is_stands_in_files_of_their_reader_alone(
    daemon: Served, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "in.dcm").write_bytes(slice_of(0))
    words = ("submit", "in.dcm", "-o", "median", "--identity", "--wait", "out.dcm")
    assert run(daemon, Role.CLINICIAN, monkeypatch, *words) == 0
    assert stat.S_IMODE((place / "out.dcm").stat().st_mode) == 0o600


def test_a_job_that_is_left_behind_when_its_daemon_goes_away_is_named(
    daemon: Served, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: object) -> None:
        raise DaemonError("the daemon cannot be reached")

    monkeypatch.setattr(Client, "send", gone)
    monkeypatch.setattr(Client, "cancel", gone)
    assert run(daemon, Role.SERVICE, monkeypatch, *SUBMIT) == 1
    told = capsys.readouterr().err
    assert "the daemon cannot be reached" in told
    latest = daemon.client(Role.SERVICE).ask("GET", "/v1/jobs").json()[0]
    assert latest["state"] == "receiving"
    assert f"job {latest['id']} may be left there; `cloudsec cancel` ends it" in told
