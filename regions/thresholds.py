"""Regions by entropy thresholds (papers/002), and prefix sums that tell what any of them would be like.

No region is formed to be judged: sums over the blocks in rising order of entropy give each by subtraction.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regions.entropy import block_entropy

MOST_STEPS = 1024
"""Steps of the order between which thresholds are sought: the table of their common levels takes 8 MiB."""
EQUAL_BITS = 1e-9
"""Entropies no further apart differ by the rounding of their sums, and count as equal."""
WIDE_COLUMNS = 4096
"""Grey levels whose histograms are multiplied at once as full tables, of at most 32 MiB."""
DIRECTIONS = ((0, 1), (1, 0), (1, 1))
"""Horizontal, vertical and diagonal neighbours."""


def segmented(entropy: ArrayLike, thresholds: ArrayLike) -> NDArray[np.intp]:
    """Label blocks by entropy thresholds, region 0 having the lowest entropy.

    Parameters
    ----------
    entropy : ndarray of float64
        Bits per block, of any shape.
    thresholds : (R - 1,) ndarray of float64
        In bits, strictly rising; none for a single region.

    Returns
    -------
    ndarray of intp
        Of the shape of `entropy`: how many thresholds a block's entropy reaches. Blocks of equal entropy are
        of one region, whatever the thresholds.

    Notes
    -----
    "Segmentation using entropy", figure 7 of M. Marwan et al., "A Cloud-based Framework to Secure Medical
    Image Processing".

    >>> segmented([[0.0, 1.5], [2.0, 7.1]], [1.0, 2.0])
    array([[0, 1],
           [2, 2]])
    """
    bits, limits = np.asarray(entropy, np.float64), np.asarray(thresholds, np.float64)
    if limits.ndim != 1 or not np.isfinite(limits).all() or (np.diff(limits) <= 0).any():
        raise ValueError(f"thresholds must be a row of strictly rising finite numbers, not {limits.tolist()}")
    return np.searchsorted(limits, bits, side="right").astype(np.intp, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class SortedBlocks:
    """The blocks of an image in rising order of entropy, cut into steps that no threshold divides.

    There are m steps and m + 1 places around them; a region is what lies between two places. Blocks of equal
    entropy (within `EQUAL_BITS`) are in one step. `sorted_blocks` makes this.

    Attributes
    ----------
    entropy : (rows, columns) ndarray of float64
        Bits per block; for colour the mean of the components.
    thresholds : (m - 1,) ndarray of float64
        Bits at the inner places: halfway between the entropies on both sides.
    blocks, pixels : (m + 1,) ndarray of int64
        How many lie below each place.
    pairs : (m + 1, 3, 1) ndarray of int64
        Neighbour pairs inside the blocks below each place: horizontal, vertical, diagonal.
    moments : (m + 1, 5, 3, C) ndarray of int64
        Sums of x, y, x², y² and xy over those pairs, per colour component; levels count from the middle.
    common : (m + 1, m + 1) ndarray of float64
        Σ_v H_i(v) H_j(v), where H_i counts the pixels of level v below place i, added up over components.
    """

    entropy: NDArray[np.float64] = field(repr=False)
    thresholds: NDArray[np.float64] = field(repr=False)
    blocks: NDArray[np.int64] = field(repr=False)
    pixels: NDArray[np.int64] = field(repr=False)
    pairs: NDArray[np.int64] = field(repr=False)
    moments: NDArray[np.int64] = field(repr=False)
    common: NDArray[np.float64] = field(repr=False)

    @property
    def steps(self) -> int:
        """How many regions there could be at most."""
        return len(self.blocks) - 1

    def correlation(self, low: NDArray[np.intp], high: NDArray[np.intp]) -> NDArray[np.float64]:
        """Cor of the regions between two places each (equations 7 to 10), as `regions.correlation` has it.

        Mean absolute correlation of horizontal, vertical and diagonal neighbours inside blocks, averaged
        over colour components. A direction without pairs, or whose pairs do not vary, counts 1.
        """
        count = np.maximum(self.pairs[high] - self.pairs[low], 1)
        x, y, xx, yy, xy = np.moveaxis(self.moments[high] - self.moments[low], -3, 0)
        one, other = _deviations(xx, x, x, count), _deviations(yy, y, y, count)
        spread = np.sqrt(one) * np.sqrt(other)
        varies = spread > 0
        ratio = np.abs(_deviations(xy, x, y, count)) / np.where(varies, spread, 1)
        value: NDArray[np.float64] = np.where(varies, np.minimum(ratio, 1), 1).mean(axis=(-2, -1))
        return value

    def change_rate(self, low: NDArray[np.intp], high: NDArray[np.intp]) -> NDArray[np.float64]:
        """NPCR expected between two keyed orders of each region's view: 1 − Σ_v p(v)² (equation 11).

        Averaged over colour components; of no pixels it is 1.
        """
        same = self.common[high, high] - 2 * self.common[low, high] + self.common[low, low]
        components = self.moments.shape[-1]
        pixels = np.maximum(self.pixels[high] - self.pixels[low], 1).astype(np.float64)
        rate: NDArray[np.float64] = 1 - same / (components * pixels**2)
        return rate


def sorted_blocks(
    image: ArrayLike, block: int = 16, *, channel_axis: int | None = None, most_steps: int = MOST_STEPS
) -> SortedBlocks:
    """Sort the blocks of an image by entropy, and sum what its regions are judged by.

    Parameters
    ----------
    image : (M, N) or, with `channel_axis`, (M, N, C) ndarray of integers
        Where the block size does not divide it, the last blocks hold the pixels that there are.
    block : int
        Side of the blocks in pixels.
    channel_axis : int, optional
        The axis of the colour components, which are averaged (papers/002, section 4).
    most_steps : int
        Blocks of more than so many different entropies are taken together, about equally many to a step, so
        that thresholds lie within blocks / most_steps blocks of where they could.

    Returns
    -------
    SortedBlocks
        Exact: all sums are of integers. Only where grey levels span more than 2³¹ / √pixels, their lowest
        bits are left out of Cor.

    >>> import numpy as np
    >>> image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    >>> image[:4, :4] = 7
    >>> sorted_blocks(image, 4).thresholds
    array([2.])
    """
    pixels = np.asarray(image)
    if pixels.ndim != 2 + (channel_axis is not None):
        raise ValueError(f"thresholds segment one plane; the image's shape is {pixels.shape}")
    if most_steps < 1:
        raise ValueError(f"blocks are sorted into at least 1 step, not {most_steps}")
    parts = [pixels] if channel_axis is None else list(np.moveaxis(pixels, channel_axis, 0))
    if not parts:
        raise ValueError(f"thresholds need a colour component; the image's shape is {pixels.shape}")
    entropy = np.mean([block_entropy(part, block) for part in parts], axis=0)
    order = np.argsort(entropy, axis=None, kind="stable")
    bits = entropy.ravel()[order]
    starts = _step_starts(bits, most_steps)
    counts, pairs, moments = _block_sums(parts, block)

    def below(values: NDArray[np.int64]) -> NDArray[np.int64]:
        """From one entry per block, sums of all below each place."""
        summed = np.cumsum(np.add.reduceat(values[order], starts), axis=0)
        return np.concatenate([np.zeros_like(summed[:1]), summed])

    step = np.empty(len(order), np.intp)
    step[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
    return SortedBlocks(
        entropy,
        (bits[starts[1:] - 1] + bits[starts[1:]]) / 2,
        np.append(starts, len(order)),
        below(counts),
        below(pairs),
        below(moments),
        _common_levels(parts, step.reshape(entropy.shape), block, len(starts)),
    )


def _step_starts(bits: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Where the steps of sorted entropies begin: at differences, and nearest to equal numbers of blocks."""
    starts = np.append(0, np.flatnonzero(np.diff(bits) > EQUAL_BITS) + 1)
    if len(starts) <= most:
        return starts
    wanted = np.arange(most) * len(bits) / most
    after = np.searchsorted(starts, wanted).clip(1, len(starts) - 1)
    nearest = after - (wanted - starts[after - 1] < starts[after] - wanted)
    chosen: NDArray[np.intp] = starts[np.unique(np.append(0, nearest))]
    return chosen


