"""A page as a whole: it runs nothing, fetches nothing, and carries its style."""

from __future__ import annotations

from cloudsec.page.markup import Markup, element, markup
from cloudsec.page.style import STYLE

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""A browser that heeds it fetches nothing and runs nothing, whatever a name in the page holds."""


def document(title: str, *body: str) -> str:
    """One self-contained HTML page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    whole = element("html", head, element("body", *body), lang="en")
    return markup(Markup("<!DOCTYPE html>\n"), whole, Markup("\n"))
