"""Shannon entropy of blocks, in bits (papers/002, equation 6)."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray


def block_entropy(
    image: ArrayLike, block: int | tuple[int, ...] = 16, *, channel_axis: int | None = None
) -> NDArray[np.float64]:
    """Entropy of the grey levels of every block of an image.

    One bin per grey value, whatever the integer dtype: nothing is scaled or quantised, so 8- and
    16-bit images are treated alike and a block of n pixels has at most ``log2(n)`` bits. Where the
    block size does not divide the image, the last blocks hold the pixels that there are.

    Parameters
    ----------
    image : (M, N), (P, M, N) or, with `channel_axis`, (M, N, C) ndarray of integers
    block : int or tuple of int
        Side of the blocks in pixels, one for all axes of space or one per axis.
    channel_axis : int, optional
        The axis of the colour components, of which each has an entropy of its own.

    Returns
    -------
    (rows, columns) or, with `channel_axis`, (rows, columns, C) ndarray of float64
        Bits per block; of a volume ``(layers, rows, columns)``. The components come last, whichever axis
        of the image they are.

    Raises
    ------
    ValueError
        For an image that is not of integers or has no pixel, a block or an axis that it does not have.

    Notes
    -----
    Equation 6 of M. Marwan et al., "A Cloud-based Framework to Secure Medical Image Processing":
    H = sum p log2(1/p) over the values that occur. Its section 4 counts the values of R, G and B apart.

    >>> import numpy as np
    >>> block_entropy(np.array([[0, 1], [2, 3]], np.uint8), block=2)
    array([[2.]])
    >>> block_entropy(np.array([[[0, 7, 7], [1, 7, 7]]], np.uint8), block=2, channel_axis=-1)
    array([[[1., 0., 0.]]])
    """
    pixels = np.asarray(image)
    if pixels.dtype.kind not in "iu":
        raise ValueError(f"block entropy is defined on integer images; this one is {pixels.dtype}")
    if channel_axis is not None:
        pixels = np.moveaxis(pixels, channel_axis, -1)
    axes = pixels.ndim - (channel_axis is not None)
    if axes < 1 or 0 in pixels.shape:
        raise ValueError(f"block entropy needs at least one pixel; the image's shape is {np.shape(image)}")
    sides = block if isinstance(block, tuple) else (block,) * axes
    if len(sides) != axes or any(side < 1 for side in sides):
        raise ValueError(f"block must be at least 1 pixel, one size or one per axis, not {block!r}")
    # Blocks that are one component deep leave each component its own.
    sides += (1,) * (pixels.ndim - axes)
    counts = tuple(-(-n // b) for n, b in zip(pixels.shape, sides, strict=True))
    bits = np.empty(counts, np.float64)
    # Whole blocks form one stack; on each axis the partial last blocks form another, of another shape.
    parts = [_spans(n, b) for n, b in zip(pixels.shape, sides, strict=True)]
    for spans in product(*parts):
        where, extents = zip(*spans, strict=True)
        tile = tuple(extent.step for extent in extents)
        chosen = pixels[tuple(slice(extent.start, extent.stop) for extent in extents)]
        shape = [side for pair in zip(_counts(chosen.shape, tile), tile, strict=True) for side in pair]
        blocks = chosen.reshape(shape).transpose(*range(0, 2 * pixels.ndim, 2), *range(1, 2 * pixels.ndim, 2))
        values = blocks.reshape(-1, int(np.prod(tile)))
        bits[where] = _entropy_of_rows(values).reshape(_counts(chosen.shape, tile))
    return bits


def entropy_map(image: ArrayLike, block: int = 16, *, channel_axis: int | None = None) -> NDArray[np.float64]:
    """Of every pixel, the entropy of its block, summed over colour components.

    Parameters
    ----------
    image : (M, N) or, with `channel_axis`, (M, N, C) ndarray of integers
    block : int
        Side of the blocks in pixels; the last blocks hold the pixels that there are.
    channel_axis : int, optional

    Returns
    -------
    (M, N) ndarray of float64
        Bits. A sum over pixels weighs each block by its size.

    Raises
    ------
    ValueError
        As from `block_entropy`, and for an image that is not of one plane.

    >>> import numpy as np
    >>> entropy_map(np.array([[0, 1, 7]], np.uint8), block=2)
    array([[1., 1., 0.]])
    """
    pixels = np.asarray(image)
    parts = pixels[..., None] if channel_axis is None else np.moveaxis(pixels, channel_axis, -1)
    if parts.ndim != 3:
        raise ValueError(f"an entropy map is of one plane, not of the shape {pixels.shape}")
    bits = block_entropy(parts, block, channel_axis=-1).sum(axis=-1)
    rows, columns = parts.shape[:2]
    return np.asarray(bits.repeat(block, axis=0)[:rows].repeat(block, axis=1)[:, :columns])


def _spans(length: int, side: int) -> list[tuple[slice, slice]]:
    """Where the whole blocks of an axis lie, then the partial one: (blocks, pixels with the side as step)."""
    whole = length // side
    spans = []
    if whole:
        spans.append((slice(0, whole), slice(0, whole * side, side)))
    if length % side:
        spans.append((slice(whole, whole + 1), slice(whole * side, length, length % side)))
    return spans


def _counts(shape: tuple[int, ...], tile: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n // t for n, t in zip(shape, tile, strict=True))


def _entropy_of_rows(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Entropy in bits of the values in each row of ``(n, pixels)``."""
    rows, pixels = values.shape
    ordered = np.sort(values, axis=1)
    first = np.ones((rows, pixels), bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=first[:, 1:])
    starts = np.flatnonzero(first)
    runs = np.diff(starts, append=rows * pixels)
    weighted = runs * np.log2(runs)
    per_row = np.bincount(starts // pixels, weights=weighted, minlength=rows)
    # log2(n) - (1/n) sum c log2 c equals sum p log2(1/p), and the rounding may not go below zero.
    return np.asarray(np.maximum(np.log2(pixels) - per_row / pixels, 0.0))
