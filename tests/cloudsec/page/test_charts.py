"""Charts: drawn to scale, inside their frames, each curve to be told from the others."""

import pytest

from cloudsec.page.charts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Curve,
    Part,
    bar,
    collusion_chart,
    convergence_chart,
)
from tests.pages import Page


def test_the_curve_goes_from_nothing_at_the_bottom_to_all_at_the_top() -> None:
    curves = Curve("strips", [0.0, 0.5, 1.0]), Curve("edges", [0.1, 0.6])
    parsed = Page(collusion_chart(curves, "figures below"))
    circles = [circle for circle in parsed.all("circle") if float(circle["cy"]) >= TOP]
    assert [float(circle["cy"]) for circle in circles] == [BOTTOM, (TOP + BOTTOM) / 2, TOP]
    places = [float(circle["cx"]) for circle in circles]
    assert places[1] - places[0] == places[2] - places[1] > 0
    corners = [
        [float(pair.split(",")[1]) for pair in each["points"].split()] for each in parsed.all("polygon")
    ]
    middles = [sum(heights) / len(heights) for heights in corners if min(heights) >= TOP]
    assert middles == pytest.approx([BOTTOM - 0.1 * (BOTTOM - TOP), BOTTOM - 0.6 * (BOTTOM - TOP)])
    limits = [line for line in parsed.all("line") if line.get("class") == "limit"]
    assert float(limits[0]["y1"]) == float(limits[0]["y2"]) == pytest.approx(middles[0])


@pytest.mark.parametrize("most", [1, 2, 64])
def test_a_curve_of_any_length_lies_inside_its_frame(most: int) -> None:
    areas = [(i + 1) / most for i in range(most)]
    parsed = Page(collusion_chart([Curve("one", areas), Curve("other", areas)], ""))
    circles = [circle for circle in parsed.all("circle") if float(circle["cy"]) >= TOP]
    assert len(circles) == most
    assert all(LEFT < float(circle["cx"]) < RIGHT for circle in circles)
    sizes = [int(text) for tag, text in parsed.texts if tag == "text" and text.isdigit()]
    assert sizes[0] == 1
    assert len(sizes) <= 16


def test_every_curve_has_a_mark_of_its_own_and_a_row_of_the_legend_above_the_frame() -> None:
    curves = [Curve(f"scheme {number}", [0.1 * number, 0.5]) for number in range(4)]
    parsed = Page(collusion_chart(curves, ""))
    assert [text for _, text in parsed.texts if text.startswith("scheme")] == [curve.said for curve in curves]
    top = float(parsed.all("svg")[0]["viewbox"].split()[1])
    rows = [float(text["y"]) for text in parsed.all("text") if float(text["y"]) < TOP]
    assert len(rows) >= 5
    assert all(top < row for row in rows)
    # Of each curve two marks in the frame and one in the legend, all of one shape.
    assert len(parsed.all("circle")) == 3
    shapes = {len(each["points"].split()) for each in parsed.all("polygon")}
    assert (len(parsed.all("polygon")), shapes) == (9, {3, 4})


def test_the_search_is_a_curve_that_falls_to_the_bottom_of_its_frame() -> None:
    parsed = Page(convergence_chart([1.5, 1.25, 1.25, 1.0]))
    (line,) = [each for each in parsed.all("polyline") if float(each["points"].split(",")[1].split()[0]) >= 0]
    heights = [float(point.split(",")[1]) for point in line["points"].split()]
    assert heights == [TOP, (TOP + BOTTOM) / 2, (TOP + BOTTOM) / 2, BOTTOM]
    assert {"1.500", "1.250", "1.000"} <= {text for _, text in parsed.texts}


def test_a_search_that_found_nothing_better_has_a_curve_too() -> None:
    parsed = Page(convergence_chart([1.5] * 101))
    assert [text for _, text in parsed.texts].count("1.500") == 1
    assert "101 generations, from 1.5000 to 1.5000" in parsed.all("svg")[0]["aria-label"]


def test_the_parts_of_a_bar_lie_side_by_side_and_fill_it() -> None:
    parsed = Page(bar([Part("one", 1.0, "a"), Part("two", 3.0, "b"), Part("none", 0.0, "c")], "Shares"))
    parts = [rect for rect in parsed.all("rect") if "x" in rect]
    assert [rect["x"] for rect in parts] == ["0.000%", "25.000%", "100.000%"]
    assert [rect["width"] for rect in parts] == ["25.000%", "75.000%", "0.000%"]
    assert parsed.all("svg")[0]["aria-label"] == "Shares: one a, two b, none c"
    assert "0.000%" in bar([Part("one", 0.0, "a")], "Shares")
