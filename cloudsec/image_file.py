"""What a file holds: pixels, what they mean, and which of them are one image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from providers.image import PLANE_AXES

Pixels = NDArray[np.generic]

PREAMBLE = 128
"""Bytes of anything before the mark of a DICOM file (PS3.10, 7.1)."""
DICOM_MARK = b"DICM"


def is_dicom(content: bytes) -> bool:
    """Whether a file is DICOM, by its mark; asked of every file, so that pydicom is loaded for none."""
    return content[PREAMBLE : PREAMBLE + len(DICOM_MARK)] == DICOM_MARK


class Source(Protocol):
    """All of a file but its pixels."""

    @property
    def study(self) -> str | None:
        """What the image belongs with, if the file says it."""

    @property
    def letters(self) -> str | None:
        """Why pixels may show a name, if they may, by what the file says."""


@dataclass(frozen=True, eq=False)
class ImageFile:
    """What a file, or a directory of slices, holds.

    Attributes
    ----------
    pixels : (M, N), (P, M, N) or, in colour, (M, N, 3) ndarray of a dtype that operations accept
        Stored values, never rescaled. With `frame_axes`, there are so many axes before these.
    source : Source or None
        Of a file with a header of its own, that.
    channel_axis : int or None
        -1 of a colour image, as `providers.apply` takes it.
    frame_axes : int
        How many first axes count frames, each of which is an image of its own.
    order : tuple of int or None
        The planes of a volume as they lie in space, where the file may have them in another order.
    remarks : tuple of str
        What its user should know of how the pixels are read.
    """

    pixels: Pixels = field(repr=False)
    source: Source | None = field(default=None, repr=False)
    channel_axis: int | None = field(default=None, repr=False)
    frame_axes: int = field(default=0, repr=False)
    order: tuple[int, ...] | None = field(default=None, repr=False)
    remarks: tuple[str, ...] = field(default=(), repr=False)

    @property
    def frames(self) -> Pixels:
        """The images to process, one after the other; the only one of a file that holds one."""
        if self.order is not None:
            return self.pixels[None, list(self.order)]
        return self.pixels.reshape(-1, *self.pixels.shape[self.frame_axes :])

    @property
    def count(self) -> int:
        """How many images there are to process."""
        return prod(self.pixels.shape[: self.frame_axes])

    @property
    def plane_axes(self) -> int:
        """Axes of a single plane, its colours included."""
        return PLANE_AXES + (self.channel_axis is not None)

    @property
    def study(self) -> str | None:
        """What the image belongs with, as DICOM files say."""
        return None if self.source is None else self.source.study

    @property
    def letters(self) -> str | None:
        """Why pixels may show a name, if they may, as DICOM files say."""
        return None if self.source is None else self.source.letters

    def plane_by_plane(self) -> ImageFile:
        """The same pixels, of which every plane is an image of its own."""
        return replace(self, frame_axes=self.pixels.ndim - self.plane_axes, order=None)

    def together(self, results: Iterable[Pixels]) -> Pixels:
        """The results of `frames` as the file has its pixels; one is taken when that before has its place."""
        whole: Pixels | None = None
        number = 0
        # Neither this frame nor enumerate's tuple holds a result while the next one is made.
        for result in results:
            if whole is None:
                whole = np.empty((self.count, *result.shape), result.dtype)
            whole[number] = result
            number += 1  # noqa: SIM113 - see above
            del result
        assert whole is not None
        if self.order is not None:
            whole[0, list(self.order)] = whole[0].copy()
        return whole.reshape(*self.pixels.shape[: self.frame_axes], *whole.shape[1:])
