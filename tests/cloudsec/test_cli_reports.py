"""What the command line tells of a job beside its result."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import providers
from cloudsec.cli import main
from tests.commands import IMAGE


def test_a_provider_that_is_lost_is_said_and_the_result_is_right(
    source: Path, tmp_path: Path, http_providers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    bad = "http://127.0.0.1:1"
    urls = [word for url in [*http_providers[:3], bad] for word in ("--provider", url)]
    assert main(["process", str(source), str(tmp_path / "out.npy"), "-o", "mean", *urls]) == 0
    assert (np.load(tmp_path / "out.npy") == providers.apply(IMAGE, "mean")).all()
    out, error = capsys.readouterr()
    assert error.startswith(f"cloudsec: provider {bad} cannot be reached")
    assert error.count("\n") == 1
    assert bad in out


@pytest.mark.parametrize("scheme", ["additive", "paillier", "bfv", "ga-es"])
def test_the_report_is_a_page_and_views_are_pictures(source: Path, tmp_path: Path, scheme: str) -> None:
    page, views = tmp_path / "r.html", tmp_path / "views"
    words = ["--report", str(page), "--show-views", str(views), "--providers", "4", "--scheme", scheme]
    assert main(["process", str(source), str(tmp_path / "out.npy"), "-o", "mean", *words]) == 0
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in views.iterdir()) == [f"provider-{i}.png" for i in range(1, 5)]
    for path in views.iterdir():
        assert np.asarray(Image.open(path)).std() > 0


def test_slices_of_a_dicom_study_are_one_study(tmp_path: Path) -> None:
    import pydicom

    import cloudsec.demo

    other = pydicom.dcmread(cloudsec.demo.SLICE)
    other.StudyInstanceUID = "1.2.3"
    other.save_as(tmp_path / "other.dcm")
    reused = []
    for path in (cloudsec.demo.SLICE, tmp_path / "other.dcm", cloudsec.demo.SLICE):
        report = tmp_path / "r.json"
        words = ["-o", "median", "--report", str(report)]
        assert main(["process", str(path), str(tmp_path / "out.npy"), *words]) == 0
        reused.append(json.loads(report.read_text())["plan"]["reused"])
    assert reused == [False, False, True]


def test_a_colour_picture_is_filtered_in_colour(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (200, 210, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "in.png")
    words = ["process", str(tmp_path / "in.png"), str(tmp_path / "out.png"), "-o", "median"]
    assert main([*words, "--providers", "4"]) == 0
    wanted = providers.apply(picture, "median", channel_axis=-1)
    assert (np.asarray(Image.open(tmp_path / "out.png")) == wanted).all()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "agrees with a secret tag"),
        (["--verify", "full"], "agrees with a secret tag"),
        (["--verify", "sample"], "chosen by a secret key"),
        (["--verify", "off"], "but not computed again"),
    ],
)
def test_answers_are_checked_as_the_command_says_and_in_full_where_it_says_nothing(
    source: Path, tmp_path: Path, words: list[str], says: str
) -> None:
    report, fixed = tmp_path / "r.json", ["--providers", "4", "--scheme", "ga-es"]
    command = ["process", str(source), str(tmp_path / "out.npy"), "-o", "mean", "--report", str(report)]
    assert main([*command, *fixed, *words]) == 0
    assert says in json.loads(report.read_text())["exact"]
