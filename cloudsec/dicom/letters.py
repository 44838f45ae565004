"""Drawn letters in pixels: found by how they stand in a row at one grey value, without reading them.

None found is no proof that there are none: handwriting, small faint print and scanned forms pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PIXELS_LOOKED_AT = 1 << 24
"""Of all frames; of more, evenly spread ones are looked at, for a name stands in all frames of a cine."""
_FLAT_VALUES = 4
"""Grey values looked at besides the least and the greatest: those that stand out of the histogram most."""
_SMOOTHED = (1 / 4, 1 / 2)
"""Of the range of the frame, by which edges of letters may differ from the extreme value."""
_FLAT = 1 / 4
"""Of a smoothed letter, what has that value: what is no drawing has its extreme in a few pixels."""
_HEIGHTS = (6, 80)
"""Of a letter, in pixels: no smaller one is legible, and larger ones are the marks of a side."""
_LEAST = 6
"""Letters of a row; fewer are L, R, or how somebody stood."""
_KINDS = 4
"""Letters of a row that differ, and that are no bars and blocks: the marks of rulers and grids are alike."""
_OTHERS = 0.4
"""Pixels of that value which may lie between them, to those of the letters: dots, commas and brackets."""
_LINES = 1 << 16
_PIXELS_OF_LINE = 256
_FEWEST_LINES = 256
"""Lines on which rows are looked for in a frame: one for so many pixels, within these numbers. What has more
is noise or made to keep a look busy: evenly spread ones are taken."""
_CONTRAST = 1 / 8
"""Of the range of the frame, between letters and what is around them."""


def shows_letters(frames: NDArray[Any]) -> bool:
    """Whether a row of drawn letters stands in frames, (F, M, N) or (F, M, N, 3)."""
    count = max(1, min(len(frames), _PIXELS_LOOKED_AT // frames[0].size))
    spread = frames[np.linspace(0, len(frames) - 1, count).astype(int)]
    planes = spread if frames.ndim == 3 else np.moveaxis(spread, -1, 1).reshape(-1, *frames.shape[1:3])
    return any(_has_row(plane) for plane in planes)


def _has_row(plane: NDArray[Any]) -> bool:
    low, high = float(plane.min()), float(plane.max())
    return np.isfinite(high - low) and any(
        _is_drawn(row, drawn, plane, value, (high - low) * _CONTRAST)
        for value, drawn in _drawings(plane, low, high)
        for row in _rows(_pieces(drawn), plane.size)
    )


def _drawings(plane: NDArray[Any], low: float, high: float) -> Iterator[tuple[float, NDArray[np.bool_]]]:
    """Where letters of a value would be, if their edges are sharp, and if they are smoothed."""
    for value in {low, high, *_flat_values(plane)}:
        yield value, plane == value
    for share in _SMOOTHED:
        yield high, plane > high - (high - low) * share
        yield low, plane < low + (high - low) * share


def _flat_values(plane: NDArray[Any]) -> list[float]:
    """Values that many more pixels have than the next lesser or the next greater one of the frame."""
    if plane.dtype.kind == "f" or int(plane.max()) - (low := int(plane.min())) >= 1 << 16:
        return []
    counts = np.bincount(plane.ravel().astype(np.int64) - low)
    values = np.flatnonzero(counts)
    present = np.pad(counts[values], 1)
    excess = present[1:-1] - 4 * np.minimum(present[:-2], present[2:])
    order = np.argsort(-excess, kind="stable")[:_FLAT_VALUES]
    return [float(value + low) for value in values[order[excess[order] > 0]]]


def _pieces(drawn: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Connected pixels of the size of letters: top, bottom, left, right and area, by bottom."""
    from scipy import ndimage

    labels, _ = ndimage.label(drawn, np.ones((3, 3)))
    areas = np.bincount(labels.ravel())
    # A piece has a pixel in each of its rows at least: most pieces of noise have too few, and need no box.
    large = areas >= _HEIGHTS[0]
    large[0] = False
    numbers = np.where(large, np.cumsum(large), 0).astype(labels.dtype)
    boxes = [
        [edge for side in box for edge in (side.start, side.stop)]
        for box in ndimage.find_objects(numbers[labels])
    ]
    pieces = np.column_stack([np.array(boxes, np.int64).reshape(-1, 4), areas[large]])
    height, width = pieces[:, 1] - pieces[:, 0], pieces[:, 3] - pieces[:, 2]
    pieces = pieces[(height >= _HEIGHTS[0]) & (height <= _HEIGHTS[1]) & (width <= 2 * height)]
    return pieces[np.argsort(pieces[:, 1], kind="stable")]


def _rows(pieces: NDArray[np.int64], pixels: int) -> Iterator[NDArray[np.int64]]:
    """Pieces on a common line, none much higher than another, one after the other without wide gaps."""
    bottoms, heights = pieces[:, 1], pieces[:, 1] - pieces[:, 0]
    for line, height in _lines(bottoms, heights, pixels):
        slack = max(1, height // 8)
        near = slice(*np.searchsorted(bottoms, (line - slack, line + slack + 1)))
        alike = pieces[near][(heights[near] <= height) & (heights[near] >= 0.6 * height)]
        if len(alike) < _LEAST:
            continue
        alike = alike[np.argsort(alike[:, 2], kind="stable")]
        gaps = alike[1:, 2] - alike[:-1, 3]
        for row in np.split(alike, np.flatnonzero((gaps > 2 * height) | (gaps < -height // 4)) + 1):
            if len(row) >= _LEAST and _kinds(row) >= _KINDS:
                yield row


def _lines(bottoms: NDArray[np.int64], heights: NDArray[np.int64], pixels: int) -> list[tuple[int, int]]:
    """Where pieces end below, and how high they are: each, or evenly spread ones of too many."""
    found = sorted(set(zip(bottoms.tolist(), heights.tolist(), strict=True)))
    most = min(max(_FEWEST_LINES, pixels // _PIXELS_OF_LINE), _LINES)
    return found[:: max(1, -(-len(found) // most))]


def _kinds(row: NDArray[np.int64]) -> int:
    """How many different pieces of a row are made of strokes."""
    height, width, area = row[:, 1] - row[:, 0], row[:, 3] - row[:, 2], row[:, 4]
    strokes = (area <= 0.75 * height * width) & (3 * width >= height)
    return len(np.unique(np.column_stack([width, area])[strokes], axis=0))


def _is_drawn(
    row: NDArray[np.int64], drawn: NDArray[np.bool_], plane: NDArray[Any], value: float, contrast: float
) -> bool:
    """Whether a row has little else between its letters, stands out, and has the value in its strokes."""
    box = np.s_[row[:, 0].min() : row[:, 1].max(), row[:, 2].min() : row[:, 3].max()]
    inside, around = drawn[box], plane[box][~drawn[box]]
    if not len(around) or inside.sum() > (1 + _OTHERS) * row[:, 4].sum():
        return False
    flat = (plane[box] == value).sum() >= _FLAT * inside.sum()
    return bool(flat and abs(float(np.median(around)) - value) >= contrast)
