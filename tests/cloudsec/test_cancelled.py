"""Who asked for a job may stop it: it ends at once, sends nothing more, and leaves no thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

import cloudsec
from cloudsec import Cancelled, dispatch
from cloudsec.schemes import hiding
from tests.locating import noise
from tests.simulator import Simulated, handle

IMAGE = noise((100, 110), 0)
SCHEMES = ["ga-es", "unprotected", "additive", "packed"]


class Stop:
    """Raised as the daemon would, when so many tasks were answered."""

    def __init__(self, after: int) -> None:
        self.after, self.calls = after, 0

    def __call__(self, done: int, total: int) -> None:
        self.calls += 1
        if done >= self.after:
            raise Cancelled("the job was stopped by its user")


def deliveries() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == dispatch._THREAD]


def fleet(behaviour: Callable[[bytes], bytes] = handle) -> list[Simulated]:
    return [Simulated(f"cloud-{number}", behaviour) for number in range(4)]


def stopped(clouds: list[Simulated], scheme: str, stop: Stop, images: int = 1) -> None:
    plan = {"block": 8} if scheme == "ga-es" else None
    with (
        cloudsec.Broker(clouds, scheme=scheme, plan=plan, key=bytes(32), progress=stop) as broker,
        pytest.raises(Cancelled, match="stopped by its user"),
    ):
        for _ in broker.map([IMAGE] * images, "mean", size=3):
            pass


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_job_that_is_stopped_before_it_began_sends_nothing(scheme: str) -> None:
    clouds = fleet()
    stopped(clouds, scheme, Stop(0))
    assert not any(cloud.requests for cloud in clouds)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_job_that_is_stopped_sends_nothing_more_and_leaves_no_thread(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hiding, "TASK_BYTES", 1 << 10)
    gate = threading.Semaphore(1)

    def one_then_wait(request: bytes) -> bytes:
        # One task is answered; every provider has at most one other under way, and waits.
        gate.acquire()
        return handle(request)

    clouds, stop = fleet(one_then_wait), Stop(1)
    stopped(clouds, scheme, stop, images=3)
    sent = [len(cloud.requests) for cloud in clouds]
    for _ in range(8):
        gate.release()
    for thread in deliveries():
        thread.join(10)
    assert not deliveries()
    # Each had one under way, and who answered may have been sent the next before the job heard of it.
    assert [len(cloud.requests) for cloud in clouds] == sent
    assert sum(sent) <= len(clouds) + 1
    assert stop.calls == 2
