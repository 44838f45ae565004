"""The paper's metrics, each beside the ceiling that the image or the key schedule puts on it.

They are reported because the paper decides by them (papers/002, section 3.2). Nothing here does: after
a keyed order of blocks, Cor measures the block size and NPCR the flat background.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

HISTOGRAM_SPAN = 1 << 20
"""Integers that span no more are counted in a table of 8 MiB; others are sorted."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric of every colour component, and what it could at most, or is expected to, be.

    Attributes
    ----------
    components : tuple of float
        One value per colour component; a single one for grey images.
    ceilings : tuple of float
        The ceiling of each component; each metric says what it is.

    >>> Figure((0.5, 1.0), (1.0, 1.0)).mean
    0.75
    """

    components: tuple[float, ...]
    ceilings: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.components or len(self.components) != len(self.ceilings):
            raise ValueError(
                f"a figure needs one ceiling per component, not {self.components} and {self.ceilings}"
            )

    @property
    def mean(self) -> float:
        """The average over the colour components."""
        return sum(self.components) / len(self.components)

    @property
    def ceiling(self) -> float:
        """The average ceiling."""
        return sum(self.ceilings) / len(self.ceilings)


def correlation(image: ArrayLike, *, channel_axis: int | None = None) -> Figure:
    """Mean absolute correlation (Cor) of horizontal, vertical and diagonal neighbours.

    Parameters
    ----------
    image : (M, N), (P, M, N), (n, S, S) or, with `channel_axis`, (M, N, C) ndarray
        Neighbours lie in the last two axes of space; a volume or a stack of blocks is pooled, and
        pixels of different planes or blocks are no neighbours.
    channel_axis : int, optional
        The axis of the colour components.

    Returns
    -------
    Figure
        From 0 to 1; the ceiling is 1. Where the pairs of a direction do not vary, or there are none,
        that direction counts 1: a constant region hides nothing.

    Notes
    -----
    Equations 7 to 10 of M. Marwan et al., "A Cloud-based Framework to Secure Medical Image Processing".
    `permuted_correlation` says what an order of blocks can do about it.

    >>> import numpy as np
    >>> ramp = np.add.outer(np.arange(8), np.arange(8))
    >>> round(correlation(ramp).mean, 6)
    1.0
    """
    values = tuple(_neighbour_correlation(part) for part in _components(image, channel_axis))
    return Figure(values, (1.0,) * len(values))


def permuted_correlation(block: int) -> float:
    """Cor of a smooth image after its blocks took places at random: what only the block size decides.

    Within a block, neighbours correlate fully; across block edges not at all. One pair in B crosses an
    edge horizontally or vertically, and 1 − (1 − 1/B)² of the pairs do diagonally.

    >>> permuted_correlation(2)
    0.4166666666666667
    """
    if block < 1:
        raise ValueError(f"a block has at least 1 pixel on a side, not {block}")
    inside = 1 - 1 / block
    return (2 * inside + inside**2) / 3


def npcr(before: ArrayLike, after: ArrayLike, *, channel_axis: int | None = None) -> Figure:
    """Change rate (NPCR): the share of places where two images or stacks of one shape differ.

    Parameters
    ----------
    before, after : ndarrays of one shape
    channel_axis : int, optional
        The axis of the colour components.

    Returns
    -------
    Figure
        From 0 to 1. The ceiling is the rate expected when the places are independent, 1 − Σ p(v) q(v),
        which is 1 − Σ p² for two orders of the same pixels: flat background lowers it, no key raises it.

    Notes
    -----
    Equation 11 of the paper; it says percent where this is a share.

    >>> import numpy as np
    >>> npcr(np.array([[0, 1]]), np.array([[0, 2]])).mean
    0.5
    """
    pairs = _paired_components(before, after, channel_axis)
    values = tuple(float(np.mean(one != other)) for one, other in pairs)
    return Figure(values, tuple(_chance_of_change(one, other) for one, other in pairs))


def uaci(
    before: ArrayLike, after: ArrayLike, *, span: float | None = None, channel_axis: int | None = None
) -> Figure:
    """Unified average changing intensity (UACI): mean absolute difference as a share of the range.

    Parameters
    ----------
    before, after : ndarrays of one shape
    span : float, optional
        The range in grey levels, such as 255; by default max − min of both arrays together.
    channel_axis : int, optional
        The axis of the colour components.

    Returns
    -------
    Figure
        The ceiling is E|X − Y| / span for independent places, about 1/3 for uniform grey levels.
        Constant arrays of one value give 0.

    >>> import numpy as np
    >>> uaci(np.array([[0, 0]]), np.array([[0, 255]])).mean
    0.5
    """
    pairs = _paired_components(before, after, channel_axis)
    low = min(float(part.min()) for pair in pairs for part in pair)
    high = max(float(part.max()) for pair in pairs for part in pair)
    width = high - low if span is None else float(span)
    if width < high - low:
        raise ValueError(f"the grey levels span {high - low:g}, more than the span of {width:g} given")
    if width == 0:
        return Figure((0.0,) * len(pairs), (0.0,) * len(pairs))
    changes = tuple(
        float(np.abs(one.astype(np.float64) - other.astype(np.float64)).mean()) / width
        for one, other in pairs
    )
    return Figure(changes, tuple(_chance_difference(one, other) / width for one, other in pairs))


def stack_entropy(stack: ArrayLike, *, levels: int | None = None, channel_axis: int | None = None) -> Figure:
    """Entropy of all grey levels of an image or a whole stack of blocks, in bits.

    Parameters
    ----------
    stack : ndarray of integers
        Of any shape: one histogram is taken of all its pixels, one bin per value.
    levels : int, optional
        How many values a pixel may take; by default those of the dtype.
    channel_axis : int, optional
        The axis of the colour components.

    Returns
    -------
    Figure
        The ceiling is log2 of the number of levels, or of pixels where there are fewer.

    Notes
    -----
    Equation 6 of the paper. For the entropy of each block see `block_entropy`.

    >>> import numpy as np
    >>> stack_entropy(np.array([[0, 1], [2, 3]], np.uint8))
    Figure(components=(2.0,), ceilings=(2.0,))
    """
    parts = _components(stack, channel_axis)
    if parts[0].dtype.kind not in "iu":
        raise ValueError(f"entropy is defined on integer images; this one is {parts[0].dtype}")
    room = 2 ** (8 * parts[0].dtype.itemsize) if levels is None else levels
    bits, ceilings = [], []
    for part in parts:
        (p,) = _distributions(part)[1]
        p = p[p > 0]
        if p.size > room:
            raise ValueError(f"the pixels take {p.size} values, more than the {room} levels given")
        bits.append(max(0.0, float(-(p * np.log2(p)).sum())))
        ceilings.append(float(np.log2(min(room, part.size))))
    return Figure(tuple(bits), tuple(ceilings))


def _components(image: ArrayLike, channel_axis: int | None) -> list[NDArray[np.generic]]:
    """The colour components, or the image alone; none of them without a pixel."""
    pixels = np.asarray(image)
    if pixels.size == 0:
        raise ValueError(f"a metric needs at least one pixel; the image's shape is {pixels.shape}")
    return [pixels] if channel_axis is None else list(np.moveaxis(pixels, channel_axis, 0))


def _paired_components(
    before: ArrayLike, after: ArrayLike, channel_axis: int | None
) -> list[tuple[NDArray[np.generic], NDArray[np.generic]]]:
    one, other = np.asarray(before), np.asarray(after)
    if one.shape != other.shape:
        raise ValueError(f"change is counted place by place; {one.shape} and {other.shape} are two shapes")
    return list(zip(_components(one, channel_axis), _components(other, channel_axis), strict=True))


def _neighbour_correlation(image: NDArray[np.generic]) -> float:
    if image.ndim < 2:
        raise ValueError(f"neighbours need two axes of space; the image's shape is {image.shape}")
    pixels = image.astype(np.float64)
    pairs = (
        (pixels[..., :, :-1], pixels[..., :, 1:]),
        (pixels[..., :-1, :], pixels[..., 1:, :]),
        (pixels[..., :-1, :-1], pixels[..., 1:, 1:]),
    )
    return sum(_absolute_pearson(one, other) for one, other in pairs) / len(pairs)


def _absolute_pearson(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if one.size == 0 or one.min() == one.max() or other.min() == other.max():
        return 1.0
    # Centred first: sums of squares of large levels would lose what they are to tell apart.
    first, second = one - one.mean(), other - other.mean()
    spread = np.sqrt((first**2).sum() * (second**2).sum())
    return min(1.0, abs(float((first * second).sum() / spread)))


def _distributions(
    *arrays: NDArray[np.generic],
) -> tuple[NDArray[np.generic], list[NDArray[np.float64]]]:
    """Values in rising order, and for each array the share of its pixels that have them."""
    if all(array.dtype.kind in "iu" for array in arrays):
        low = min(int(array.min()) for array in arrays)
        high = max(int(array.max()) for array in arrays)
        if high - low < HISTOGRAM_SPAN:
            tables = [
                np.bincount(array.ravel().astype(np.int64) - low, minlength=high - low + 1)
                for array in arrays
            ]
            shares = [table / array.size for table, array in zip(tables, arrays, strict=True)]
            return np.arange(low, high + 1), shares
    values, which = np.unique(np.concatenate([array.ravel() for array in arrays]), return_inverse=True)
    parts = np.split(which.ravel(), np.cumsum([array.size for array in arrays])[:-1])
    return values, [np.bincount(part, minlength=values.size) / part.size for part in parts]


def _chance_of_change(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """1 − Σ p(v) q(v): how often two pixels drawn independently differ."""
    _, (p, q) = _distributions(one, other)
    return float(1 - p @ q)


def _chance_difference(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """E|X − Y| of two pixels drawn independently: the integral of F(1 − G) + G(1 − F)."""
    values, (p, q) = _distributions(one, other)
    below, under = np.cumsum(p)[:-1], np.cumsum(q)[:-1]
    return float((below * (1 - under) + under * (1 - below)) @ np.diff(values.astype(np.float64)))
