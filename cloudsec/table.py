"""A report or a plan as a short table for the terminal, of at most 100 columns. Figures in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from cloudsec.wording import (
    FRONT_HEADS,
    FRONT_SENTENCE,
    bound_sentence,
    candidate_figures,
    counted,
    ideal_share,
    part_figures,
    plan_sentence,
    provider_figures,
    search_sentence,
    sentence,
    share,
    shares_sentence,
    stronger_sentence,
    study_sentence,
    threshold_sentence,
    was_searched,
    was_sent,
    worst_received,
)
from providers.wire import printable

WIDTH = 100
SIZES_PER_LINE = 9
"""Sizes of coalitions side by side: with what the line is about, they fit."""
SHORTEST_NAME = 12


def summary(fields: Mapping[str, Any]) -> str:
    """A report to read in the terminal; names that are too long are cut in their middle."""
    seconds = f"{fields['timings']['total']:.2f} s"
    lines = [
        *_wrapped(f"{fields['operation']} by scheme {fields['scheme']} ({fields['assurance']}), {seconds}"),
        *_providers(fields),
        *(line for loss in fields["losses"] for line in _loss(loss)),
        *(_wrapped(search_sentence(fields["plan"])) if was_searched(fields["plan"]) else ()),
        *_leakage(fields),
        *_wrapped(fields["statement"]),
        *(_wrapped(sentence(fields["choice"])) if fields["choice"] else ()),
        *(_wrapped(stronger_sentence(fields["stronger_scheme"])) if fields["stronger_scheme"] else ()),
        *_wrapped(f"Exact: {fields['exact']}".removesuffix(".") + "."),
    ]
    return "\n".join(lines)


def proposal_summary(fields: Mapping[str, Any]) -> str:
    """What a job would be, to read in the terminal."""
    plan = fields["plan"]
    seconds = f"{plan['predicted_seconds']:.3f} s predicted"
    lines = [
        *_wrapped(f"{fields['operation']} by scheme {fields['scheme']} ({fields['assurance']}), {seconds}"),
        *_parts(
            ("blocks", "pixels", "computed", "received", "gradient"),
            [part_figures(provider) for provider in fields["providers"]],
            fields,
            before_share=2,
        ),
        *(_wrapped(sentence(fields["choice"])) if fields["choice"] else ()),
        # What there is to say of shares is said with what few of them tell.
        *(() if "shares" in plan else _wrapped(plan_sentence(fields))),
        *(_wrapped(search_sentence(plan)) if was_searched(plan) else ()),
        *_leakage(fields),
        *_front(fields["front"]),
        "Nothing of the image was sent, and nothing written down.",
    ]
    return "\n".join(lines)


def _front(candidates: Sequence[Mapping[str, Any]]) -> list[str]:
    """What could be chosen, one line each, the chosen one with a star; nothing where there is no choice."""
    if len(candidates) < 2:
        return []
    rows = [FRONT_HEADS, *map(candidate_figures, candidates)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    marks = [" ", *("*" if candidate["chosen"] else " " for candidate in candidates)]
    table = [
        f"{mark} " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        for mark, row in zip(marks, rows, strict=True)
    ]
    return [*_wrapped(FRONT_SENTENCE), *table]


def _providers(fields: Mapping[str, Any]) -> list[str]:
    heads = (
        "computed",
        "received",
        "gradient",
        "up kB",
        "down kB",
        "tasks",
        "retries",
        "verified",
        "seconds",
    )
    return _parts(heads, [provider_figures(provider) for provider in fields["providers"]], fields)


def _parts(
    heads: Sequence[str], rows: Sequence[Sequence[str]], fields: Mapping[str, Any], before_share: int = 0
) -> list[str]:
    """A line for each provider, and one for what stays at home: its share below the column of that number."""
    home, names = fields["home"], [printable(provider["name"]) for provider in fields["providers"]]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    longest = max(map(len, [*names, "provider", "at home"]))
    gap = 2 if longest + sum(widths) + 2 * len(widths) <= WIDTH else 1
    first = min(longest, max(SHORTEST_NAME, WIDTH - sum(widths) - gap * len(widths)))

    def line(name: str, cells: Sequence[str]) -> str:
        padded = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=False))
        return (" " * gap).join([f"{shortened(name, first):<{first}}", *padded])

    reasons = ", ".join(f"{reason} {share(part)}" for reason, part in home["reasons"].items())
    cells = [""] * before_share + [share(home["pixel_share"])]
    at_home = line("at home", cells) + (f"  ({reasons})" if reasons else "")
    return [line("provider", heads), *map(line, names, rows), at_home]


def _loss(loss: Mapping[str, Any]) -> list[str]:
    blocks = counted(loss["blocks"], "block")
    elsewhere = [f"{number} at {name}" for name, number in loss["at_stand_ins"].items()]
    instead = ", ".join([*elsewhere, f"{loss['at_home']} at home"])
    said = f"Lost {shortened(printable(loss['provider']), WIDTH // 2)}: {sentence(loss['reason'])}"
    return _wrapped(f"{said} Of its {blocks}: {instead}.")


def _leakage(fields: Mapping[str, Any]) -> list[str]:
    if not was_sent(fields):
        return []
    leakage = fields["leakage"]
    if "shares" in fields["plan"]:
        return _wrapped(f"{shares_sentence(fields['plan']['shares'])} {threshold_sentence(leakage)}")
    worst = (
        f"Most at one provider: {share(leakage['worst_pixel_share'])} of the pixels computed, "
        f"{share(worst_received(fields))} received, "
        f"{share(leakage['worst_gradient_share'])} of the gradient; "
        f"ideal {share(ideal_share(fields))}; one among {counted(leakage['anonymity_set'], 'block')}."
    )
    areas = {"assembled": leakage["assembled_area"], "adjacent": leakage["adjacent_area"]}
    if "with_stand_ins" in leakage:
        areas["with stand-ins"] = leakage["with_stand_ins"]
    before = leakage.get("without_losses")
    lines = _wrapped(worst)
    if before is not None:
        areas["without losses"] = before["assembled_area"]
        lines += _wrapped(
            f"Without losses: {share(before['worst_pixel_share'])} of the pixels computed, "
            f"{share(before['worst_gradient_share'])} of the gradient."
        )
    lines += _curves(areas)
    verdict = (threshold_sentence(leakage), bound_sentence(leakage), study_sentence(leakage))
    return lines + _wrapped(" ".join(verdict))


def _curves(areas: Mapping[str, Sequence[float]]) -> list[str]:
    """One line for each curve under the sizes of coalitions, in as many rows as they need."""
    lines = []
    for start in range(0, max(map(len, areas.values())), SIZES_PER_LINE):
        part = slice(start, start + SIZES_PER_LINE)
        sizes = range(start + 1, max(map(len, areas.values())) + 1)[:SIZES_PER_LINE]
        lines.append(f"{'colluding':<15}" + "".join(f"{size:>8}" for size in sizes))
        lines += [
            f"{label:<15}" + "".join(f"{share(area):>8}" for area in curve[part])
            for label, curve in areas.items()
        ]
    return lines


def shortened(text: str, width: int) -> str:
    """A text of at most `width` characters; the ends of a name tell more than its middle.

    >>> shortened("https://clouds.example.org:9001", 20)
    'https://cl….org:9001'
    """
    if len(text) <= width:
        return text
    head = width // 2
    return f"{text[:head]}…{text[len(text) - (width - head - 1) :]}"


def _wrapped(text: str) -> list[str]:
    return wrap(printable(text), WIDTH, break_on_hyphens=False)
