"""Files of many frames and directories of slices: volumes, or image by image; written all or not at all."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import tifffile
from numpy.typing import NDArray
from pydicom import Dataset, uid

import providers
from cloudsec.broker import Broker
from cloudsec.cli import main
from cloudsec.result import Result
from providers import apply
from tests import in_blocks
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


def change(path: Path, **changes: Any) -> None:
    dataset = pydicom.dcmread(path)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)


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


@pytest.mark.parametrize("more", [[], ["--one-by-one"]])
def test_slices_become_a_directory_in_the_order_of_their_positions(slices: Path, more: list[str]) -> None:
    target = slices.with_name("out")
    assert run(slices, target, *more) == 0
    written = [pydicom.dcmread(target / f"{number:04d}.dcm") for number in (1, 2, 3)]
    volume = FRAMES.astype(np.int16)
    wanted = (
        [providers.apply(plane, "median", size=3) for plane in volume]
        if more
        else providers.apply(volume, "median", size=3)
    )
    for dataset, plane, height in zip(written, wanted, (0, 2, 4), strict=True):
        assert (dataset.pixel_array == plane).all()
        assert dataset.ImagePositionPatient == [0, 0, height]
    assert len({dataset.SeriesInstanceUID for dataset in written}) == 1
    assert len({dataset.SOPInstanceUID for dataset in written}) == 3
    assert sorted(path.name for path in slices.parent.iterdir()) == ["in", "out"]


@pytest.mark.parametrize("more", [[], ["--one-by-one"]])
def test_slices_go_where_a_link_leads_and_into_the_empty_directory_at_hand(
    slices: Path, tmp_path: Path, more: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("led-to", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("led-to")
    assert run(slices, tmp_path / "link", *more) == 0
    assert (tmp_path / "link").is_symlink()
    monkeypatch.chdir(tmp_path / "here")
    assert run(slices, Path("."), *more) == 0
    for name in ("led-to", "here"):
        assert len(list((tmp_path / name).iterdir())) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "in", "led-to", "link"]


def test_what_is_wrong_with_their_geometry_is_said(slices: Path, capsys: pytest.CaptureFixture[str]) -> None:
    far = pydicom.dcmread(slices / "a")
    far.ImagePositionPatient = [0, 0, 6]
    far.save_as(slices / "a")
    said = "slices are missing between c and a: 1, of 2.000 mm each"
    assert run(slices, slices.with_name("out")) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "no volume that could be filtered as one (--one-by-one filters each slice by itself)" in error
    assert not slices.with_name("out").exists()
    assert run(slices, slices.with_name("out"), "--one-by-one") == 0
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"RescaleSlope": 3}, "differ in RescaleSlope"),
        ({"RescaleIntercept": 0}, "differ in RescaleIntercept"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "differ in PhotometricInterpretation"),
        ({"PixelRepresentation": 0}, "differ in BitsAllocated or PixelRepresentation"),
        ({"NumberOfFrames": 2, "PixelData": bytes(4 * 70 * 66)}, "a is no single grey plane"),
    ],
)
def test_slices_whose_pixels_mean_other_things_are_no_volume(
    slices: Path, changes: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(slices / "a", **changes)
    assert run(slices, slices.with_name("out")) == 1
    error = capsys.readouterr().err
    assert says in error
    assert "--one-by-one" in error


def test_slices_of_a_volume_are_stored_alike_whatever_each_of_them_holds(slices: Path) -> None:
    # Only in the plane of the edge there are negative answers.
    planes = np.zeros((3, 70, 66), np.int16)
    planes[2, 30:, :] = 100
    for name, plane in zip("bca", planes, strict=True):
        change(slices / name, PixelData=plane.tobytes())
    out = slices.parent / "out"
    words = ["-o", "convolve", "-p", "weights=[[[-1],[1]]]"]
    assert main(["process", str(slices), str(out), *words]) == 0
    stored = [pydicom.dcmread(path) for path in sorted(out.iterdir())]
    assert {(each.BitsStored, each.PixelRepresentation) for each in stored} == {(16, 1)}
    assert not stored[0].pixel_array.any()
    assert stored[2].pixel_array.min() < 0


def test_a_step_in_the_header_that_is_not_that_of_positions_is_only_said(
    slices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        change(slices / name, SpacingBetweenSlices=5)
    assert run(slices, slices.with_name("out")) == 0
    assert "the header says 5 mm between slices, and their positions 2.000 mm" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_a_directory_of_slices_becomes_one_file(slices: Path, suffix: str) -> None:
    target = slices.with_name("out" + suffix)
    assert run(slices, target) == 0
    written = np.load(target) if suffix == ".npy" else tifffile.imread(target)
    assert (written == providers.apply(FRAMES.astype(np.int16), "median", size=3)).all()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("out.png", "cannot hold several frames or planes"),
        ("out.dcm", "name a new directory"),
        ("out.nii", "NIfTI only if the input is"),
    ],
)
def test_slices_are_not_written_into_what_cannot_hold_them(
    slices: Path, name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(slices, slices.with_name(name)) == 1
    assert says in capsys.readouterr().err
    assert run(slices, slices.with_name(name), "--one-by-one") == 1
    assert "is the name of a file" in capsys.readouterr().err
    assert [path.name for path in slices.parent.iterdir()] == ["in"]


def test_a_plan_of_slices_is_that_of_their_volume(slices: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-o", "median", "--block", "8", "--regions", "4", "--halo", "ring", "--report"]
    report = slices.with_name("r.json")
    assert main(["plan", str(slices), *words, str(report)]) == 0
    fields = json.loads(report.read_text())
    assert fields["image"]["shape"] == [3, 70, 66]
    assert (fields["plan"]["regions"], fields["plan"]["halo_policy"]) == (4, "ring")
    (slices / "c").unlink()
    change(slices / "a", RescaleSlope=3)
    assert main(["plan", str(slices), *words, str(report), "--one-by-one"]) == 0
    assert json.loads(report.read_text())["image"]["shape"] == [70, 66]


def test_a_slice_that_fails_leaves_no_directory(slices: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (slices / "a").read_bytes()
    (slices / "a").write_bytes(whole[:-9])
    assert run(slices, slices.with_name("out"), "--one-by-one") == 1
    assert str(slices / "a") in capsys.readouterr().err
    assert [path.name for path in slices.parent.iterdir()] == ["in"]


def test_a_directory_that_holds_something_is_not_written_to(
    slices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = slices.with_name("full")
    full.mkdir()
    (full / "notes").touch()
    for more in ([], ["--one-by-one"]):
        assert run(slices, full, *more) == 1
        assert "is there already" in capsys.readouterr().err
        assert run(slices, slices, *more) in (1, 2)
        assert len(list(slices.iterdir())) == 3
    assert [path.name for path in full.iterdir()] == ["notes"]


class Watched:
    """All images, results and reports of a broker's jobs, and how many were alive when a job began."""

    def __init__(self, process: Callable[..., Result]) -> None:
        self._process, self._seen = process, list[weakref.ref[Any]]()
        self.alive: list[int] = []

    def __call__(self, image: NDArray[Any], *rest: Any, **more: Any) -> Result:
        gc.collect()
        self.alive.append(sum(ref() is not None for ref in self._seen))
        result = self._process(image, *rest, **more)
        # A slice is a view of what was read of its file; all frames are views of what was read of theirs.
        read = [] if image.base is None or len(image.base) == len(FRAMES) else [image.base]
        self._seen += map(weakref.ref, (image, *read, result, result.image, result.report))
        return result


