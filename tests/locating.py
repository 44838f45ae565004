"""Finds windows in the image that they were cut from, whatever their turn, sign and offset."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from providers.wire import decode_task
from tests.simulator import Simulated


def noise(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.int32]:
    """An image in which no four pixels of a square look like four others."""
    return np.random.default_rng(seed).integers(0, 2**28, shape).astype(np.int32)


@dataclass
class Locator:
    """Knows where every square of four pixels of a noise image lies, `(M, N)` or `(M, N, C)`."""

    image: NDArray[np.int32] = field(repr=False)

    def __post_init__(self) -> None:
        planes = self.image if self.image.ndim == 3 else self.image[..., None]
        squares = [
            planes[:-1, :-1], planes[:-1, 1:], planes[1:, :-1], planes[1:, 1:]
        ]  # fmt: skip
        marks = _marks(np.stack(squares, axis=-1))
        self._shape = marks.shape
        self._order = np.argsort(marks, axis=None)
        self._marks = marks.ravel()[self._order]
        assert (np.diff(self._marks) > 0).all(), "two squares of this image look alike"

    def boxes(self, stack: NDArray[np.generic]) -> NDArray[np.intp]:
        """First row and column, row and column after the last, and colour component, `(n, 5)`."""
        ends = [(slice(0, 2), slice(-2, None))[i] for i in (0, 1)]
        corners = np.stack([self._places(stack[:, rows, columns]) for rows in ends for columns in ends])
        low, high = corners.min(axis=0), corners.max(axis=0)
        assert (low[:, 2] == high[:, 2]).all(), "a window mixes colour components"
        sides = np.array(stack.shape[1:])
        assert (high[:, :2] + 2 - low[:, :2] == sides).all(), "a window is not one piece of the image"
        return np.column_stack([low[:, :2], high[:, :2] + 2, low[:, 2]])

    def received(self, cloud: Simulated) -> NDArray[np.intp]:
        """The boxes of all windows that a provider was sent, in the order of sending."""
        stacks = [self.boxes(decode_task(request).stack) for request in cloud.requests]
        return np.concatenate([np.empty((0, 5), np.intp), *stacks])

    def centres(self, cloud: Simulated) -> set[tuple[int, int]]:
        """Twice the middles of those windows: the same for one block, whatever the halo."""
        boxes = self.received(cloud)
        return set(map(tuple, (boxes[:, :2] + boxes[:, 2:4]).tolist()))

    def _places(self, squares: NDArray[np.generic]) -> NDArray[np.intp]:
        wanted = _marks(squares.astype(np.int64).reshape(len(squares), 4))
        found = np.searchsorted(self._marks, wanted).clip(max=len(self._marks) - 1)
        assert (self._marks[found] == wanted).all(), "pixels were sent that the image does not have"
        return np.stack(np.unravel_index(self._order[found], self._shape), axis=-1)


def _marks(squares: NDArray[np.integer]) -> NDArray[np.uint64]:
    """A number for each four pixels that their order, sign and offset do not change."""
    lowest, second, third, highest = np.moveaxis(np.sort(squares.astype(np.int64), axis=-1), -1, 0)
    one, other = (second - lowest).astype(np.uint64), (highest - third).astype(np.uint64)
    span = (highest - lowest).astype(np.uint64)
    return span * np.uint64(0x9E3779B97F4A7C15) + one * other + (one + other) * np.uint64(0xC2B2AE3D27D4EB4F)