def _block_sums(
    parts: list[NDArray[np.generic]], block: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pixels, neighbour pairs and their moments of every block in C order."""
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


def _common_levels(
    parts: list[NDArray[np.generic]], step: NDArray[np.intp], block: int, steps: int
) -> NDArray[np.float64]:
    """Σ_v H_i(v) H_j(v) of the pixels below every two places, all components together.

    A level that many steps have costs steps² operations as a column of a full table, and the square of how
    many have it in a sparse one, each of them some ten times slower: most levels of 16 bits are rare.
    """
    from scipy.sparse import coo_array  # takes a while to load, and few who import this need it

    of_pixel = step.repeat(block, 0)[: parts[0].shape[0]].repeat(block, 1)[:, : parts[0].shape[1]].ravel()
    below = np.zeros((steps + 1, steps + 1))
    common = below[1:, 1:]
    for part in parts:
        levels, column = _level_columns(part)
        ones = np.ones(part.size)
        table = coo_array((ones, (of_pixel, column)), shape=(steps, levels)).tocsc()
        wide = np.diff(table.indptr) > steps / 12
        rare = table[:, np.flatnonzero(~wide)]
        common += (rare @ rare.T).toarray()
        frequent = np.flatnonzero(wide)
        for start in range(0, len(frequent), WIDE_COLUMNS):
            full = table[:, frequent[start : start + WIDE_COLUMNS]].toarray()
            common += full @ full.T
    for axis in (0, 1):
        np.cumsum(common, axis, out=common)
    return below


def _level_columns(part: NDArray[np.generic]) -> tuple[int, NDArray[np.intp]]:
    """How many grey levels to count, and the number of each pixel's."""
    low, high = int(part.min()), int(part.max())
    if high - low < 1 << 16:
        return high - low + 1, (part.astype(np.int64) - low).ravel().astype(np.intp)
    values, which = np.unique(part, return_inverse=True)
    return len(values), which.ravel()
