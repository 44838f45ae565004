"""What blocks show, as sums that add up over any set of blocks: to judge assignments without forming one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regions.moments import block_sums, pair_correlation

LEVELS = 64
"""Kinds of grey levels that histograms tell apart, equally wide over the image's range."""
MOST_PIXELS = 2**20
"""Of a larger image only every second, fourth, … pixel of an axis is looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockContent:
    """Sums over the pixels of each block of an image; `block_content` makes this.

    Attributes
    ----------
    pairs : (rows, columns, 3, 1) ndarray of int64
        Neighbour pairs inside each block: horizontal, vertical, diagonal.
    moments : (rows, columns, 5, 3, C) ndarray of int64
        Sums of x, y, x², y² and xy over them, per colour component.
    levels : (rows, columns, C, LEVELS) ndarray of int64
        Histograms.
    """

    pairs: NDArray[np.int64] = field(repr=False)
    moments: NDArray[np.int64] = field(repr=False)
    levels: NDArray[np.int64] = field(repr=False)

    def coarser(self, factor: int) -> BlockContent:
        """Of blocks of factor × factor of these; the last ones hold those that there are."""
        return BlockContent(*(_added(sums, factor) for sums in (self.pairs, self.moments, self.levels)))

    @property
    def entropy(self) -> NDArray[np.float64]:
        """Bits in each block, ``(rows, columns)``: entropy of a pixel times pixels, components added up."""
        total = self.levels.sum(axis=-1, keepdims=True)
        shares = self.levels / np.maximum(total, 1)
        bits = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=-1)
        return np.asarray((bits * total[..., 0]).sum(axis=-1))

    @property
    def detail(self) -> NDArray[np.float64]:
        """Squared differences of horizontal and vertical neighbours, added up in each block."""
        _, _, xx, yy, xy = np.moveaxis(self.moments[..., :2, :].astype(np.float64), -3, 0)
        return np.asarray((xx + yy - 2 * xy).sum(axis=(-2, -1)))

    def correlation(self, classes: NDArray[np.intp], count: int) -> NDArray[np.float64]:
        """Cor of each class of blocks, ``(count,)``; `classes` (rows, columns) has -1 for blocks of none."""
        return pair_correlation(
            _by_class(self.pairs, classes, count), _by_class(self.moments, classes, count)
        )

    def change_rate(self, classes: NDArray[np.intp], count: int) -> NDArray[np.float64]:
        """NPCR expected between two orders of each class's pixels, ``(count,)``: 1 − Σ_v p(v)²."""
        levels = _by_class(self.levels, classes, count).astype(np.float64)
        shares = levels / np.maximum(levels.sum(axis=-1, keepdims=True), 1)
        return np.asarray(1 - (shares**2).sum(axis=-1).mean(axis=-1))


def block_content(image: ArrayLike, block: int, *, channel_axis: int | None = None) -> BlockContent:
    """Sum up what the blocks of an image show.

    Parameters
    ----------
    image : (M, N) or, with `channel_axis`, (M, N, C) ndarray of integers
        Of more than 2²⁰ pixels every second one of both axes is looked at, or every fourth and so on, as long
        as that divides the block's side.
    block : int
        Side of the blocks in pixels; the last blocks hold the pixels that there are.
    channel_axis : int, optional
        The axis of the colour components.

    Returns
    -------
    BlockContent

    Raises
    ------
    ValueError
        For an image that is not of one plane, not of integers or has no pixel.

    >>> stripes = np.tile([0, 0, 9, 9], (4, 1))
    >>> block_content(stripes, 2).detail
    array([[0., 0.],
           [0., 0.]])
    >>> block_content(stripes, 4).entropy
    array([[16.]])
    """
    pixels = np.asarray(image)
    planes = pixels[None] if channel_axis is None else np.moveaxis(pixels, channel_axis, 0)
    if planes.ndim != 3 or planes.size == 0 or planes.dtype.kind not in "iu":
        raise ValueError(
            f"block content is of one plane of integers; this image is {pixels.dtype} of shape {pixels.shape}"
        )
    step = 1
    while planes[0].size > MOST_PIXELS * step**2 and block % (2 * step) == 0 and block > 2 * step:
        step *= 2
    parts, side = list(planes[:, ::step, ::step]), block // step
    rows, columns = (-(-length // side) for length in parts[0].shape)
    _, pairs, moments = block_sums(parts, side)
    low, high = min(int(part.min()) for part in parts), max(int(part.max()) for part in parts)
    place = np.add.outer(np.arange(parts[0].shape[0]) // side * columns, np.arange(parts[0].shape[1]) // side)
    levels = [
        np.bincount(
            (place * LEVELS + (part.astype(np.int64) - low) * LEVELS // (high - low + 1)).ravel(),
            minlength=rows * columns * LEVELS,
        ).reshape(rows, columns, LEVELS)
        for part in parts
    ]
    return BlockContent(
        pairs.reshape(rows, columns, *pairs.shape[1:]),
        moments.reshape(rows, columns, *moments.shape[1:]),
        np.stack(levels, axis=2),
    )


def _added(sums: NDArray[np.int64], factor: int) -> NDArray[np.int64]:
    for axis in (0, 1):
        sums = np.add.reduceat(sums, np.arange(0, sums.shape[axis], factor), axis=axis)
    return sums


def _by_class(sums: NDArray[np.int64], classes: NDArray[np.intp], count: int) -> NDArray[np.int64]:
    """Per block to per class."""
    # A sum over no blocks is wanted too, and int64 sums must not go through floats. Class -1 is the last row.
    added = np.zeros((count + 1, *sums.shape[2:]), np.int64)
    np.add.at(added, classes.ravel(), sums.reshape(-1, *sums.shape[2:]))
    return added[:count]
