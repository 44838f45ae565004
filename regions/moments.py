"""Sums over the neighbour pairs inside blocks, which add up over any set of blocks, and Cor from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DIRECTIONS = ((0, 1), (1, 0), (1, 1))
"""Horizontal, vertical and diagonal neighbours."""


def pair_correlation(pairs: NDArray[np.int64], moments: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean absolute correlation of neighbours (Cor), from sums over sets of pairs.

    Averaged over directions and colour components. A direction without pairs, or whose pairs do not vary,
    counts 1.

    Parameters
    ----------
    pairs : (..., 3, 1) ndarray of int64
        Horizontal, vertical and diagonal pairs of each set.
    moments : (..., 5, 3, C) ndarray of int64
        Sums of x, y, x², y² and xy over them, per colour component.

    Returns
    -------
    (...) ndarray of float64

    Notes
    -----
    Equations 7 to 10 of M. Marwan et al., "A Cloud-based Framework to Secure Medical Image Processing".
    """
    count = np.maximum(pairs, 1)
    x, y, xx, yy, xy = np.moveaxis(moments, -3, 0)
    one, other = _deviations(xx, x, x, count), _deviations(yy, y, y, count)
    spread = np.sqrt(one) * np.sqrt(other)
    varies = spread > 0
    ratio = np.abs(_deviations(xy, x, y, count)) / np.where(varies, spread, 1)
    value: NDArray[np.float64] = np.where(varies, np.minimum(ratio, 1), 1).mean(axis=(-2, -1))
    return value


def block_sums(
    parts: list[NDArray[np.generic]], block: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pixels, neighbour pairs and their moments of every block in C order.

    Parameters
    ----------
    parts : list of C (M, N) ndarrays of integers
        Colour components. Where grey levels span more than 2³¹ / √pixels, their lowest bits are left out.
    block : int
        Side of the blocks in pixels; the last blocks hold the pixels that there are.

    Returns
    -------
    pixels : (blocks,) ndarray of int64
    pairs : (blocks, 3, 1) ndarray of int64
    moments : (blocks, 5, 3, C) ndarray of int64
        As `pair_correlation` takes them; levels count from the middle of their range.
    """
    shape = parts[0].shape
    low, high = min(int(part.min()) for part in parts), max(int(part.max()) for part in parts)
    middle, shift = (low + high) // 2, 0
    # The sum of all squares must be an int64.
    while ((high - low >> shift) // 2 + 2) ** 2 * parts[0].size >= 2**63:
        shift += 1
    levels = np.stack([(part.astype(np.int64) >> shift) - (middle >> shift) for part in parts])
    starts = [np.arange(0, length, block) for length in shape]
    ends = [np.append(axis[1:], length) - 1 for axis, length in zip(starts, shape, strict=True)]
    heights, widths = (end + 1 - start for start, end in zip(starts, ends, strict=True))

    def of_rows(values: NDArray[np.int64]) -> NDArray[np.int64]:
        """``(C, M, N)`` added up over the rows of each block: of all, all but the first, all but the last."""
        whole = np.add.reduceat(values, starts[0], axis=-2)
        return np.stack([whole, whole - values[:, starts[0]], whole - values[:, ends[0]]])

    def of_blocks(rows: NDArray[np.int64], column: NDArray[np.intp] | None) -> NDArray[np.int64]:
        """Those sums added up over a block's columns, one of which may be left out: ``(blocks, C)``."""
        whole = np.add.reduceat(rows, starts[1], axis=-1)
        return (whole if column is None else whole - rows[..., column]).reshape(len(rows), -1).T

    plain, squares = of_rows(levels), of_rows(levels**2)
    pairs, moments = [], []
    for down, right in DIRECTIONS:
        # The first pixel of a pair is not in the block's last row or column, the second not in its first.
        rows = (2, 1) if down else (0, 0)
        columns = (ends[1], starts[1]) if right else (None, None)
        later = levels[:, down:, right:]
        product = np.zeros_like(levels)
        product[:, : shape[0] - down, : shape[1] - right] = (
            later * levels[:, : later.shape[1], : later.shape[2]]
        )
        sums = [
            of_blocks(table[row], column)
            for table in (plain, squares)
            for row, column in zip(rows, columns, strict=True)
        ]
        moments.append(np.stack([*sums, of_blocks(of_rows(product)[rows[0]], columns[0])], axis=1))
        pairs.append(np.outer(heights - down, widths - right).ravel())
    return np.outer(heights, widths).ravel(), np.stack(pairs, axis=1)[..., None], np.stack(moments, axis=2)


def _deviations(
    products: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Σ (x − mean x)(y − mean y) = Σ xy − Σx Σy / count, without rounding before the last subtraction.

    With Σx = a count + b and Σy = c count + d, that is Σxy − a c count − a d − b c − b d / count.
    """
    a, b = np.divmod(one, count)
    c, d = np.divmod(other, count)
    whole, rest = np.divmod(b * d, count)
    exact = products - a * c * count - a * d - b * c - whole
    return np.asarray(exact - rest / count)
