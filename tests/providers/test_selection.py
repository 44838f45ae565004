"""Ranks by comparison: equal to scipy's, however regions are laid."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest
from scipy.ndimage import rank_filter

from providers.selection import ranked_by_comparison

PLANES = [(1, 1), (2, 2), (3, 3), (4, 3), (5, 5), (2, 7), (7, 7), (1, 9), (9, 9)]
VOLUMES = [(1, 1, 1), (3, 3, 3), (2, 3, 4), (5, 1, 2), (4, 4, 4)]


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        *product(PLANES, [(3, 30, 80), (200, 13, 12), (1, 150, 140)]),
        *product(VOLUMES, [(3, 7, 20, 30), (150, 5, 6, 7), (1, 9, 70, 260)]),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64"])
def test_a_rank_by_comparison_is_scipys(sizes: tuple[int, ...], shape: tuple[int, ...], dtype: str) -> None:
    limits = np.iinfo(dtype if dtype != "int64" else "int32")
    stack = np.random.default_rng(0).integers(limits.min, limits.max, shape, dtype, endpoint=True)
    core = tuple(slice(side // 2, n - side // 2) for n, side in zip(shape[1:], sizes, strict=True))
    last = prod(sizes) - 1
    for rank in {0, last // 10, (last + 1) // 2, last}:
        right = rank_filter(stack, rank, size=(1, *sizes), mode="nearest")[(slice(None), *core)]
        assert (ranked_by_comparison(stack, sizes, rank) == right).all()
