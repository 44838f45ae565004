"""How reports word things, on the page and in the terminal: figures, and the sentences that both say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOTHING = "–"
"""Stands where there is no figure."""


def share(value: float | None) -> str:
    """A part of a whole in percent; one that is not nothing is not written as nothing.

    >>> share(0.2149), share(0.0002), share(0.0), share(None)
    ('21.5%', '<0.1%', '0.0%', '–')
    """
    if value is None:
        return NOTHING
    return "<0.1%" if 0 < value < 0.0005 else f"{value:.1%}"


def kilobytes(count: int) -> str:
    """Bytes in thousands, without the unit."""
    return f"{count / 1e3:.1f}"


def counted(count: int, thing: str) -> str:
    """A number of things.

    >>> counted(1, "block"), counted(28, "block")
    ('1 block', '28 blocks')
    """
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def sentence(text: str) -> str:
    """A capital letter in front, and one full stop at the end.

    >>> sentence("it did not answer in 60 s")
    'It did not answer in 60 s.'
    """
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def ideal_share(fields: Mapping[str, Any]) -> float:
    """What each provider would see of an image that is spread evenly over those that were used."""
    used: int = fields["plan"]["regions"]
    return 1 / max(1, used)


def provider_figures(provider: Mapping[str, Any]) -> tuple[str, ...]:
    """One provider's row of figures, beside its name."""
    return (
        share(provider["pixel_share"]),
        share(provider["received_share"]),
        share(provider["gradient_share"]),
        kilobytes(provider["bytes_up"]),
        kilobytes(provider["bytes_down"]),
        str(provider["tasks"]),
        str(provider["retries"]),
        str(provider["verified"]),
        f"{provider['seconds']:.3f}",
    )


FRONT_HEADS = ("block", "providers", "rims", "seconds", "joined", "largest", "at home", "J")
FRONT_SENTENCE = (
    "What could be chosen: nothing else is as good in all of seconds, what colluders could join, the largest "
    "share of entropy or detail at one provider, and what stays at home. The plan (*) has the least J, which "
    "counts more than these."
)


def candidate_figures(candidate: Mapping[str, Any]) -> tuple[str, ...]:
    """One row of the front, below `FRONT_HEADS`."""
    return (
        str(candidate["block"]),
        str(candidate["regions"]),
        candidate["halo_policy"],
        f"{candidate['seconds']:.3f}",
        share(candidate["area"]),
        share(candidate["share"]),
        share(candidate["home"]),
        f"{candidate['total']:.3f}",
    )


def part_figures(part: Mapping[str, Any]) -> tuple[str, ...]:
    """One provider's row of what it would get, beside its name."""
    return (
        str(part["blocks"]),
        str(part["pixels"]),
        share(part["pixel_share"]),
        share(part["received_share"]),
        share(part["gradient_share"]),
    )


def plan_sentence(fields: Mapping[str, Any]) -> str:
    """What a plan would cut an image into, and since when that is so."""
    plan = fields["plan"]
    if not was_sent(fields):
        return "All would be computed at home."
    if "shares" in plan:
        return shares_sentence(plan["shares"])
    if plan["block"] is None:
        return f"Slabs with their halos for {counted(plan['regions'], 'provider')}."
    rims = {"shared": "that travel with their halos", "ring": "bare, the ring around them computed at home"}
    since = "as an earlier job of the study laid them out" if plan["reused"] else "made for this image"
    return (
        f"Blocks of {plan['block']} pixels, {rims[plan['halo_policy']]}, for "
        f"{counted(plan['regions'], 'provider')}; {since}."
    )


def worst_received(fields: Mapping[str, Any]) -> float:
    """The largest part of the image that one provider was sent, with the rims around blocks."""
    return max((float(provider["received_share"]) for provider in fields["providers"]), default=0.0)


def was_sent(fields: Mapping[str, Any]) -> bool:
    """Whether anything of the image left the house, if only as shares."""
    return "shares" in fields["plan"] or any(
        provider["received_share"] > 0 for provider in fields["providers"]
    )