@pytest.mark.parametrize("kind", ["cine", "slices"])
def test_nothing_of_a_job_is_held_when_the_next_begins(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    source: Path = request.getfixturevalue(kind)
    with in_blocks.Broker(4) as broker:
        watched = Watched(partial(Broker.process, broker))
    monkeypatch.setattr(Broker, "process", lambda _, *rest, **more: watched(*rest, **more))
    report = source.with_name("r.json")
    target = source.with_name("out.dcm" if kind == "cine" else "out")
    assert run(source, target, "--one-by-one", "--report", report) == 0
    assert watched.alive == [0, 0, 0]


def enhanced(folder: Path, positions: Sequence[float], **shared: Any) -> Path:
    """A multi-frame image whose functional groups give each frame its height."""
    dataset = dataset_of(
        FRAMES[0].astype(np.int16),
        SOPClassUID=uid.EnhancedMRImageStorage,
        NumberOfFrames=3,
        PixelData=FRAMES.astype(np.int16).tobytes(),
        ImagePositionPatient=None,
        PixelSpacing=None,
    )
    measures, orientation, group = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, orientation.ImageOrientationPatient = [1, 1], [1, 0, 0, 0, 1, 0]
    group.PixelMeasuresSequence, group.PlaneOrientationSequence = [measures], [orientation]
    dataset.SharedFunctionalGroupsSequence = [group]
    dataset.PerFrameFunctionalGroupsSequence = []
    for number, height in enumerate(positions):
        place, content, scale, frame = Dataset(), Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [0, 0, height]
        content.StackID = shared.get("stacks", "111")[number]
        scale.RescaleSlope, scale.RescaleIntercept = shared.get("slopes", (1, 1, 1))[number], 0
        frame.PlanePositionSequence, frame.FrameContentSequence = [place], [content]
        frame.PixelValueTransformationSequence = [scale]
        dataset.PerFrameFunctionalGroupsSequence.append(frame)
    (folder / "in.dcm").write_bytes(file_of(dataset))
    return folder / "in.dcm"


def test_frames_that_lie_evenly_are_a_volume_and_stay_in_the_order_of_the_file(tmp_path: Path) -> None:
    source = enhanced(tmp_path, (4, 0, 2))
    assert run(source, tmp_path / "out.dcm") == 0
    order = [1, 2, 0]
    volume = providers.apply(FRAMES.astype(np.int16)[order], "median", size=3)
    written = pydicom.dcmread(tmp_path / "out.dcm").pixel_array
    assert (written[order] == volume).all()


@pytest.mark.parametrize(
    ("positions", "shared", "says"),
    [
        ((0, 2, 5), {}, "frame 2 and frame 3 are 3.000 mm apart, and most slices 2.000 mm"),
        ((0, 2, 2), {}, "frame 2 and frame 3 lie at the same position"),
        ((0, 2, 4), {"stacks": "112"}, "its frames differ in StackID"),
        ((0, 2, 4), {"slopes": (1, 2, 1)}, "its frames differ in RescaleSlope"),
    ],
)
def test_frames_that_make_no_volume_are_filtered_one_by_one_and_it_is_said_why(
    tmp_path: Path,
    positions: tuple[float, ...],
    shared: dict[str, Any],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = enhanced(tmp_path, positions, **shared)
    assert run(source, tmp_path / "out.npy") == 0
    assert f"its frames make no volume: {says}" in capsys.readouterr().err
    for result, frame in zip(np.load(tmp_path / "out.npy"), FRAMES, strict=True):
        assert (result == providers.apply(frame.astype(np.int16), "median", size=3)).all()


def test_measurements_are_written_as_figures_of_each_image_or_of_the_volume(
    cine: Path, slices: Path, tmp_path: Path
) -> None:
    target = tmp_path / "figures.json"
    words = ["-o", "histogram", "-p", "bins=8", "-p", "min=0", "-p", "max=200"]
    options = {"bins": 8, "min": 0, "max": 200}
    volume = FRAMES.astype(np.int16)
    assert main(["process", str(slices), str(target), *words]) == 0
    assert (
        json.loads(target.read_text())["counts"] == apply(volume, "histogram", **options)["counts"].tolist()
    )
    for source, more in ((cine, ["--burned-in", "accept"]), (slices, ["--one-by-one"])):
        assert main(["process", str(source), str(target), *words, *more]) == 0
        figures = [each["counts"] for each in json.loads(target.read_text())]
        assert figures == [apply(frame, "histogram", **options)["counts"].tolist() for frame in FRAMES]


def test_figures_go_into_a_json_file_that_is_not_the_input(
    cine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for target, says in (("out.dcm", "name a .json file"), ("nowhere/out.json", "does not exist")):
        assert main(["process", str(cine), str(tmp_path / target), "-o", "statistics"]) in (1, 2)
        assert says in capsys.readouterr().err
        assert not (tmp_path / target).exists()


def test_slices_are_measured_one_by_one_as_they_are_filtered(
    slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.json"
    words = ["process", str(slices), str(target), "-o", "statistics", "--one-by-one"]
    change(slices / "a", ImagePositionPatient=[0, 0, 7])
    assert main(words) == 0
    assert "c and a are 5.000 mm apart, and most slices 2.000 mm" in capsys.readouterr().err
    assert len(json.loads(target.read_text())) == 3
    target.unlink()
    change(slices / "a", NumberOfFrames=2, PixelData=bytes(4 * 70 * 66))
    assert main(words) == 2
    assert "a holds several images; name it, not its directory" in capsys.readouterr().err
    assert not target.exists()


def test_figures_replace_neither_a_directory_nor_their_own_report(
    slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "directory.json").mkdir()
    words = ["process", str(slices), "-o", "statistics"]
    assert main([*words, str(tmp_path / "directory.json")]) == 1
    assert "directory.json: is a directory; name a file in it" in capsys.readouterr().err
    figures = str(tmp_path / "out.json")
    assert main([*words, figures, "--report", figures]) == 2
    assert "name another file for the report" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory.json", "in"]
