"""The demonstration, on small images: it says what the arrays say, and shows all of it on one page."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cloudsec.demo
import providers
from cloudsec.cli import main
from cloudsec.demo import PAGE, SETTINGS, run_demo
from cloudsec.demo.comparison import HEADS, Comparison, equal, table
from cloudsec.demo.samples import Sample, samples
from cloudsec.pictures import thinned
from regions import block_entropy
from tests.pages import Page, pictures_of

SIDE = 256


@pytest.fixture(scope="module")
def small() -> tuple[Sample, ...]:
    """From the middle of two of the images."""
    found = []
    for sample in samples()[::2]:
        top, left = (length // 2 - SIDE // 2 for length in sample.pixels.shape[:2])
        found.append(replace(sample, pixels=sample.pixels[top : top + SIDE, left : left + SIDE]))
    return tuple(found)


@pytest.fixture(scope="module")
def demonstration(
    small: tuple[Sample, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, tuple[Comparison, ...]]]:
    place = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOUDSEC_KEY_FILE", str(place / "key"))
        patch.setenv("CLOUDSEC_STATE", str(place / "state"))
        yield place / "out", run_demo(place / "out", small)


def test_the_images_are_a_slice_and_two_in_colour_and_each_is_attributed() -> None:
    ct, *coloured = samples()
    assert (ct.pixels.shape, ct.channel_axis) == ((512, 512), None)
    assert [image.pixels.shape[2] for image in coloured] == [3, 3]
    said = Path(cloudsec.demo.__file__).with_name("ATTRIBUTION.md").read_text()
    assert all(name in said for name in ("lidc-idri-0314.dcm", *(image.name for image in coloured)))


def test_exact_is_what_the_arrays_say(demonstration: tuple[Path, tuple[Comparison, ...]]) -> None:
    for comparison in demonstration[1]:
        sample = comparison.sample
        unsplit = providers.apply(sample.pixels, "gaussian", channel_axis=sample.channel_axis, sigma=2.0)
        assert [each.setting for each in comparison.shown] == list(SETTINGS)
        for each in comparison.shown:
            assert (each.result.image == unsplit).all()
            assert each.figures[HEADS.index("exact")] == "yes"
            assert replace(each, exact=False).figures[HEADS.index("exact")] == "NO"


def test_one_grey_level_in_one_pixel_or_another_dtype_is_not_exact() -> None:
    image = np.zeros((4, 4), np.uint8)
    other = image.copy()
    other[3, 3] = 1
    assert equal(image, image.copy())
    assert not equal(image, other)
    assert not equal(image, image.astype(np.uint16))


def test_one_provider_joins_more_under_the_papers_scheme_than_under_ours(
    demonstration: tuple[Path, tuple[Comparison, ...]],
) -> None:
    for comparison in demonstration[1]:
        paper, one, two, _ = (each.result.report.leakage for each in comparison.shown)
        for ours in (one, two):
            assert paper["assembled_area"][0] >= 2 * ours["assembled_area"][0]
        # Who withstands two shares no strips.
        assert two["assembled_area"][1] < one["assembled_area"][1]


def test_the_table_has_a_row_of_figures_for_each_job(
    demonstration: tuple[Path, tuple[Comparison, ...]],
) -> None:
    _, compared = demonstration
    lines = table(compared).splitlines()
    for comparison in compared:
        start = lines.index(comparison.headline) + 1
        for line, each in zip(lines[start:], comparison.shown, strict=False):
            assert line.startswith(each.setting.label)
            assert tuple(line.removeprefix(each.setting.label).split()) == each.figures
    assert len({line.rindex("%") for line in lines if line.endswith("%")}) == 1


def test_the_page_has_all_pictures_and_runs_and_fetches_nothing(
    demonstration: tuple[Path, tuple[Comparison, ...]],
) -> None:
    out, compared = demonstration
    parsed = Page((out / PAGE).read_text())
    tags = {tag for tag, _ in parsed.elements}
    assert tags.isdisjoint({"script", "link", "iframe", "object", "embed", "base", "form", "use"})
    assert all(image["src"].startswith("data:image/png;base64,") for image in parsed.all("img"))
    # Of an image the original, its entropy and what is wanted; of a job the map, the result and the views.
    per_job = 2 + cloudsec.demo.PROVIDERS
    drawn = list(pictures_of(parsed))
    assert len(drawn) == len(compared) * (3 + len(SETTINGS) * per_job)
    charts = [svg for svg in parsed.all("svg") if svg.get("class") == "chart"]
    assert len(charts) == len(compared) * 3
    # The second image is in colours: its entropy is of grey levels from none to 8 bits, components averaged.
    comparison = compared[1]
    first = len(drawn) // 2 + 3
    block = comparison.searched_block
    bits = block_entropy(comparison.sample.pixels, block, channel_axis=-1).mean(axis=-1)
    wanted = thinned(bits.repeat(block, axis=0).repeat(block, axis=1), 240)
    assert np.abs(drawn[first - 2] - wanted * 255 / 8).max() <= 0.5 + 1e-9
    # Its result is as it is, under each scheme.
    for number, each in enumerate(comparison.shown):
        result = drawn[first + number * per_job + 1]
        image = each.result.image
        low, high = comparison.sample.extremes
        wanted = np.clip(np.rint((thinned(image, 240).astype(float) - low) * 255 / (high - low)), 0, 255)
        assert (result == wanted).all()


def test_the_report_of_each_job_lies_beside_the_page_that_leads_there(
    demonstration: tuple[Path, tuple[Comparison, ...]],
) -> None:
    out, compared = demonstration
    places = [link["href"] for link in Page((out / PAGE).read_text()).all("a")]
    assert sorted(path.name for path in out.iterdir()) == sorted([PAGE, *places])
    assert len(places) == len(compared) * len(SETTINGS)
    for place, each in zip(places, (each for one in compared for each in one.shown), strict=True):
        titles = [text for tag, text in Page((out / place).read_text()).texts if tag == "h1"]
        assert titles == [each.result.report.statement]


def test_the_command_prints_the_table_and_where_the_page_is(
    small: tuple[Sample, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cloudsec.demo, "samples", lambda: small[:1])
    assert main(["demo", "--out", str(tmp_path / "new" / "demo")]) == 0
    printed = capsys.readouterr().out
    assert printed.count("  yes  ") == len(SETTINGS)
    assert f"Report: {tmp_path / 'new' / 'demo' / PAGE}" in printed


def test_a_result_that_differs_is_named_and_is_a_failure(
    demonstration: tuple[Path, tuple[Comparison, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, (right, other) = demonstration
    wrong = replace(right, shown=(*right.shown[:1], replace(right.shown[1], exact=False), *right.shown[2:]))
    monkeypatch.setattr(cloudsec.demo, "run_demo", lambda *_: (wrong, other))
    assert main(["demo"]) == 1
    assert "ct by ga-es, tolerate=1 differs from the unsplit operation" in capsys.readouterr().err
