"""The command line: results as they are asked for, and one clear line for what goes wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import providers
from cloudsec.broker import Broker
from cloudsec.cli import main
from tests.commands import IMAGE, complaint, status
from tests.simulator import RawServer, http_response

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("suffix", [".npy", ".png"])
def test_process_writes_what_apply_gives(
    source: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / f"out{suffix}"
    assert (
        main(["process", str(source), str(target), "-o", "gaussian", "-p", "sigma=1.5", "--providers", "4"])
        == 0
    )
    written = np.load(target) if suffix == ".npy" else np.asarray(Image.open(target))
    assert (written == providers.apply(IMAGE, "gaussian", sigma=1.5)).all()
    assert "gaussian sigma=1.5" in capsys.readouterr().out


def test_parameters_are_numbers_lists_and_words(source: Path, tmp_path: Path) -> None:
    target, report = tmp_path / "out.npy", tmp_path / "r.json"
    words = ["-p", "size=3,5", "-p", "mode=nearest", "--block", "48", "--report", str(report)]
    assert main(["process", str(source), str(target), "-o", "median", "--providers", "4", *words]) == 0
    assert (np.load(target) == providers.apply(IMAGE, "median", size=(3, 5), mode="nearest")).all()
    plan = json.loads(report.read_text())["plan"]
    assert (plan["block"], plan["regions"]) == (48, 4)


def test_a_seed_gives_the_same_regions_while_this_machine_is_as_fast(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloudsec.broker.kernel_seconds", lambda *_: 1e-8)
    plans = []
    for _ in range(2):
        words = [
            "--scheme",
            "ga-es-2018",
            "--block",
            "8",
            "--seed",
            "3",
            "--report",
            str(tmp_path / "r.json"),
        ]
        assert main(["process", str(source), str(tmp_path / "out.npy"), "-o", "median", *words]) == 0
        plans.append(json.loads((tmp_path / "r.json").read_text())["plan"])
    # What was timed on the way differs.
    seconds = [plan.pop("predicted_seconds") for plan in plans]
    assert plans[0] == plans[1]
    assert min(seconds) > 0
    assert plans[0]["regions"] > 1


def test_a_dicom_file_becomes_a_derived_dicom_file(tmp_path: Path) -> None:
    import pydicom

    import cloudsec.demo

    target = tmp_path / "out.dcm"
    assert main(["process", str(cloudsec.demo.SLICE), str(target), "-o", "median", "-p", "size=3"]) == 0
    before, after = pydicom.dcmread(cloudsec.demo.SLICE), pydicom.dcmread(target)
    assert (after.pixel_array == providers.apply(before.pixel_array, "median", size=3)).all()
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert after.ImageType[0] == "DERIVED"
    assert "median size=3" in after.DerivationDescription


def test_providers_are_probed_on_demand(
    source: Path, tmp_path: Path, http_providers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    probe = Broker.probe
    monkeypatch.setattr(Broker, "probe", lambda *args, **more: told.append(probe(*args, **more)))
    urls = [word for url in http_providers for word in ("--provider", url)]
    words = ["-o", "sobel", "--probe", *urls]
    assert status(["plan", str(source), *words]) == 0
    assert status(["process", str(source), str(tmp_path / "out.npy"), *words]) == 0
    assert (np.load(tmp_path / "out.npy") == providers.apply(IMAGE, "sobel")).all()
    words = ["-o", "statistics", "--scheme", "unprotected", "--probe", *urls]
    assert status(["process", str(source), str(tmp_path / "out.json"), *words]) == 0
    assert [set(lanes) for lanes in told] == [set(http_providers)] * 3


def test_it_works_over_http(source: Path, tmp_path: Path, http_providers: list[str]) -> None:
    urls = [word for url in http_providers[:4] for word in ("--provider", url)]
    target = tmp_path / "out.npy"
    assert main(["process", str(source), str(target), "-o", "sobel", *urls]) == 0
    assert (np.load(target) == providers.apply(IMAGE, "sobel")).all()


def test_a_result_that_a_link_leads_to_is_replaced_and_the_link_stays(source: Path, tmp_path: Path) -> None:
    (tmp_path / "real.npy").write_bytes(b"old")
    (tmp_path / "link.npy").symlink_to(tmp_path / "real.npy")
    assert main(["process", str(source), str(tmp_path / "link.npy"), "-o", "mean"]) == 0
    assert (tmp_path / "link.npy").is_symlink()
    assert (np.load(tmp_path / "real.npy") == providers.apply(IMAGE, "mean")).all()


def test_a_magnitude_has_no_intercept_in_its_dicom_file(tmp_path: Path) -> None:
    import pydicom

    import cloudsec.demo

    assert main(["process", str(cloudsec.demo.SLICE), str(tmp_path / "out.dcm"), "-o", "sobel"]) == 0
    assert pydicom.dcmread(cloudsec.demo.SLICE).RescaleIntercept == -1000
    assert pydicom.dcmread(tmp_path / "out.dcm").RescaleIntercept == 0


def test_levels_of_their_own_are_in_no_unit_in_their_dicom_file(tmp_path: Path) -> None:
    import pydicom

    import cloudsec.demo

    words = [
        "process",
        str(cloudsec.demo.SLICE),
        str(tmp_path / "out.dcm"),
        "-o",
        "threshold",
        "-p",
        "value=1000",
    ]
    assert main(words) == 0
    written = pydicom.dcmread(tmp_path / "out.dcm")
    assert (written.RescaleSlope, written.RescaleIntercept, written.RescaleType) == (1, 0, "US")
    assert (written.pixel_array == (pydicom.dcmread(cloudsec.demo.SLICE).pixel_array > 1000)).all()


def test_a_kernel_comes_as_a_list_of_rows(source: Path, tmp_path: Path) -> None:
    words = ["process", str(source), str(tmp_path / "out.npy"), "-o", "convolve", "-p"]
    kernel = [[0, -1, 0], [-1, 5.5, -1], [0, -1, 0]]
    # As a file holds it, which the shell puts there.
    assert main([*words, f"weights={json.dumps(kernel, indent=1)}"]) == 0
    assert (np.load(tmp_path / "out.npy") == providers.apply(IMAGE, "convolve", weights=kernel)).all()


def test_the_token_comes_from_the_environment(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with RawServer(http_response("200 OK", b"")) as server:
        words = ["--scheme", "unprotected", "--provider", server.url, "--timeout", "5", "--on-loss", "fail"]
        monkeypatch.setenv("CLOUDSEC_TOKEN", "t0ken")
        assert main(["process", str(source), str(tmp_path / "out.npy"), "-o", "mean", *words]) == 1
        assert b"Authorization: Bearer t0ken" in server.requests[0]
        monkeypatch.setenv("CLOUDSEC_TOKEN", "t0ken\r")
        capsys.readouterr()
        assert main(["process", str(source), str(tmp_path / "out.npy"), "-o", "mean", *words]) == 2
        assert "t0ken" not in complaint(capsys)


def test_operations_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == list(providers.operation_names())
    assert main(["operations", "gaussian"]) == 0
    assert "standard deviation in pixels" in capsys.readouterr().out
    assert main(["operations", "blur"]) == 2
    assert "there are: backprojection, binomial, brightness" in complaint(capsys)


@pytest.mark.parametrize("words", [["--help"], ["process", "--help"], ["providers", "start", "--help"]])
def test_help_is_shown(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert status(words) == 0
    assert "usage: cloudsec" in capsys.readouterr().out


def test_the_command_runs_as_a_module_and_stays_quiet_when_its_reader_leaves(
    source: Path, tmp_path: Path
) -> None:
    command = f"{sys.executable} -m cloudsec operations | head -n 1"
    ran = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        capture_output=True,
        check=False,
    )
    assert ran.stdout.startswith(b"operation")
    assert ran.stderr == b""


@pytest.mark.parametrize("module", ["cloudsec", "cloudsec.cli", "providers", "regions"])
def test_importing_loads_no_heavy_package(module: str) -> None:
    heavy = (
        "scipy.ndimage",
        "skimage",
        "pydicom",
        "requests",
        "fastapi",
        "uvicorn",
        "PIL",
        "hypothesis",
        "deap",
    )
    code = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_plan_is_a_table_and_a_page_and_nothing_else(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "plan.html"
    words = ["-o", "median", "-p", "size=3", "--providers", "4", "--seed", "1"]
    assert status(["plan", str(source), *words, "--report", str(page)]) == 0
    said = capsys.readouterr().out
    assert "median size=3 by scheme ga-es (heuristic)" in said
    assert said.endswith("Nothing of the image was sent, and nothing written down.\n")
    assert "<svg" in page.read_text()
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([source.name, page.name])
    assert status(["plan", str(source), *words, "--report", str(source)]) == 2
    assert "written as .json or .html" in capsys.readouterr().err
