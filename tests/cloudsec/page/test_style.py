"""Colours that can be told from each other."""

import re

from cloudsec.page.style import STYLE


def test_letters_stand_out_from_what_is_behind_them() -> None:
    def brightness(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        low, high = sorted((brightness(one), brightness(other)))
        return (high + 0.05) / (low + 0.05)

    # WCAG 2.2, criterion 1.4.3: 4.5 for text; 1.4.11: 3 for the marks of a chart.
    day, night = (dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in STYLE.split("@media", 2)[:2])
    for colours in (day, night):
        for behind in ("paper", "panel"):
            assert min(contrast(colours[ink], colours[behind]) for ink in ("ink", "soft")) >= 4.5
        marks = ("accent", "second", "third", "fourth", "limit")
        assert min(contrast(colours[mark], colours["paper"]) for mark in marks) >= 3
    badges = re.findall(r"\.badge(?:\.\w+)? \{[^}]*background: (#\w{6})", STYLE)
    assert len(badges) == 5
    assert min(contrast(badge, "#ffffff") for badge in badges) >= 4.5
