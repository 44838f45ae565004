"""The scheme `bfv`: the law, what is sent, errors that never reach an answer, and liars."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

import cloudsec
import providers
from cloudsec.bfv import RINGS, Ring
from cloudsec.errors import IncompatibleScheme
from cloudsec.forecast import LANE_COSTS, Forecast
from cloudsec.keystream import Keystream
from cloudsec.schemes import Job
from cloudsec.schemes.bfv import BFV, RingEncryption, _messages, _tops, _values
from cloudsec.schemes.packing import Tiling
from cloudsec.share_exposure import ShareExposure
from providers import Filter, make_operation
from providers.residues import Residues
from providers.wire import Answer, Task, decode_task
from tests.cloudsec.test_encrypted import jobs
from tests.losses import check_fault, check_liar, fleet
from tests.simulator import FAULTS, Behaviour, changed

IMAGE = np.random.default_rng(0).integers(0, 256, (160, 200), np.uint8)
WANTED = providers.apply(IMAGE, "mean", size=3)


@settings(max_examples=30)
@given(jobs(), st.integers(1, 3))
def test_a_result_is_that_of_the_unsplit_operation(
    job: tuple[NDArray[Any], int | None, Filter], count: int
) -> None:
    image, axis, operation = job
    try:
        wanted = providers.apply(image, operation, channel_axis=axis)
    except ValueError:
        # What the operation itself refuses.
        return
    with cloudsec.Broker(count, scheme="bfv", tolerate=0) as broker:
        result = broker.process(image, operation, channel_axis=axis)
    assert result.image is not None
    assert result.image.dtype == wanted.dtype
    assert (result.image == wanted).all()
    assert result.report.home == {"pixel_share": 0.0, "reasons": {}}
    assert "secret tag" in result.report.exact


def test_a_wide_filter_on_many_bits_is_exact_too() -> None:
    image = np.random.default_rng(1).integers(-4096, 4096, (40, 33), np.int16)
    image[0, :2] = -4096, 4095
    with cloudsec.Broker(2, scheme="bfv") as broker:
        result = broker.process(image, "gaussian", sigma=2.0)
    assert (result.image == providers.apply(image, "gaussian", sigma=2.0)).all()
    assert result.report.plan["shares"]["modulus_bits"] == 64


def test_it_holds_over_http_and_in_many_slabs(
    http_providers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloudsec.schemes.bfv.SLAB_BYTES", 160_000)
    with cloudsec.Broker(http_providers[:2], scheme="bfv") as broker:
        result = broker.process(IMAGE, "mean", size=3)
    assert (result.image == WANTED).all()
    assert [provider.tasks > 2 for provider in result.report.providers] == [True, True]


def of_digits(ring: Ring, tops: tuple[int, ...], count: int) -> RingEncryption:
    """For so many whole numbers."""
    tiling = Tiling((1, 1), (0,), (0,) * count)
    return RingEncryption((0, 0), 0, 1, (0,), ((0, 1),), None, tiling, ring, tops)


@given(st.sampled_from(RINGS), st.integers(1, 63), st.integers(0, 2**64), st.integers(0, 2**32))
def test_errors_up_to_the_bound_never_reach_an_answer(ring: Ring, width: int, noise: int, seed: int) -> None:
    tops = _tops(ring, width, noise)
    if tops is None:
        assert width > ring.bits or noise >= 1 << ring.bits - 2
        return
    assert (tops[0], tops[-1]) == (0, width)
    generator = np.random.default_rng(seed)
    numbers = generator.integers(0, 1 << width, (1, 8), np.int64)
    errors = generator.integers(-noise, noise, (1, len(tops) - 1, ring.degree), np.int64, endpoint=True)
    errors[..., 0], errors[..., 1] = noise, -noise
    dealing = of_digits(ring, tops, 8)
    phases = _messages(dealing, numbers) + errors.astype(ring.dtype)
    assert (_values(dealing, phases[..., :8]) == numbers.view(np.uint64)).all()
    if len(tops) == 2:
        # Half a unit is an error that is too much.
        phases = _messages(dealing, numbers) + ring.dtype.type(1 << ring.bits - width - 1)
        assert (_values(dealing, phases[..., :8]) != numbers.view(np.uint64)).all()


def job_of(image: NDArray[Any], operation: str = "mean", **parameters: Any) -> Job:
    resolved = make_operation(operation, **parameters).resolved(2, image.dtype)
    return Job(image[None], resolved, ("cloud",), {"cloud": 0}, 0, {}, 0, Forecast((LANE_COSTS,)))


@pytest.mark.parametrize(
    ("bits", "operation", "parameters", "ring", "digits"),
    [
        (8, "binomial", {"size": 5}, RINGS[0], 1),
        (16, "sobel", {}, RINGS[0], 1),
        (12, "gaussian", {"sigma": 2.0}, RINGS[1], 3),
    ],
)
def test_the_ring_is_the_one_with_the_fewest_bytes(
    bits: int, operation: str, parameters: dict[str, Any], ring: Ring, digits: int
) -> None:
    image = np.full((64, 64), (1 << bits) - 1, np.uint16)
    dealing = BFV.plan(job_of(image, operation, **parameters))
    assert (dealing.ring, dealing.digits) == (ring, digits)


def sent(image: NDArray[Any], dealing: RingEncryption | None = None) -> list[Task]:
    job = job_of(image)
    dealing = dealing or BFV.plan(job)
    return [each.task for each in BFV.protect(job, dealing, 0, Keystream(bytes(32)))]


def test_bodies_are_noise_whatever_the_image_shows() -> None:
    for image in (np.zeros((64, 64), np.uint8), np.full((64, 64), 255, np.uint8)):
        bodies, masks = sent(image)
        for task in (bodies, masks):
            octets = np.bincount(np.ascontiguousarray(task.stack).view(np.uint8).ravel(), minlength=256)
            assert stats.chisquare(octets).pvalue > 1e-9
        # What a body would show without the key: where the message stands.
        seen = (bodies.stack + masks.stack).ravel() >> np.uint32(16)
        assert stats.chisquare(np.bincount(seen & 255, minlength=256)).pvalue > 1e-9


def test_two_images_under_one_key_have_fresh_masks_and_errors_even_if_they_are_equal() -> None:
    job = job_of(IMAGE)
    dealing = BFV.plan(job)
    (one, first), (other, second) = sent(IMAGE, dealing), sent(IMAGE, dealing)
    assert first.seed != second.seed
    assert (one.stack != other.stack).mean() > 0.99
    assert (first.stack != second.stack).mean() > 0.99
    # Under one and the same mask it is the errors that differ.
    polynomials: Residues = np.zeros((1, dealing.ring.degree), np.uint32)
    assert (dealing.key.bodies(polynomials, polynomials) != 0).any()


def test_a_provider_gets_bodies_and_the_seeds_of_masks_that_never_come_again() -> None:
    named = fleet(3)
    with cloudsec.Broker(named, scheme="bfv", key=bytes(32)) as broker:
        for _ in range(2):
            broker.process(IMAGE, "mean", size=3)
    tasks = [[decode_task(request) for request in cloud.requests] for cloud in named]
    assert [[task.seed is None for task in each] for each in tasks] == [[True, False] * 2] * 3
    assert {task.modulus for each in tasks for task in each} == {2**32}
    assert len({task.seed for each in tasks for task in each}) == 1 + 6
    # No header grows with what the mask would have.
    assert all(len(request) < 4096 for cloud in named for request in cloud.requests[1::2])


@pytest.mark.parametrize("scheme", ["bfv", "paillier"])
def test_a_key_is_forgotten_when_its_last_answer_is_read(scheme: str) -> None:
    result = cloudsec.process(IMAGE, "binomial", size=3, scheme=scheme, providers=1)
    exposure = result.report.exposure
    assert isinstance(exposure, ShareExposure)
    assert not any("key" in vars(dealing) for dealing in exposure.dealings)


def test_every_job_has_a_key_of_its_own() -> None:
    image = np.zeros((64, 64), np.uint8)
    keys = [BFV.plan(job_of(image)).key for _ in range(2)]
    one: Residues = np.eye(1, 2048, dtype=np.uint32)
    first, second = (key.phases(np.zeros_like(one), one) for key in keys)
    assert (first != second).any()


def altered(answer: Answer) -> Answer:
    """The upper bit of one word, which is far above all errors."""
    stack = answer.stack.copy()
    stack[0, 0, 0] ^= np.uint32(1 << 31)
    return replace(answer, stack=stack)


LIES: dict[str, Behaviour] = {
    "one word": changed(altered),
    "zeros": changed(lambda a: replace(a, stack=np.zeros_like(a.stack))),
    "the wrong way round": changed(lambda a: replace(a, stack=np.ascontiguousarray(a.stack[::-1]))),
    "another type": changed(lambda a: replace(a, stack=a.stack.astype(np.uint16))),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_liar_is_named_not_asked_again_and_harms_nothing(lie: str) -> None:
    check_liar("bfv", 3, LIES[lie], IMAGE)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_provider_that_fails_harms_nothing(fault: str) -> None:
    check_fault("bfv", 2, fault, IMAGE)


def test_errors_that_would_reach_the_answers_are_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What comes with CloudSec keeps its weights below 50 bits; plug-ins may not.
    monkeypatch.setattr("cloudsec.schemes.bfv.COINS", 1 << 60)
    named = fleet(2)
    with (
        cloudsec.Broker(named, scheme="bfv") as broker,
        pytest.raises(IncompatibleScheme, match="errors in ciphertexts would grow to 64 bits .* 'paillier'"),
    ):
        broker.process(IMAGE, "mean", size=3)
    assert not any(cloud.requests for cloud in named)


def test_ciphertexts_that_fit_into_no_task_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudsec.schemes.bfv.SLAB_BYTES", 9 * 2048 * 4 - 1)
    with pytest.raises(IncompatibleScheme, match="do not fit into a task"):
        cloudsec.process(IMAGE, "mean", size=3, scheme="bfv")


def test_reports_and_plans_say_that_all_together_learn_nothing_and_of_what_it_depends(tmp_path: Any) -> None:
    with cloudsec.Broker(3, scheme="bfv") as broker:
        proposal = broker.plan(IMAGE, "sobel")
        report = broker.process(IMAGE, "sobel").report
    assert (report.assurance, report.stronger_scheme) == ("computational", None)
    assert set(report.leakage["assembled_area"]) == {0.0}
    assert "Withstands all providers together" in report.statement
    assert "ring learning with errors (2048 coefficients modulo 2^32" in report.statement
    assert [provider.pixel_share for provider in report.providers] == pytest.approx([1 / 3] * 3)
    for told in (report, proposal):
        told.save(tmp_path / "r.html")
        assert told.to_dict()["plan"]["shares"] == proposal.plan["shares"]
        assert "key of 2048 coefficients modulo 2^32 for 3 providers" in " ".join(str(told).split())
    report.save_views(tmp_path / "views")
