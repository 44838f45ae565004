"""The block grid of an image: where blocks lie, which are alike, cut in stacks with halo, pasted back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class BlockGrid:
    """Blocks of `block` pixels that tile an image of `shape`; the last of an axis may be partly outside.

    Origin and size of the blocks depend on nothing else, so that two jobs with different halos
    give a provider the same positions.

    >>> BlockGrid((70, 64), (32, 32)).counts
    (3, 2)
    """

    shape: tuple[int, ...]
    block: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.block):
            raise ValueError(f"a grid needs one block size per axis of {self.shape}, not {self.block}")
        if any(size < 1 for size in self.block):
            raise ValueError(f"a block needs at least one pixel on every axis, not {self.block}")

    @property
    def counts(self) -> tuple[int, ...]:
        """Blocks per axis, the partial last one included."""
        return tuple(-(-n // b) for n, b in zip(self.shape, self.block, strict=True))

    @property
    def whole_blocks(self) -> int:
        """How many blocks lie wholly inside the image."""
        return int(np.prod([n // b for n, b in zip(self.shape, self.block, strict=True)]))

    def core_starts(self, margin: tuple[int, ...]) -> NDArray[np.intp]:
        """First pixel of what is answered of every block, shape ``(*counts, ndim)``.

        A block that reaches nearer than `margin` to the image's edge is shifted inward, so that all
        have the same shape, and a window with any halo up to `margin` around one holds no pixel that
        the image does not have. Whatever the halo, the window of a block is centred on the same place.
        """
        axes = [
            np.clip(np.arange(count) * b, m, n - m - b)
            for count, b, m, n in zip(self.counts, self.block, margin, self.shape, strict=True)
        ]
        if any(n < b + 2 * m for n, b, m in zip(self.shape, self.block, margin, strict=True)):
            raise ValueError(f"blocks of {self.block} do not fit {margin} pixels inside {self.shape}")
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.intp)


def cut(image: NDArray[np.generic], starts: NDArray[np.intp], window: tuple[int, ...]) -> NDArray[np.generic]:
    """Copy windows out of an image.

    Parameters
    ----------
    image : (M, N) or (P, M, N) ndarray
    starts : (n, ndim) ndarray
        First pixel of each window.
    window : tuple of int
        Shape of every window.

    Returns
    -------
    (n, *window) ndarray
        Contiguous, of the image's dtype.
    """
    views = sliding_window_view(image, window)
    return np.ascontiguousarray(views[tuple(starts.T)])


def paste(image: NDArray[np.generic], pieces: NDArray[np.generic], starts: NDArray[np.intp]) -> None:
    """Write ``(n, *piece)`` pieces into `image` at `starts`, in place; the opposite of `cut`.

    Pieces that overlap must agree where they do: which of them stays is not defined.
    """
    views = sliding_window_view(image, pieces.shape[1:], writeable=True)
    views[tuple(starts.T)] = pieces


def alike(rows: NDArray[np.generic]) -> list[NDArray[np.intp]]:
    """Which rows of a table are equal: for each kind of row the numbers of those, rising.

    >>> alike(np.array([[32, 8], [0, 8], [32, 8]]))
    [array([1]), array([0, 2])]
    """
    # Not np.unique, which compares rows as bytes and takes far longer.
    order = np.lexsort(rows.T)
    changes = (rows[order[1:]] != rows[order[:-1]]).any(axis=1)
    return np.split(order, np.flatnonzero(changes) + 1) if len(rows) else []
