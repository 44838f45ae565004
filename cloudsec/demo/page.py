"""The demonstration as one page: the figures of all schemes, then image by image what was sent to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt, log2

from cloudsec.demo.comparison import HEADS, LEGEND, Comparison, Shown
from cloudsec.exposure import Exposure
from cloudsec.page.charts import Curve, collusion_chart, convergence_chart, swatch
from cloudsec.page.document import document
from cloudsec.page.figures import picture_figure, view_figure
from cloudsec.page.markup import Markup, element, markup, name, section, table
from cloudsec.pictures import COLOURS, assignment_map, grey, owner_map, thinned
from cloudsec.wording import search_sentence, was_searched
from regions import entropy_map

VIEW_PIXELS = 1 << 21
"""About so many pixels are drawn of what providers saw, shared among all views of the page."""
SIDE = 240
"""Of all other pictures, at most so many pixels; the job's own report has more."""


def comparison_page(compared: Sequence[Comparison], jobs: Mapping[Shown, str]) -> str:
    """One self-contained page; `jobs` says where the report of each job lies beside it."""
    views = sum(len(each.result.report.views) for comparison in compared for each in comparison.shown)
    side = isqrt(VIEW_PIXELS // max(views, 1))
    return document(
        "CloudSec demonstration",
        element(
            "header",
            element("p", "CloudSec demonstration", class_="kind"),
            element(
                "h1", "The paper's scheme beside ours: the same filter, the same providers, the same images"
            ),
            element(
                "p",
                "Four providers, each a process of its own, filter parts of an image; together they give "
                "what the filter gives at home. What they could learn on the way depends on the scheme.",
            ),
        ),
        element(
            "main",
            section(
                "All figures",
                *(_figures(comparison, jobs) for comparison in compared),
                element("p", LEGEND, class_="note"),
            ),
            *(_image(comparison, side) for comparison in compared),
        ),
        element(
            "footer", element("p", "This page fetches nothing, runs nothing and holds no key.", class_="note")
        ),
    )


def _figures(comparison: Comparison, jobs: Mapping[Shown, str]) -> Markup:
    rows = [(element("a", each.setting.label, href=jobs[each]), *each.figures) for each in comparison.shown]
    return table(("Scheme, and its full report", *HEADS), rows, caption=comparison.headline, kind="figures")


def _image(comparison: Comparison, side: int) -> Markup:
    """All that is to be seen of one image."""
    sample = comparison.sample
    operation = comparison.shown[0].result.report.operation
    original = picture_figure(
        thinned(grey(sample.pixels, *sample.extremes), SIDE),
        f"{sample.title}, as it was given",
        "As it was given",
    )
    unsplit = picture_figure(
        thinned(grey(comparison.reference, *sample.extremes), SIDE),
        f"{sample.title}, after {operation} on this machine",
        f"{operation} on this machine, unsplit: what every scheme is to give",
    )
    return section(
        sample.title,
        element("p", f"{sample.source}."),
        element("div", original, _entropy(comparison), unsplit, class_="views"),
        element("h3", "If providers pool what they hold, and how the paper's search found its regions"),
        element("div", *_curves(comparison), *_searches(comparison), class_="charts"),
        *(_scheme(comparison, each, side) for each in comparison.shown),
    )


def _entropy(comparison: Comparison) -> Markup:
    """What the paper divides an image by: the bits of its blocks, of colours the mean of the components."""
    sample, block = comparison.sample, comparison.searched_block
    components = 1 if sample.channel_axis is None else sample.pixels.shape[sample.channel_axis]
    bits = entropy_map(sample.pixels, block, channel_axis=sample.channel_axis) / components
    most = min(log2(block * block), 8 * sample.pixels.itemsize)
    return picture_figure(
        thinned(grey(bits, 0, most), SIDE),
        f"Entropy of the blocks, from {bits.min():.1f} to {bits.max():.1f} bits",
        f"Entropy of blocks of {block} × {block} pixels: black 0, white {most:.0f} bits; "
        f"here {bits.min():.1f} to {bits.max():.1f}",
    )


def _curves(comparison: Comparison) -> list[Markup]:
    charts = []
    for key, caption in (
        ("assembled_area", "By the pixels that blocks share"),
        ("adjacent_area", "Wherever blocks touch, as by a perfect jigsaw solver"),
    ):
        curves = [Curve(each.setting.label, each.result.report.leakage[key]) for each in comparison.shown]
        chart = collusion_chart(curves, "the reports of the jobs have its figures")
        charts.append(element("figure", chart, element("figcaption", caption)))
    return charts


def _searches(comparison: Comparison) -> list[Markup]:
    plans = [each.result.report.plan for each in comparison.shown]
    return [
        element(
            "figure", convergence_chart(plan["convergence"]), element("figcaption", search_sentence(plan))
        )
        for plan in plans
        if was_searched(plan)
    ]


def _keys(names: Sequence[str]) -> Markup:
    """Which tint is whose."""
    keys = []
    for number, text in enumerate(names):
        fill = "#" + bytes(COLOURS[number % len(COLOURS)].astype(int).tolist()).hex()
        keys.append(markup(swatch(fill=fill), " ", name(text), "; "))
    return markup("Computed by ", *keys, "dark: at home")


def _scheme(comparison: Comparison, shown: Shown, side: int) -> Markup:
    """What went where under one scheme, what came back, and what each provider saw."""
    sample, report = comparison.sample, shown.result.report
    exposure, label = report.exposure, shown.setting.label
    assert isinstance(exposure, Exposure)
    owners = owner_map(exposure.job.shape, exposure.plan.boxes, exposure.owners)
    assert shown.result.image is not None
    original = grey(sample.pixels, *sample.extremes)
    went = picture_figure(
        assignment_map(thinned(original, SIDE), thinned(owners, SIDE)),
        f"The image tinted by the provider that computed each part, under {label}",
        _keys(exposure.job.providers),
    )
    came = picture_figure(
        thinned(grey(shown.result.image, *sample.extremes), SIDE),
        f"The result under {label}",
        "The result: " + ("every pixel as unsplit" if shown.exact else "NOT what unsplit gives"),
    )
    seen = [view_figure(view, side) for view in report.views]
    return markup(
        element("h3", label),
        element("p", report.statement),
        element("div", went, came, *seen, class_="views"),
    )
