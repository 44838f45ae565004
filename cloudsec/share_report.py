"""The record of a job on shares."""

from __future__ import annotations

from math import ceil, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloudsec.report import Report, plan_fields
from cloudsec.schemes import Dealing, Job, LinearScheme
from cloudsec.share_course import Shared
from cloudsec.share_exposure import ShareExposure


def report_of_shares(
    job: Job,
    dealing: Dealing,
    scheme: LinearScheme[Any],
    shared: Shared,
    *,
    operation: str,
    pixels: NDArray[np.generic],
    timings: dict[str, float],
    choice: str | None = None,
) -> Report:
    """The record of a job that is done, of an operation as the user named it on an image as it was given."""
    home = {"pixel_share": shared.at_home, "reasons": {"lost": shared.at_home} if shared.at_home else {}}
    return Report(
        scheme=scheme.name,
        assurance=dealing.assurance,
        stronger_scheme=None,
        choice=choice,
        operation=operation,
        image={"shape": pixels.shape, "dtype": pixels.dtype.name},
        home=home,
        losses=shared.losses,
        plan=plan_fields(job, dealing),
        exact=_exact(shared),
        timings=timings,
        accounts=shared.accounts,
        exposure=ShareExposure(job, scheme, shared.dealings),
        planned=ShareExposure(job, scheme, (dealing,)),
        sealed=shared.sealed,
    )


def _exact(shared: Shared) -> str:
    """How it is known that a result is exact, in one sentence."""
    if shared.at_home == 1:
        return "computed on this machine, because too few answers of providers were right"
    if shared.odds == 1:
        return (
            "by construction, if every provider computed what it was asked; answers were checked for shape, "
            "type and range only"
        )
    return (
        "by construction, and every pixel was checked against a secret tag before it was kept: a wrong "
        f"result is accepted with a chance of at most 2^{ceil(log2(shared.odds))}"
        ", even if all providers collude"
    )
