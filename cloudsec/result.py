"""What a job gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cloudsec.report import Report
from providers.operations.measurement import Value


@dataclass(frozen=True, eq=False)
class Result:
    """What a job gives back.

    Attributes
    ----------
    image : (M, N), (P, M, N) or (M, N, C) ndarray or None
        Equal to ``providers.apply`` on the whole image, in the dtype that the operation declares; None of an
        operation that measures.
    value : dict or None
        What such an operation measured, as it explains; of a colour image a list for each figure.
    report : Report
    """

    image: NDArray[np.generic] | None = field(repr=False)
    value: Value | None
    report: Report
