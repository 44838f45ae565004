"""A report's page: safe to open, whole, and true to the figures."""

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from cloudsec.page import page
from cloudsec.page.charts import (
    BOTTOM,
    TOP,
)
from cloudsec.page.leakage import PAGE_PIXELS
from cloudsec.page.style import STYLE
from cloudsec.pictures import View, excerpt, sheet
from tests.pages import Page, pictures_of
from tests.reports import example, nothing_sent, views

HOSTILE = "</td>\"><script>alert('1')</script>\n&amp;\u202egro.live\x1b[31m"


def test_a_page_runs_nothing_and_fetches_nothing() -> None:
    fields = example()
    parsed = Page(page(fields, views(fields)))
    tags = {tag for tag, _ in parsed.elements}
    assert tags.isdisjoint({"script", "link", "iframe", "object", "embed", "base", "form", "a", "use"})
    for tag, attributes in parsed.elements:
        assert not any(key.startswith("on") for key in attributes), tag
        assert attributes.keys().isdisjoint({"href", "action", "srcset", "background", "data", "style"})
        assert attributes.get("src", "data:").startswith("data:")
    assert not re.search(r"url|@import|expression|<", STYLE)


def test_the_policy_stands_before_everything_that_it_governs() -> None:
    parsed = Page(page(example(), views(example())))
    assert [tag for tag, _ in parsed.elements][:4] == ["html", "head", "meta", "meta"]
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert parsed.all("meta")[1] == {"http-equiv": "Content-Security-Policy", "content": policy}


def test_names_are_text_and_nothing_else() -> None:
    plain = [tag for tag, _ in Page(page(example(), views(example()))).elements]
    fields = example()
    for provider in fields["providers"]:
        provider["name"] += HOSTILE
    fields["losses"][0] |= {"provider": HOSTILE, "reason": HOSTILE, "at_stand_ins": {HOSTILE: 11}}
    for key in ("scheme", "assurance", "statement", "stronger_scheme", "operation", "exact"):
        fields[key] = HOSTILE
    fields["image"]["dtype"] = fields["leakage"]["bound"] = fields["plan"]["halo_policy"] = HOSTILE
    fields["home"]["reasons"] = {HOSTILE: 0.1, "ring": 0.1, "edge": 0.1}
    fields["paper_metrics"] = {f"{key}{HOSTILE}": value for key, value in fields["paper_metrics"].items()}
    text = page(fields, views(fields))
    parsed = Page(text)
    assert [tag for tag, _ in parsed.elements] == plain
    assert "<script" not in text
    assert all(character.isprintable() or character == "\n" for character in text)
    assert parsed.text.count("</td>\"><script>alert('1')</script> &amp; gro.live [31m") >= 9 + 3 + 6 + 3 + 4


def figures(value: Any) -> Iterable[float | str]:
    """The leaves of the fields; names of fields are none."""
    if isinstance(value, Mapping):
        for part in value.values():
            yield from figures(part)
    elif isinstance(value, list):
        for part in value:
            yield from figures(part)
    elif isinstance(value, bool) or value is None:
        return
    else:
        yield value


@pytest.mark.parametrize("searched", [True, False])
@pytest.mark.parametrize("lost", [True, False])
def test_every_figure_of_a_report_is_on_its_page(lost: bool, searched: bool) -> None:
    fields = example(lost=lost, searched=searched)
    # What a search found is a figure; the way there is a curve.
    thresholds, curve = fields["plan"].pop("thresholds", []), fields["plan"].pop("convergence", [])
    metrics, timings = fields.pop("paper_metrics"), fields.pop("timings")
    seconds = [provider.pop("seconds") for provider in fields["providers"]] + list(timings.values())
    seconds.append(fields["plan"].pop("predicted_seconds"))
    sizes = [provider.pop(way) for provider in fields["providers"] for way in ("bytes_up", "bytes_down")]
    text = Page(page(example(lost=lost, searched=searched), ())).text
    for figure in figures(fields):
        written = f"{figure:.1%}" if isinstance(figure, float) else str(figure)
        assert re.search(rf"(?<!\d){re.escape(written)}(?!\d)", text, re.IGNORECASE), written
    for figure in figures(metrics):
        assert f"{figure:.4f}" in text, figure
    for figure in seconds + thresholds:
        assert f"{figure:.3f}" in text, figure
    for figure in curve[:1] + curve[-1:]:
        assert f"{figure:.4f}" in text, figure
    for figure in sizes:
        assert f"{figure / 1000:.1f}" in text, figure
    assert "reused from an earlier job" in text
    assert "all jobs of the study" in text


