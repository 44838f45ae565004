"""Where the blocks of an image lie, who may see which, and what of each answer is kept; geometry only.

Nothing here depends on an operation but the ring: two jobs with different halos send windows around the
same places. If they did not, a provider that compares its windows of two jobs would see which lie at the
image's edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from regions import HALOS_PER_BLOCK, LATTICE_PERIODS, NO_CLASS, BlockGrid, Box, greedy, lattice

FEWEST_SEPARATED = 4
"""With fewer classes some blocks of one class are neighbours, and may only travel without a halo."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Blocks of one size on a plane of one shape, spread over classes.

    The margin is the widest halo that such blocks may have, a quarter of their side. What lies nearer
    to the image's edge is computed at home, whatever the operation's halo, and blocks that reach into
    the margin are shifted inward, so that no window is padded or of another shape. Two or three classes
    never have a halo: their blocks lie where the grid puts them, without a margin, because a shifted one
    would share pixels with a block of its own class.
    """

    shape: tuple[int, int]
    block: int
    classes: int

    @property
    def separates(self) -> bool:
        """Whether no two blocks of one class are neighbours, so that blocks may travel with a halo."""
        return self.classes >= FEWEST_SEPARATED

    @property
    def margin(self) -> int:
        """Pixels between the image's edge and the nearest block."""
        return self.block // HALOS_PER_BLOCK if self.separates else 0

    @property
    def holds_each_class(self) -> bool:
        """Whether a block fits with its margin and, under a lattice, one of each class on every axis."""
        least = max(self.block * LATTICE_PERIODS.get(self.classes, 1), self.block + 2 * self.margin)
        return min(self.shape) >= least

    @property
    def counts(self) -> tuple[int, int]:
        """Blocks per axis."""
        rows, columns = self.grid.counts
        return rows, columns

    @property
    def grid(self) -> BlockGrid:
        return BlockGrid(self.shape, (self.block,) * len(self.shape))

    @cached_property
    def core_starts(self) -> NDArray[np.intp]:
        """First pixel of every block, ``(rows, columns, 2)``."""
        starts = self.grid.core_starts((self.margin,) * len(self.shape))
        for axis, length in enumerate(self.shape):
            overlaps = self._overlaps(length)
            if overlaps is not None:
                gaps = self.block - np.concatenate([[0], overlaps])
                along = np.cumsum(gaps) - self.block + self.margin
                starts[..., axis] = along[:, None] if axis == 0 else along
        return starts

    def coloured(
        self, wishes: NDArray[np.float64], loads: NDArray[np.float64] | None = None
    ) -> NDArray[np.intp]:
        """Class of every block, ``(rows, columns)``; NO_CLASS for those that do not go out.

        Parameters
        ----------
        wishes : (blocks, classes) ndarray of float64
            Preferences as `regions.greedy` takes them; lattices leave no choice.
        loads : (classes,) ndarray of float64, optional
            Share of the blocks that each class should have, in any unit, where lattices leave a choice.
        """
        counts = self.grid.counts
        if self.classes in LATTICE_PERIODS:
            drawn = lattice(counts, LATTICE_PERIODS[self.classes])
        elif self.separates:
            drawn = greedy(self.grid, wishes, loads=loads)
        else:
            drawn = np.add.outer(np.arange(counts[0]), np.arange(counts[1])) % self.classes
        labels = np.full(counts, NO_CLASS, np.intp)
        labels[self._sent] = drawn[self._sent]
        return labels

    def windows(self, halo: tuple[int, ...]) -> NDArray[np.intp]:
        """What travels for every block: first row and column, row and column after the last.

        ``(rows, columns, 4)``.
        """
        reach = np.array(halo)
        return np.concatenate([self.core_starts - reach, self.core_starts + self.block + reach], axis=-1)

    def kept(self, ring: tuple[int, ...]) -> NDArray[np.intp]:
        """Which pixels of the result each block's answer gives, as boxes ``(rows, columns, 4)``.

        Disjoint, and empty for blocks that never go out. `ring` pixels at either end of a block are
        not answered.
        """
        boxes = np.zeros((*self.grid.counts, 4), np.intp)
        rows, columns = self._spans(ring)
        own = boxes[self._sent]
        own[..., 0], own[..., 2] = rows[0][:, None], rows[1][:, None]
        own[..., 1], own[..., 3] = columns[0], columns[1]
        return boxes

    def answered(self, ring: tuple[int, ...]) -> Box:
        """The smallest box that holds all that is kept of answers."""
        spans = self._spans(ring)
        return Box(tuple(int(first[0]) for first, _ in spans), tuple(int(stops[-1]) for _, stops in spans))

    def gaps(self, ring: tuple[int, ...]) -> tuple[Box, ...]:
        """The pixels between blocks that no answer gives, as strips across `answered`; strips may cross."""
        inner = self.answered(ring)
        strips = []
        for axis, (firsts, stops) in enumerate(self._spans(ring)):
            for low, high in zip(stops[:-1].tolist(), firsts[1:].tolist(), strict=True):
                if low < high:
                    start, stop = list(inner.start), list(inner.stop)
                    start[axis], stop[axis] = low, high
                    strips.append(Box(tuple(start), tuple(stop)))
        return tuple(strips)

    @property
    def _sent(self) -> tuple[slice, ...]:
        """The blocks that may go out, the first ones of each axis."""
        return tuple(slice(self._blocks_sent(length)) for length in self.shape)

    def _spans(self, ring: tuple[int, ...]) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]:
        """Per axis, the first pixel that is kept of each block that goes out, and the one after the last."""
        axes = []
        for axis, (length, reach) in enumerate(zip(self.shape, ring, strict=True)):
            count = self._blocks_sent(length)
            along = self.core_starts[:, 0, 0] if axis == 0 else self.core_starts[0, :, 1]
            firsts = along[:count] + reach
            stops = along[:count] + self.block - reach
            # Where a block is shifted onto another, the grid's line divides them; else nothing is cut off.
            low, high = np.minimum(firsts[1:], stops[:-1]), np.maximum(firsts[1:], stops[:-1])
            lines = np.clip(np.arange(1, count) * self.block, low, high)
            firsts[1:], stops[:-1] = np.maximum(firsts[1:], lines), np.minimum(stops[:-1], lines)
            axes.append((firsts, stops))
        return tuple(axes)

    def _blocks_sent(self, length: int) -> int:
        """How many blocks of an axis may go out, the first ones; the rest are computed at home."""
        whole, rest = divmod(length, self.block)
        if not self.separates:
            return whole
        if not self._every_other:
            return whole + (rest > self.margin)
        if self._overlaps(length) is not None:
            return whole + (rest > 0)
        return whole - (rest == 0)

    @property
    def _every_other(self) -> bool:
        """Whether every other block of an axis has one class, so that their windows may come to touch."""
        return LATTICE_PERIODS.get(self.classes) == 2

    def _overlaps(self, length: int) -> NDArray[np.intp] | None:
        """Pixels by which each block of an axis overlaps the next under a lattice of period 2.

        None for other classes, and where the last block cannot go out.

        All blocks together are longer than what lies between the margins. Shifting the last one alone would
        make its window touch that of the last but one, which has the same class, and touching edges can be
        matched; two overlaps in a row may sum up to just less than that. So what is left after the first
        block, which the margin shifts, is spread over every other place from the end.
        """
        if not self._every_other or length < self.block + 2 * self.margin:
            return None
        overlaps = np.zeros(-(-length // self.block) - 1, np.intp)
        most = self.block - 2 * self.margin - 1
        left = (len(overlaps) + 1) * self.block - length + self.margin
        overlaps[:1] = self.margin
        for place in range(len(overlaps) - 1, 0, -2):
            overlaps[place] = min(left, most - (self.margin if place == 1 else 0))
            left -= overlaps[place]
        if len(overlaps) == 1:
            # Two blocks of an axis have two classes.
            overlaps[0], left = overlaps[0] + left, 0
        return None if left else overlaps
