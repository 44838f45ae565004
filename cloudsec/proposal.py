"""What a job would be: who would be sent what, how long it would take, and what else could be chosen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloudsec.exposure import Exposure
from cloudsec.page.proposal import proposal_page
from cloudsec.report import home_fields, plain, plan_fields, write_report
from cloudsec.schemes import Job, LinearScheme, Plan, ProtectionScheme
from cloudsec.schemes.front import Candidate
from cloudsec.share_exposure import ShareExposure
from cloudsec.table import proposal_summary


@dataclass(frozen=True)
class ProviderPart:
    """What one provider would get.

    Attributes
    ----------
    name : str
    blocks : int
        Pieces of the image: blocks, or the rows of a slab.
    pixels : int
        Of the image, that it would be sent, halos included; each counts once.
    pixel_share : float
        Of the output's pixels, what it would compute.
    received_share : float
        Of the input's pixels, those.
    gradient_share : float
        Of the image's gradient energy, what lies in the pixels that it would be sent.
    """

    name: str
    blocks: int
    pixels: int
    pixel_share: float
    received_share: float
    gradient_share: float


@dataclass(frozen=True, eq=False)
class Proposal:
    """What a broker would do with an image; prints as a table. Nothing of the image was sent for it.

    Attributes
    ----------
    scheme, operation : str
    choice : str or None
        Why it is this scheme, where there was a choice.
    assurance : {"perfect", "computational", "heuristic", "none"}
    image : dict
        ``shape`` and ``dtype`` of the input.
    plan : dict
        What is planned, in the words of ``Report.plan``.
    home : dict
        ``pixel_share`` that the broker would compute, samples apart, and its ``reasons``.
    front : tuple of Candidate
        What could be chosen, as long as nothing else is better in some respect and as good in all. Empty
        where there is no choice: the study has its grid, the image is too small, or shares are sent.
    """

    scheme: str
    choice: str | None
    assurance: str
    operation: str
    image: dict[str, Any]
    plan: dict[str, Any]
    home: dict[str, Any]
    front: tuple[Candidate, ...]
    exposure: Exposure | ShareExposure = field(repr=False)

    @cached_property
    def providers(self) -> tuple[ProviderPart, ...]:
        """Every provider's part, in the order in which they were named."""
        shown = self.exposure
        blocks = shown.received.sum(axis=1).tolist()
        whole = prod(shown.job.depth) * prod(shown.job.shape)
        pixels = [round(share * whole) for share in shown.received_shares]
        shares = shown.pixel_shares, shown.received_shares, shown.gradient_shares
        rows = zip(shown.job.providers, blocks, pixels, *shares, strict=True)
        return tuple(ProviderPart(*row) for row in rows)

    @cached_property
    def leakage(self) -> dict[str, Any]:
        """What one provider, and colluding ones, could learn at most, as in a report."""
        return self.exposure.figures

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return plain(
            {
                "scheme": self.scheme,
                "choice": self.choice,
                "assurance": self.assurance,
                "operation": self.operation,
                "image": self.image,
                "home": self.home,
                "providers": [asdict(provider) for provider in self.providers],
                "leakage": self.leakage,
                "plan": self.plan,
                "front": [asdict(candidate) for candidate in self.front],
            }
        )

    def save(self, path: str | Path) -> None:
        """Write it as .json, or as one .html page with the front as a plot; whole or not at all.

        ValueError for another suffix.
        """
        write_report(path, self.to_dict(), proposal_page)

    def __str__(self) -> str:
        return proposal_summary(self.to_dict())


def proposal_of(
    job: Job,
    plan: Plan,
    scheme: ProtectionScheme,
    *,
    operation: str,
    pixels: NDArray[np.generic],
    choice: str | None = None,
) -> Proposal:
    """What a plan comes to, of an operation as the user named it on an image as it was given."""
    received = np.arange(len(job.providers))[:, None] == plan.owners
    return Proposal(
        scheme.name,
        choice,
        scheme.assurance,
        operation,
        {"shape": pixels.shape, "dtype": pixels.dtype.name},
        plan_fields(job, plan),
        home_fields(job, plan, plan.owners),
        plan.front,
        Exposure(job, plan, scheme, plan.owners, (received,)),
    )


def proposal_of_shares(
    job: Job,
    scheme: LinearScheme[Any],
    *,
    operation: str,
    pixels: NDArray[np.generic],
    choice: str | None = None,
) -> Proposal:
    """What a job on shares would be, of an operation as the user named it on an image as it was given."""
    dealing = scheme.plan(job)
    return Proposal(
        scheme.name,
        choice,
        dealing.assurance,
        operation,
        {"shape": pixels.shape, "dtype": pixels.dtype.name},
        plan_fields(job, dealing),
        {"pixel_share": 0.0, "reasons": {}},
        (),
        ShareExposure(job, scheme, (dealing,)),
    )
