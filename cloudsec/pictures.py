"""Pictures of a job: what went where, and what each provider saw. Arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cloudsec.schemes import HOME

Picture = NDArray[np.uint8]
_T = TypeVar("_T", bound=np.generic)

COLOURS = np.array(
    [
        (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
        (204, 121, 167), (150, 90, 60), (160, 160, 160),
    ],
    np.float64,
)  # fmt: skip
"""One per provider: Okabe and Ito's palette for all kinds of colour vision, and two more."""
GAP = 2
"""Pixels between the blocks of a sheet."""
MOST_BLOCKS = 256
"""So many blocks of one provider are drawn in a page: enough to judge all of them, and a slice of 512 × 512
pixels in blocks of 32 has no more."""


@dataclass(frozen=True, eq=False)
class View:
    """What one provider was sent, as it was sent.

    Attributes
    ----------
    name : str
        The provider's.
    stack : (n, S, T) ndarray of integers
        Blocks with their halos, in the order of sending.
    """

    name: str
    stack: NDArray[np.integer] = field(repr=False)

    def __post_init__(self) -> None:
        if self.stack.ndim != 3 or 0 in self.stack.shape[1:] or self.stack.dtype.kind not in "iu":
            raise ValueError(
                f"a view is a stack of blocks of integers, not {self.stack.dtype} of shape {self.stack.shape}"
            )


def grey(pixels: NDArray[np.generic], low: float, high: float) -> Picture:
    """Values as 8-bit grey, black at `low` and white at `high`; of any shape, colour components alike."""
    scaled = (pixels.astype(np.float64) - low) * (255 / ((high - low) or 1))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def owner_map(shape: tuple[int, int], boxes: NDArray[np.intp], owners: NDArray[np.intp]) -> NDArray[np.intp]:
    """Whose answer each pixel of the result is: (n, 4) boxes and their owners → (M, N); HOME elsewhere."""
    owned = np.full(shape, HOME)
    for (top, left, bottom, right), owner in zip(boxes.tolist(), owners.tolist(), strict=True):
        owned[top:bottom, left:right] = owner
    return owned


def assignment_map(picture: Picture, owners: NDArray[np.intp]) -> Picture:
    """An image tinted by provider, dark where the broker computes; (M, N) or (M, N, C) → (M, N, 3)."""
    light = picture if picture.ndim == 2 else picture.mean(axis=2)
    tint = np.where((owners == HOME)[..., None], 40.0, COLOURS[owners % len(COLOURS)])
    mixed = tint * (0.45 + 0.55 * light[..., None] / 255)
    return np.clip(mixed, 0, 255).astype(np.uint8)


def thinned(pixels: NDArray[_T], side: int) -> NDArray[_T]:
    """Every so many pixels, so that at most `side` rows and columns are left; (M, N) or (M, N, C)."""
    step = ceil(max(pixels.shape[:2]) / side)
    return pixels[::step, ::step]


def sheet(stack: NDArray[np.generic]) -> Picture:
    """The blocks of one provider side by side, as it received them; (n, S, T) → picture.

    Each block is stretched to full contrast, as a curious provider would: offsets hide nothing inside it.
    """
    count, rows, columns = stack.shape
    across = ceil(sqrt(count))
    cells = np.zeros((ceil(count / across) * across, rows + GAP, columns + GAP), np.uint8)
    low, high = (bound(stack, axis=(1, 2), keepdims=True).astype(np.float64) for bound in (np.min, np.max))
    stretched = (stack - low) * (255 / np.maximum(high - low, 1))
    cells[:count, :rows, :columns] = np.rint(stretched).astype(np.uint8)
    grid = cells.reshape(-1, across, rows + GAP, columns + GAP).swapaxes(1, 2)
    return grid.reshape(-1, across * (columns + GAP))


def excerpt(stack: NDArray[np.generic], side: int) -> NDArray[np.generic]:
    """As much of a stack as is drawn with about `side` × `side` pixels; (n, S, T) → (m, s, t).

    The first MOST_BLOCKS blocks, or as many as fit, and at least one: of blocks that are longer than `side`,
    every second, third … pixel.
    """
    step = ceil(max(stack.shape[1:]) / side)
    thinned = stack[:, ::step, ::step]
    return thinned[: min(MOST_BLOCKS, side**2 // (thinned.shape[1] * thinned.shape[2]))]
