"""The images of the demonstration: one CT slice, and two RGB images as the paper has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloudsec.files import read_image

SLICE = Path(__file__).with_name("lidc-idri-0314.dcm")


@dataclass(frozen=True, eq=False)
class Sample:
    """An image of the demonstration.

    Attributes
    ----------
    name : str
        As files are named by it.
    title : str
    source : str
        Where the image is from, and its licence.
    pixels : (M, N) or (M, N, 3) ndarray of integers
    """

    name: str
    title: str
    source: str
    pixels: NDArray[np.generic] = field(repr=False)

    @property
    def channel_axis(self) -> int | None:
        return None if self.pixels.ndim == 2 else -1

    @property
    def extremes(self) -> tuple[int, int]:
        """What is black and what is white."""
        return int(self.pixels.min()), int(self.pixels.max())


def samples() -> tuple[Sample, ...]:
    """The images, none of which is fetched: ATTRIBUTION.md says more of each."""
    from skimage import data  # takes a while to load

    return (
        Sample(
            "ct",
            "CT of a chest",
            "LIDC-IDRI-0314, The Cancer Imaging Archive, CC BY 3.0",
            read_image(SLICE).pixels,
        ),
        Sample(
            "retina",
            "Fundus of an eye",
            "skimage.data.retina, Mikael Häggström, CC0 1.0",
            _colours(data.retina),
        ),
        Sample(
            "immunohistochemistry",
            "Stained glands of a colon",
            "skimage.data.immunohistochemistry, Center for Microscopy and Molecular Imaging, no known "
            "copyright restrictions",
            _colours(data.immunohistochemistry),
        ),
    )


def _colours(load: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """An image of a package that has no types."""
    return load()
