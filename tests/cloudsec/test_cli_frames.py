"""Files of many frames and directories of slices: filtered image by image, written all or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import uid

import providers
from cloudsec.cli import main
from tests.dicom_files import dataset_of, file_of

FRAMES = np.random.default_rng(0).integers(0, 200, (3, 70, 66), np.uint8)


@pytest.fixture
def cine(tmp_path: Path) -> Path:
    dataset = dataset_of(
        FRAMES[0],
        NumberOfFrames=3,
        PixelData=FRAMES.tobytes(),
        SOPClassUID=uid.UltrasoundMultiFrameImageStorage,
    )
    dataset.FrameTime = 40
    (tmp_path / "in.dcm").write_bytes(file_of(dataset))
    return tmp_path / "in.dcm"


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    """Three of them, whose names are in another order than their positions."""
    (tmp_path / "in").mkdir()
    for name, frame, height in zip("bca", FRAMES, (0, 2, 4), strict=True):
        dataset = dataset_of(
            frame.astype(np.int16),
            ImagePositionPatient=[0, 0, height],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            SOPInstanceUID=f"1.2.3.{height + 1}",
        )
        (tmp_path / "in" / name).write_bytes(file_of(dataset))
    return tmp_path / "in"


def run(source: Path, target: Path, *more: Any) -> int:
    words = ["-o", "median", "-p", "size=3", "--block", "8", "--burned-in", "accept"]
    return main(["process", str(source), str(target), *words, *map(str, more)])


@pytest.mark.parametrize("suffix", [".dcm", ".npy"])
def test_a_cine_is_filtered_frame_by_frame(cine: Path, suffix: str) -> None:
    target = cine.with_name("out" + suffix)
    assert run(cine, target) == 0
    pixels = np.load(target) if suffix == ".npy" else pydicom.dcmread(target).pixel_array
    for result, frame in zip(pixels, FRAMES, strict=True):
        assert (result == providers.apply(frame, "median", size=3)).all()
    if suffix == ".dcm":
        assert (pydicom.dcmread(target).NumberOfFrames, pydicom.dcmread(target).FrameTime) == (3, 40)


def test_each_frame_has_a_report_and_views(cine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    views = cine.with_name("views")
    assert (
        run(cine, cine.with_name("out.dcm"), "--report", cine.with_name("r.json"), "--show-views", views) == 0
    )
    assert sorted(path.name for path in cine.parent.glob("*.json")) == [
        "r-0001.json",
        "r-0002.json",
        "r-0003.json",
    ]
    assert sorted(path.name for path in views.iterdir()) == ["0001", "0002", "0003"]
    assert "the last of 3 images" in capsys.readouterr().out


def test_a_png_holds_no_frames_and_nothing_is_sent(cine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cine, cine.with_name("out.png")) == 1
    assert "several frames" in capsys.readouterr().err
    assert not cine.with_name("out.png").exists()


def test_slices_become_a_directory_in_the_order_of_their_positions(slices: Path) -> None:
    target = slices.with_name("out")
    assert run(slices, target) == 0
    written = [pydicom.dcmread(target / f"{number:04d}.dcm") for number in (1, 2, 3)]
    for dataset, frame, height in zip(written, FRAMES, (0, 2, 4), strict=True):
        assert (dataset.pixel_array == providers.apply(frame.astype(np.int16), "median", size=3)).all()
        assert dataset.ImagePositionPatient == [0, 0, height]
    assert len({dataset.SeriesInstanceUID for dataset in written}) == 1
    assert len({dataset.SOPInstanceUID for dataset in written}) == 3
    assert sorted(path.name for path in slices.parent.iterdir()) == ["in", "out"]


def test_what_is_wrong_with_their_geometry_is_said(slices: Path, capsys: pytest.CaptureFixture[str]) -> None:
    far = pydicom.dcmread(slices / "a")
    far.ImagePositionPatient = [0, 0, 6]
    far.save_as(slices / "a")
    assert run(slices, slices.with_name("out")) == 0
    assert "b and c are 2.000 mm apart, and most slices 3.000 mm" in capsys.readouterr().err


def test_a_slice_that_fails_leaves_no_directory(slices: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (slices / "a").read_bytes()
    (slices / "a").write_bytes(whole[:-9])
    assert run(slices, slices.with_name("out")) == 1
    assert str(slices / "a") in capsys.readouterr().err
    assert [path.name for path in slices.parent.iterdir()] == ["in"]


def test_a_directory_that_holds_something_is_not_written_to(
    slices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(slices, slices) == 1
    assert "is there already" in capsys.readouterr().err
    assert len(list(slices.iterdir())) == 3