def test_the_statement_is_the_headline_and_the_sections_follow_in_their_order() -> None:
    fields = example()
    parsed = Page(page(fields, views(fields)))
    assert [text for tag, text in parsed.texts if tag == "h1"] == [fields["statement"]]
    assert parsed.titles() == [
        "What was done",
        "How exactness was verified",
        "Providers",
        "Computed at home",
        "Losses",
        "What providers could learn",
        "The paper's metrics",
        "Time",
        "What each provider saw",
    ]


@pytest.mark.parametrize("assurance", ["none", "heuristic", "computational", "perfect"])
def test_each_assurance_has_a_badge_of_its_own_colour(assurance: str) -> None:
    parsed = Page(page(example() | {"assurance": assurance}, ()))
    assert parsed.all("span") == [{"class": f"badge {assurance}"}]
    assert f"Assurance: {assurance}" in parsed.text
    assert len(set(re.findall(r"\.badge\.\w+ \{ background: (#\w+)", STYLE))) == 4


def test_what_a_loss_cost_is_shown_before_and_after() -> None:
    rows = re.findall(r"<tr>.*?</tr>", page(example(), ()))
    cells = [re.findall(r">([^<>]+)</t[dh]>", row) for row in rows]
    assert ["Largest share computed", "11.2%", "→ 11.3%"] in cells
    assert ["Piece that 4 providers could join", "43.5%", "→ 44.2%"] in cells
    assert ["Piece that 5 providers could join", "–", "→ 81.2%"] in cells
    assert "Losses" not in Page(page(example(lost=False), ())).titles()


def test_each_picture_is_the_sheet_of_what_its_provider_was_sent() -> None:
    fields = example(3)
    seen = views(fields)
    parsed = Page(page(fields, seen))
    drawn = list(pictures_of(parsed))
    assert len(drawn) == 3
    for view, picture, image in zip(seen, drawn, parsed.all("img"), strict=True):
        assert np.array_equal(picture, sheet(view.stack))
        assert image["alt"] == f"What {view.name} received: 5 blocks, side by side"
        assert (int(image["height"]), int(image["width"])) == picture.shape
    assert parsed.text.count(": 5 blocks of 6 × 6 pixels") == 3


def test_a_view_of_many_blocks_is_drawn_in_part_and_the_page_says_so() -> None:
    view = View("cloud", np.random.default_rng(0).integers(0, 9, (1820, 4, 4), np.uint16))
    parsed = Page(page(example(), [view]))
    assert ": 256 of 1820 blocks of 4 × 4 pixels" in parsed.text
    assert np.array_equal(next(iter(pictures_of(parsed))), sheet(view.stack[:256]))


def test_pixels_of_a_page_are_bounded_whatever_was_sent_to_however_many() -> None:
    tall, wide = np.zeros((1, 5000, 300), np.uint8), np.zeros((60, 200, 200), np.uint8)
    seen = [View(f"cloud {i}", (tall, wide)[i % 2]) for i in range(64)]
    parsed = Page(page(example(), seen))
    drawn = list(pictures_of(parsed))
    assert len(drawn) == 64
    assert sum(picture.size for picture in drawn) < 1.1 * PAGE_PIXELS
    assert np.array_equal(drawn[0], sheet(excerpt(tall, 362)))
    assert ": 1 block of 300 × 5000 pixels, drawn smaller" in parsed.text
    assert ": 3 of 60 blocks of 200 × 200 pixels" in parsed.text


def test_a_provider_that_was_sent_nothing_has_no_picture() -> None:
    parsed = Page(page(example(), [View("cloud", np.zeros((0, 4, 4), np.uint16))]))
    assert not parsed.all("img")
    assert ": received no block" in parsed.text


