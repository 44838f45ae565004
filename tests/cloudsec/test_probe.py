"""What is measured of a provider, by a clock that only the provider moves on."""

from dataclasses import dataclass, field

import pytest

from cloudsec import Dishonest, LocalEndpoint, Unavailable
from cloudsec.probe import REPEATS, Probe, probed
from providers import handle, make_operation
from providers.wire import decode_answer, decode_task

MEDIAN = make_operation("median", size=5).resolved(2, "uint16")


@dataclass
class Distant:
    """A provider that takes its time on a clock of its own, and `delays` beside, one for each request."""

    latency: float = 0.0
    per_byte: float = 0.0
    per_pixel: float = 0.0
    delays: list[float] = field(default_factory=list)
    name: str = "distant"
    now: float = 1000.0
    requests: list[bytes] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def send(self, request: bytes, timeout: float) -> bytes:
        self.requests.append(request)
        response = handle(request)
        work = decode_answer(response).stack.size if decode_task(request).operation == MEDIAN else 0
        self.now += self.latency + self.per_byte * (len(request) + len(response)) + self.per_pixel * work
        self.now += self.delays.pop(0) if self.delays else 0.0
        return response

    def probe(self, seconds: float = 60.0) -> Probe:
        return probed(self, MEDIAN, seconds=seconds, clock=self.clock)


@pytest.mark.parametrize(
    "figures", [(0.1, 1e-7, 3e-6), (0.0, 1e-7, 3e-6), (0.1, 0.0, 3e-6), (0.1, 1e-7, 0.0)]
)
def test_latency_and_rates_are_told_apart(figures: tuple[float, float, float]) -> None:
    probe = Distant(*figures).probe()
    assert (probe.latency, probe.per_byte, probe.per_pixel) == pytest.approx(figures, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("late", range(1 + 3 * REPEATS))
def test_one_task_that_is_late_changes_nothing(late: int) -> None:
    delays = [0.0] * late + [7.0]
    probe = Distant(0.1, 1e-7, 3e-6, delays).probe()
    assert (probe.latency, probe.per_byte, probe.per_pixel) == pytest.approx((0.1, 1e-7, 3e-6))


def test_no_figure_is_below_zero_however_measurements_fluctuate() -> None:
    # Small tasks are slow and large ones are not.
    probe = Distant(0.01, delays=[0.0, *[5.0, 0.0, 0.0] * REPEATS]).probe()
    assert probe.latency > 0
    assert (probe.per_byte, probe.per_pixel) == (0.0, 0.0)


def test_a_provider_that_is_too_slow_is_given_up_in_time() -> None:
    slow = Distant(latency=4.0)
    with pytest.raises(Unavailable, match="provider distant was not measured within 10 s"):
        slow.probe(seconds=10.0)
    assert len(slow.requests) == 3


def test_a_provider_that_gives_no_answer_is_not_measured() -> None:
    class Liar(Distant):
        def send(self, request: bytes, timeout: float) -> bytes:
            return b"fast"

    with pytest.raises(Dishonest, match="distant"):
        Liar().probe()


def test_a_probe_is_small_and_no_two_are_alike() -> None:
    cloud = Distant()
    for _ in range(2):
        cloud.probe()
    assert len(set(cloud.requests)) == len(cloud.requests) == 2 * (1 + 3 * REPEATS)
    assert sum(map(len, cloud.requests)) / 2 < 5 << 20


def test_a_real_provider_is_measured() -> None:
    probe = probed(LocalEndpoint("here"), MEDIAN)
    assert probe.per_pixel > 0
    assert probe.seconds(sent=0, pixels=0) == probe.latency
