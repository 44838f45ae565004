"""A report as one page to read, print and file: no script, nothing fetched. Figures in, HTML out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cloudsec.page import job, leakage
from cloudsec.page.document import document
from cloudsec.page.markup import Markup, element
from cloudsec.pictures import View

__all__ = ["page"]

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
    return document(
        f"CloudSec report: {fields['operation']}",
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
