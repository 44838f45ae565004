"""Ranks in small windows by comparing whole arrays: every pixel's window at once, and no branches.

A network of comparisons sorts each column of a window once, for all windows that it is in, and merges the
sorted columns of each window as far as the wanted rank needs it.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from providers.stencil import Answers, answers_in, core

WORKED_AT_ONCE = 1 << 14
"""Pixels, so that the few dozen arrays that are compared stay in a processor's cache."""
BESIDE = 128
"""Regions that are laid side by side."""


class _Step(NamedTuple):
    """The smaller or larger of two values becomes a third; `last` are those that nobody needs any more."""

    larger: bool
    one: int
    other: int
    result: int
    last: tuple[int, ...]


class _Network(NamedTuple):
    """Values are numbered; those that are given come first, then one for each step."""

    steps: tuple[_Step, ...]
    wanted: tuple[int, ...]


def ranked_by_comparison(stack: NDArray[np.generic], sizes: tuple[int, ...], rank: int) -> Answers:
    """The pixel of a rank in every window that lies wholly in its region; rank 0 is the smallest.

    Parameters
    ----------
    stack : (n, S, T) or (n, P, S, T) ndarray
    sizes : (int, int) or (int, int, int)
        Rows and columns of a window, of a volume planes before them; an even one reaches a pixel farther
        towards the start.
    rank : int
        Below the number of pixels in a window.
    """
    if stack.ndim == 3:
        return ranked_by_comparison(stack[:, None], (1, *sizes), rank)[:, 0]
    deep, rows, columns = sizes
    answer: Answers = np.empty(core(stack, tuple(side // 2 for side in sizes)).shape, answers_in(stack.dtype))
    _, planes, height, width = answer.shape
    # Arrays are compared in runs along the last axis: many narrow regions are laid side by side.
    beside = len(stack) > stack.shape[3]
    at_once = BESIDE if beside else 1
    lines = max(1, WORKED_AT_ONCE // (stack.shape[3] * at_once))
    for first in range(0, len(stack), at_once):
        part = slice(first, first + at_once)
        pixels = np.ascontiguousarray(stack[part].transpose(1, 2, 3, 0)) if beside else stack[first]
        places = answer[part].transpose(1, 2, 3, 0) if beside else answer[first]
        for plane, top in product(range(planes), range(0, height, lines)):
            window = pixels[plane : plane + deep, top:]
            count = min(lines, height - top)
            places[plane, top : top + count] = _ranked(window, (rows, columns), rank, count, width)
    return answer


def _ranked(
    pixels: NDArray[np.generic], sizes: tuple[int, int], rank: int, height: int, width: int
) -> NDArray[np.generic]:
    """The pixels of a rank in windows whose first pixels are the first `height` rows and `width` columns.

    Windows are as deep as there are planes; all pixels of a window in one column are sorted together.
    """
    rows, columns = sizes
    column = [plane[row : row + height] for plane in pixels for row in range(rows)]
    by_column = _run(_sorting(len(column)), column)
    inputs = [value[:, left : left + width] for left in range(columns) for value in by_column]
    (found,) = _run(_selecting(len(column), columns, rank), inputs)
    return found


def _run(network: _Network, given: list[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
    values = dict(enumerate(given))
    spare: list[NDArray[np.generic]] = []
    for larger, one, other, result, last in network.steps:
        into = spare.pop() if spare else np.empty(given[0].shape, given[0].dtype)
        (np.maximum if larger else np.minimum)(values[one], values[other], out=into)
        values[result] = into
        for number in last:
            gone = values.pop(number)
            if number >= len(given):
                spare.append(gone)
    return [values[number] for number in network.wanted]


@lru_cache(64)
def _sorting(count: int) -> _Network:
    """Sorts so many values."""
    pairs: list[tuple[int, int]] = []
    wanted = _sorted(list(range(count)), pairs, count)
    return _needed(pairs, count, wanted)


@lru_cache(64)
def _selecting(rows: int, columns: int, rank: int) -> _Network:
    """The pixel of a rank in a window, of which every column is sorted."""
    pairs: list[tuple[int, int]] = []
    given = rows * columns
    lists = [list(range(first, first + rows)) for first in range(0, given, rows)]
    while len(lists) > 1:
        lists = [
            _merged(lists[place], lists[place + 1], pairs, given) if place + 1 < len(lists) else lists[place]
            for place in range(0, len(lists), 2)
        ]
    return _needed(pairs, given, [lists[0][rank]])


def _sorted(values: list[int], pairs: list[tuple[int, int]], given: int) -> list[int]:
    if len(values) < 2:
        return values
    half = len(values) // 2
    return _merged(_sorted(values[:half], pairs, given), _sorted(values[half:], pairs, given), pairs, given)


def _merged(one: list[int], other: list[int], pairs: list[tuple[int, int]], given: int) -> list[int]:
    """Two sorted lists as one: odd-even merging (Batcher 1968; Knuth, TAOCP 3, section 5.3.4)."""
    if not one or not other:
        return one or other
    if len(one) == len(other) == 1:
        return list(_compared(one[0], other[0], pairs, given))
    odd, even = (_merged(one[start::2], other[start::2], pairs, given) for start in (0, 1))
    merged = odd[:1]
    for low, high in zip(even, odd[1:], strict=False):
        merged += _compared(low, high, pairs, given)
    paired = min(len(even), len(odd) - 1)
    return merged + odd[1 + paired :] + even[paired:]


def _compared(one: int, other: int, pairs: list[tuple[int, int]], given: int) -> tuple[int, int]:
    """The numbers of the smaller and the larger of two values."""
    pairs.append((one, other))
    larger = given + 2 * len(pairs) - 1
    return larger - 1, larger


def _needed(pairs: list[tuple[int, int]], given: int, wanted: list[int]) -> _Network:
    """The steps that lead to what is wanted; the others are left out."""
    needed, steps = set(wanted), []
    for number in reversed(range(2 * len(pairs))):
        if given + number in needed:
            one, other = pairs[number // 2]
            # Going backwards, the first step that names a value is the last that uses it.
            last = tuple({one, other} - needed)
            needed |= {one, other}
            steps.append(_Step(number % 2 == 1, one, other, given + number, last))
    return _Network(tuple(reversed(steps)), tuple(wanted))
