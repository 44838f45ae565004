"""Any text stays text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsec.page.markup import element, markup
from tests.pages import Page


@given(st.text())
def test_any_text_comes_out_of_markup_as_it_went_in_but_for_what_cannot_be_printed(text: str) -> None:
    parsed = Page(element("p", text, title=text))
    cleaned = "".join(character if character.isprintable() else " " for character in text)
    assert "".join(part for _, part in parsed.texts) == cleaned
    assert parsed.elements == [("p", {"title": cleaned})]


def test_markup_that_became_plain_text_is_escaped_and_not_trusted() -> None:
    assert markup(str.lower(element("b", "x"))) == "&lt;b&gt;x&lt;/b&gt;"
    with pytest.raises(ValueError, match="'img' has no content"):
        element("img", "x")
