"""What providers were really sent, found in the image by its content: any turn, sign and offset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from providers.wire import decode_task

Sighting: TypeAlias = tuple[int, int, int]
"""Colour component, first row and first column of a window."""


class Finder:
    """Finds scrambled windows of one side in the planes of an image in which no two windows look alike."""

    def __init__(self, planes: NDArray[Any], side: int) -> None:
        self._windows = sliding_window_view(planes.astype(np.int64), (side, side), axis=(1, 2))
        marks = _mark(self._windows).ravel()
        self._order = np.argsort(marks, kind="stable")
        self._marks = marks[self._order]

    def place(self, region: NDArray[Any]) -> Sighting:
        """The only place that a region can come from."""
        found = set()
        possible = np.stack(list(_unscrambled(region.astype(np.int64))))
        marks = _mark(possible)
        lows, highs = (np.searchsorted(self._marks, marks, side) for side in ("left", "right"))
        for window, low, high in zip(possible, lows, highs, strict=True):
            for number in self._order[low:high]:
                place = np.unravel_index(number, self._windows.shape[:3])
                there = self._windows[place]
                if (there - there[0, 0] == window - window[0, 0]).all():
                    found.add(tuple(map(int, place)))
        (only,) = found
        return only[0], only[1], only[2]


def _unscrambled(region: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for sign in (1, -1):
        for turns in range(4):
            turned = np.rot90(sign * region, turns)
            yield turned
            yield turned.T


def _mark(window: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number that windows share which are equal but for an offset, and few others do."""
    middle = window.shape[-1] // 2
    mark = np.zeros(window.shape[:-2], np.int64)
    for row, column in ((0, -1), (-1, 0), (-1, -1), (middle, middle), (middle, 0), (0, middle)):
        # What overflows does so alike for equal windows.
        mark = mark * 100_003 + (window[..., row, column] - window[..., 0, 0])
    return mark


_FINDERS: dict[tuple[bytes, tuple[int, ...], int], Finder] = {}


def sightings(planes: NDArray[Any], requests: Iterable[bytes]) -> list[list[Sighting]]:
    """For each request, where its regions come from, in their order; planes are (C, M, N)."""
    found = []
    for request in requests:
        stack = decode_task(request).stack
        key = (planes.tobytes(), planes.shape, stack.shape[1])
        if key not in _FINDERS:
            _FINDERS[key] = Finder(planes, stack.shape[1])
        found.append([_FINDERS[key].place(region) for region in stack])
    return found


def windows(planes: NDArray[Any], requests: Iterable[bytes]) -> set[tuple[int, int]]:
    """First row and column of all windows in these requests, of whatever component."""
    return {(top, left) for seen in sightings(planes, requests) for _, top, left in seen}
