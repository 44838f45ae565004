"""What is measured of a provider, by a clock that only the provider moves on."""

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from cloudsec import LocalEndpoint, probe
from cloudsec.forecast import Lane
from cloudsec.probe import probed
from providers import handle, make_operation
from providers.wire import decode_answer, decode_task
from tests import in_blocks
from tests.simulator import FAULTS, Simulated

MEDIAN = make_operation("median", size=5).resolved(2, "uint16")
KERNEL = 1e-7


@dataclass
class Distant:
    """A provider that takes its time on a clock of its own, `first` beside for what it does at first."""

    asked: float = 0.0
    moved: float = 0.0
    computed: float = 0.0
    first: float = 0.0
    name: str = "distant"
    now: float = 1000.0
    requests: list[bytes] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def send(self, request: bytes, timeout: float) -> bytes:
        response = handle(request)
        task, answer = decode_task(request), decode_answer(response).stack
        work = KERNEL * answer.size if task.operation == MEDIAN else 0
        self.now += self.asked + self.moved * (task.stack.size + answer.size) + self.computed * work
        self.now += 0.0 if self.requests else self.first
        self.requests.append(request)
        return response

    def probed(self) -> Lane:
        return probed([self], MEDIAN, np.dtype("uint16"), 65536, KERNEL, 60.0, self.clock)[self.name]


@pytest.mark.parametrize("true", [Lane(0.02, 2e-8, 3.0), Lane(0.01, 3e-7, 1.0), Lane(0.002, 1e-9, 20.0)])
def test_what_it_costs_to_ask_to_send_and_to_compute_is_told_apart(true: Lane) -> None:
    # What a task without content moves is little beside the latency.
    assert Distant(*true, first=0.1).probed() == pytest.approx(true, rel=0.02)


def test_who_is_far_away_is_sent_little() -> None:
    far = Distant(asked=0.5)
    assert far.probed().asked == pytest.approx(0.5)
    assert len(far.requests) == 1


def test_no_cost_is_nothing_however_timings_fluctuate() -> None:
    cloud = Distant(first=probe.ENOUGH / 2)
    cloud.clock = iter(np.arange(1000.0, 1001.0, 0.01)).__next__  # type: ignore[method-assign]
    assert min(cloud.probed()) > 0


@pytest.mark.parametrize("fault", FAULTS)
def test_who_gives_no_answer_is_not_known_and_keeps_nobody_from_being(fault: str) -> None:
    clouds = [Simulated("bad", FAULTS[fault][0]), LocalEndpoint("good")]
    assert list(probed(clouds, MEDIAN, np.dtype("uint16"), 65536, KERNEL, 60.0)) == ["good"]


def test_who_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE", 0.05)
    never = threading.Event()
    hanging = Simulated("hangs", lambda _: bytes(never.wait(20)))
    assert probed([hanging], MEDIAN, np.dtype("uint16"), 65536, KERNEL, 60.0) == {}
    never.set()


def test_no_two_tasks_of_a_probe_have_one_name_and_no_two_probes_the_same_pixels() -> None:
    cloud = Distant(0.02)
    cloud.probed()
    tasks = [decode_task(request) for request in cloud.requests]
    assert len({task.id for task in tasks}) == len(tasks)
    other = Distant(0.02)
    other.probed()
    pixels = {task.stack.tobytes() for task in tasks}
    assert pixels.isdisjoint(decode_task(request).stack.tobytes() for request in other.requests)


NOISE = np.random.default_rng(0).integers(0, 4096, (128, 128), np.uint16)


def test_a_broker_probes_only_when_it_is_told_to_and_only_whom_it_does_not_know() -> None:
    clouds = [Simulated(f"c{number}") for number in range(4)]
    with in_blocks.Broker(clouds, key=bytes(32)) as broker:
        broker.plan(NOISE, "median", size=3)
        assert not any(cloud.requests for cloud in clouds)
        assert sorted(broker.probe(NOISE, "median", size=3)) == ["c0", "c1", "c2", "c3"]
        assert broker.probe(NOISE, "median", size=3) == {}
        probes = [len(cloud.requests) for cloud in clouds]
        tasks = [each.tasks for each in broker.process(NOISE, "median", size=3).report.providers]
    # Reports count the tasks of the job.
    assert [len(cloud.requests) for cloud in clouds] == [*map(sum, zip(probes, tasks, strict=True))]
    with in_blocks.Broker(4, key=bytes(32)) as broker:
        assert broker.probe(NOISE, "median", size=3) == {}


def test_what_a_probe_told_is_what_the_first_job_is_foretold_by() -> None:
    clouds = [Simulated(f"c{number}") for number in range(4)]
    with in_blocks.Broker(clouds, key=bytes(32)) as broker:
        lanes = broker.probe(NOISE, "median", size=3)
        job = broker._job(NOISE, make_operation("median", size=3), None)
    assert job.forecast.lanes == tuple(lanes[cloud.name] for cloud in clouds)
