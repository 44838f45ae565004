"""What a job cost, who computed what, and what providers could see; no key, no name of a patient."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloudsec.atomic import write_whole
from cloudsec.course import Account, Ended, Loss
from cloudsec.errors import IncompatibleScheme
from cloudsec.exposure import Exposure
from cloudsec.page import page
from cloudsec.pictures import View, sheet
from cloudsec.png import png_bytes
from cloudsec.schemes import HOME, SCHEMES, Dealing, Job, LinearScheme, Plan, ProtectionScheme, Sealed
from cloudsec.share_exposure import ShareExposure
from cloudsec.table import summary
from regions import Figure, grey_levels


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
        Blocks that were checked here, and were right.
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
    assurance : {"perfect", "computational", "heuristic", "none"}
        How far the scheme protects what a provider sees.
    stronger_scheme : str or None
        One that protects more and carries the operation too.
    choice : str or None
        Why it is this scheme, where CloudSec chose it.
    image : dict
        ``shape`` and ``dtype`` of the input.
    home : dict
        ``pixel_share`` computed by the broker, checks apart, and its ``reasons``.
    losses : tuple of Loss
        Providers that were not there, failed or answered wrongly, and where their blocks went.
    plan : dict
        ``block`` (pixels or None), ``regions`` (providers used), ``halo_policy``, ``tolerate``,
        ``predicted_seconds`` (but for the search for the plan), ``reused`` (whether the study had its grid
        before); where a plan was searched, ``generations`` and ``convergence`` (J of the best so far, in each
        generation); where regions were cut by entropy, ``thresholds`` (bits); where shares are sent, what is
        to be said of them (``shares``), and of floats ``step`` and ``greatest_error`` (grey levels).
    exact : str
        How it is known that the result is exact.
    timings : dict
        Seconds of plan, protect, deliver, recover, finish, total and, for this process, cpu.
    """

    scheme: str
    assurance: str
    stronger_scheme: str | None
    choice: str | None
    operation: str
    image: dict[str, Any]
    home: dict[str, Any]
    losses: tuple[Loss, ...]
    plan: dict[str, Any]
    exact: str
    timings: dict[str, float]
    accounts: tuple[Account, ...] = field(repr=False)
    exposure: Exposure | ShareExposure = field(repr=False)
    planned: Exposure | ShareExposure = field(repr=False)
    sealed: tuple[Sealed, ...] = field(repr=False)

    @cached_property
    def statement(self) -> str:
        """One plain sentence on what the providers could learn."""
        return self.exposure.statement

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
        """What one provider, and colluding ones, could have learned at most."""
        figures = self.exposure.figures
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
        return {
            name: _figure_fields(figure) for name, figure in self.exposure.paper_metrics(self.sealed).items()
        }

    @cached_property
    def views(self) -> tuple[View, ...]:
        """All that each provider was sent, in the order of sending; none for one that was sent nothing."""
        stacks: dict[int, list[NDArray[np.generic]]] = {}
        for each in self.sealed:
            # Planes of a column are shown one by one.
            planes = each.task.stack.reshape(-1, *each.task.stack.shape[-2:])
            stacks.setdefault(each.party, []).extend(planes)
        names = self.exposure.job.providers
        return tuple(View(names[party], _stacked(stacks[party])) for party in sorted(stacks))

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return plain(self._fields() | {"paper_metrics": self.paper_metrics})

    def _fields(self) -> dict[str, Any]:
        """All but the paper's metrics, which take the longest and are in no table."""
        return {
            "scheme": self.scheme,
            "assurance": self.assurance,
            "statement": self.statement,
            "stronger_scheme": self.stronger_scheme,
            "choice": self.choice,
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

        The page shows what providers were sent, which is pieces of the image: only its owner can read the
        file; keep it where images are kept. ValueError for another suffix.
        """
        write_report(path, self.to_dict(), lambda fields: page(fields, self.views))

    def save_views(self, directory: str | Path) -> None:
        """Write a picture of all that each provider was sent, ``provider-1.png`` and so on, in their order.

        They show pieces of the image: only their owner can read them; keep them where images are kept.
        Pictures of the same names from another job do not stay among them.
        """
        place = Path(directory)
        place.mkdir(exist_ok=True)
        names = self.exposure.job.providers
        pictures = {f"provider-{names.index(view.name) + 1}.png": view for view in self.views}
        for old in place.glob("provider-*.png"):
            if old.name not in pictures and old.stem.removeprefix("provider-").isdecimal():
                old.unlink()
        for name, view in pictures.items():
            write_whole(place / name, png_bytes(sheet(view.stack)), private=True)

    def __str__(self) -> str:
        return summary(plain(self._fields()))


def report_of(
    job: Job,
    plan: Plan,
    scheme: ProtectionScheme,
    ended: Ended,
    *,
    operation: str,
    pixels: NDArray[np.generic],
    timings: dict[str, float],
    choice: str | None = None,
) -> Report:
    """The record of a job that is done, of an operation as the user named it on an image as it was given."""
    # Without losses, the pieces of providers that are not there would be with them.
    owners, parties = plan.owners.copy(), list(job.providers)
    for name, pieces in plan.absent:
        if name not in parties:
            parties.append(name)
        owners[pieces] = parties.index(name)
    planned = np.arange(len(parties))[:, None] == owners
    return Report(
        scheme=scheme.name,
        assurance=scheme.assurance,
        stronger_scheme=stronger(scheme.name, job),
        choice=choice,
        operation=operation,
        image={"shape": pixels.shape, "dtype": pixels.dtype.name},
        home=home_fields(job, plan, ended.owners),
        losses=ended.losses,
        plan=plan_fields(job, plan),
        exact=_exact(ended),
        timings=timings,
        accounts=ended.accounts,
        exposure=Exposure(job, plan, scheme, ended.owners, ended.deliveries),
        planned=Exposure(job, plan, scheme, owners, (planned,)),
        sealed=ended.sealed,
    )


def home_fields(job: Job, plan: Plan, owners: NDArray[np.intp]) -> dict[str, Any]:
    """What the broker computes where pieces are of these owners, samples apart, and why."""
    reasons = dict(plan.reasons)
    lost = plan.boxes[owners == HOME]
    if len(lost):
        reasons["lost"] = float((lost[:, 2:] - lost[:, :2]).prod(axis=1).sum() / prod(job.shape))
    return {"pixel_share": sum(reasons.values()), "reasons": reasons}


def plan_fields(job: Job, plan: Plan | Dealing) -> dict[str, Any]:
    """What is said of a plan."""
    return {
        "block": plan.block,
        "regions": plan.regions,
        "halo_policy": plan.halo_policy,
        "tolerate": job.tolerate,
        "predicted_seconds": job.forecast.seconds(plan.workload(job)),
        "reused": plan.reused,
        **_searched(plan),
        **({"shares": plan.told, **plan.rounding(job)} if isinstance(plan, Dealing) else {}),
    }


def _searched(plan: Plan | Dealing) -> dict[str, Any]:
    """What is said of the search for a plan, where there was one."""
    if not plan.convergence:
        return {}
    searched = {"generations": len(plan.convergence), "convergence": list(plan.convergence)}
    return searched if plan.thresholds is None else searched | {"thresholds": list(plan.thresholds)}


def _exact(ended: Ended) -> str:
    """How it is known that a result is exact, in one sentence."""
    sent = int(np.any(ended.deliveries, axis=(0, 1)).sum())
    if not sent:
        return "computed on this machine"
    if (ended.owners == HOME).all():
        return "computed on this machine, because no answer of a provider was kept"
    return ended.checked.sentence(sent)


def stronger(name: str, job: Job) -> str | None:
    """The first scheme that protects more than the one of this name, and would carry the job."""
    ranks = ("perfect", "computational", "heuristic", "none")
    own = ranks.index(SCHEMES[name].assurance)
    better = (each for each in SCHEMES.values() if ranks.index(each.assurance) < own)
    free = replace(job, choices={})
    return next((each.name for each in better if _would_carry(each, free)), None)


def _would_carry(scheme: ProtectionScheme | LinearScheme[Any], job: Job) -> bool:
    if not isinstance(scheme, LinearScheme):
        return len(job.present) >= scheme.fewest and scheme.carries(job.operation)
    try:
        scheme.plan(job)
    except IncompatibleScheme:
        return False
    return True


def plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields as JSON has them: lists for tuples."""
    same: dict[str, Any] = json.loads(json.dumps(fields))
    return same


def _stacked(pieces: Sequence[NDArray[np.generic]]) -> NDArray[np.integer]:
    """Pieces as one stack; slabs of unequal height are filled up below, floats are levels."""
    height = max(len(piece) for piece in pieces)
    stack = np.stack([np.pad(piece, ((0, height - len(piece)), (0, 0)), mode="edge") for piece in pieces])
    return grey_levels(stack)


def _figure_fields(figure: Figure) -> dict[str, Any]:
    return {
        "value": figure.mean,
        "ceiling": figure.ceiling,
        "components": list(figure.components),
        "ceilings": list(figure.ceilings),
    }


def write_report(path: str | Path, fields: dict[str, Any], page_of: Callable[[dict[str, Any]], str]) -> None:
    """Write fields as .json, or their page as .html that only its owner can read; whole or not at all."""
    place = Path(path)
    check_report_path(place)
    if place.suffix.lower() == ".html":
        write_whole(place, page_of(fields).encode(), private=True)
    else:
        write_whole(place, (json.dumps(fields, indent=2) + "\n").encode())


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
