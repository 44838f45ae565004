"""Pages as a parser reads them, and the pictures in them."""

from base64 import b64decode
from collections.abc import Iterable
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
from PIL import Image

from cloudsec.page.markup import VOID


class Page(HTMLParser):
    """A page as read by a parser that takes no element for closed that is not."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    @property
    def text(self) -> str:
        return "\n".join(text for tag, text in self.texts if tag != "style")

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def titles(self) -> list[str]:
        return [text for tag, text in self.texts if tag == "h2"]


def pictures_of(parsed: Page) -> Iterable[np.ndarray]:
    for image in parsed.all("img"):
        kind, content = image["src"].split(",")
        assert kind == "data:image/png;base64"
        yield np.asarray(Image.open(BytesIO(b64decode(content, validate=True))))
