"""Where the detail of an image lies, and how much of it each party received."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from regions.grid import alike

INFORMATIVE_SHARE = (4, 255)
"""A block is informative if it spans more than this part of the image's range: 4 levels of 8 bits."""


def informative(
    image: ArrayLike, block: int | tuple[int, int], *, channel_axis: int | None = None
) -> NDArray[np.bool_]:
    """Which blocks show more than noise on a flat background: max − min > 4/255 of the image's range.

    Parameters
    ----------
    image : (M, N), (P, M, N) or, with `channel_axis`, (M, N, C) ndarray
        A block of a volume is the column of all its planes. The range is max − min of the whole image.
    block : int or (int, int)
        Side of the blocks in pixels, or rows and columns; the last blocks hold the pixels that there are.
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


def coverage(shape: tuple[int, ...], boxes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """The pixels of a plane that lie in at least one of the boxes.

    Parameters
    ----------
    shape : (int, int)
    boxes : (n, 4) ndarray
        First row, first column, and the row and the column after the last; all inside the plane.

    Returns
    -------
    (M, N) ndarray of bool

    >>> import numpy as np
    >>> coverage((2, 3), np.array([[0, 0, 1, 2], [0, 1, 2, 2]])).astype(int)
    array([[1, 1, 0],
           [0, 1, 0]])
    """
    covered = np.zeros(shape, bool)
    sides = boxes[:, 2:] - boxes[:, :2]
    for some in alike(sides):
        side = sides[some[0]]
        if side.all():
            views = sliding_window_view(covered, tuple(side), writeable=True)
            views[tuple(boxes[some, :2].T)] = True
    return covered


def covered_area(boxes: NDArray[np.intp]) -> int:
    """How many pixels lie in at least one of the boxes, from their edges alone.

    Parameters
    ----------
    boxes : (n, 4) ndarray
        First row, first column, and the row and the column after the last.

    >>> covered_area(np.array([[0, 0, 2, 20], [0, 10, 1, 30]]))
    50
    """
    rows, columns = np.unique(boxes[:, [0, 2]]), np.unique(boxes[:, [1, 3]])
    if rows.size < 2 or columns.size < 2:
        return 0
    # Between two neighbouring edges all pixels are alike: one stands for them.
    edges = [np.searchsorted((rows, columns)[side % 2], boxes[:, side]) for side in range(4)]
    covered = coverage((rows.size - 1, columns.size - 1), np.column_stack(edges))
    return int(np.diff(rows) @ covered @ np.diff(columns))


def detail_share(detail: NDArray[np.float64], covered: NDArray[np.bool_]) -> float:
    """Which part of the image's detail lies in the pixels that a party received.

    What two parties received counts for both, so that with halos their shares add up to more than 1.

    Parameters
    ----------
    detail : (M, N) ndarray of float64
        Of every pixel, from `gradient_map` or `entropy_map`.
    covered : (M, N) ndarray of bool
        The pixels that it received, from `coverage`.

    Returns
    -------
    float
        From 0 to 1; 0 where the image has none.
    """
    total = float(detail.sum())
    return float(detail[covered].sum()) / total if total else 0.0


def _exact(image: ArrayLike, channel_axis: int | None) -> NDArray[Any]:
    """Any image as (components, planes, M, N), integers as int64 so that differences cannot wrap."""
    pixels = np.asarray(image)
    parts = pixels[None] if channel_axis is None else np.moveaxis(pixels, channel_axis, 0)
    if parts.ndim not in (3, 4) or parts.size == 0:
        raise ValueError(f"an image has two or three axes of space and pixels, not the shape {pixels.shape}")
    planes = parts[:, None] if parts.ndim == 3 else parts
    return planes.astype(np.int64) if planes.dtype.kind in "biu" else planes


def _per_block(values: NDArray[Any], block: int | tuple[int, int], combine: np.ufunc) -> NDArray[Any]:
    """Combine (C, M, N) values within each block to (C, rows, columns)."""
    sides = block if isinstance(block, tuple) else (block, block)
    if min(sides) < 1:
        raise ValueError(f"a block has at least 1 pixel on a side, not {block}")
    rows, columns = (np.arange(0, n, side) for n, side in zip(values.shape[1:], sides, strict=True))
    return np.asarray(combine.reduceat(combine.reduceat(values, rows, axis=1), columns, axis=2))
