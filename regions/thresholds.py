"""Regions by entropy thresholds (papers/002), and prefix sums that tell what any of them would be like.

No region is formed to be judged: sums over the blocks in rising order of entropy give each by subtraction.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regions.entropy import block_entropy
from regions.moments import block_sums, pair_correlation

MOST_STEPS = 1024
"""Steps of the order between which thresholds are sought: the table of their common levels takes 8 MiB."""
EQUAL_BITS = 1e-9
"""Entropies no further apart differ by the rounding of their sums, and count as equal."""
WIDE_COLUMNS = 4096
"""Grey levels whose histograms are multiplied at once as full tables, of at most 32 MiB."""


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
        return pair_correlation(self.pairs[high] - self.pairs[low], self.moments[high] - self.moments[low])

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
    counts, pairs, moments = block_sums(parts, block)

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
