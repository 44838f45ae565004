"""The daemon as a process, and its users' commands as others."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest

import providers
from tests.cloudsec.server.test_dicom_jobs import read, slice_of
from tests.daemons import Client

ROOT = Path(__file__).parents[3]
IMAGE = np.random.default_rng(3).integers(0, 4000, (40, 56)).astype(np.uint16)


@dataclass
class Running:
    process: subprocess.Popen[str]
    url: str
    remarks: list[str]
    token: str

    def run(self, *words: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
        told = {"CLOUDSEC_SERVER": self.url, "CLOUDSEC_SERVER_TOKEN": token or self.token}
        command = [sys.executable, "-m", "cloudsec", *words]
        return subprocess.run(
            command, cwd=ROOT, env=os.environ | told, capture_output=True, text=True, timeout=60, check=False
        )


@contextmanager
def running(place: Path) -> Iterator[Running]:
    """A daemon that keeps in a directory all that it keeps, and its first admin."""
    own = {
        "CLOUDSEC_PORT": "0",
        "CLOUDSEC_KEY_FILE": str(place / "key"),
        "CLOUDSEC_STATE": str(place / "state"),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "cloudsec", "serve"],
        cwd=ROOT,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            url = process.stdout.readline().strip()
            if not url:
                raise AssertionError(process.communicate(timeout=20)[1])
            remarks = []
            while (line := process.stderr.readline()).startswith("cloudsec: "):
                remarks.append(line.strip())
            token = place / "state" / "admin.token"
            assert stat.S_IMODE(token.stat().st_mode) == 0o600
            yield Running(process, url, remarks, token.read_text().strip())
        finally:
            process.kill()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for the tests of this module that let it live."""
    with running(tmp_path_factory.mktemp("daemon")) as daemon:
        yield daemon


def test_from_the_first_start_to_a_result_that_equals_the_unsplit_operation(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        assert any("the first admin's token is in " in line for line in daemon.remarks)
        assert any("nothing leaves this machine" in line for line in daemon.remarks)
        token = daemon.run("users", "add", "ward-3", "service").stdout.strip()
        np.save(tmp_path / "in.npy", IMAGE)
        out = tmp_path / "out.npy"
        words = ("submit", str(tmp_path / "in.npy"), "-o", "gaussian", "-p", "sigma=2")
        done = daemon.run(*words, "--wait", str(out), token=token)
        assert (done.returncode, done.stderr) == (0, "")
        expected = providers.apply(IMAGE, "gaussian", sigma=2)
        assert np.array_equal(np.load(out), expected)

        name = daemon.run(*words, token=token).stdout.strip()
        listed = daemon.run("jobs", token=token).stdout
        assert name in listed
        assert Client(daemon.url, token).ended(name)["state"] == "done"
        again, report = tmp_path / "again.npy", tmp_path / "r.json"
        fetched = daemon.run("fetch", name, str(again), "--report", str(report), token=token)
        assert (fetched.returncode, fetched.stderr) == (0, "")
        assert np.array_equal(np.load(again), expected)
        assert json.loads(report.read_text())["images"][0]["operation"].startswith("gaussian")

        daemon.process.send_signal(signal.SIGTERM)
        _, log = daemon.process.communicate(timeout=20)
        assert daemon.process.returncode == 0
        lines = [json.loads(line) for line in log.splitlines()]
        assert lines[-1]["event"] == "stopped"
        assert token.split("-")[2] not in log
        database = (tmp_path / "state" / "vault.db").read_bytes()
        assert token.split("-")[2].encode() not in database


def test_a_command_that_fails_is_one_line_and_a_status(daemon: Running, tmp_path: Path) -> None:
    token = daemon.run("users", "add", "ward-3", "service").stdout.strip()
    image = tmp_path / "in.npy"
    np.save(image, IMAGE)
    for words, status, said in (
        (("submit", str(image), "-o", "gausian"), 2, "gausian"),
        (
            ("submit", str(image), "-o", "gaussian", "-p", "sigma=2", "--wait", str(image)),
            2,
            "the input itself",
        ),
        (("submit", str(tmp_path / "none.npy"), "-o", "gaussian"), 2, "is no file"),
        (("status", "0" * 32), 1, "there is no such job"),
        (("users", "list"), 1, "takes one who is admin"),
    ):
        done = daemon.run(*words, token=token)
        assert (done.returncode, done.stdout) == (status, "")
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    assert np.array_equal(np.load(image), IMAGE)


def test_without_a_daemon_the_commands_say_so(tmp_path: Path) -> None:
    nobody = Running(None, "http://127.0.0.1:9", [], "cst-x")  # type: ignore[arg-type]
    for url, status, said in (
        ("http://127.0.0.1:9", 1, "cannot be reached"),
        ("http://broker.example", 2, "use https://"),
    ):
        nobody.url = url
        done = nobody.run("jobs")
        assert done.returncode == status
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_slices_come_back_as_slices_and_with_their_patient_for_a_clinician_who_asks(
    daemon: Running, tmp_path: Path
) -> None:
    token = daemon.run("users", "add", "dr.b", "clinician").stdout.strip()
    slices = tmp_path / "slices"
    slices.mkdir()
    for number in range(3):
        (slices / f"{number}.dcm").write_bytes(slice_of(number))
    words = ("submit", str(slices), "-o", "median", "-p", "size=3", "--wait")
    for place, more, known in (("plain", (), False), ("known", ("--identity",), True)):
        done = daemon.run(*words, str(tmp_path / place), *more, token=token)
        assert (done.returncode, done.stderr) == (0, "")
        files = sorted((tmp_path / place).iterdir())
        assert [file.name for file in files] == ["0001.dcm", "0002.dcm", "0003.dcm"]
        for file in files:
            assert (str(pydicom.dcmread(file).PatientName) == "Karenina^Anna") == known
    volume = np.stack([read(slice_of(number)).pixel_array for number in range(3)])
    results = np.stack([pydicom.dcmread(file).pixel_array for file in sorted((tmp_path / "plain").iterdir())])
    assert np.array_equal(results, providers.apply(volume, "median", size=3))


def test_an_address_that_another_has_is_named_with_what_to_do(daemon: Running) -> None:
    port = daemon.url.rpartition(":")[2]
    command = [sys.executable, "-m", "cloudsec", "serve"]
    told = os.environ | {"CLOUDSEC_PORT": port}
    done = subprocess.run(
        command, cwd=ROOT, env=told, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use; choose" in done.stderr
    assert '"stopped"' not in done.stderr
