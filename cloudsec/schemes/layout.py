"""Where the blocks of an image lie, who gets which, and which part of each answer is kept; geometry only.

Nothing here depends on the operation: two jobs with different halos send windows around the same places.
If they did not, a provider that compares its windows of two jobs would see which lie at the image's edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cloudsec.schemes.base import HOME
from regions import HALOS_PER_BLOCK, BlockGrid, Box, lattice


@dataclass(frozen=True, eq=False)
class Layout:
    """Blocks of one size on an image of one shape, spread over the classes of a lattice.

    The margin is the widest halo that such blocks may have, a quarter of their side. What lies nearer
    to the image's edge is computed at home, whatever the operation's halo, and blocks that reach into
    the margin are shifted inward, so that no window is padded or of another shape.
    """

    shape: tuple[int, ...]
    block: int
    period: int

    @property
    def margin(self) -> int:
        """Pixels between the image's edge and what providers answer."""
        return self.block // HALOS_PER_BLOCK

    @property
    def reaches_all(self) -> bool:
        """Whether the image holds a block with its margin, and on every axis a whole one of each class."""
        least = max(self.block * self.period, self.block + 2 * self.margin)
        return min(self.shape) >= least

    @property
    def counts(self) -> tuple[int, ...]:
        """Blocks per axis."""
        return self._grid.counts

    @property
    def whole_blocks(self) -> int:
        """How many blocks lie wholly inside the image."""
        return self._grid.whole_blocks

    @cached_property
    def core_starts(self) -> NDArray[np.intp]:
        """First pixel that is answered for each block, ``(rows, columns, 2)``."""
        return self._grid.core_starts((self.margin,) * len(self.shape))

    @cached_property
    def assignment(self) -> NDArray[np.intp]:
        """Class of each block, ``(rows, columns)``; HOME for those that do not go out."""
        labels = np.full(self.counts, HOME, np.intp)
        labels[self._sent] = lattice(self.counts, self.period)[self._sent]
        return labels

    @cached_property
    def kept(self) -> NDArray[np.intp]:
        """Which pixels of an answer are the block's own: firsts, then stops; ``(rows, columns, 4)``."""
        first = np.zeros_like(self.core_starts)
        stop = np.zeros_like(self.core_starts)
        sent = self._sent
        grids = np.meshgrid(*(edges[:-1] for edges in self._edges), indexing="ij")
        ends = np.meshgrid(*(edges[1:] for edges in self._edges), indexing="ij")
        first[sent] = np.stack(grids, axis=-1) - self.core_starts[sent]
        stop[sent] = np.stack(ends, axis=-1) - self.core_starts[sent]
        return np.concatenate([first, stop], axis=-1)

    @property
    def answered(self) -> Box:
        """The part of the image that providers compute."""
        return Box(
            tuple(int(edges[0]) for edges in self._edges), tuple(int(edges[-1]) for edges in self._edges)
        )

    def answered_pixels(self, classes: int) -> NDArray[np.float64]:
        """Number of the image's pixels that each class computes."""
        areas = np.multiply.outer(*map(np.diff, self._edges))
        owners = self.assignment[self._sent]
        return np.asarray(np.bincount(owners.ravel(), areas.ravel(), minlength=classes), np.float64)

    @property
    def _grid(self) -> BlockGrid:
        return BlockGrid(self.shape, (self.block,) * len(self.shape))

    @property
    def _sent(self) -> tuple[slice, ...]:
        """The blocks that go out, the first ones of each axis."""
        return tuple(slice(len(edges) - 1) for edges in self._edges)

    @cached_property
    def _edges(self) -> tuple[NDArray[np.intp], ...]:
        """Per axis, where the pixels of one block that goes out end and those of the next begin."""
        axes = []
        for length in self.shape:
            edges = np.arange(self._blocks_sent(length) + 1) * self.block
            edges[0] = self.margin
            edges[-1] = min(edges[-1], length - self.margin)
            axes.append(edges)
        return tuple(axes)

    def _blocks_sent(self, length: int) -> int:
        """How many blocks of an axis go out, the first ones; the rest are computed at home.

        The last one, where it is not whole, is shifted inward. Under a lattice of period 2 it has the
        class of the last but one, whose window ends one margin beyond it; its own begins two margins
        before its place. Four margins keep a gap of one between them, as at the first block: windows that
        touch could be matched edge to edge.
        """
        whole, rest = divmod(length, self.block)
        needed = 4 * self.margin if self.period == 2 else self.margin + 1
        return whole + (rest >= max(needed, 1))
