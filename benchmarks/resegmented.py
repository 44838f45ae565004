"""J of thresholds as the paper would have it: regions are formed, and their pixels gone through each time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regions import Fitness, Speeds, segmented

NEIGHBOURS = ((0, 1), (1, 0), (1, 1))


def region_figures(image: NDArray[Any], inside: NDArray[np.bool_], block: int) -> tuple[float, float]:
    """Cor and NPCR of the pixels of whole blocks, grey; neighbours are of one block."""
    rows, columns = image.shape
    block_row, block_column = np.arange(rows)[:, None] // block, np.arange(columns)[None] // block
    values = []
    for down, right in NEIGHBOURS:
        here = (slice(0, rows - down), slice(0, columns - right))
        there = (slice(down, rows), slice(right, columns))
        pairs = inside[here] & (block_row[: rows - down] == block_row[down:])
        pairs &= block_column[:, : columns - right] == block_column[:, right:]
        values.append(_correlation(image[here][pairs], image[there][pairs]))
    shares = np.unique(image[inside], return_counts=True)[1] / inside.sum()
    return sum(values) / 3, float(1 - (shares**2).sum())


def resegmented(
    image: NDArray[Any],
    block: int,
    entropy: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    speeds: Speeds,
    channel_axis: int | None = None,
) -> Fitness:
    """The three terms of J, given the entropies, which do not depend on thresholds."""
    labels = segmented(entropy, thresholds)
    parts = [image] if channel_axis is None else list(np.moveaxis(image, channel_axis, 0))
    shape = parts[0].shape
    of_pixel = labels.repeat(block, 0)[: shape[0]].repeat(block, 1)[:, : shape[1]]
    sizes = np.bincount(labels.ravel(), minlength=len(thresholds) + 1)
    cor = change = 0.0
    for region, share in enumerate(sizes / labels.size):
        inside = of_pixel == region
        figures = np.array([region_figures(part, inside, block) for part in parts])
        cor += share * float(figures[:, 0].mean())
        change += share * float(figures[:, 1].mean())
    makespan = float(speeds.seconds(sizes).max())
    return Fitness(cor, 1 - change, makespan / speeds.ideal(labels.size))


def _correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    if one.size == 0 or one.min() == one.max() or other.min() == other.max():
        return 1.0
    x, y = one - one.mean(), other - other.mean()
    return float(min(1.0, abs((x * y).sum()) / np.sqrt((x * x).sum() * (y * y).sum())))