def stronger_sentence(name: str) -> str:
    """That another scheme would have told providers less."""
    return f"Scheme {name!r} could carry this operation too, and proves more."


def shares_sentence(shares: Mapping[str, int]) -> str:
    """How an image was shared.

    >>> shares_sentence({"parties": 5, "privacy": 1, "quorum": 4, "secrets": 3, "modulus": 65521})
    'Shares modulo 65521 for 5 providers: 1 learns nothing, 4 give the answer, 3 bands of the image in each.'
    """
    if "slots" in shares:
        key = f"{shares['key_bits']} bits" if "key_bits" in shares else _ring(shares)
        return (
            f"Ciphertexts under a key of {key} for {counted(shares['parties'], 'provider')}, which learn"
            f"{'s' if shares['parties'] == 1 else ''} nothing; {counted(shares['slots'], 'pixel')} in each."
        )
    bands = f", {shares['secrets']} bands of the image in each" if shares["secrets"] > 1 else ""
    few = f"{shares['privacy']} learn{'s' if shares['privacy'] == 1 else ''} nothing"
    return (
        f"Shares modulo {shares['modulus']} for {counted(shares['parties'], 'provider')}: {few}, "
        f"{shares['quorum']} give the answer{bands}."
    )


def _ring(shares: Mapping[str, int]) -> str:
    return f"{shares['degree']} coefficients modulo 2^{shares['modulus_bits']}"


def was_searched(plan: Mapping[str, Any]) -> bool:
    """Whether a plan was searched."""
    return "convergence" in plan


def search_sentence(plan: Mapping[str, Any]) -> str:
    """What the search for a plan came to. Where there are few choices, one generation is all of them.

    >>> search_sentence({"generations": 2, "thresholds": [3.25, 5.0], "convergence": [1.5, 1.25]})
    'Regions by entropy part at 3.250, 5.000 bits; 2 generations brought J from 1.5000 to 1.2500.'
    """
    limits = ", ".join(f"{bits:.3f}" for bits in plan.get("thresholds", ()))
    if "thresholds" not in plan:
        found = f"Blocks of {plan['block']} pixels for {counted(plan['regions'], 'provider')}"
    else:
        found = f"Regions by entropy part at {limits} bits" if limits else "All blocks are of one entropy"
    first, last, tried = plan["convergence"][0], plan["convergence"][-1], plan["generations"]
    if tried == 1:
        return f"{found}; J is {last:.4f}, the smallest of all choices."
    went = (
        f"found no smaller J than {last:.4f}"
        if last == first
        else f"brought J from {first:.4f} to {last:.4f}"
    )
    return f"{found}; {tried} generations {went}."


def threshold_sentence(leakage: Mapping[str, Any]) -> str:
    """How many providers would have to collude, from the geometry of what they hold."""
    piece = "put together a piece of more than a tenth of the image's informative blocks."
    threshold, tried = leakage["collusion_threshold"], len(leakage["assembled_area"])
    if threshold is None:
        if tried == 0:
            return "There is nothing that providers could put together."
        return f"No {f'{tried} colluding providers' if tried > 1 else 'provider alone'} could {piece}"
    if threshold == 1:
        return f"A single provider could {piece}"
    return f"It takes {threshold} colluding providers to {piece}"


def bound_sentence(leakage: Mapping[str, Any]) -> str:
    """How far the search for the worst coalition can be relied on."""
    if leakage["bound"] == "exact":
        return "Every coalition of these sizes was tried; there is none worse."
    return "There are too many coalitions to try all; a worse one than those found may exist."


def study_sentence(leakage: Mapping[str, Any]) -> str:
    """Whether the figures hold for more than this job."""
    if leakage["over_study"]:
        return (
            "This holds over all jobs of the study so far, unless some show the same at other places of the "
            "image, or were sent unprotected."
        )
    return "This counts this job alone; what providers keep of other jobs may add to it."
