"""Pictures in a page: carried in it, described for those who do not see them, and captioned."""

from __future__ import annotations

from base64 import b64encode

from cloudsec.page.markup import Markup, element, markup, name
from cloudsec.pictures import Picture, View, excerpt, sheet
from cloudsec.png import png_bytes
from cloudsec.wording import counted


def picture_figure(picture: Picture, alt: str, caption: str) -> Markup:
    """A picture with its caption; grey (M, N) or RGB (M, N, 3)."""
    image = element(
        "img",
        src="data:image/png;base64,"
        + b64encode(png_bytes(picture, None if picture.ndim == 2 else -1)).decode(),
        alt=alt,
        width=picture.shape[1],
        height=picture.shape[0],
    )
    return element("figure", image, element("figcaption", caption))


def view_figure(view: View, side: int) -> Markup:
    """What a provider was sent, as much of it as is drawn with about `side` × `side` pixels."""
    count, rows, columns = view.stack.shape
    if not count:
        return element("figure", element("figcaption", name(view.name), ": received no block"))
    drawn = excerpt(view.stack, side)
    how_many = counted(count, "block") if len(drawn) == count else f"{len(drawn)} of {count} blocks"
    smaller = "" if drawn.shape[1:] == (rows, columns) else ", drawn smaller"
    return picture_figure(
        sheet(drawn),
        f"What {view.name} received: {how_many}, side by side",
        markup(element("b", name(view.name)), f": {how_many} of {columns} × {rows} pixels{smaller}"),
    )
