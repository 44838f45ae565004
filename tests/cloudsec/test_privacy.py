"""What leaves the house: nothing but scrambled pixels, and most of the work."""

import json
import struct
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import providers
from cloudsec import LocalEndpoint
from providers import wire
from providers.wire import decode_task
from tests import in_blocks
from tests.simulator import Simulated


def captured(image: NDArray[Any], operation: str, count: int = 4, **options: Any) -> list[Simulated]:
    clouds = [Simulated(f"cloud-{i}") for i in range(count)]
    with in_blocks.Broker(clouds, **options) as broker:
        broker.process(image, operation)
    return clouds


def header_of(request: bytes) -> dict[str, Any]:
    (length,) = struct.unpack("<I", request[4:8])
    header: dict[str, Any] = json.loads(request[8 : 8 + length])
    return header


@pytest.fixture
def noise() -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 4096, (300, 340), np.uint16)


@pytest.mark.parametrize("scheme", ["ga-es", "ga-es-2018", "unprotected"])
def test_headers_hold_a_random_id_the_operation_and_the_shape_and_nothing_else(
    noise: NDArray[Any], scheme: str
) -> None:
    headers = [header_of(r) for c in captured(noise, "median", scheme=scheme) for r in c.requests]
    for header in headers:
        assert header.keys() == {"id", "operation", "rounded", "dtype", "shape"}
        assert header["operation"].keys() == {"name", "version", "parameters"}
        assert header["operation"]["parameters"] == {"size": [3, 3]}
    assert len({header["id"] for header in headers}) == len(headers)


