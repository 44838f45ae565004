"""The record of a job on shares or ciphertexts."""

from __future__ import annotations

from collections.abc import Mapping
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
        plan=plan_fields(job, shared.dealings[-1]),
        exact=_exact(shared, dealing.rounding(job)),
        timings=timings,
        accounts=shared.accounts,
        exposure=ShareExposure(job, scheme, shared.dealings, shared.at_home),
        planned=ShareExposure(job, scheme, (dealing,)),
        sealed=shared.sealed,
    )


def _exact(shared: Shared, rounding: Mapping[str, float]) -> str:
    """How it is known that a result is exact, or of floats how near it is, in one sentence."""
    if shared.at_home == 1:
        return "computed on this machine, because too few providers answered, and answered rightly"
    within = ""
    if rounding:
        within = (
            f"but for at most {rounding['greatest_error']:g} grey levels and the roundings of floats, since "
            f"pixels were rounded to whole multiples of {rounding['step']:g}, and weights to match; "
        )
    if shared.odds == 1:
        return (
            f"{within}by construction, if every provider computed what it was asked; answers were checked "
            "for shape, type and range only"
        )
    return (
        f"{within}by construction, and every pixel was checked against a secret tag before it was kept: a "
        f"wrong result is accepted with a chance of at most 2^{ceil(log2(shared.odds))}"
        ", even if all providers collude"
    )
