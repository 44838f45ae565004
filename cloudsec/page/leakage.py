"""What a page says about what providers could learn: the figures, what they mean, and the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from math import isqrt
from typing import Any

from cloudsec.page.charts import Curve, collusion_chart
from cloudsec.page.figures import view_figure
from cloudsec.page.markup import Markup, element, markup, section, table
from cloudsec.pictures import View
from cloudsec.wording import (
    NOTHING,
    bound_sentence,
    ideal_share,
    share,
    study_sentence,
    threshold_sentence,
    was_sent,
    worst_received,
)

PAGE_PIXELS = 1 << 23
"""About so many pixels are drawn in a page, shared among the views: at most 11 MiB of it, for any image and
any number of providers."""

METRICS = {
    "cor": ("Cor", "correlation of neighbouring pixels; after blocks are moved it measures their size"),
    "npcr": ("NPCR", "share of places that differ; flat background lowers its ceiling"),
    "uaci": ("UACI", "mean difference, as a share of the range of grey levels"),
    "entropy": ("Entropy", "of the grey levels, in bits"),
}
"""The paper's metrics by their keys: names, and what each one is."""


def leaked(fields: Mapping[str, Any]) -> Markup:
    """The figures, each with what it means to who answers for the data."""
    title = "What providers could learn"
    if not was_sent(fields):
        return section(title, element("p", "No pixel left the house: providers could learn nothing."))
    leakage = fields["leakage"]
    assembled, adjacent = leakage["assembled_area"], leakage["adjacent_area"]
    parts = [_cards(fields)]
    if assembled or adjacent:
        curves, heads = [assembled, adjacent], ["By shared strips", "Wherever blocks touch"]
        if "with_stand_ins" in leakage:
            curves.append(leakage["with_stand_ins"])
            heads.append("By shared strips, if all stand-ins were asked")
        rows = [
            (str(size), *(NOTHING if area is None else share(area) for area in areas))
            for size, areas in enumerate(zip_longest(*curves), start=1)
        ]
        parts += [
            element("h3", "If providers pool what they hold"),
            element(
                "p",
                "The largest connected piece of the image that the worst coalition could put together, as a "
                "share of the blocks that show something. Every link that is there counts as found: an "
                "upper bound from geometry, not what an attack has done.",
            ),
            collusion_chart(
                (
                    Curve("joined by the strips of pixels that blocks share", assembled),
                    Curve("joined wherever blocks touch, as by a perfect jigsaw solver", adjacent),
                ),
                "the table below has its figures",
            ),
            table(("Colluding providers", *heads), rows, caption="The same in figures", kind="figures"),
        ]
    return section(title, *parts)


def metrics(fields: Mapping[str, Any]) -> Markup:
    """The paper's metrics beside their ceilings."""
    given = fields["paper_metrics"]
    title = "The paper's metrics"
    if not given:
        return section(title, element("p", "There are none: nothing was sent that they could be taken of."))
    coloured = any(len(figure["components"]) > 1 for figure in given.values())
    by_colour = ("By colour", "Ceilings by colour") if coloured else ()
    rows = []
    for key, figure in given.items():
        label, meaning = METRICS.get(key, (key, ""))
        values = [_figure(figure["value"]), _figure(figure["ceiling"])]
        if coloured:
            values += [", ".join(map(_figure, figure[part])) for part in ("components", "ceilings")]
        rows.append((label, *values, meaning))
    heads = ("Metric", "Value", "Ceiling", *by_colour, "What it is")
    return section(
        title,
        element(
            "p",
            "They are reported because the paper that this work starts from decides by them; "
            "nothing here does.",
        ),
        table(
            heads,
            rows,
            caption="Metrics of what was sent, beside what chance gives or the most each can be",
            kind="words",
        ),
    )


def seen(views: Sequence[View]) -> Markup:
    """One picture for each provider, of what it was sent."""
    title = "What each provider saw"
    if not views:
        return section(title, element("p", "There are no pictures: no blocks were kept for this report."))
    side = isqrt(PAGE_PIXELS // len(views))
    return section(
        title,
        element(
            "p",
            "Blocks as they were sent, in the order of sending. Each is stretched to full contrast, as a "
            "curious provider would do: what can be recognised here, a provider can recognise.",
        ),
        element("div", *(view_figure(view, side) for view in views), class_="views"),
    )


def _cards(fields: Mapping[str, Any]) -> Markup:
    leakage, used = fields["leakage"], fields["plan"]["regions"]
    ideal = f"ideal {share(ideal_share(fields))}, 1/{max(1, used)}"
    threshold, hidden = leakage["collusion_threshold"], leakage["anonymity_set"]
    return element(
        "div",
        _card(
            "Largest share computed",
            share(leakage["worst_pixel_share"]),
            "No provider computed a larger part of the result. With the rims around blocks, one "
            f"was sent up to {share(worst_received(fields))} of the image.",
            beside=ideal,
        ),
        _card(
            "Largest share of the gradient",
            share(leakage["worst_gradient_share"]),
            "Of the edges and texture, where anatomy shows. Far above the ideal, it would mean that one "
            "provider got the part that matters.",
            beside=ideal,
        ),
        _card(
            "Collusion threshold t*",
            NOTHING if threshold is None else str(threshold),
            threshold_sentence(leakage),
            beside=f"none up to {len(leakage['assembled_area'])}" if threshold is None else "providers",
        ),
        _card("Bound", leakage["bound"], bound_sentence(leakage)),
        _card(
            "Holds for",
            "the study" if leakage["over_study"] else "this job",
            study_sentence(leakage),
        ),
        _card(
            "Anonymity set",
            str(hidden),
            "A provider that looks for one place of the image has so many blocks to choose from.",
            beside="block" if hidden == 1 else "blocks",
        ),
        class_="cards",
    )


def _card(title: str, value: str, meaning: str, *, beside: str = "") -> Markup:
    shown = markup(value, " ", element("small", beside)) if beside else markup(value)
    return element(
        "div", element("h3", title), element("p", shown, class_="value"), element("p", meaning), class_="card"
    )


def _figure(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4f}"
