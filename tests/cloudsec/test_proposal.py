"""What a plan says is what a job then does; and a plan sends nothing and leaves nothing behind."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloudsec.key_file import state_directory
from cloudsec.page.proposal import proposal_page
from cloudsec.table import WIDTH
from cloudsec.wording import search_sentence
from tests.in_blocks import Broker
from tests.planning import names, noise
from tests.simulator import Simulated

IMAGE = noise(256, 224)
KEY = bytes(range(32))


def clouds(count: int) -> list[Simulated]:
    return [Simulated(name) for name in names(count)]


@pytest.mark.parametrize(
    ("count", "options"),
    [
        (7, {"tolerate": 2}),
        (4, {"plan": {"block": 16, "halo": "ring"}}),
        (12, {"plan": {"block": 96}}),
        (3, {"scheme": "ga-es-2018"}),
        (3, {"scheme": "unprotected"}),
    ],
)
@pytest.mark.parametrize("colour", [False, True])
def test_a_job_does_what_its_plan_says(count: int, options: dict[str, Any], colour: bool) -> None:
    image, axis = (np.stack([IMAGE] * 3, axis=-1), -1) if colour else (IMAGE, None)
    fleet = clouds(count)
    with Broker(fleet, key=KEY, seed=3, **options) as broker:
        said = broker.plan(image, "median", size=3, channel_axis=axis)
        assert not any(cloud.requests for cloud in fleet)
        report = broker.process(image, "median", size=3, channel_axis=axis).report
    assert said.plan == report.plan
    assert said.home == report.home
    assert said.leakage == report.leakage
    for part, done in zip(said.providers, report.providers, strict=True):
        for figure in ("name", "pixel_share", "received_share", "gradient_share"):
            assert getattr(part, figure) == getattr(done, figure)
        assert part.pixels == round(done.received_share * IMAGE.size)
    received = report.exposure.received
    assert [part.blocks for part in said.providers] == received.sum(axis=1).tolist()


def test_a_plan_sends_nothing_and_writes_nothing_down() -> None:
    fleet = clouds(4)
    with Broker(fleet, key=KEY) as broker:
        broker.plan(IMAGE, "gaussian", sigma=1.0, study="knee")
    assert not any(cloud.requests for cloud in fleet)
    assert not state_directory().exists() or not list(state_directory().iterdir())


def test_a_plan_of_a_known_study_is_of_the_grid_that_it_has() -> None:
    with Broker(clouds(6), key=KEY) as broker:
        report = broker.process(IMAGE, "median", size=3, study="knee").report
    (record,) = state_directory().glob("*.sealed")
    before = record.read_bytes()
    # A provider that is new would take a vacant class; that is not written down either.
    with Broker(clouds(7)[1:], key=KEY) as broker:
        said = broker.plan(IMAGE, "median", size=3, study="knee")
    assert record.read_bytes() == before
    assert said.plan["reused"]
    assert said.plan["block"] == report.plan["block"]
    assert not said.front
    assert "as an earlier job of the study laid them out" in " ".join(str(said).split())
    shares = [provider.pixel_share for provider in said.providers]
    assert shares[:5] == [provider.pixel_share for provider in report.providers[1:]]
    assert shares[5] == report.providers[0].pixel_share


def test_the_pixels_of_a_volume_are_those_of_all_its_planes() -> None:
    with Broker(4, key=KEY) as broker:
        plane = broker.plan(IMAGE, "median", size=(3, 3))
        volume = broker.plan(np.stack([IMAGE] * 5), "median", size=(1, 3, 3))
    assert [part.pixels for part in volume.providers] == [5 * part.pixels for part in plane.providers]


def test_what_the_plan_fixes_is_not_chosen() -> None:
    with Broker(7, key=KEY, plan={"block": 32, "regions": 4}) as broker:
        said = broker.plan(IMAGE, "median", size=3)
    assert (said.plan["block"], said.plan["regions"]) == (32, 4)
    assert {(one.block, one.regions) for one in said.front} == {(32, 4)}
    assert "What could be chosen" not in str(said)


def test_an_image_that_is_too_small_has_a_plan_too() -> None:
    with Broker(4, key=KEY) as broker:
        said = broker.plan(IMAGE[:32, :32], "median", size=3)
    assert said.home == {"pixel_share": 1.0, "reasons": {"small": 1.0}}
    assert "All would be computed at home." in str(said)
    assert "All would be computed at home." in proposal_page(said.to_dict())


@pytest.mark.parametrize("scheme", ["ga-es", "ga-es-2018", "unprotected"])
def test_the_table_and_the_page_hold_every_figure(tmp_path: Path, scheme: str) -> None:
    with Broker(5, key=KEY, scheme=scheme, seed=0) as broker:
        said = broker.plan(IMAGE, "gaussian", sigma=1.5)
    text, page = str(said), proposal_page(said.to_dict())
    assert all(len(line) <= WIDTH for line in text.splitlines())
    for provider in said.providers:
        (row,) = [line.split() for line in text.splitlines() if line.startswith(provider.name)]
        assert row[1:3] == [str(provider.blocks), str(provider.pixels)]
        assert f"<td>{provider.pixels}</td>" in page
    home = next(line for line in text.splitlines() if line.startswith("at home"))
    computed = text.splitlines()[1].index("computed") + len("computed")
    assert said.home["pixel_share"] == 0 or home[computed - 1] == "%"
    for one in said.front:
        assert f"{one.total:.3f}" in text
        assert f"{one.total:.3f}" in page
    if "convergence" in said.plan:
        found = search_sentence(said.plan)
        assert found in page
        assert found in " ".join(text.split())
    marks = page.count("<title>blocks of")
    assert marks == (2 * len(said.front) if len(said.front) > 1 else 0)
    # Every point lies in its frame, whose lines begin at 52 and whose last mark is at 448.
    places = [float(x) for x in re.findall(r'<circle cx="([0-9.]+)"', page)]
    assert all(52 <= x <= 448 for x in places)
    said.save(tmp_path / "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text()) == said.to_dict()
    said.save(tmp_path / "plan.html")
    assert (tmp_path / "plan.html").read_text() == page
