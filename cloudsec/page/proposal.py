"""A plan as one page: who would get what, and what else could be chosen. Figures in, HTML out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudsec.page.charts import Point, front_chart
from cloudsec.page.document import document
from cloudsec.page.job import home_parts, searched
from cloudsec.page.leakage import leaked
from cloudsec.page.markup import Markup, element, markup, name, section, table
from cloudsec.wording import (
    FRONT_HEADS,
    FRONT_SENTENCE,
    candidate_figures,
    part_figures,
    plan_sentence,
    sentence,
    share,
)


def proposal_page(fields: Mapping[str, Any]) -> str:
    """What ``Proposal.to_dict`` gives as one self-contained HTML page, without a pixel of the image."""
    image, plan = fields["image"], fields["plan"]
    shape = " × ".join(str(side) for side in image["shape"])
    return document(
        f"CloudSec plan: {fields['operation']}",
        element(
            "header",
            element("p", "CloudSec plan", class_="kind"),
            element("h1", plan_sentence(fields)),
            element(
                "p",
                f"{fields['operation']} on {shape} pixels, {image['dtype']}, by scheme {fields['scheme']} "
                f"({fields['assurance']}): {plan['predicted_seconds']:.3f} s predicted.",
            ),
            *([element("p", sentence(fields["choice"]))] if fields["choice"] else []),
        ),
        element(
            "main", _who(fields), _stays(fields["home"]), leaked(fields), _front(fields), searched(fields)
        ),
        element(
            "footer",
            element("p", "Nothing of the image was sent, and nothing written down.", class_="note"),
        ),
    )


def _who(fields: Mapping[str, Any]) -> Markup:
    heads = ("Provider", "Blocks", "Pixels sent", "Computes", "Receives", "Gradient")
    rows = [(name(provider["name"]), *part_figures(provider)) for provider in fields["providers"]]
    return section(
        "Who would get what", table(heads, rows, caption="What each provider would get", kind="figures")
    )


def _stays(home: Mapping[str, Any]) -> Markup:
    if not home["pixel_share"]:
        return section("At home", element("p", "Nothing: providers would compute every pixel."))
    said = markup(element("b", share(home["pixel_share"])), " of the pixels would be computed here.")
    return section("At home", element("p", said), *home_parts(home))


def _front(fields: Mapping[str, Any]) -> Markup:
    candidates = fields["front"]
    title = "The choice"
    if len(candidates) < 2:
        return section(title, element("p", "There is nothing to choose: the plan is the only one."))
    charts = [
        front_chart(
            [Point(_named(each), each["seconds"], each[figure], each["chosen"]) for each in candidates],
            "predicted seconds",
            said,
        )
        for figure, said in (
            ("area", "what colluders could join"),
            ("share", "largest share at one provider"),
        )
    ]
    rows = [
        (f"{'* ' if each['chosen'] else ''}{block}", *others)
        for each in candidates
        for block, *others in [candidate_figures(each)]
    ]
    return section(
        title,
        element("p", FRONT_SENTENCE),
        element("div", *charts, class_="charts"),
        table(
            [head.capitalize() for head in FRONT_HEADS], rows, caption="The same in figures", kind="figures"
        ),
    )


def _named(candidate: Mapping[str, Any]) -> str:
    block, providers, rims, *_ = candidate_figures(candidate)
    return f"blocks of {block}, {providers} providers, {rims}"
