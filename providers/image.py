"""What an image is: the arrays that operations accept, and their colour components."""

from __future__ import annotations

import operator
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

IMAGE_DTYPES = ("uint8", "int16", "uint16", "int32")
"""dtypes of images whose pixels are integers, which all operations accept."""
FLOAT_DTYPES = ("float32", "float64")
"""dtypes of images whose pixels are floats; for operations that say how their errors grow."""
LARGEST_FLOAT = 2.0**96
"""Magnitude of a float pixel: sums of weighted ones and their squares stay finite, in float32 too."""

MOST_AXES = 3
"""Axes of an image, colour apart."""
PLANE_AXES = 2
"""Axes of a plane, the last ones of an image."""
COLOUR_COMPONENTS = (3, 4)
"""Lengths of the last axis of a colour image."""


def checked_image(image: ArrayLike, channel_axis: int | None = None) -> NDArray[np.generic]:
    """The image as an array of a dtype and shape that operations accept; never a copy of a good one.

    Parameters
    ----------
    image : (M, N), a volume (P, M, N) or, with `channel_axis`, (M, N, 3) or (M, N, 4) array
    channel_axis : int or None
        -1, the last axis, or 2, which is the same, for colour images.

    Raises
    ------
    ValueError
        Names what is accepted.
    """
    pixels = np.asarray(image)
    accepted = IMAGE_DTYPES + FLOAT_DTYPES
    if pixels.dtype.name not in accepted:
        raise ValueError(f"an image must be {', '.join(accepted)}; this one is {pixels.dtype}")
    if channel_axis is None:
        _refuse_unless_grey(pixels)
    else:
        _refuse_unless_colour(pixels, channel_axis)
    if pixels.size == 0:
        raise ValueError(f"an image must have at least one pixel; this one has the shape {pixels.shape}")
    native = pixels if pixels.dtype.isnative else pixels.astype(pixels.dtype.newbyteorder("="))
    if native.dtype.kind == "f":
        _refuse_unless_numbers(native)
    return native


def image_planes(pixels: NDArray[np.generic], channel_axis: int | None) -> NDArray[np.generic]:
    """The colour components of an image as ``(C, M, N)``, one of a grey image; ``(1, P, M, N)``; a view."""
    return pixels[None] if channel_axis is None else np.moveaxis(pixels, -1, 0)


def planes_image(planes: NDArray[np.generic], channel_axis: int | None) -> NDArray[np.generic]:
    """The image that has these colour components, C-contiguous: the opposite of `image_planes`."""
    return np.ascontiguousarray(planes[0] if channel_axis is None else np.moveaxis(planes, 0, -1))


def _refuse_unless_grey(pixels: NDArray[np.generic]) -> None:
    if pixels.ndim == MOST_AXES and pixels.shape[-1] in COLOUR_COMPONENTS:
        raise ValueError(
            f"an image of the shape {pixels.shape} has two readings: colour (M, N, 3|4), then give "
            "channel_axis=-1, or a volume (P, M, N) of so few columns, then put another axis last with "
            "numpy.moveaxis"
        )
    if not PLANE_AXES <= pixels.ndim <= MOST_AXES:
        raise ValueError(
            f"an image must have the shape (M, N), or (P, M, N) for a volume; this one has {pixels.shape}"
        )


def _refuse_unless_colour(pixels: NDArray[np.generic], channel_axis: object) -> None:
    try:
        axis = None if isinstance(channel_axis, bool) else operator.index(channel_axis)  # type: ignore[arg-type]
    except TypeError:
        axis = None
    if axis not in (-1, 2):
        raise ValueError(f"channel_axis must be -1 or 2, the last axis, or None, not {channel_axis!r}")
    if pixels.ndim != 3 or pixels.shape[-1] not in COLOUR_COMPONENTS:
        raise ValueError(
            f"an image with channel_axis must have the shape (M, N, 3|4); this one has {pixels.shape}"
        )


def _refuse_unless_numbers(pixels: NDArray[np.generic]) -> None:
    low, high = float(pixels.min()), float(pixels.max())
    if not (isfinite(low) and isfinite(high)):
        raise ValueError(
            "an image must have no pixel that is NaN or infinite, which a filter would spread; replace them "
            "by a number first, with numpy.nan_to_num for one"
        )
    if max(-low, high) > LARGEST_FLOAT:
        raise ValueError(f"floats of an image must lie within 2**96; these go from {low:g} to {high:g}")
