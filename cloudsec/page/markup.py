"""HTML from nested elements: every text is escaped and every element is closed, by construction."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

VOID = frozenset({"img", "meta"})
"""Elements of HTML that have no content and no end."""


class Markup(str):
    """HTML that is safe as it stands; any other string is text, and is escaped on its way in."""

    __slots__ = ()


def markup(*parts: str) -> Markup:
    """Parts in a row, escaped unless they are markup.

    Characters that are not printable become spaces: a line break or a mark that turns the direction of
    writing would let a name pass for another.

    >>> markup("a < b", element("b", "bold"))
    'a &lt; b<b>bold</b>'
    """
    return Markup("".join(part if isinstance(part, Markup) else _escaped(part) for part in parts))


def element(tag: str, *children: str, **attributes: str | float) -> Markup:
    """One element; `class_` stands for class, and other underscores of attributes for hyphens.

    >>> element("td", 'x"', class_="name")
    '<td class="name">x&quot;</td>'
    """
    if children and tag in VOID:
        raise ValueError(f"the element {tag!r} has no content")
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_escaped(str(value))}"'
        for name, value in attributes.items()
    )
    return Markup(f"<{tag}{written}>{markup(*children)}" + ("" if tag in VOID else f"</{tag}>"))


def section(title: str, *children: str) -> Markup:
    """A part of the page under its heading."""
    return element("section", element("h2", title), *children)


def name(text: str) -> Markup:
    """A name that others chose: on its own line of writing, whatever script it is in."""
    return element("bdi", text)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str, kind: str) -> Markup:
    """A table whose rows begin with what they are about.

    `kind` is "figures", right-aligned, or "words".
    """
    head = element("tr", *(element("th", text, scope="col") for text in heads))
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:]))
        for row in rows
    ]
    whole = element(
        "table", element("caption", caption), element("thead", head), element("tbody", *body), class_=kind
    )
    # Wide tables scroll by themselves on a phone; the keyboard must reach what scrolls.
    return element("div", whole, class_="wide", tabindex=0, role="region", aria_label=caption)


def _escaped(text: str) -> str:
    return escape("".join(c if c.isprintable() else " " for c in text))
