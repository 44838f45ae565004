"""The scheme `unprotected`: plain slabs over the same wire; the yardstick for what protection costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cloudsec.keystream import Keystream
from cloudsec.schemes.base import Plan, Protected, Sealed, refuse_choices, task_identity
from providers import Filter
from providers.operation import region_around
from providers.service import MAX_WORK
from providers.wire import Task
from regions import Box

SLAB_BYTES = 8 << 20
"""Pixels of one slab, halo apart: answers of up to eight bytes a pixel stay within a provider's limit."""


class Unprotected:
    """N slabs with halo, in order: every provider sees its part of the image as it is."""

    name: ClassVar[str] = "unprotected"
    assurance: ClassVar[str] = "none"

    def carries(self, operation: Filter) -> bool:
        return True

    def plan(
        self, shape: tuple[int, ...], operation: Filter, parties: int, choices: Mapping[str, Any]
    ) -> Plan:
        refuse_choices(choices, (), self.name)
        owners = np.arange(shape[0]) * parties // shape[0]
        shares = np.bincount(owners, minlength=parties) / shape[0]
        rows = [np.flatnonzero(owners == party) for party in range(parties)]
        halo = operation.halo[0]
        received = [
            (min(own[-1] + 1 + halo, shape[0]) - max(own[0] - halo, 0)) / shape[0] if own.size else 0.0
            for own in rows
        ]
        return Plan(None, owners[:, None], tuple(map(float, shares)), tuple(map(float, received)), ())

    def protect(
        self, pixels: NDArray[np.generic], operation: Filter, plan: Plan, keys: Keystream
    ) -> Protected:
        owners = plan.assignment[:, 0]
        # Halos are work too: those of the columns in every row, those of the rows in every slab.
        row_work = operation.taps * (pixels.shape[1] + 2 * operation.halo[1])
        affordable = MAX_WORK // row_work - 2 * operation.halo[0]
        most = max(1, min(SLAB_BYTES // (pixels.nbytes // len(pixels)), affordable))
        sealed: list[Sealed] = []
        boxes: list[Box] = []
        for party in range(len(plan.pixel_shares)):
            first, stop = np.searchsorted(owners, [party, party + 1])
            for row in range(first, stop, most):
                rest = [(0, n) for n in pixels.shape[1:]]
                box = Box(*zip((row, min(row + most, int(stop))), *rest, strict=True))
                region = region_around(pixels, operation, box)
                identity = task_identity(keys, len(sealed))
                sealed.append(Sealed(Task(identity, operation, region[None], True), (party,)))
                boxes.append(box)
        return Protected(tuple(sealed), tuple(boxes))

    def place(self, result: NDArray[np.generic], answer: NDArray[np.generic], task: Task, entry: Box) -> None:
        result[entry.slices] = answer[0]

    def statement(self, plan: Plan, operation: Filter) -> str:
        return "No confidentiality: every provider saw its part of the image as it is."
