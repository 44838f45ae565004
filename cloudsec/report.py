"""What a job cost, who computed what, and what providers could see; no key, no name of a patient."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cloudsec.atomic import write_whole
from cloudsec.course import Account, Loss
from cloudsec.exposure import Exposure
from cloudsec.page import page
from cloudsec.pictures import View, png_bytes, sheet
from cloudsec.schemes import Sealed
from cloudsec.table import summary
from regions import Figure, collusion_threshold


@dataclass(frozen=True)
class ProviderReport:
    """One provider's part in a job.

    Attributes
    ----------
    name : str
    pixel_share : float
        Of the output's pixels, what it computed and was kept.
    received_share : float
        Of the input's pixels, what it was sent, halos included.
    gradient_share : float
        Of the image's gradient energy, what lies in the pixels that it was sent.
    bytes_up, bytes_down : int
    tasks : int
        Answered.
    seconds : float
        Between sending and answer, added up.
    retries : int
        Times that it was asked again.
    verified : int
        Blocks that were computed again at home, and agreed.
    """

    name: str
    pixel_share: float
    received_share: float
    gradient_share: float
    bytes_up: int
    bytes_down: int
    tasks: int
    seconds: float
    retries: int
    verified: int


@dataclass(frozen=True, eq=False)
class Report:
    """The record of one job; prints as a short table.

    Figures that read pixels are computed when they are first read, from a copy of the image.

    Attributes
    ----------
    scheme, operation : str
    assurance : {"heuristic", "none"}
        How far the scheme protects what a provider sees.
    stronger_scheme : str or None
        One that protects more and carries the operation too.
    image : dict
        ``shape`` and ``dtype`` of the input.
    home : dict
        ``pixel_share`` computed by the broker, samples apart, and its ``reasons``.
    losses : tuple of Loss
        Providers that were not there, failed or answered wrongly, and where their blocks went.
    plan : dict
        ``block`` (pixels or None), ``regions`` (providers used), ``halo_policy``, ``tolerate``, ``reused``
        (whether the study had its grid before); where regions were searched by entropy, ``generations``
        and ``thresholds`` (bits).
    exact : str
        How it is known that the result is exact.
    timings : dict
        Seconds of plan, protect, deliver, recover, finish, total and, for this process, cpu.
    """

    scheme: str
    assurance: str
    stronger_scheme: str | None
    operation: str
    image: dict[str, Any]
    home: dict[str, Any]
    losses: tuple[Loss, ...]
    plan: dict[str, Any]
    exact: str
    timings: dict[str, float]
    accounts: tuple[Account, ...] = field(repr=False)
    exposure: Exposure = field(repr=False)
    planned: Exposure = field(repr=False)
    sealed: tuple[Sealed, ...] = field(repr=False)

    @cached_property
    def statement(self) -> str:
        """One plain sentence on what the providers could learn."""
        return self.exposure.scheme.statement(self.exposure.job, self.exposure.plan, self.exposure)

    @cached_property
    def providers(self) -> tuple[ProviderReport, ...]:
        """Every provider's part, in the order in which they were named."""
        shown = self.exposure
        shares = shown.pixel_shares, shown.received_shares, shown.gradient_shares
        rows = zip(shown.job.providers, *shares, self.accounts, strict=True)
        return tuple(
            ProviderReport(
                name=name,
                pixel_share=computed,
                received_share=received,
                gradient_share=gradient,
                bytes_up=account.bytes_up,
                bytes_down=account.bytes_down,
                tasks=account.tasks,
                seconds=account.seconds,
                retries=account.retries,
                verified=account.verified,
            )
            for name, computed, received, gradient, account in rows
        )

    @cached_property
    def leakage(self) -> dict[str, Any]:
        """What one provider, and colluding ones, could have learned at most (design/privacy.md)."""
        shown = self.exposure
        figures = {
            "worst_pixel_share": shown.worst_pixel_share,
            "worst_gradient_share": shown.worst_gradient_share,
            "assembled_area": list(shown.assembled.areas),
            "adjacent_area": list(shown.adjacent.areas),
            "bound": "greedy" if "greedy" in (shown.assembled.bound, shown.adjacent.bound) else "exact",
            "collusion_threshold": collusion_threshold(shown.assembled, shown.adjacent),
            "anonymity_set": shown.anonymity_set,
            "over_study": shown.over_study,
        }
        if shown.with_stand_ins is not None:
            figures["with_stand_ins"] = list(shown.with_stand_ins.areas)
        if self.losses:
            figures["without_losses"] = {
                "worst_pixel_share": self.planned.worst_pixel_share,
                "worst_gradient_share": self.planned.worst_gradient_share,
                "assembled_area": list(self.planned.assembled.areas),
            }
        return figures

    @cached_property
    def paper_metrics(self) -> dict[str, dict[str, Any]]:
        """The paper's Cor, NPCR, UACI and entropy of what was sent, beside their ceilings."""
        return {name: _fields(figure) for name, figure in self.exposure.paper_metrics(self.sealed).items()}

    @cached_property
    def views(self) -> tuple[View, ...]:
        """What each provider was sent, as it was sent."""
        return views_of(self.sealed, self.exposure.job.providers)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return _plain(self._fields() | {"paper_metrics": self.paper_metrics})

    def _fields(self) -> dict[str, Any]:
        """All but the paper's metrics, which take the longest and are in no table."""
        return {
            "scheme": self.scheme,
            "assurance": self.assurance,
            "statement": self.statement,
            "stronger_scheme": self.stronger_scheme,
            "operation": self.operation,
            "image": self.image,
            "home": self.home,
            "providers": [asdict(provider) for provider in self.providers],
            "losses": [asdict(loss) for loss in self.losses],
            "leakage": self.leakage,
            "plan": self.plan,
            "exact": self.exact,
            "timings": self.timings,
        }

    def save(self, path: str | Path) -> None:
        """Write the report as .json, or as one .html page with pictures; whole or not at all.

        The page shows what providers were sent, which is pieces of the image: keep it where images are kept.
        ValueError for another suffix.
        """
        place = Path(path)
        check_report_path(place)
        if place.suffix.lower() == ".html":
            content = page(self.to_dict(), self.views)
        else:
            content = json.dumps(self.to_dict(), indent=2) + "\n"
        write_whole(place, content.encode())

    def save_views(self, directory: str | Path) -> None:
        """Write a picture of all that each provider was sent, ``provider-1.png`` and so on, in their order.

        They show pieces of the image: keep them where images are kept.
        """
        place = Path(directory)
        place.mkdir(exist_ok=True)
        names = self.exposure.job.providers
        for view in self.views:
            picture = png_bytes(sheet(view.stack))
            write_whole(place / f"provider-{names.index(view.name) + 1}.png", picture)

    def __str__(self) -> str:
        return summary(_plain(self._fields()))


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields as JSON has them: lists for tuples."""
    plain: dict[str, Any] = json.loads(json.dumps(fields))
    return plain


def views_of(sealed: Sequence[Sealed], names: Sequence[str]) -> tuple[View, ...]:
    """Per provider that was sent something, all of it, in the order of sending."""
    stacks: dict[int, list[Any]] = {}
    for each in sealed:
        stacks.setdefault(each.party, []).extend(each.task.stack)
    return tuple(View(names[party], _stacked(stacks[party])) for party in sorted(stacks))


def _stacked(pieces: list[Any]) -> Any:
    """Pieces as one stack; slabs of unequal height are filled up below."""
    height = max(len(piece) for piece in pieces)
    return np.stack([np.pad(piece, ((0, height - len(piece)), (0, 0)), mode="edge") for piece in pieces])


def _fields(figure: Figure) -> dict[str, Any]:
    return {
        "value": figure.mean,
        "ceiling": figure.ceiling,
        "components": list(figure.components),
        "ceilings": list(figure.ceilings),
    }


def check_report_path(path: Path) -> None:
    """ValueError unless a report can be written there."""
    if path.suffix.lower() not in (".json", ".html"):
        raise ValueError(f"a report is written as .json or .html, not as {path.name!r}")
    # Where the report is a link, the directory of what it leads to is written into.
    directory = path.resolve().parent
    if not directory.is_dir():
        raise ValueError(f"there is no directory {directory} to write the report into")
    if (path.exists() and not path.is_file()) or not os.access(directory, os.W_OK | os.X_OK):
        raise ValueError(f"the report cannot be written to {path}; choose another place")
