"""Charts as inline SVG: curves over colluding providers or generations, what could be chosen, a bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from cloudsec.page.markup import Markup, element, markup
from regions.assembly import TOLERABLE_AREA

WIDTH, HEIGHT = 480, 256
LEFT, RIGHT, TOP, BOTTOM = 52, 464, 12, 212
"""The frame of curves, in units of the drawing; the legend lies above it, the labels left and below."""
LEGEND_ROW = 19
MOST_TICKS = 16
"""So many numbers fit below the frame."""
QUARTERS = (0, 0.25, 0.5, 0.75, 1.0)
"""Levels of a frame that has no others."""
COLOURS = 6
"""Colours of a bar's parts in the style sheet, beside the grey of the rest."""


@dataclass(frozen=True)
class Part:
    """A part of a bar: its name, its size in any unit, the size as it is written, and if it is the rest."""

    name: str
    size: float
    written: str
    rest: bool = False


@dataclass(frozen=True)
class Curve:
    """A curve: what the legend says, and its values from 0 to 1, side by side."""

    said: str
    values: Sequence[float]


@dataclass(frozen=True)
class Point:
    """One thing to choose: what it is, its seconds, a share of something, and whether it was chosen."""

    name: str
    seconds: float
    share: float
    chosen: bool


def swatch(**paint: str) -> Markup:
    """A square in the colour of what is named beside it."""
    square = element("rect", width=12, height=12, **paint)
    return element("svg", square, class_="swatch", width=12, height=12, aria_hidden="true")


def bar(parts: Sequence[Part], label: str) -> Markup:
    """Parts side by side in one bar, with a legend in the same order; drawn to scale."""
    whole = sum(part.size for part in parts) or 1.0
    drawn, entries, start = [], [], 0.0
    for number, part in enumerate(parts):
        colour = "rest" if part.rest else f"part{number % COLOURS}"
        width = part.size / whole
        drawn.append(
            element(
                "rect", x=f"{start:.3%}", y=0, width=f"{width:.3%}", height="100%", class_=f"part {colour}"
            )
        )
        start += width
        entries.append(element("li", swatch(class_=colour), f" {part.name} ", element("b", part.written)))
    said = f"{label}: " + ", ".join(f"{part.name} {part.written}" for part in parts)
    picture = element("svg", *drawn, class_="bar", role="img", aria_label=said)
    return markup(picture, element("ul", *entries, class_="legend"))