@pytest.mark.parametrize("providers", [1, 2, 64])
@pytest.mark.parametrize("lost", [True, False])
def test_any_number_of_providers_has_a_page(providers: int, lost: bool) -> None:
    fields = example(providers, lost=lost)
    parsed = Page(page(fields, views(fields)))
    assert len(parsed.all("img")) == providers
    for provider in fields["providers"]:
        assert provider["name"] in parsed.text


def test_a_job_that_stayed_at_home_has_a_page() -> None:
    parsed = Page(page(nothing_sent(), ()))
    assert "No pixel left the house" in parsed.text
    assert "nothing was sent that they could be taken of" in parsed.text
    assert "There are no pictures" in parsed.text
    assert "chart" not in [svg.get("class") for svg in parsed.all("svg")]


def test_figures_that_there_are_not_are_not_made_up() -> None:
    fields = example()
    fields["leakage"] |= {"collusion_threshold": None, "over_study": False, "bound": "greedy"}
    fields["plan"] |= {"block": None, "halo_policy": None, "reused": False}
    fields["stronger_scheme"] = None
    fields["home"] = {"pixel_share": 0.0, "reasons": {}}
    del fields["timings"]["finish"]
    fields["providers"][0]["gradient_share"] = None
    parsed = Page(page(fields, ()))
    assert "No 5 colluding providers could put together" in parsed.text
    assert "a worse one than those found may exist" in parsed.text
    assert "This counts this job alone" in parsed.text
    assert "Nothing: providers computed every pixel." in parsed.text
    assert "Stronger scheme" not in parsed.text
    assert "None" not in parsed.text
    assert "finish" not in parsed.text


def test_a_page_can_be_used_without_seeing_it() -> None:
    fields = example()
    parsed = Page(page(fields, views(fields)))
    assert parsed.all("html") == [{"lang": "en"}]
    assert all(head.get("scope") in {"col", "row"} for head in parsed.all("th"))
    assert len(parsed.all("caption")) == len(parsed.all("table"))
    for svg in parsed.all("svg"):
        assert svg.get("aria-hidden") == "true" or (svg["role"] == "img" and svg["aria-label"])
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_curve_of_shared_strips_is_the_one_of_circles() -> None:
    fields = example()
    parsed = Page(page(fields, ()))
    circles = [float(circle["cy"]) for circle in parsed.all("circle") if float(circle["cy"]) >= TOP]
    areas = [(BOTTOM - height) / (BOTTOM - TOP) for height in circles]
    assert areas == pytest.approx(fields["leakage"]["assembled_area"], abs=1e-4)


def test_only_a_job_whose_plan_was_searched_speaks_of_a_search() -> None:
    assert "Search for a plan" in Page(page(example(searched=True), ())).titles()
    assert "Search for a plan" not in Page(page(example(), ())).titles()
    alone = example(searched=True)
    alone["plan"] |= {"thresholds": [], "generations": 21, "convergence": [1.25] * 21}
    assert (
        "All blocks are of one entropy; 21 generations found no smaller J than 1.2500"
        in Page(page(alone, ())).text
    )


def test_where_all_choices_were_judged_at_once_no_curve_is_drawn() -> None:
    fields, curve = example(searched=True), "J of the best plan so far"
    assert curve in Page(page(fields, ())).text
    del fields["plan"]["thresholds"]
    fields["plan"] |= {"generations": 1, "convergence": [5.3251]}
    said = Page(page(fields, ())).text
    assert "Blocks of 48 pixels for 9 providers; J is 5.3251, the smallest of all choices." in said
    assert curve not in said


def test_the_largest_share_says_what_was_computed_and_what_was_sent() -> None:
    said = Page(page(example(), views(example()))).text
    assert "No provider computed a larger part of the result." in said
    assert "one was sent up to 15.9% of the image" in said


def test_an_image_that_stayed_at_home_was_cut_into_nothing() -> None:
    fields = nothing_sent()
    fields["plan"]["block"] = None
    said = Page(page(fields, [])).text
    assert "none: all was computed at home" in said
    assert "slabs" not in said
