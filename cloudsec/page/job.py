"""What a page says about the job itself: what was done, by whom, what stayed and what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudsec.clock import PHASES
from cloudsec.page.charts import Part, bar, convergence_chart
from cloudsec.page.markup import Markup, element, markup, name, section, table
from cloudsec.wording import (
    NOTHING,
    counted,
    provider_figures,
    search_sentence,
    sentence,
    share,
    shares_sentence,
    stronger_sentence,
    was_searched,
)

REASONS = {
    "edge": ("rim of the image", "pixels near the image's edge, which would mark the blocks that lie there"),
    "ring": ("ring around blocks", "pixels whose filter window reaches into a neighbouring block"),
    "small": ("image too small", "too few blocks to hide them among one another"),
    "pointwise": ("one pixel at a time", "an operation that is less work than hiding pixels from providers"),
    "lost": ("lost providers", "blocks of providers that failed"),
}
"""Why pixels are computed at home: as a legend has it, and in a few more words."""


def did(fields: Mapping[str, Any]) -> Markup:
    """The operation, the image, the scheme and the plan."""
    plan, image = fields["plan"], fields["image"]
    shape = " × ".join(str(side) for side in image["shape"])
    block = plan["block"]
    halo = {"shared": "sent with the blocks", "ring": "kept and computed at home"}
    cut = "none: all was computed at home" if not plan["regions"] else "none: cut into slabs"
    facts = {
        "Operation": fields["operation"],
        "Image": f"{shape} pixels, {image['dtype']}",
        "Scheme": fields["scheme"],
        "Blocks": cut if block is None else f"{block} × {block} pixels",
        "Providers used": str(plan["regions"]),
        "Rims of blocks": halo.get(plan["halo_policy"], plan["halo_policy"] or NOTHING),
        "Colluding providers tolerated": str(plan["tolerate"]),
        "Plan": "reused from an earlier job of the study" if plan["reused"] else "made for this job",
    }
    if "shares" in plan:
        facts["Blocks"] = shares_sentence(plan["shares"])
    if fields["choice"] is not None:
        facts["Why this scheme"] = sentence(fields["choice"])
    if fields["stronger_scheme"] is not None:
        facts["Stronger scheme"] = stronger_sentence(fields["stronger_scheme"])
    pairs = [markup(element("dt", key), element("dd", value)) for key, value in facts.items()]
    return section("What was done", element("dl", *pairs, class_="facts"))


def searched(fields: Mapping[str, Any]) -> Markup:
    """How the plan was found; nothing where none was searched."""
    plan = fields["plan"]
    if not was_searched(plan):
        return markup()
    terms = [
        "how alike neighbouring pixels are inside regions",
        "how little two orders of a region's blocks differ",
        "how long a job takes",
    ]
    if "thresholds" not in plan:
        terms += [
            "what colluders could join",
            "the largest share of one provider",
            "how few of the providers are used",
            "what stays at home",
        ]
    note = f"J adds up {', '.join(terms[:-1])} and {terms[-1]}. The search keeps the plan of the smallest J."
    return section(
        "Search for a plan",
        element("p", search_sentence(plan)),
        convergence_chart(plan["convergence"]) if plan["generations"] > 1 else "",
        element("p", note, class_="note"),
    )


def verified(fields: Mapping[str, Any]) -> Markup:
    """How it is known that the result is exact."""
    return section("How exactness was verified", element("p", sentence(fields["exact"])))


def who(fields: Mapping[str, Any]) -> Markup:
    """One row for each provider."""
    heads = (
        "Provider",
        "Computed",
        "Received",
        "Gradient",
        "Sent, kB",
        "Returned, kB",
        "Tasks",
        "Retries",
        "Checked again",
        "Seconds",
    )
    rows = [(name(provider["name"]), *provider_figures(provider)) for provider in fields["providers"]]
    note = (
        "Computed: of the result's pixels. Received: of the image's pixels, with the rims around blocks. "
        "Gradient: of the image's edges and texture, which say more than flat areas. Checked again: blocks "
        "that were computed a second time at home, and agreed. Seconds: between sending and answer, added up."
    )
    return section(
        "Providers",
        table(heads, rows, caption="What each provider did and received", kind="figures"),
        element("p", note, class_="note"),
    )


def stayed(fields: Mapping[str, Any]) -> Markup:
    """What the broker computed itself, and why."""
    home = fields["home"]
    if not home["pixel_share"]:
        return section("Computed at home", element("p", "Nothing: providers computed every pixel."))
    said = markup(element("b", share(home["pixel_share"])), " of the pixels were computed here.")
    return section("Computed at home", element("p", said), *home_parts(home))


def home_parts(home: Mapping[str, Any]) -> tuple[Markup, ...]:
    """The reasons why pixels are computed at home, as a bar and in words."""
    parts = [
        Part(REASONS.get(reason, (reason, ""))[0], part, share(part))
        for reason, part in home["reasons"].items()
    ]
    away = max(0.0, 1 - sum(part.size for part in parts))
    parts.append(Part("at providers", away, share(away), rest=True))
    why = "; ".join(": ".join(REASONS[reason]) for reason in home["reasons"] if reason in REASONS)
    note = (element("p", sentence(why), class_="note"),) if why else ()
    return (bar(parts, "Shares of the pixels"), *note)


def lost(fields: Mapping[str, Any]) -> Markup:
    """Who failed, what was sent where instead, and what that cost; nothing where nobody did."""
    if not fields["losses"]:
        return markup()
    rows = [
        (name(loss["provider"]), sentence(loss["reason"]), str(loss["blocks"]), _instead(loss))
        for loss in fields["losses"]
    ]
    failed = ("Provider", "Why", "Blocks", "Computed instead")
    parts = [table(failed, rows, caption="Providers that failed", kind="words")]
    leakage = fields["leakage"]
    if "without_losses" in leakage:
        before, after = (_costs(figures) for figures in (leakage["without_losses"], leakage))
        # A loss may leave fewer providers, and so smaller coalitions at most, than there were.
        labels = dict.fromkeys((*before, *after))
        costs = [(label, before.get(label, NOTHING), "→ " + after.get(label, NOTHING)) for label in labels]
        heads = ("Figure", "Without losses", "As it happened")
        parts.append(table(heads, costs, caption="What that cost in leakage", kind="figures"))
    return section("Losses", *parts)


def timed(fields: Mapping[str, Any]) -> Markup:
    """Where the time went."""
    timings = fields["timings"]
    parts = [Part(phase, timings[phase], f"{timings[phase]:.3f} s") for phase in PHASES if phase in timings]
    said = (
        f"{timings['total']:.3f} s in all; {fields['plan']['predicted_seconds']:.3f} s were predicted, the "
        f"search for the plan apart. Processor time of this process: {timings['cpu']:.3f} s."
    )
    return section("Time", element("p", said), bar(parts, "Seconds by phase"))


def _instead(loss: Mapping[str, Any]) -> Markup:
    items = [
        element("li", counted(blocks, "block"), " at ", name(stand_in))
        for stand_in, blocks in loss["at_stand_ins"].items()
    ]
    items.append(element("li", counted(loss["at_home"], "block"), " at home"))
    return element("ul", *items)


def _costs(figures: Mapping[str, Any]) -> dict[str, str]:
    costs = {
        "Largest share computed": share(figures["worst_pixel_share"]),
        "Largest share of the gradient": share(figures["worst_gradient_share"]),
    }
    for size, area in enumerate(figures["assembled_area"], start=1):
        costs[f"Piece that {counted(size, 'provider')} could join"] = share(area)
    return costs
