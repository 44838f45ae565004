"""How answers of an operation are checked: by the strongest way that there is for them."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from providers import Filter
from providers.operations.linear import LinearFilter
from providers.operations.pointwise import PointFilter
from providers.operations.rank import ExtremeFilter, RankFilter

Method: TypeAlias = Literal["freivalds", "certificate", "recomputed", "sample"]


def method(operation: Filter, dtype: DTypeLike, *, rounded: bool) -> Method:
    """How all answers of an operation to pixels of a dtype are checked, or that only a sample can be.

    ``freivalds`` (`freivalds.tag`) takes the unrounded integers of a linear filter's stencil and misses one
    wrong answer in 2**82. Rounding is not linear: of rounded answers nothing exact can be said without
    the filter's work, so who wants them checked asks for unrounded ones, at up to four times the bytes.
    ``certificate`` (`certificates.wrong`) and ``recomputed`` miss nothing: extremes and pointwise operations
    are less work than any check of them. ``sample`` is what is left, floats that are added up among it.

    Parameters
    ----------
    operation : Filter
    dtype : dtype
        Of the image.
    rounded : bool
        Whether answers come rounded to grey levels.
    """
    if isinstance(operation, (PointFilter, ExtremeFilter)):
        return "recomputed"
    if isinstance(operation, RankFilter):
        return "certificate"
    if isinstance(operation, LinearFilter) and np.dtype(dtype).kind in "iu" and not rounded:
        return "freivalds"
    return "sample"
