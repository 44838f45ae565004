"""Charts as inline SVG: a curve over colluding providers, and a bar of parts. Figures in, markup out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from cloudsec.page.markup import Markup, element, markup
from regions.assembly import TOLERABLE_AREA

WIDTH, HEIGHT = 480, 316
LEFT, RIGHT, TOP, BOTTOM = 52, 464, 72, 272
"""The frame of the curve, in units of the drawing; the legend lies above, the labels left and below."""
MOST_TICKS = 16
"""So many numbers fit below the frame."""
COLOURS = 6
"""Colours of a bar's parts in the style sheet, beside the grey of the rest."""


@dataclass(frozen=True)
class Part:
    """A part of a bar: its name, its size in any unit, the size as it is written, and if it is the rest."""

    name: str
    size: float
    written: str
    rest: bool = False


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
        swatch = element("rect", width=12, height=12, class_=colour)
        key = element("svg", swatch, class_="swatch", width=12, height=12, aria_hidden="true")
        entries.append(element("li", key, f" {part.name} ", element("b", part.written)))
    said = f"{label}: " + ", ".join(f"{part.name} {part.written}" for part in parts)
    picture = element("svg", *drawn, class_="bar", role="img", aria_label=said)
    return markup(picture, element("ul", *entries, class_="legend"))


def collusion_chart(assembled: Sequence[float], adjacent: Sequence[float]) -> Markup:
    """What the worst coalitions of 1, 2, … providers could put together, from 0 to 1, by both counts."""
    most = max(len(assembled), len(adjacent))
    line = element("line", x1=LEFT, x2=RIGHT, y1=_y(TOLERABLE_AREA), y2=_y(TOLERABLE_AREA), class_="limit")
    said = (
        f"Curve of what 1 to {most} colluding providers could put together of the image; "
        "the table below has its figures"
    )
    return element(
        "svg",
        *_axes(most),
        line,
        _curve(adjacent, most, "adjacent"),
        _curve(assembled, most, "assembled"),
        *_legend(),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        class_="chart",
        role="img",
        aria_label=said,
    )


def _x(size: int, most: int) -> float:
    return (LEFT + RIGHT) / 2 if most == 1 else LEFT + 16 + (RIGHT - LEFT - 32) * (size - 1) / (most - 1)


def _y(area: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * area, 2)


def _text(text: str, x: float, y: float, **attributes: str) -> Markup:
    return element("text", text, x=x, y=y, **attributes)


def _axes(most: int) -> list[Markup]:
    parts = [
        element("line", x1=LEFT, x2=RIGHT, y1=_y(level), y2=_y(level), class_="grid")
        for level in (0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    parts += [
        _text(f"{level:.0%}", LEFT - 8, _y(level) + 4, text_anchor="end")
        for level in (0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    parts.append(element("line", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=BOTTOM, class_="axis"))
    parts += [
        _text(str(size), _x(size, most), BOTTOM + 18, text_anchor="middle")
        for size in range(1, most + 1, ceil(most / MOST_TICKS))
    ]
    middle = (LEFT + RIGHT) / 2
    parts.append(_text("colluding providers", middle, HEIGHT - 6, text_anchor="middle", class_="label"))
    upright = f"rotate(-90 12 {(TOP + BOTTOM) / 2})"
    said = "largest piece, share of blocks"
    parts.append(_text(said, 12, (TOP + BOTTOM) / 2, text_anchor="middle", transform=upright, class_="label"))
    return parts


def _curve(areas: Sequence[float], most: int, kind: str) -> Markup:
    places = [(round(_x(size, most), 2), _y(area)) for size, area in enumerate(areas, start=1)]
    points = " ".join(f"{x},{y}" for x, y in places)
    marks = [_mark(x, y, kind) for x, y in places]
    return element("g", element("polyline", points=points), *marks, class_=kind)


def _mark(x: float, y: float, kind: str) -> Markup:
    """A filled circle, or a larger open square that stays to be seen around it."""
    if kind == "assembled":
        return element("circle", cx=x, cy=y, r=3.5)
    return element("rect", x=round(x - 5.5, 2), y=round(y - 5.5, 2), width=11, height=11)


def _legend() -> list[Markup]:
    parts = []
    for row, (kind, said) in enumerate(
        (
            ("assembled", "joined by the strips of pixels that blocks share"),
            ("adjacent", "joined wherever blocks touch, as by a perfect jigsaw solver"),
            ("limit", f"{TOLERABLE_AREA:.0%}: the threshold counts from above this line"),
        )
    ):
        y = 10 + 19 * row
        stroke = element("line", x1=LEFT, x2=LEFT + 36, y1=y, y2=y, class_="limit")
        if kind != "limit":
            sample = element("polyline", points=f"{LEFT},{y} {LEFT + 36},{y}")
            stroke = element("g", sample, _mark(LEFT + 18, y, kind), class_=kind)
        parts += [stroke, _text(said, LEFT + 46, y + 4)]
    return parts
