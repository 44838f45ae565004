"""A provider as a process: `python -m providers`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests

from providers import handle, make_operation
from providers.wire import Task, encode_task
from tests.certificates import Authority

ROOT = Path(__file__).parents[2]
REQUEST = encode_task(
    Task("0a" * 16, make_operation("median").resolved(2, "uint16"), np.ones((4, 9, 9), np.uint16), True)
)


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "providers", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_prints_its_url_answers_and_ends_with_its_standard_input() -> None:
    process = start("--port", "0", "--until-stdin-closes", CLOUDSEC_PROVIDER_TOKEN="t0ken")
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert requests.post(url + "/v1/tasks", data=REQUEST, timeout=20).status_code == 401
    headers = {"Authorization": "Bearer t0ken"}
    assert requests.post(url + "/v1/tasks", data=REQUEST, headers=headers, timeout=20).content == handle(
        REQUEST
    )
    out, error = process.communicate(timeout=20)
    assert (out, error) == ("", "")


def test_it_speaks_tls_and_lets_in_who_shows_a_certificate_by_the_client_ca(authority: Authority) -> None:
    certificate, key = authority.issue("process")
    ours = authority.issue("ours")
    tls = ["--tls-cert", str(certificate), "--tls-key", str(key), "--client-ca", str(authority.file)]
    process = start("--port", "0", "--until-stdin-closes", *tls)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url.startswith("https://127.0.0.1:")
    trusting = {"verify": str(authority.file), "timeout": 20}
    with pytest.raises(requests.ConnectionError):
        requests.post(url + "/v1/tasks", data=REQUEST, **trusting)
    answer = requests.post(url + "/v1/tasks", data=REQUEST, cert=tuple(map(str, ours)), **trusting)
    assert answer.content == handle(REQUEST)
    out, error = process.communicate(timeout=20)
    assert (out, error) == ("", "")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_to(stop: signal.Signals) -> None:
    process = start("--port", "0")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(stop)
    _, error = process.communicate(timeout=20)
    assert error == ""


def test_an_address_that_is_taken_is_one_clear_line() -> None:
    first = start("--port", "0", "--until-stdin-closes")
    assert first.stdout is not None
    port = first.stdout.readline().strip().rpartition(":")[2]
    second = start("--port", port)
    out, error = second.communicate(timeout=20)
    assert second.returncode == 1
    assert error == f"provider: cannot listen on 127.0.0.1 port {port}: Address already in use\n"
    assert out == ""
    first.communicate(timeout=20)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--port", "70000"], "a port is a number from 0 to 65535"),
        (["--tasks", "0"], "must be positive"),
        (["--seconds", "-1"], "must be positive"),
        (["--tls-cert", "a.pem"], "--tls-cert and --tls-key belong together; give both"),
        (["--tls-key", "a.key"], "--tls-cert and --tls-key belong together; give both"),
        (["--client-ca", "ca.pem"], "--client-ca is of no use without TLS"),
        (["--tls-cert", "a.pem", "--tls-key", "a.key"], "a.pem cannot be read: no such file"),
        (["--host", "nowhere.invalid"], "cannot listen on nowhere.invalid"),
    ],
)
def test_what_it_cannot_do_is_one_clear_line(arguments: list[str], says: str) -> None:
    process = start(*arguments)
    _, error = process.communicate(timeout=20)
    assert process.returncode in (1, 2)
    assert says in error
    assert error.count("\n") == 1
