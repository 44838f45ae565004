"""The command line: results, one clear line for what goes wrong, and never half a file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cloudsec
import providers
from cloudsec.cli import main
from tests.simulator import RawServer, http_response

ROOT = Path(__file__).parents[2]
IMAGE = np.random.default_rng(0).integers(0, 4096, (200, 210), np.uint16)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    np.save(tmp_path / "in.npy", IMAGE)
    return tmp_path / "in.npy"


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error, with nothing on standard output."""
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    assert "Traceback" not in error
    return error


def status(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as ended:
        assert isinstance(ended.code, int)
        return ended.code


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


def test_a_seed_gives_the_same_regions(source: Path, tmp_path: Path) -> None:
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


def test_it_works_over_http(source: Path, tmp_path: Path, http_providers: list[str]) -> None:
    urls = [word for url in http_providers[:4] for word in ("--provider", url)]
    target = tmp_path / "out.npy"
    assert main(["process", str(source), str(target), "-o", "sobel", *urls]) == 0
    assert (np.load(target) == providers.apply(IMAGE, "sobel")).all()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["-o", "blur"], 2, "unknown operation 'blur'; there are: binomial, convolve"),
        (["-o", "median", "-p", "sigma=2"], 2, "no parameter 'sigma'; it takes: size"),
        (["-o", "median", "-p", "size"], 2, "NAME=VALUE"),
        (["-o", "median", "-p", "size=3", "-p", "size=5"], 2, "given twice"),
        (["-o", "median", "-p", "size=three"], 2, "size must be an integer"),
        (["-o", "median", "-p", "size={}"], 2, "size must be an integer"),
        (["-o", "median", "--seed", "-1"], 2, "seed must be a whole number from 0, or None, not -1"),
        (["-o", "median", "--scheme", "magic"], 2, "there are: ga-es, ga-es-2018, unprotected"),
        (["-o", "median", "--providers", "0"], 2, "no providers"),
        (["-o", "median", "--providers", "1"], 2, "at least 2 providers"),
        (["-o", "median", "--tolerate", "9"], 2, "less than the number of providers, 9"),
        (["-o", "median", "--tolerate", "x"], 2, "invalid int value"),
        (["-o", "median", "--study", ""], 2, "study must be a name"),
        (["-o", "median", "--on-loss", "cry"], 2, "invalid choice: 'cry'"),
        (["-o", "median", "--show-views", "nowhere/views"], 2, "no directory that can be written to"),
        (["-o", "median", "--providers", "x"], 2, "invalid int value"),
        (["-o", "median", "--provider", "nonsense"], 2, "not the URL of a provider"),
        (["-o", "median", "--provider", "http://a.example", "--providers", "4"], 2, "give either"),
        (["-o", "median", "--providers-file", "f.toml", "--providers", "4"], 2, "give either"),
        (["-o", "median", "--providers-file", "f.toml"], 2, "f.toml cannot be read: no such file"),
        (["-o", "median", "--providers-file", "f.toml", "--ca", "ca.pem"], 2, "--ca is for --provider URLs"),
        (["-o", "median", "--ca", "ca.pem"], 2, "--ca is for --provider URLs"),
        (["-o", "median", "--provider", "https://a.example", "--ca", "no.pem"], 2, "no.pem cannot be read"),
        (["-o", "median", "--provider", "http://a.example", "--ca", "no.pem"], 2, "is not secured by TLS"),
        (["-o", "median", "--timeout", "0"], 2, "positive number of seconds"),
        (["-o", "median", "--report", "r.pdf"], 2, "written as .json or .html"),
        (["-o", "gaussian", "-p", "sigma=9", "--block", "16"], 2, "use plan="),
        ([], 2, "required: -o/--operation"),
        (["-o", "median", "--nonsense"], 2, "unrecognized arguments"),
    ],
)
def test_wrong_words_are_one_line_and_status_2(
    source: Path, tmp_path: Path, words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["process", str(source), str(tmp_path / "out.npy"), *words]) == code
    assert says in complaint(capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npy"]


def write(path: Path, content: bytes | np.ndarray[Any, Any]) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)


PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.png", b""),
        ("noise.dcm", bytes(range(256)) * 40),
        ("text.npy", b"hello\n"),
        (
            "truncated.npy",
            b"\x93NUMPY\x01\x00v\x00{'descr': '<u2', 'fortran_order': False, 'shape': (9, 9), }",
        ),
        (
            "huge.npy",
            b"\x93NUMPY\x01\x00v\x00{'descr': '<u2', 'fortran_order': False, 'shape': (999999, 999999), }",
        ),
        ("huge.png", PNG + b"\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x00\x00\x00\x00" + bytes(100)),
        ("cut.png", PNG + b"\x00\x00"),
        ("preamble.dcm", bytes(128) + b"DICM"),
        ("junk.dcm", bytes(128) + b"DICM" + b"\xff" * 500),
        ("float.npy", np.ones((9, 9))),
        ("objects.npy", np.array([[{}]], object)),
        ("colour.npy", np.ones((9, 9, 3), np.uint8)),
        ("nothing.npy", np.ones((0, 9), np.uint8)),
    ],
)
def test_a_file_that_is_no_image_is_one_line_and_no_output(
    tmp_path: Path, name: str, content: bytes | np.ndarray[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / name, content)
    assert status(["process", str(tmp_path / name), str(tmp_path / "out.npy"), "-o", "median"]) in (1, 2)
    assert name in complaint(capsys)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("source_name", "target_name"),
    [
        ("missing.npy", "out.npy"),
        (".", "out.npy"),
        ("in.npy", "out.gif"),
        ("in.npy", "out"),
        ("in.npy", "nowhere/out.npy"),
        ("in.npy", "out.dcm"),
        ("in.npy", "."),
        ("in.npy", "in.npy"),
        ("in.npy", "pipe.npy"),
    ],
)
def test_a_file_that_cannot_be_read_or_written_is_one_line(
    source: Path, tmp_path: Path, source_name: str, target_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    words = ["process", str(tmp_path / source_name), str(tmp_path / target_name), "-o", "median"]
    assert status(words) in (1, 2)
    complaint(capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npy", "pipe.npy"]
    assert (np.load(source) == IMAGE).all()


def test_a_result_that_a_link_leads_to_is_replaced_and_the_link_stays(source: Path, tmp_path: Path) -> None:
    (tmp_path / "real.npy").write_bytes(b"old")
    (tmp_path / "link.npy").symlink_to(tmp_path / "real.npy")
    assert main(["process", str(source), str(tmp_path / "link.npy"), "-o", "mean"]) == 0
    assert (tmp_path / "link.npy").is_symlink()
    assert (np.load(tmp_path / "real.npy") == providers.apply(IMAGE, "mean")).all()


@pytest.mark.parametrize("report", ["nowhere/r.json", "r.txt", "directory.json"])
def test_a_report_that_cannot_be_written_is_said_before_the_work(
    source: Path, tmp_path: Path, report: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "directory.json").mkdir()
    words = [
        "process",
        str(source),
        str(tmp_path / "out.npy"),
        "-o",
        "mean",
        "--report",
        str(tmp_path / report),
    ]
    assert main(words) == 2
    complaint(capsys)
    assert not (tmp_path / "out.npy").exists()


def test_a_provider_that_fails_is_one_line_status_1_and_no_output(
    source: Path, tmp_path: Path, http_providers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with RawServer(http_response("200 OK", b"garbage")) as server:
        for bad in (server.url, "http://127.0.0.1:1"):
            urls = [word for url in [*http_providers[:3], bad] for word in ("--provider", url)]
            words = ["process", str(source), str(tmp_path / "out.npy"), "-o", "mean", "--on-loss", "fail"]
            assert main([*words, *urls]) == 1
            assert bad in complaint(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["in.npy"]


def test_dicom_that_may_show_a_name_is_refused_unless_it_is_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pydicom

    import cloudsec.demo

    dataset = pydicom.dcmread(cloudsec.demo.SLICE)
    dataset.BurnedInAnnotation = "YES"
    dataset.save_as(tmp_path / "in.dcm")
    words = ["process", str(tmp_path / "in.dcm"), str(tmp_path / "out.dcm"), "-o", "median"]
    assert main(words) == 1
    assert "--burned-in accept" in complaint(capsys)
    assert not (tmp_path / "out.dcm").exists()
    assert main([*words, "--burned-in", "accept"]) == 0


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


def test_an_output_that_cannot_be_is_refused_before_anything_is_sent(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sent(*_: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(cloudsec.LocalEndpoint, "send", sent)
    for name in ("out.dcm", "out.gif", "nowhere/out.npy"):
        assert main(["process", str(source), str(tmp_path / name), "-o", "mean"]) in (1, 2)


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


def test_stopping_is_one_line_and_status_1(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cloudsec.Broker, "process", stopped)
    assert main(["process", str(source), str(tmp_path / "out.npy"), "-o", "mean"]) == 1
    assert "stopped" in complaint(capsys)


def test_a_report_never_replaces_the_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "in.json", "PNG")
    before = (tmp_path / "in.json").read_bytes()
    words = ["process", str(tmp_path / "in.json"), str(tmp_path / "out.png"), "-o", "mean"]
    assert main([*words, "--report", str(tmp_path / "in.json")]) == 2
    assert "the input itself" in complaint(capsys)
    assert (tmp_path / "in.json").read_bytes() == before


def test_operations_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == list(providers.operation_names())
    assert main(["operations", "gaussian"]) == 0
    assert "standard deviation in pixels" in capsys.readouterr().out
    assert main(["operations", "blur"]) == 2
    assert "there are: binomial, convolve" in complaint(capsys)


def test_an_error_of_ours_is_one_line_and_debug_shows_where(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("oh")

    monkeypatch.setattr(cloudsec.Broker, "process", broken)
    words = ["process", str(source), str(tmp_path / "out.npy"), "-o", "mean"]
    assert main(words) == 1
    assert "--debug shows where" in complaint(capsys)
    with pytest.raises(KeyError):
        main(["--debug", *words])


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
    assert said.endswith("Nothing was sent, and nothing written down.\n")
    assert "<svg" in page.read_text()
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([source.name, page.name])
    assert status(["plan", str(source), *words, "--report", str(source)]) == 2
    assert "written as .json or .html" in capsys.readouterr().err
