"""Where the detail of an image lies, and how much of it each party received."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

INFORMATIVE_SHARE = (4, 255)
"""A block is informative if it spans more than this part of the image's range: 4 levels of 8 bits."""


def informative(image: ArrayLike, block: int, *, channel_axis: int | None = None) -> NDArray[np.bool_]:
    """Which blocks show more than noise on a flat background: max − min > 4/255 of the image's range.

    Parameters
    ----------
    image : (M, N), (P, M, N) or, with `channel_axis`, (M, N, C) ndarray
        A block of a volume is the column of all its planes. The range is max − min of the whole image.
    block : int
        Side of the blocks in pixels; the last blocks hold the pixels that there are.
    channel_axis : int, optional
        The axis of the colour components: a block is informative if one of its components is.

    Returns
    -------
    (rows, columns) ndarray of bool

    >>> import numpy as np
    >>> informative(np.array([[0, 255, 7, 7]]), block=2)
    array([[ True, False]])
    """
    pixels = _exact(image, channel_axis)
    high, low = pixels.max(axis=1), pixels.min(axis=1)
    spans = _per_block(high, block, np.maximum) - _per_block(low, block, np.minimum)
    part, whole = INFORMATIVE_SHARE
    return np.asarray((spans * whole > part * (pixels.max() - pixels.min())).any(axis=0))


def gradient_map(image: ArrayLike, *, channel_axis: int | None = None) -> NDArray[np.float64]:
    """Squared Sobel magnitude of every pixel, summed over planes and colour components.

    Parameters
    ----------
    image : (M, N), (P, M, N) or, with `channel_axis`, (M, N, C) ndarray
    channel_axis : int, optional

    Returns
    -------
    (M, N) ndarray of float64
        Derivatives along the two axes of the plane; the image's edge is mirrored.

    >>> import numpy as np
    >>> gradient_map(np.array([[0, 0, 1]]))
    array([[ 0., 16., 16.]])
    """
    from scipy.ndimage import sobel  # takes a while to load, and many who import this need no filter

    pixels = _exact(image, channel_axis).astype(np.float64)
    energy = np.zeros(pixels.shape[2:])
    # Plane by plane: all planes at once would hold two more copies of a volume in float64.
    for plane in pixels.reshape(-1, *pixels.shape[2:]):
        energy += sobel(plane, axis=0) ** 2 + sobel(plane, axis=1) ** 2
    return energy


def gradient_energy(image: ArrayLike, block: int, *, channel_axis: int | None = None) -> NDArray[np.float64]:
    """Sum of the squared Sobel magnitude in every block, without halos.

    Parameters
    ----------
    image : (M, N), (P, M, N) or, with `channel_axis`, (M, N, C) ndarray
    block : int
        Side of the blocks in pixels; the last blocks hold the pixels that there are.
    channel_axis : int, optional

    Returns
    -------
    (rows, columns) ndarray of float64

    >>> import numpy as np
    >>> gradient_energy(np.repeat([[0, 0, 1, 1]], 4, axis=0), block=2)
    array([[32., 32.],
           [32., 32.]])
    """
    energy = gradient_map(image, channel_axis=channel_axis)
    return np.asarray(_per_block(energy[None], block, np.add)[0])


def gradient_share(
    energy: NDArray[np.float64],
    holds: NDArray[np.bool_],
    starts: NDArray[np.intp],
    window: tuple[int, int],
) -> NDArray[np.float64]:
    """Which part of the image's gradient energy lies in the pixels that each party received.

    A pixel in several windows of one party counts once for it; one that two parties received counts
    for both, so that with halos the shares add up to more than 1. Without halos, give the starts and
    the shape of the blocks alone.

    Parameters
    ----------
    energy : (M, N) ndarray of float64
        From `gradient_map`.
    holds : (parties, rows, columns) ndarray of bool
        Which party received which block.
    starts : (rows, columns, 2) ndarray
        First pixel of every block's window, as they are sent.
    window : (int, int)
        Shape of every window in pixels.

    Returns
    -------
    (parties,) ndarray of float64
        From 0 to 1; all 0 where the image has no gradient.
    """
    total = float(energy.sum())
    if total == 0:
        return np.zeros(len(holds))
    return (
        np.array([float(energy[_covered(energy.shape, starts[own], window)].sum()) for own in holds]) / total
    )


def _covered(shape: tuple[int, ...], starts: NDArray[np.intp], window: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels that lie in one of the windows."""
    steps = np.zeros((shape[0] + 1, shape[1] + 1), np.int32)
    (top, left), (height, width) = starts.T, window
    for row, column, sign in ((0, 0, 1), (0, width, -1), (height, 0, -1), (height, width, 1)):
        np.add.at(steps, (top + row, left + column), sign)
    return np.asarray(steps.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0)


def _exact(image: ArrayLike, channel_axis: int | None) -> NDArray[Any]:
    """Any image as (components, planes, M, N), integers as int64 so that differences cannot wrap."""
    pixels = np.asarray(image)
    parts = pixels[None] if channel_axis is None else np.moveaxis(pixels, channel_axis, 0)
    if parts.ndim not in (3, 4) or parts.size == 0:
        raise ValueError(f"an image has two or three axes of space and pixels, not the shape {pixels.shape}")
    planes = parts[:, None] if parts.ndim == 3 else parts
    return planes.astype(np.int64) if planes.dtype.kind in "biu" else planes


def _per_block(values: NDArray[Any], block: int, combine: np.ufunc) -> NDArray[Any]:
    """Combine (C, M, N) values within each block to (C, rows, columns)."""
    if block < 1:
        raise ValueError(f"a block has at least 1 pixel on a side, not {block}")
    rows, columns = (np.arange(0, n, block) for n in values.shape[1:])
    return np.asarray(combine.reduceat(combine.reduceat(values, rows, axis=1), columns, axis=2))
