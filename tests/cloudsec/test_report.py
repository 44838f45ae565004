"""The record of a job: every figure of one built by hand, and nothing that is not known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cloudsec
from cloudsec.page import page
from regions import assembled_area
from tests import in_blocks
from tests.losses import IMAGES, KEY, fleet, process
from tests.simulator import Simulated, fail

IMAGE = np.random.default_rng(0).integers(0, 4096, (320, 320), np.uint16)
FIELDS = {
    "scheme", "assurance", "statement", "stronger_scheme", "choice", "operation", "image", "home",
    "providers",
    "losses", "leakage", "paper_metrics", "plan", "exact", "timings",
}  # fmt: skip
LEAKAGE = {
    "worst_pixel_share", "worst_gradient_share", "assembled_area", "adjacent_area", "bound",
    "collusion_threshold", "anonymity_set", "over_study",
}  # fmt: skip


def test_every_figure_of_a_job_built_by_hand_is_right() -> None:
    with in_blocks.Broker(4, verify="sample") as broker:
        report = broker.process(IMAGE, "median", size=5).report
    fields = report.to_dict()
    # 10 × 10 blocks of 32, all whole: 25 for each; a quarter of a block at each edge stays at home.
    task = 25 * 36 * 36 * 2
    assert fields.keys() == FIELDS
    assert fields["scheme"] == "ga-es"
    assert fields["assurance"] == "heuristic"
    assert fields["stronger_scheme"] is None
    assert fields["operation"] == "median size=5"
    assert fields["image"] == {"shape": [320, 320], "dtype": "uint16"}
    edge = 1 - (304 / 320) ** 2
    assert fields["home"] == {
        "pixel_share": pytest.approx(edge), "reasons": {"edge": pytest.approx(edge)}
    }  # fmt: skip
    assert fields["plan"] == {
        "block": 32, "regions": 4, "halo_policy": "shared", "tolerate": 1, "reused": False,
        "generations": 1, "convergence": fields["plan"]["convergence"],
        "predicted_seconds": fields["plan"]["predicted_seconds"],
    }  # fmt: skip
    assert fields["losses"] == []
    assert [provider["name"] for provider in fields["providers"]] == [f"embedded-{i}" for i in range(1, 5)]
    for provider in fields["providers"]:
        assert provider["pixel_share"] == pytest.approx((152 / 320) ** 2)
        assert provider["received_share"] == pytest.approx(25 * 36 * 36 / 320**2)
        assert provider["gradient_share"] == pytest.approx(25 * 36 * 36 / 320**2, abs=0.02)
        assert 0 < provider["bytes_up"] - task < 512
        assert 0 < provider["bytes_down"] - 25 * 32 * 32 * 2 < 256
        assert (provider["tasks"], provider["retries"]) == (1, 0)
        assert provider["seconds"] > 0
    assert sum(provider["verified"] for provider in fields["providers"]) == 8
    assert "8 of 100 pieces, chosen by a secret key before the first answer" in fields["exact"]
    # 10 pieces spoiled of 100, 8 drawn.
    missed = np.prod([(90 - i) / (100 - i) for i in range(8)])
    assert f"a chance of 8.0%, one that spoils a tenth of all with {1 - missed:.1%}" in fields["exact"]
    leakage = fields["leakage"]
    assert leakage.keys() == LEAKAGE
    assert leakage["worst_pixel_share"] == pytest.approx((152 / 320) ** 2)
    # Noise: all strips count. One provider joins none, two every second row, all four everything.
    assert leakage["assembled_area"] == [0.01, 0.5, 0.75, 1.0]
    assert leakage["adjacent_area"] == [0.01, 0.5, 0.75, 1.0]
    assert (leakage["bound"], leakage["collusion_threshold"]) == ("exact", 2)
    assert (leakage["anonymity_set"], leakage["over_study"]) == (25, True)
    assert fields["paper_metrics"].keys() == {"cor", "npcr", "uaci", "entropy"}
    for figure in fields["paper_metrics"].values():
        assert figure.keys() == {"value", "ceiling", "components", "ceilings"}
    assert "computed at most 22.6% of the pixels and received at most 31.6%" in fields["statement"]
    assert fields["statement"].startswith("Withstands one provider: one provider could join at most 1.0%")


def test_the_phases_of_a_job_make_up_its_time() -> None:
    timings = in_blocks.process(IMAGE, "median").report.timings
    phases = ["plan", "protect", "deliver", "recover", "finish"]
    assert list(timings) == [*phases, "total", "cpu"]
    assert all(timings[phase] > 0 for phase in phases)
    assert sum(timings[phase] for phase in phases) <= timings["total"]
    assert sum(timings[phase] for phase in phases) == pytest.approx(timings["total"], rel=0.2)
    assert timings["cpu"] > 0


def test_the_ring_is_a_reason_of_its_own() -> None:
    with in_blocks.Broker(4, plan={"halo": "ring"}) as broker:
        report = broker.process(IMAGE, "median", size=5).report
    # Ten blocks on each axis answer 28 pixels each: the first and last are shifted, and 8 pixels overlap.
    span = 320 - 2 * (8 + 2)
    gaps = 7 * 4
    given = (span - gaps) ** 2 / 320**2
    reasons = report.home["reasons"]
    assert reasons.keys() == {"ring", "edge"}
    assert report.home["pixel_share"] == pytest.approx(1 - given)
    assert reasons["edge"] == pytest.approx(1 - span**2 / 320**2)
    assert report.plan["halo_policy"] == "ring"
    assert "even if every common edge were found" in report.statement


def test_a_small_image_leaves_nothing_to_learn() -> None:
    report = in_blocks.process(IMAGE[:60, :60], "median", providers=4).report
    fields = report.to_dict()
    assert fields["home"] == {"pixel_share": 1.0, "reasons": {"small": 1.0}}
    assert fields["statement"].startswith("Nothing left the house")
    assert fields["exact"] == "computed on this machine"
    assert fields["leakage"]["assembled_area"] == [0.0] * 4
    assert (fields["leakage"]["anonymity_set"], fields["leakage"]["collusion_threshold"]) == (0, None)
    assert fields["paper_metrics"] == {}
    assert report.views == ()


def test_a_loss_is_in_the_fields() -> None:
    report = process(fleet(4, {1: fail}), IMAGES[4]).report
    fields = report.to_dict()
    (loss,) = fields["losses"]
    assert loss.keys() == {"provider", "reason", "blocks", "at_stand_ins", "at_home"}
    assert (loss["provider"], loss["at_stand_ins"]) == ("c1", {})
    assert loss["blocks"] == loss["at_home"] > 0
    assert fields["home"]["reasons"]["lost"] > 0.1
    assert fields["leakage"].keys() == LEAKAGE | {"without_losses"}
    assert fields["leakage"]["without_losses"].keys() == {
        "worst_pixel_share", "worst_gradient_share", "assembled_area"
    }  # fmt: skip
    assert fields["providers"][1]["retries"] == 1
    assert fields["providers"][1]["tasks"] == 0
    assert fields["providers"][1]["received_share"] > 0.1


def test_what_colluders_could_join_with_all_that_they_may_stand_in_for_is_said() -> None:
    with in_blocks.Broker(12, key=KEY, plan={"block": 16}) as broker:
        report = broker.process(IMAGE, "median", size=5).report
    (grid,) = report.exposure.plan.study.grids
    labels = np.arange(12)[:, None, None]
    links = report.exposure.scheme.links(report.exposure.job, report.exposure.plan)
    wanted = assembled_area((grid.classes == labels) | (grid.stand_ins == labels), links, 4).areas
    assert report.leakage["with_stand_ins"] == list(wanted)
    assert wanted[1] > report.leakage["assembled_area"][1]
    assert "with stand-ins" in str(report)
    # In a lattice nobody stands in for anybody.
    with in_blocks.Broker(9, key=KEY, plan={"block": 16}) as broker:
        assert "with_stand_ins" not in broker.process(IMAGE, "median", size=5).report.leakage


def test_pages_and_views_are_for_their_owner_and_of_one_job(tmp_path: Path) -> None:
    many, few = (in_blocks.process(IMAGE, "mean", providers=count).report for count in (9, 4))
    many.save_views(tmp_path / "views")
    (tmp_path / "views" / "provider-of-mine.png").write_bytes(b"mine")
    few.save_views(tmp_path / "views")
    few.save(tmp_path / "r.html")
    written = [f"provider-{i}.png" for i in range(1, 5)]
    assert sorted(path.name for path in (tmp_path / "views").iterdir()) == [*written, "provider-of-mine.png"]
    for path in (tmp_path / "r.html", *(tmp_path / "views" / name for name in written)):
        assert path.stat().st_mode & 0o777 == 0o600


def test_who_is_left_out_is_said() -> None:
    clouds = [Simulated(f"c{i}") for i in range(9)]
    with in_blocks.Broker(clouds[:4], key=KEY) as broker:
        assert "stand by" not in broker.process(IMAGE, "mean").report.statement
    with in_blocks.Broker(clouds, key=KEY) as broker:
        statement = broker.process(IMAGE, "mean").report.statement
    assert "over 4 providers, as its first job laid them out; 5 of those named stand by" in statement


def test_only_figures_that_hold_over_the_study_withstand() -> None:
    with in_blocks.Broker(9, key=KEY) as broker:
        wide = broker.process(IMAGE, "median", size=5).report
        narrow = broker.process(IMAGE, "median", size=3).report
    assert wide.statement.startswith("Withstands one provider")
    assert not narrow.leakage["over_study"]
    assert narrow.statement.startswith("One provider could join at most")


def test_a_second_job_of_a_study_uses_its_grid() -> None:
    with in_blocks.Broker(4, key=KEY) as broker:
        first, second = (broker.process(IMAGE, "mean", study="a").report for _ in range(2))
        other = broker.process(IMAGE, "mean", study="b").report
    assert [report.plan["reused"] for report in (first, second, other)] == [False, True, False]


def over_study(broker: cloudsec.Broker, operation: str, shape: int = 320, **parameters: Any) -> bool:
    report = broker.process(IMAGE[:shape, :shape], operation, study="a", **parameters).report
    return bool(report.leakage["over_study"])


def test_figures_hold_over_the_study_while_no_job_sent_more() -> None:
    with in_blocks.Broker(4, key=KEY) as broker:
        assert over_study(broker, "median", size=3)
        assert over_study(broker, "median", size=5)
        # Providers keep the wider rims of the second job.
        assert not over_study(broker, "median", size=3)
        assert over_study(broker, "median", size=5)
        # Blocks of a crop lie elsewhere in what it was cut from.
        assert not over_study(broker, "median", shape=200, size=3)
        assert not over_study(broker, "median", size=5)
    with in_blocks.Broker(4, key=KEY, plan={"block": 64}) as broker:
        # A second grid for the same shape adds to what providers hold, though this job sends nothing by it.
        report = broker.process(IMAGE[:200, :200], "median", study="a").report
        assert report.statement.startswith("Nothing left the house")
        assert not report.leakage["over_study"]
    with in_blocks.Broker(4, key=KEY, plan={"block": 16}) as broker:
        assert not over_study(broker, "median", size=3)
    with in_blocks.Broker(4, key=KEY) as broker:
        assert not over_study(broker, "median", size=5)


def test_figures_do_not_hold_over_a_study_in_which_a_stand_in_was_given_blocks() -> None:
    lost = process(fleet(12, {1: fail}), IMAGES[12]).report
    assert lost.leakage["over_study"]
    assert not process(fleet(12), IMAGES[12]).report.leakage["over_study"]


def test_a_report_says_plainly_that_unprotected_protects_nothing() -> None:
    fields = cloudsec.process(IMAGE, "median", scheme="unprotected", providers=3).report.to_dict()
    assert fields["assurance"] == "none"
    assert fields["statement"].startswith("No confidentiality")
    assert fields["stronger_scheme"] == "ga-es"
    assert fields["plan"] == {
        "block": None, "regions": 3, "halo_policy": None, "tolerate": 0, "reused": False,
        "predicted_seconds": fields["plan"]["predicted_seconds"],
    }  # fmt: skip
    assert fields["home"] == {"pixel_share": 0, "reasons": {}}
    shares = [provider["pixel_share"] for provider in fields["providers"]]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.01)
    leakage = fields["leakage"]
    assert leakage["assembled_area"] == pytest.approx([107 / 320, 214 / 320, 1], abs=0.01)
    assert (leakage["collusion_threshold"], leakage["anonymity_set"]) == (1, 1)
    assert leakage["over_study"] is False
    # Nothing is changed on the way.
    assert fields["paper_metrics"]["uaci"]["value"] < 0.5
    assert fields["paper_metrics"]["cor"]["value"] < 1


@pytest.mark.parametrize(
    ("verify", "operation", "says"),
    [
        (False, "mean", "not computed again"),
        ("sample", "mean", "a provider that spoils one piece is found with a chance of"),
        (True, "mean", "a wrong one does with a chance of at most 2^-82"),
        (True, "median", "which no wrong one passes"),
        (True, "maximum", "every pixel that was answered was computed again here"),
        (True, "sobel", "every pixel that was answered was computed again here"),
    ],
)
def test_a_report_says_how_answers_were_checked_and_with_what_odds(
    verify: Any, operation: str, says: str
) -> None:
    with in_blocks.Broker(4, verify=verify) as broker:
        assert says in broker.process(IMAGE, operation).report.exact


@pytest.mark.parametrize("scheme", ["ga-es", "ga-es-2018", "unprotected"])
def test_a_report_is_the_same_after_a_round_trip(tmp_path: Path, scheme: str) -> None:
    with cloudsec.Broker(fleet(4, {2: fail}), scheme=scheme) as broker:
        report = broker.process(IMAGE, "mean").report
    fields = report.to_dict()
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields
    report.save(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == fields
    report.save(str(tmp_path / "R.HTML"))
    assert (tmp_path / "R.HTML").read_text() == page(fields, report.views)
    assert {path.name for path in tmp_path.iterdir()} == {"r.json", "R.HTML"}


def test_a_report_is_not_written_where_it_cannot_be(tmp_path: Path) -> None:
    report = in_blocks.process(IMAGE, "mean").report
    with pytest.raises(ValueError, match=r"written as \.json or \.html, not as 'r\.pdf'"):
        report.save(tmp_path / "r.pdf")
    with pytest.raises(ValueError, match="there is no directory"):
        report.save(tmp_path / "nowhere" / "r.json")
    assert list(tmp_path.iterdir()) == []


def test_views_are_what_each_provider_was_sent() -> None:
    from providers.wire import decode_task

    clouds = [Simulated(f"c{i}") for i in range(4)]
    with in_blocks.Broker(clouds) as broker:
        views = broker.process(IMAGE, "mean").report.views
    assert [view.name for view in views] == [cloud.name for cloud in clouds]
    for view, cloud in zip(views, clouds, strict=True):
        assert (view.stack == decode_task(cloud.requests[0]).stack).all()


def test_a_report_prints_as_a_short_table() -> None:
    lines = str(in_blocks.process(IMAGE, "mean", providers=4).report).splitlines()
    assert lines[0].startswith("mean size=3 by scheme ga-es (heuristic), ")
    assert [line.split()[0] for line in lines[1:6]] == ["provider", *(f"embedded-{i}" for i in range(1, 5))]
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("scheme", ["ga-es", "ga-es-2018", "unprotected"])
@pytest.mark.parametrize("shape", [(320, 320), (320, 320, 3)])
def test_figures_and_views_are_of_the_image_as_it_was(scheme: str, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(1).integers(0, 4096, shape, np.uint16)
    image[:160] = 7
    fields = []
    for changed in (False, True):
        given = image.copy()
        with cloudsec.Broker(4, scheme=scheme, key=None if scheme == "unprotected" else KEY) as broker:
            axis = -1 if len(shape) == 3 else None
            report = broker.process(given, "median", size=1, channel_axis=axis).report
        if changed:
            given[:] = np.arange(320)[:, None, None] if axis else np.arange(320)
        fields.append(report.to_dict())
        seen = np.concatenate([view.stack.ravel() for view in report.views])
        if scheme == "unprotected":
            assert (np.sort(seen) == np.sort(image.ravel())).all()
    for name in ("worst_gradient_share", "assembled_area", "adjacent_area"):
        assert fields[0]["leakage"][name] == fields[1]["leakage"][name]
    if scheme == "unprotected":
        assert fields[0]["paper_metrics"] == fields[1]["paper_metrics"]


def test_no_odds_are_stated_where_no_answer_was_kept() -> None:
    with in_blocks.Broker([Simulated(f"p{i}", fail) for i in range(4)]) as broker:
        report = broker.process(IMAGE, "median", size=5).report
    assert report.home["pixel_share"] == pytest.approx(1)
    assert report.exact == "computed on this machine, because no answer of a provider was kept"
