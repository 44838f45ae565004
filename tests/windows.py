"""Windows of a grid whose margin is the halo itself: the farthest out that they can lie."""

import numpy as np
from numpy.typing import NDArray

from regions import BlockGrid


def window_starts(grid: BlockGrid, halo: tuple[int, ...]) -> NDArray[np.intp]:
    """First pixel of each block's window."""
    return grid.core_starts(halo) - np.array(halo)


def window_shape(grid: BlockGrid, halo: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of a window."""
    return tuple(b + 2 * h for b, h in zip(grid.block, halo, strict=True))
