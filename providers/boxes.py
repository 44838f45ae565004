"""A resolved operation on boxes of an image, here: finished answers, borders included."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from providers.image import PLANE_AXES
from providers.operation import PAD_MODES, Filter
from regions import Box, alike, cut

STACK_BYTES = 4 << 20
"""Pixels that are worked on at once, as the int64 that operations work in: a few times as much is held.

What fits into a processor's cache is as fast as more.
"""


def filter_box(
    pixels: NDArray[np.generic], operation: Filter, box: Box, *, unrounded: bool = False
) -> NDArray[np.generic]:
    """The answer of a resolved operation on one box of an image, borders included; finished, or unrounded."""
    region = region_around(pixels, operation, box)
    answer: NDArray[np.generic] = _answers(operation, region[None], unrounded)[0]
    return answer


def region_around(pixels: NDArray[np.generic], operation: Filter, box: Box) -> NDArray[np.generic]:
    """A box of an image with its halo; beyond the image's edge, continued by the border mode."""
    window = box.widened(operation.halo)
    inside = Box(
        tuple(max(low, 0) for low in window.start),
        tuple(min(high, n) for high, n in zip(window.stop, pixels.shape, strict=True)),
    )
    before = tuple(have - want for have, want in zip(inside.start, window.start, strict=True))
    after = tuple(want - have for want, have in zip(window.stop, inside.stop, strict=True))
    region = pixels[inside.slices]
    return _continued(region, operation, tuple(zip(before, after, strict=True)))


def ends_added(stack: NDArray[np.generic], operation: Filter) -> NDArray[np.generic]:
    """Columns of a volume with what lies beyond its first and last plane, by the border mode.

    Parameters
    ----------
    stack : (n, P, h, w) or (n, h, w) ndarray
        Regions of all planes; those of a single plane stay as they are.
    operation : Filter
    """
    beyond = operation.halo[:-PLANE_AXES]
    widths = [(0, 0), *((reach, reach) for reach in beyond), (0, 0), (0, 0)]
    return _continued(stack, operation, tuple(widths))


def _continued(
    pixels: NDArray[np.generic], operation: Filter, widths: tuple[tuple[int, int], ...]
) -> NDArray[np.generic]:
    """Pixels with so many more before and after them on each axis, by the border mode."""
    if not any(before or after for before, after in widths):
        return pixels
    mode = PAD_MODES[operation.mode]
    fill = {"constant_values": operation.cval} if mode == "constant" else {}
    return np.pad(pixels, widths, mode=mode, **fill)  # type: ignore[call-overload, no-any-return]


def filter_boxes(
    planes: NDArray[np.generic], operation: Filter, boxes: NDArray[np.intp], *, unrounded: bool = False
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.generic]]]:
    """The answers of a resolved operation on many boxes of an image, a stack at a time.

    Equals `filter_box` on every component and box. Boxes whose halo reaches beyond the image's edge come
    one by one, the others in stacks of at most `STACK_BYTES`, or of one box where that alone is larger.

    Parameters
    ----------
    planes : (C, M, N) or (C, P, M, N) ndarray
        Colour components, each filtered by itself; or a volume.
    operation : Filter
    boxes : (n, 4) ndarray
        First row and column, row and column after the last, of the pixels that are wanted; inside the
        image, of any shapes. Of a volume, all planes are.
    unrounded : bool
        Whether answers are wanted exact and not finished.

    Yields
    ------
    numbers : (k,) ndarray
        Boxes of one shape, by their places in `boxes`; each comes once.
    answers : (k, C, h, w) or (k, C, P, h, w) ndarray
    """
    halo, depth = np.array(operation.halo[-PLANE_AXES:]), planes.shape[1:-PLANE_AXES]
    first, last = boxes[:, :2] - halo, boxes[:, 2:] + halo
    inside = (first >= 0).all(axis=1) & (last <= planes.shape[-PLANE_AXES:]).all(axis=1)
    for number in np.flatnonzero(~inside):
        start, stop = boxes[number, :2].tolist(), boxes[number, 2:].tolist()
        box = Box((*(0 for _ in depth), *start), (*depth, *stop))
        answers = [filter_box(plane, operation, box, unrounded=unrounded) for plane in planes]
        yield np.array([number]), np.stack(answers)[None]
    within = np.flatnonzero(inside)
    for kind in alike(last[within] - first[within]):
        numbers = within[kind]
        # To cut, components and planes are more axes, of which every window holds all.
        window = (len(planes), *depth, *(last[numbers[0]] - first[numbers[0]]).tolist())
        at_once = max(1, STACK_BYTES // max(1, 8 * prod(window)))
        for start in range(0, len(numbers), at_once):
            part = numbers[start : start + at_once]
            whole = np.zeros((len(part), 1 + len(depth)), np.intp)
            stack = cut(planes, np.hstack([whole, first[part]]), window)
            regions = ends_added(stack.reshape(len(part) * len(planes), *window[1:]), operation)
            found = _answers(operation, regions, unrounded)
            yield part, found.reshape(len(part), len(planes), *found.shape[1:])


def _answers(operation: Filter, regions: NDArray[np.generic], unrounded: bool) -> NDArray[Any]:
    exact = operation.run(regions)
    return exact if unrounded else operation.finish(exact, regions.dtype)
