"""What the command line refuses: one clear line, and never half a file."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cloudsec
from cloudsec.cli import main
from tests.commands import IMAGE, complaint, status
from tests.simulator import RawServer, http_response


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["-o", "blur"], 2, "unknown operation 'blur'; there are: backprojection, binomial"),
        (["-o", "median", "-p", "sigma=2"], 2, "no parameter 'sigma'; it takes: size"),
        (["-o", "median", "-p", "size"], 2, "NAME=VALUE"),
        (["-o", "median", "-p", "size=3", "-p", "size=5"], 2, "given twice"),
        (["-o", "median", "-p", "size=three"], 2, "size must be an integer"),
        (["-o", "median", "-p", "size={}"], 2, "size must be an integer"),
        (["-o", "median", "--seed", "-1"], 2, "seed must be a whole number from 0, or None, not -1"),
        (
            ["-o", "median", "--scheme", "magic"],
            2,
            "there are: auto, additive, shamir, packed, bfv, paillier, ga-es",
        ),
        (["-o", "median", "--providers", "0"], 2, "no providers"),
        (["-o", "median", "--providers", "1"], 2, "at least 2 providers"),
        (["-o", "median", "--tolerate", "9"], 2, "less than the number of providers, 9"),
        (["-o", "median", "--tolerate", "x"], 2, "invalid int value"),
        (["-o", "median", "--study", ""], 2, "study must be a name"),
        (["-o", "median", "--halo", "none"], 2, "invalid choice: 'none'"),
        (["-o", "median", "--regions", "10"], 2, "regions"),
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
        ("float.npy", np.full((9, 9), np.nan)),
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
            words = ["process", str(source), str(tmp_path / "out.npy"), "-o", "median", "--on-loss", "fail"]
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
    files = [str(tmp_path / "in.dcm"), str(tmp_path / "out.dcm")]
    in_blocks = (["-o", "median"], ["-o", "mean", "--scheme", "ga-es"], ["-o", "mean", "--block", "32"])
    for words in in_blocks:
        assert main(["process", *files, *words]) == 1
        assert "--burned-in accept" in complaint(capsys)
        assert main(["plan", files[0], *words]) == 1
        assert "--burned-in accept" in complaint(capsys)
    assert not (tmp_path / "out.dcm").exists()
    assert main(["process", *files, *in_blocks[0], "--burned-in", "accept"]) == 0
    assert "by scheme ga-es" in capsys.readouterr().out


def test_shares_carry_dicom_that_may_show_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pydicom

    import cloudsec.demo

    dataset = pydicom.dcmread(cloudsec.demo.SLICE)
    dataset.BurnedInAnnotation = "YES"
    dataset.save_as(tmp_path / "in.dcm")
    assert main(["process", str(tmp_path / "in.dcm"), str(tmp_path / "out.dcm"), "-o", "mean"]) == 0
    assert "by scheme additive" in capsys.readouterr().out


def test_an_output_that_cannot_be_is_refused_before_anything_is_sent(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sent(*_: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(cloudsec.LocalEndpoint, "send", sent)
    for name in ("out.dcm", "out.gif", "nowhere/out.npy"):
        assert main(["process", str(source), str(tmp_path / name), "-o", "mean"]) in (1, 2)


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
