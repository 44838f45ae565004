"""Times an operation on this machine, on such pixels as providers get, before it is planned who does it."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from providers import Filter
from providers.image import PLANE_AXES
from providers.operations.plane import PlaneFilter

FIRST = 8
"""Pixels of the sides of a piece that is filtered before, untimed, for what an operation does once."""
SIDE = 48
"""Pixels of the sides of pieces: of the order of the blocks that providers get."""
FEWEST_PIECES, MOST_PIECES = 4, 64
"""Enough to tell, and a stack as tasks are: beyond a processor's cache a pixel takes longer."""
WORK_SECONDS = 0.01
"""What a stack of more than the fewest pieces may take."""
LEAST_SECONDS = 1e-7
"""No clock tells less."""


def kind_of(operation: Filter, planes: NDArray[np.generic]) -> str:
    """What is timed apart: a resolved operation with its parameters, on pixels of a dtype."""
    return f"{operation} {planes.dtype}"


def kernel_seconds(operation: Filter, dtype: np.dtype[np.generic], values: int) -> float:
    """Seconds that a resolved operation takes here for one pixel of what providers get.

    Parameters
    ----------
    operation : Filter
        Resolved.
    dtype : dtype
        In which pixels travel.
    values : int
        Over how many grey levels they spread, which decides how sums are added up.
    """
    if operation.whole:
        plane = random_pixels(operation, (1, FIRST, FIRST), dtype, values)
        # The first time its matrix is made.
        _timed(operation, plane)
        return _timed(operation, plane) / plane.size
    _timed(operation, random_pixels(operation, (1, FIRST, FIRST), dtype, values))
    few = (FEWEST_PIECES, SIDE, SIDE)
    kernel = _timed(operation, random_pixels(operation, few, dtype, values)) / np.prod(few)
    if pieces_within(kernel) > FEWEST_PIECES:
        many = (pieces_within(kernel), SIDE, SIDE)
        kernel = _timed(operation, random_pixels(operation, many, dtype, values)) / np.prod(many)
    return float(kernel)


def pieces_within(kernel: float) -> int:
    """How many pieces an operation of so many seconds per pixel is tried on."""
    return min(max(int(WORK_SECONDS / (kernel * SIDE**2)), FEWEST_PIECES), MOST_PIECES)


def random_pixels(
    operation: Filter, core: tuple[int, int, int], dtype: np.dtype[np.generic], values: int
) -> NDArray[np.generic]:
    """A stack of regions whose answers are so many, so high and so wide, and one plane deep; of no image.

    For an operation that needs whole planes, they are as large as these.

    It is random, since constant pixels would be compressed by some ways, and sorted quickly by some filters.
    """
    count, *sides = core
    if isinstance(operation, PlaneFilter):
        sides = list(operation.plane)
    answer = (*(1 for _ in operation.halo[:-PLANE_AXES]), *sides)
    window = (side + 2 * halo for side, halo in zip(answer, operation.halo, strict=True))
    return np.random.default_rng().integers(0, max(values, 2), (count, *window)).astype(dtype)


def _timed(operation: Filter, stack: NDArray[np.generic]) -> float:
    started = time.perf_counter()
    operation.run(stack)
    return max(time.perf_counter() - started, LEAST_SECONDS)
