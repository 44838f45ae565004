"""How answers of an operation are checked: by the strongest way that there is for them."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from providers import Filter
from providers.operations.gradient import Sobel
from providers.operations.linear import LinearFilter
from providers.operations.pointwise import PointFilter
from providers.operations.rank import ExtremeFilter, RankFilter
from providers.stencil import Stencil

Method: TypeAlias = Literal["freivalds", "certificate", "recomputed", "sample"]

FEW_TAPS = 64
"""Weights of a kernel with which sums of floats are less work than to hide the pixels."""


def method(operation: Filter, dtype: DTypeLike) -> Method:
    """How all answers of a resolved operation to pixels of a dtype are checked, or that only a sample can be.

    ``freivalds`` (`freivalds.tag`) takes the unrounded integers of a linear filter's stencil and misses one
    wrong answer in 2**82. Rounding is not linear: of rounded answers nothing exact can be said without
    the filter's work, so who wants them checked asks for unrounded ones, at up to four times the bytes.
    ``certificate`` (`certificates.wrong`) and ``recomputed`` miss nothing: extremes, pointwise operations
    and `sobel`, most of which is the root of its sum of squares, are no more work than any check of them, and
    sums of floats along the axes are less than hiding them. ``sample`` is what is left: kernels of many
    weights on floats, and operations of other packages.

    Parameters
    ----------
    operation : Filter
    dtype : dtype
        Of the image.
    """
    if isinstance(operation, (PointFilter, ExtremeFilter, Sobel)):
        return "recomputed"
    if isinstance(operation, RankFilter):
        return "certificate"
    if isinstance(operation, LinearFilter):
        if np.dtype(dtype).kind in "iu":
            return "freivalds"
        if isinstance(operation.stencil, Stencil) or operation.taps <= FEW_TAPS:
            return "recomputed"
    return "sample"
