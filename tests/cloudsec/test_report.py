import json
from pathlib import Path

import numpy as np
import pytest

import cloudsec

IMAGE = np.random.default_rng(0).integers(0, 4096, (320, 320), np.uint16)


def test_every_figure_of_a_job_built_by_hand_is_right() -> None:
    with cloudsec.Broker(4) as broker:
        report = broker.process(IMAGE, "median", size=5)
    fields = report.report.to_dict()
    # 10 × 10 blocks of 32, all whole: 25 for each; a quarter of a block at each edge stays at home.
    task = 25 * 36 * 36 * 2
    assert fields["scheme"] == "ga-es"
    assert fields["assurance"] == "heuristic"
    assert fields["operation"] == "median size=5"
    assert fields["image"] == {"shape": [320, 320], "dtype": "uint16"}
    assert fields["home"]["pixel_share"] == pytest.approx(1 - (304 / 320) ** 2)
    assert fields["home"]["reasons"].keys() == {"edge"}
    assert fields["plan"] == {"block": 32, "regions": 4}
    for provider in fields["providers"]:
        assert provider["pixel_share"] == pytest.approx((152 / 320) ** 2)
        assert provider["received_share"] == pytest.approx(25 * 36 * 36 / 320**2)
        assert 0 < provider["bytes_up"] - task < 512
        assert 0 < provider["bytes_down"] - 25 * 32 * 32 * 2 < 256
        assert provider["tasks"] == 1
        assert provider["seconds"] > 0
    timings = fields["timings"]
    assert timings.keys() == {"plan", "protect", "deliver", "recover", "total", "cpu"}
    parts = sum(timings[name] for name in ("plan", "protect", "deliver", "recover"))
    assert parts == pytest.approx(timings["total"])
    assert "computed at most 22.6% of the pixels and received at most 31.6%" in fields["statement"]


def test_a_report_says_plainly_that_unprotected_protects_nothing() -> None:
    report = cloudsec.process(IMAGE, "median", scheme="unprotected", providers=3).report
    assert report.assurance == "none"
    assert "No confidentiality" in report.statement
    assert [provider.pixel_share for provider in report.providers] == pytest.approx([1 / 3] * 3, abs=0.01)


def test_a_report_says_that_answers_were_not_computed_again() -> None:
    assert "not computed again" in cloudsec.process(IMAGE, "mean").report.exact


def test_a_report_is_saved_as_json(tmp_path: Path) -> None:
    report = cloudsec.process(IMAGE, "mean").report
    report.save(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == report.to_dict()
    with pytest.raises(ValueError, match=r"written as \.json, not as 'r\.html'"):
        report.save(tmp_path / "r.html")
    with pytest.raises(ValueError, match="there is no directory"):
        report.save(tmp_path / "nowhere" / "r.json")


def test_a_report_prints_as_a_short_table() -> None:
    lines = str(cloudsec.process(IMAGE, "mean", providers=4).report).splitlines()
    assert lines[0].startswith("mean size=3 by scheme ga-es")
    assert len(lines) == 2 + 4 + 1 + 2
    assert max(map(len, lines[:7])) <= 100
