"""Histogram equalisation: the sums of the histogram are a linear map of it, and a look-up the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from providers.image import image_planes, planes_image
from providers.kernel import Kernel, nested
from providers.operation import AxesFilter, Mode, parameter
from providers.operations.linear import LinearFilter

BINS = 256
_WHITE = 255
_MOST_PIXELS = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class EqualizeHist(AxesFilter, LinearFilter):
    """Each pixel's rank: the share of pixels no brighter, of 255, as uint8 (skimage.exposure.equalize_hist).

    Levels are counted in 256 equal bins from the least to the greatest pixel of a component, which are
    all levels of 8 bits: then the answer is scikit-image's times 255, rounded to the nearest integer, halves
    to even. What providers are given is the histogram, as an image of one row, and what they answer are
    its running sums, a linear map; the broker counts before and looks up after it (as CryptoImg has it,
    Ziad et al., IEEE CNS 2016).
    """

    name: ClassVar[str] = "equalize_hist"
    own_scale: ClassVar[bool] = True

    mode: Mode = parameter("constant", "always constant: beyond the histogram there are no pixels")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode != "constant" or self.cval:
            raise ValueError("equalize_hist: a histogram has no border; leave mode and cval as they are")

    @property
    def stencil(self) -> Kernel:
        row = np.arange(2 * BINS - 1) < BINS
        return Kernel(nested(row.astype(np.int64).reshape((1,) * (self.axes - 1) + row.shape)))

    @property
    def float_gain(self) -> None:
        """Counts are no floats."""

    def result_dtype(self, dtype: DTypeLike) -> np.dtype[Any]:
        return np.dtype(np.int64)

    def given(self, image: NDArray[np.generic], channel_axis: int | None) -> NDArray[np.generic]:
        if image.dtype.kind == "f":
            raise ValueError(
                f"{self.name} counts levels, and takes no floats; make the image one of integers with "
                "numpy's astype, in steps that are fine enough for you"
            )
        planes = image_planes(image, channel_axis)
        if planes[0].size > _MOST_PIXELS:
            raise ValueError(f"{self.name} counts up to {_MOST_PIXELS} pixels; filter parts of the image")
        counts = [np.bincount(_bins(plane).ravel(), minlength=BINS)[None] for plane in planes]
        return planes_image(np.stack(counts).astype(np.int32), channel_axis)

    def concluded(
        self, planes: NDArray[np.generic], image: NDArray[np.generic], channel_axis: int | None
    ) -> NDArray[np.generic]:
        components = image_planes(image, channel_axis)
        levels = [
            np.rint(_WHITE * sums[0] / plane.size).astype(np.uint8)[_bins(plane)]
            for sums, plane in zip(planes, components, strict=True)
        ]
        return planes_image(np.stack(levels), channel_axis)


def _bins(plane: NDArray[np.generic]) -> NDArray[np.int64]:
    """The bin of each pixel."""
    low, high = int(plane.min()), int(plane.max())
    found = plane.astype(np.int64)
    found -= low
    if high - low >= BINS:
        found *= BINS
        found //= high - low + 1
    return found
