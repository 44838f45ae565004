import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from cloudsec.fleet import local_providers

ROOT = Path(__file__).parents[2]


def answers(url: str) -> bool:
    try:
        return requests.get(url + "/healthz", timeout=5).ok
    except requests.ConnectionError:
        return False


def gone(urls: list[str]) -> bool:
    """Whether nobody answers any more, within the time that processes take to end."""
    deadline = time.monotonic() + 30
    while any(map(answers, urls)):
        if time.monotonic() > deadline:
            return False
    return True


def test_providers_answer_inside_the_block_and_are_gone_after_it() -> None:
    with local_providers(3) as fleet:
        urls = [provider.url for provider in fleet]
        assert len(set(urls)) == 3
        assert all(map(answers, urls))
    assert not any(map(answers, urls))


def test_providers_are_gone_after_an_error_too() -> None:
    with pytest.raises(RuntimeError), local_providers(1) as fleet:
        url = fleet[0].url
        raise RuntimeError
    assert not answers(url)


@pytest.mark.parametrize("count", [0, -1, 65])
def test_a_number_that_makes_no_sense_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 64"), local_providers(count):
        pass


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_providers_start_prints_one_url_a_line_and_leaves_nothing_behind(stop: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cloudsec", "providers", "start", "-n", "2"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    urls = [process.stdout.readline().strip() for _ in range(2)]
    assert all(map(answers, urls))
    process.send_signal(stop)
    _, error = process.communicate(timeout=30)
    assert error == ""
    assert process.returncode == (-signal.SIGKILL if stop is signal.SIGKILL else 0)
    assert gone(urls)
