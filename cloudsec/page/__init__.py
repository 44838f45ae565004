"""A report as one page to read, print and file: no script, nothing fetched. Figures in, HTML out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cloudsec.page import job, leakage
from cloudsec.page.markup import Markup, element, markup
from cloudsec.page.style import STYLE
from cloudsec.pictures import View

__all__ = ["page"]

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""A browser that heeds it fetches nothing and runs nothing, whatever a name in the page holds."""

ASSURANCES = {
    "perfect": "Proven: what providers hold says nothing about the image, however much they compute, unless "
    "more of them collude than is tolerated.",
    "computational": "Proven as far as established cryptography is: learning more would mean to break it.",
    "heuristic": "Not proven: it makes learning hard, and the figures below say how far.",
    "none": "No protection: providers see their parts of the image as they are.",
}
"""What each assurance means, for those who have to answer for it."""


def page(fields: Mapping[str, Any], views: Sequence[View]) -> str:
    """A report as one self-contained HTML page.

    Parameters
    ----------
    fields : dict
        What ``Report.to_dict`` gives.
    views : sequence of View
        What each provider was sent; a page with pictures holds pixels of the image, without them none.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"CloudSec report: {fields['operation']}"),
        element("style", Markup(STYLE)),
    )
    body = element(
        "body",
        _headline(fields),
        element(
            "main",
            job.did(fields),
            job.searched(fields),
            job.verified(fields),
            job.who(fields),
            job.stayed(fields),
            job.lost(fields),
            leakage.leaked(fields),
            leakage.metrics(fields),
            job.timed(fields),
            leakage.seen(views),
        ),
        _footer(views),
    )
    return markup(Markup("<!DOCTYPE html>\n"), element("html", head, body, lang="en"), Markup("\n"))


def _headline(fields: Mapping[str, Any]) -> Markup:
    assurance = fields["assurance"]
    kind = f"badge {assurance}" if assurance in ASSURANCES else "badge"
    return element(
        "header",
        element("p", "CloudSec report", class_="kind"),
        element("h1", fields["statement"]),
        element(
            "p",
            element("span", f"Assurance: {assurance}", class_=kind),
            f" {ASSURANCES.get(assurance, '')}",
        ),
    )


def _footer(views: Sequence[View]) -> Markup:
    said = "This page fetches nothing, runs nothing and holds no key."
    if views:
        said += " Its pictures are pieces of the image: keep it where the image may be kept."
    return element("footer", element("p", said, class_="note"))
