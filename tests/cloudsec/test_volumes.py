"""Volumes: the law in true 3-D, columns under their planes' assignment, and what a column tells."""

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cloudsec
import providers
from cloudsec.errors import IncompatibleScheme
from cloudsec.schemes import hiding
from providers import Filter, make_operation
from providers.operation import float_tolerance, resolved_for
from providers.testing import float_images, images
from providers.wire import decode_task
from tests import in_blocks
from tests.laws import LAYOUTS, MODES, laid_out, recommended_block
from tests.planning import names
from tests.simulator import Simulated

NARROW = ("uint8", "int16", "uint16")
SHAPES = st.tuples(st.sampled_from([1, 2, 5, 9]), st.integers(30, 60), st.integers(30, 60))
OPERATIONS = st.builds(
    lambda chosen, mode: make_operation(chosen[0], **chosen[1], mode=mode, cval=3),
    st.sampled_from(
        [
            ("gaussian", {"sigma": (1.5, 0.5, 1.0), "truncate": 2.0}),
            ("mean", {"size": (4, 2, 3)}),
            ("median", {"size": 3}),
            ("minimum", {"size": (2, 1, 3)}),
            ("maximum", {"size": (7, 3, 3)}),
            ("percentile", {"percentile": 30, "size": (3, 2, 1)}),
            ("sobel", {}),
            ("laplacian", {}),
            ("unsharp", {"radius": 0.5, "amount": 1.5}),
            ("convolve", {"weights": [[[1, 2], [0, -3]], [[0.5, 0], [1, 4]]]}),
            ("threshold", {"value": 100}),
        ]
    ),
    MODES,
)
SCHEMES = st.sampled_from([("ga-es", 2), ("ga-es", 4), ("ga-es", 5), ("ga-es", 9), ("unprotected", 3)])


def processed(image: NDArray[Any], operation: Filter, scheme: str, count: int) -> cloudsec.Result:
    plan = {} if scheme == "unprotected" else {"block": 12}
    while True:
        try:
            return cloudsec.process(
                image, operation, scheme=scheme, providers=count, plan=plan, key=os.urandom(32), seed=0
            )
        except IncompatibleScheme as error:
            plan = {"block": recommended_block(error)}


@settings(max_examples=80)
@given(st.one_of(images(SHAPES, NARROW), float_images(SHAPES)), OPERATIONS, SCHEMES, LAYOUTS)
def test_every_scheme_for_volumes_answers_what_the_unsplit_operation_does(
    image: NDArray[Any], operation: Filter, chosen: tuple[str, int], layout: str
) -> None:
    wanted = providers.apply(image, operation)
    result = processed(laid_out_volume(image, layout), operation, *chosen)
    assert result.image.dtype == wanted.dtype
    allowed = float_tolerance(resolved_for(image, operation), image)
    if allowed:
        assert np.abs(result.image.astype(np.float64) - wanted).max() <= allowed
    else:
        assert (result.image == wanted).all()
    report = result.report
    assert not report.losses
    shares = sum(provider.pixel_share for provider in report.providers)
    assert shares + report.home["pixel_share"] == pytest.approx(1)


def laid_out_volume(image: NDArray[Any], layout: str) -> NDArray[Any]:
    """A volume whose plane axis is laid out in memory as those of planes are."""
    return np.moveaxis(laid_out(np.moveaxis(image, 0, -1).copy(), layout), -1, 0)


def noise(*shape: int) -> NDArray[np.uint16]:
    """A volume of which no two voxels are alike, so that each tells its place."""
    places = np.random.default_rng(0).permutation(int(np.prod(shape)))
    assert places.size < 2**16
    return places.astype(np.uint16).reshape(shape)


def test_columns_hold_both_end_faces_and_are_flipped_along_any_axis_and_turned_in_the_plane() -> None:
    volume = np.broadcast_to(np.arange(5)[:, None, None], (5, 64, 64)).astype(np.uint16)
    volume = 100 * volume + np.arange(64, dtype=np.uint16)
    fleet = [Simulated(name) for name in names(4)]
    with in_blocks.Broker(fleet, plan={"block": 8}, key=bytes(32)) as broker:
        broker.process(volume, "median", size=3)
    stacks = [decode_task(request).stack.astype(np.int64) for cloud in fleet for request in cloud.requests]
    assert {stack.shape[1:] for stack in stacks} == {(7, 10, 10)}
    columns = np.concatenate(stacks)
    steps = {
        tuple(int(abs(np.diff(column, axis=axis)).max()) for axis in range(3))
        + (bool((column[-1] > column[0]).all()),)
        for column in columns
    }
    # Up or down the axis, and along rows or columns: but for its faces, a column does not say which.
    assert steps == {(100, *plane, up) for plane in ((0, 1), (1, 0)) for up in (False, True)}


@pytest.mark.parametrize("mode", ["reflect", "constant"])
@pytest.mark.parametrize("planes", [1, 2, 7, 11, 24])
def test_columns_that_are_too_tall_for_a_task_are_cut_along_the_axis(
    monkeypatch: pytest.MonkeyPatch, planes: int, mode: str
) -> None:
    monkeypatch.setattr(hiding, "TASK_BYTES", 10 * 10 * 4 * 7)
    volume = noise(planes, 50, 50)
    fleet = [Simulated(name) for name in names(4)]
    with in_blocks.Broker(fleet, plan={"block": 8}, key=bytes(32)) as broker:
        result = broker.process(volume, "sobel", mode=mode)
    assert (result.image == providers.apply(volume, "sobel", mode=mode)).all()
    shapes = {decode_task(request).stack.shape for cloud in fleet for request in cloud.requests}
    assert len(shapes) == 1
    assert shapes.pop()[1] <= 7