def collusion_chart(curves: Sequence[Curve], figures: str) -> Markup:
    """What the worst coalitions of 1, 2, … providers could put together; `figures`: where that is in figures.

    The first curve lies above the others; there are at most four.
    """
    most = max(len(curve.values) for curve in curves)
    levels = [(level, f"{level:.0%}") for level in (0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    height = _y(TOLERABLE_AREA)
    drawn = [
        *_frame(levels, most, "colluding providers"),
        _upright("largest piece, share of blocks"),
        element("line", x1=LEFT, x2=RIGHT, y1=height, y2=height, class_="limit"),
        *reversed([_curve(curve.values, most, number) for number, curve in enumerate(curves)]),
    ]
    rows = len(curves) + 1
    legend = [_entry(row, rows, curve.said, row) for row, curve in enumerate(curves)]
    limit = f"{TOLERABLE_AREA:.0%}: the threshold counts from above this line"
    said = f"Curves of what 1 to {most} colluding providers could put together of the image; {figures}"
    return _chart([*drawn, *legend, _entry(len(curves), rows, limit, None)], rows, said)


def convergence_chart(best: Sequence[float]) -> Markup:
    """The best J so far in each generation of a search, the smaller the better, between its extremes."""
    low, high = min(best), max(best)
    span = high - low
    levels = QUARTERS if span else (0.5,)
    drawn = [
        *_frame([(level, f"{low + level * span:.3f}") for level in levels], len(best), "generation"),
        _curve([(value - low) / span if span else 0.5 for value in best], len(best), 0, marked=False),
        _entry(0, 1, "J of the best plan so far", 0, marked=False),
    ]
    return _chart(drawn, 1, f"Curve of J over {len(best)} generations, from {best[0]:.4f} to {best[-1]:.4f}")


def front_chart(points: Sequence[Point], below: str, said: str) -> Markup:
    """What could be chosen: seconds to the right, a share upwards, both from 0; the chosen one on top."""
    longest, most = _round(max(point.seconds for point in points)), _round(max(p.share for p in points))
    levels = [(level, f"{100 * level * most:.3g}") for level in QUARTERS]
    drawn = [
        *_lines(levels),
        *(
            _text(f"{level * longest:.3g}", _across(level), BOTTOM + 18, text_anchor="middle")
            for level in QUARTERS
        ),
        _text(below, (LEFT + RIGHT) / 2, HEIGHT - 6, text_anchor="middle", class_="label"),
        _upright(f"{said}, %"),
    ]
    for point in sorted(points, key=lambda point: point.chosen):
        number = 0 if point.chosen else 1
        mark = _mark(_across(point.seconds / longest), _y(point.share / most), number)
        drawn.append(element("g", element("title", point.name), mark, class_=f"curve curve{number}"))
    legend = [_entry(row, 2, text, row, line=False) for row, text in enumerate(("chosen", "could be chosen"))]
    label = f"{len(points)} points: {said} against {below}; the table below has their figures"
    return _chart([*drawn, *legend], 2, label)


def _round(value: float) -> float:
    """The next number above with quarters that are short to write; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if value <= step * power)


def _across(value: float) -> float:
    return round(LEFT + (RIGHT - 16 - LEFT) * value, 2)


def _x(number: int, most: int) -> float:
    middle = (LEFT + RIGHT) / 2
    return middle if most == 1 else round(LEFT + 16 + (RIGHT - LEFT - 32) * (number - 1) / (most - 1), 2)


def _y(value: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * value, 2)


def _chart(drawn: Sequence[Markup], rows: int, said: str) -> Markup:
    """What was drawn, with room for so many rows of a legend above the frame."""
    above = LEGEND_ROW * rows
    box = f"0 {-above} {WIDTH} {HEIGHT + above}"
    return element("svg", *drawn, viewBox=box, class_="chart", role="img", aria_label=said)


def _text(text: str, x: float, y: float, **attributes: str) -> Markup:
    return element("text", text, x=x, y=y, **attributes)


def _frame(levels: Sequence[tuple[float, str]], most: int, below: str) -> list[Markup]:
    """Lines at levels from 0 to 1, each with its label, and the numbers from 1 to `most` below them."""
    parts = _lines(levels)
    parts += [
        _text(str(number), _x(number, most), BOTTOM + 18, text_anchor="middle")
        for number in range(1, most + 1, ceil(most / MOST_TICKS))
    ]
    parts.append(_text(below, (LEFT + RIGHT) / 2, HEIGHT - 6, text_anchor="middle", class_="label"))
    return parts


def _lines(levels: Sequence[tuple[float, str]]) -> list[Markup]:
    """Lines at levels from 0 to 1, each with its label."""
    parts = []
    for level, label in levels:
        kind = "grid" if level else "axis"
        parts.append(element("line", x1=LEFT, x2=RIGHT, y1=_y(level), y2=_y(level), class_=kind))
        parts.append(_text(label, LEFT - 8, _y(level) + 4, text_anchor="end"))
    return parts


def _upright(text: str) -> Markup:
    """A label left of the frame, read from below."""
    middle = (TOP + BOTTOM) / 2
    return _text(text, 12, middle, text_anchor="middle", transform=f"rotate(-90 12 {middle})", class_="label")


def _curve(values: Sequence[float], most: int, number: int, *, marked: bool = True) -> Markup:
    places = [(_x(place, most), _y(value)) for place, value in enumerate(values, start=1)]
    return _line(places, number, [_mark(x, y, number) for x, y in places] if marked else [])


def _line(places: Sequence[tuple[float, float]], number: int, marks: Sequence[Markup]) -> Markup:
    points = " ".join(f"{x},{y}" for x, y in places)
    return element("g", element("polyline", points=points), *marks, class_=f"curve curve{number}")


def _mark(x: float, y: float, number: int) -> Markup:
    """A filled circle, or another open shape that stays to be seen around those of lower numbers."""
    if number == 0:
        return element("circle", cx=x, cy=y, r=3.5)
    corners = (
        ((-5.5, -5.5), (5.5, -5.5), (5.5, 5.5), (-5.5, 5.5)),
        ((0, -8.5), (8.5, 0), (0, 8.5), (-8.5, 0)),
        ((0, -9), (9, 7), (-9, 7)),
    )[number - 1]
    return element("polygon", points=" ".join(f"{round(x + dx, 2)},{round(y + dy, 2)}" for dx, dy in corners))


def _entry(
    row: int, rows: int, said: str, number: int | None, *, marked: bool = True, line: bool = True
) -> Markup:
    """One row of the legend: a sample of the curve of that number, or of the limit, and what it is."""
    y = LEGEND_ROW * (row - rows) + 10
    if number is None:
        sample = element("line", x1=LEFT, x2=LEFT + 36, y1=y, y2=y, class_="limit")
    else:
        marks = [_mark(LEFT + 18, y, number)] if marked else []
        sample = _line([(LEFT, y), (LEFT + 36, y)] if line else [], number, marks)
    return markup(sample, _text(said, LEFT + 46, y + 4))