def test_two_tasks_share_no_bytes_but_those_of_the_operation(
    noise: NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cloudsec.schemes import hiding

    monkeypatch.setattr(hiding, "TASK_BYTES", 20_000)
    requests = [r for cloud in captured(noise, "median") for r in cloud.requests]
    assert len(requests) > 8

    def pieces(request: bytes) -> set[bytes]:
        (length,) = struct.unpack("<I", request[4:8])
        body = header_of(request)["id"].encode() + request[8 + length :]
        return {body[i : i + 12] for i in range(len(body) - 12)}

    for one, other in combinations(map(pieces, requests), 2):
        assert not one & other


def test_blocks_travel_in_another_order_and_under_another_scramble_in_every_job(noise: NDArray[Any]) -> None:
    clouds = [Simulated(f"cloud-{i}") for i in range(4)]
    with in_blocks.Broker(clouds) as broker:
        for _ in range(2):
            broker.process(noise, "sobel")
    for cloud in clouds:
        first, second = (decode_task(request).stack for request in cloud.requests)
        assert not (first == second).all(axis=(1, 2)).any()
        # The set of blocks is the same, so that a second job shows the provider no new position.
        spans = [sorted(np.ptp(stack, axis=(1, 2))) for stack in (first, second)]
        assert spans[0][-1] == spans[1][-1]
        assert [np.ptp(block) for block in first] != [np.ptp(block) for block in second]


def test_a_block_is_sent_at_another_place_in_its_task_from_job_to_job() -> None:
    # Each block of this image has a contrast of its own, by which we find it again.
    rows, columns = np.indices((256, 256)) // 32
    contrast = (rows * 8 + columns + 1) * 8
    image = (contrast * (np.indices((256, 256)).sum(axis=0) % 2)).astype(np.uint16)
    places = []
    for _ in range(60):
        stack = decode_task(captured(image, "median")[0].requests[0]).stack
        places.append(np.argmax(np.ptp(stack[:, 2:-2, 2:-2], axis=(1, 2))))
    assert len(set(places)) > 8


def test_a_provider_that_lies_spoils_no_pixel_that_is_credited_to_another() -> None:
    from dataclasses import replace

    from tests.simulator import changed

    image = np.random.default_rng(0).integers(0, 256, (203, 207)).astype(np.int32)
    wanted = providers.apply(image, "median")
    lie = changed(lambda answer: replace(answer, stack=answer.stack ^ 1))
    for liar in range(9):
        clouds = [Simulated(f"c{i}", *([lie] if i == liar else [])) for i in range(9)]
        with in_blocks.Broker(clouds, plan={"block": 16}, verify=False) as broker:
            result = broker.process(image, "median")
        assert (result.image != wanted).mean() == pytest.approx(result.report.providers[liar].pixel_share)


def test_offsets_fill_the_wire() -> None:
    image = np.zeros((800, 800), np.uint8)
    image[::32, ::32] = 1
    stacks = [decode_task(cloud.requests[0]).stack for cloud in captured(image, "median")]
    levels = np.concatenate([np.median(stack.astype(float), axis=(1, 2)) for stack in stacks])
    # 1-level images travel over 1024 values: means of a uniform draw are within six deviations.
    assert abs(levels.mean() - 511) < 6 * 1024 / np.sqrt(12 * len(levels))
    assert levels.min() < 64
    assert levels.max() > 960


def test_every_turn_and_sign_is_as_likely_as_any_other_at_every_provider() -> None:
    # In every block three pixels of different heights stand on a plane, so that it looks different under
    # all eight turns, and upside down.
    image = np.zeros((800, 800), np.uint8)
    image[10::32, 12::32], image[10::32, 20::32], image[22::32, 12::32] = 1, 2, 4
    pattern = image[0:32, 0:32].astype(int)
    kinds = {}
    for flip_rows, flip_columns, swap in product((False, True), repeat=3):
        turned = pattern[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
        kinds[(turned.T if swap else turned).tobytes()] = (flip_rows, flip_columns, swap)
    everyone: list[list[tuple[int, Any]]] = [[] for _ in range(4)]
    for _ in range(8):
        for seen, cloud in zip(everyone, captured(image, "mean", plan={"block": 32}), strict=True):
            for block in decode_task(cloud.requests[0]).stack[:, 1:-1, 1:-1].astype(int):
                base = int(np.median(block))
                sign = 1 if (block >= base).all() else -1
                # Blocks at the edge are shifted and show another pattern: None.
                seen.append((sign, kinds.get((sign * (block - base)).tobytes())))
    for seen in everyone:
        counts = np.array([seen.count((sign, kind)) for sign in (1, -1) for kind in kinds.values()])
        # Six deviations of a binomial around a sixteenth.
        assert counts.sum() > 800
        assert (np.abs(counts - counts.mean()) < 6 * np.sqrt(counts.mean())).all()
    for one, other in combinations(everyone, 2):
        equal = [a == b for a, b in zip(one, other, strict=False) if a[1] and b[1]]
        assert np.mean(equal) < 0.25


def test_a_dicom_file_leaves_its_header_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pydicom

    import cloudsec.demo
    from cloudsec.cli import main

    dataset = pydicom.dcmread(cloudsec.demo.SLICE)
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "4711-0815"
    dataset.save_as(tmp_path / "in.dcm")
    sent: list[bytes] = []
    original = LocalEndpoint.send

    def send(self: Any, request: bytes, timeout: float) -> bytes:
        sent.append(request)
        return original(self, request, timeout)

    monkeypatch.setattr(LocalEndpoint, "send", send)
    assert main(["process", str(tmp_path / "in.dcm"), str(tmp_path / "out.dcm"), "-o", "mean"]) == 0
    words = {
        str(value).encode()
        for element in dataset.iterall()
        if element.tag != 0x7FE00010 and element.VR not in ("SQ", "OB", "OW", "UN", "US")
        for value in (element.value if element.VM > 1 else [element.value])
        # Shorter words occur among random pixels and ids by chance.
        if len(str(value)) >= 8
    }
    assert {b"Doe^Jane", b"4711-0815", b"Brilliance 16P", b"20000101"} <= words
    assert len(sent) == 9
    for request in sent:
        for word in words:
            assert word not in request


def test_an_image_that_is_too_small_stays_at_home() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120), np.uint8)
    clouds = [Simulated(f"cloud-{i}") for i in range(9)]
    with in_blocks.Broker(clouds) as broker:
        report = broker.process(image, "median").report
    assert not any(cloud.requests for cloud in clouds)
    assert report.home == {"pixel_share": 1.0, "reasons": {"small": 1.0}}
    assert report.statement.startswith("Nothing left the house")


def test_the_wire_has_no_field_for_a_place_or_a_name() -> None:
    fields = {"id", "operation", "stack", "rounded", "modulus", "seed"}
    assert set(wire.Task.__dataclass_fields__) == fields