@given(st.integers(1, 300), st.integers(0, 9), st.integers(1, hiding.TASK_BYTES))
def test_segments_are_of_one_length_and_share_out_all_planes(planes: int, reach: int, octets: int) -> None:
    cuts = hiding.segments((planes,), (reach,), octets)[..., 0]
    firsts, low, high = cuts.T
    own = [place for first, a, b in cuts.tolist() for place in range(first + a, first + b)]
    assert own == list(range(planes))
    long = int((high - low).max())
    assert (high <= long).all()
    assert (firsts + long <= planes).all()
    assert long == 1 or (long + 2 * reach) * octets <= hiding.TASK_BYTES


def test_int32_volumes_are_as_exact_as_others_or_refused_before_anything_is_sent() -> None:
    volume = noise(4, 64, 64).astype(np.int32) * 65536 - 2**30
    for name in ("median", "sobel", "laplacian", "mean"):
        result = processed(volume, make_operation(name), "ga-es", 4)
        assert (result.image == providers.apply(volume, name)).all()
    with pytest.raises(ValueError, match="use a smaller window or a narrower dtype"):
        processed(volume, make_operation("gaussian", sigma=1.5), "ga-es", 4)


@pytest.mark.parametrize("cval", [-3000, 30000])
def test_a_border_may_be_darker_or_brighter_than_all_voxels(cval: int) -> None:
    volume = np.random.default_rng(0).integers(0, 50, (4, 64, 64)).astype(np.int16)
    operation = make_operation("gaussian", sigma=0.5, mode="constant", cval=cval)
    result = in_blocks.process(volume, operation, providers=4, plan={"block": 8}, key=bytes(32))
    assert not result.report.losses
    assert (result.image == providers.apply(volume, operation)).all()


def positions(report: cloudsec.Report) -> dict[str, set[int]]:
    """Which blocks of the study's grid each provider was sent."""
    shown = report.exposure
    return {
        name: set(shown.plan.places[shown.received[party]].tolist())
        for party, name in enumerate(shown.job.providers)
    }


@pytest.mark.parametrize("volume_first", [False, True])
@pytest.mark.parametrize("count", [4, 9, 16])
def test_slices_one_by_one_and_as_one_volume_give_a_provider_the_same_positions(
    count: int, volume_first: bool
) -> None:
    volume = np.random.default_rng(0).integers(0, 4096, (20, 120, 130), np.uint16)
    options: dict[str, Any] = {"seed": 0, "plan": {"block": 12}, "key": bytes(32)}
    with in_blocks.Broker(count, **options) as broker:
        jobs = [*volume, volume]
        sent = [
            positions(broker.process(image, "median", study=f"{count} {volume_first}").report)
            for image in (jobs[::-1] if volume_first else jobs)
        ]
    assert any(sent[0].values())
    assert all(each == sent[0] for each in sent)


def test_a_liar_is_found_in_a_volume_too() -> None:
    volume = noise(6, 80, 80)

    def lies(request: bytes) -> bytes:
        answer = bytearray(providers.handle(request))
        answer[-1] ^= 1
        return bytes(answer)

    fleet = [Simulated(name, lies) if name == "cloud-1" else Simulated(name) for name in names(4)]
    with in_blocks.Broker(fleet, plan={"block": 16}, key=bytes(32)) as broker:
        result = broker.process(volume, "median")
    assert [loss.provider for loss in result.report.losses] == ["cloud-1"]
    assert (result.image == providers.apply(volume, "median")).all()
    assert 0 < result.report.home["reasons"]["lost"] < 0.5


def test_the_papers_scheme_refuses_volumes_and_names_a_way_out() -> None:
    with pytest.raises(IncompatibleScheme, match="plane by plane, or use scheme 'ga-es'"):
        cloudsec.process(noise(5, 40, 40), "median", scheme="ga-es-2018")


def test_a_report_of_a_volume_has_all_figures_and_views_of_planes() -> None:
    volume = noise(5, 96, 96)
    report = in_blocks.process(volume, "mean", providers=4, plan={"block": 16}, key=bytes(32)).report
    fields = report.to_dict()
    assert fields["image"] == {"shape": [5, 96, 96], "dtype": "uint16"}
    assert set(fields["paper_metrics"]) == {"cor", "npcr", "uaci", "entropy"}
    assert sum(provider["received_share"] for provider in fields["providers"]) > 0.5
    assert {view.stack.shape[1:] for view in report.views} == {(18, 18)}
    assert {len(view.stack) % 7 for view in report.views} == {0}


def test_a_halo_along_the_planes_asks_for_no_wider_blocks() -> None:
    volume = np.random.default_rng(0).integers(0, 4096, (12, 64, 64), np.uint16)
    with in_blocks.Broker(4, plan={"block": 8}) as broker:
        result = broker.process(volume, "mean", size=(7, 3, 3))
        assert (result.image == providers.apply(volume, "mean", size=(7, 3, 3))).all()
        assert result.report.plan["block"] == 8
        with pytest.raises(IncompatibleScheme, match="'mean' needs 3 pixels around a block"):
            broker.process(volume, "mean", size=(9, 7, 3), study="other")
