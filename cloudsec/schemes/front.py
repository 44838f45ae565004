"""What could be chosen, and what of it nothing else betters in every respect; values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

SECONDS_DIGITS, SHARE_DIGITS = 3, 3
"""Decimals to which candidates are compared: less of a second or of a share is nothing to choose by."""


@dataclass(frozen=True)
class Candidate:
    """One plan of those that a search looked at.

    Attributes
    ----------
    block : int
        Side of the blocks in pixels.
    regions : int
        Providers that are used.
    halo_policy : {"shared", "ring"}
    seconds : float
        Predicted.
    area : float
        A_t: the share of the informative blocks that the colluders to be withstood could join.
    share : float
        The largest share of the image's entropy or detail that one provider holds.
    home : float
        The share of the pixels that the broker computes.
    total : float
        J, by which one is chosen: it counts more than these figures.
    chosen : bool
    """

    block: int
    regions: int
    halo_policy: Literal["shared", "ring"]
    seconds: float
    area: float
    share: float
    home: float
    total: float
    chosen: bool = False


def front(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Those that no other is better than in seconds, area, share or home and as good in the rest.

    The one that was chosen is among them in any case. In the order of their seconds; of those that are alike
    in all four, the chosen one, or that of the least J.
    """
    best: dict[tuple[float, ...], Candidate] = {}
    for one in sorted(candidates, key=lambda each: (not each.chosen, each.total)):
        best.setdefault(_figures(one), one)
    if not best:
        return ()
    figures = np.array(list(best))
    # As good in all is better in one, since equal ones are one.
    as_good = (figures[:, None] <= figures).all(axis=2)
    bettered = as_good.sum(axis=0) > 1
    kept = [one for one, worse in zip(best.values(), bettered, strict=True) if one.chosen or not worse]
    return tuple(sorted(kept, key=lambda each: (each.seconds, each.total)))


def _figures(one: Candidate) -> tuple[float, ...]:
    shares = (round(share, SHARE_DIGITS) for share in (one.area, one.share, one.home))
    return (round(one.seconds, SECONDS_DIGITS), *shares)
