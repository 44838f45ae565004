"""Rank filters: the answer is one of the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from providers.operation import WindowFilter
from providers.selection import median_by_comparison
from providers.stencil import EXACT_FLOAT, largest_magnitude
from regions import Symmetries

MAX_RANKED = 51 * 51
"""Pixels in a window: scipy's tables grow with their square, to 54 MB at this size."""
MOST_COMPARED = 9 * 9
"""Pixels in a window up to which whole arrays are compared with each other, which is faster than scipy."""


@dataclass(frozen=True, kw_only=True)
class Median(WindowFilter):
    """Median over a box window, equal to scipy.ndimage.median_filter.

    Of an even number of pixels it is the upper of the two in the middle, as there. A window has at
    most 51 x 51 pixels, or as many in another form.
    """

    name: ClassVar[str] = "median"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.size, tuple) and prod(self.size) > MAX_RANKED:
            raise ValueError(f"median: a window has at most {MAX_RANKED} pixels, not {prod(self.size)}")

    @property
    def symmetries(self) -> Symmetries:
        return Symmetries(
            flips=tuple(side % 2 == 1 for side in self.sizes),
            quarter_turns=len(self.sizes) > 1 and self.sizes[-1] == self.sizes[-2],
            offset_gain=1,
            # The upper of two middle pixels becomes the lower one under negation.
            negation_sign=-1 if prod(self.sizes) % 2 else None,
        )

    def run(self, stack: NDArray[np.generic]) -> NDArray[np.int64]:
        # scipy ranks 8-byte integers as float64.
        if stack.dtype.itemsize == 8 and largest_magnitude(stack) >= EXACT_FLOAT:
            raise ValueError("median is exact for pixels below 2**53 only")
        if len(self.sizes) == 2 and prod(self.sizes) <= MOST_COMPARED:
            return median_by_comparison(stack, self.sizes)
        from scipy.ndimage import median_filter

        filtered: NDArray[np.generic] = median_filter(stack, size=(1, *self.sizes), mode="nearest")
        core = tuple(slice(h, n - h) for h, n in zip(self.halo, stack.shape[1:], strict=True))
        return filtered[(slice(None), *core)].astype(np.int64)
