"""The scheme `unprotected`: plain slabs over the same wire; the yardstick for what protection costs."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cloudsec.keystream import KEY_BYTES, Keystream
from cloudsec.schemes.base import (
    Exposed,
    Job,
    Plan,
    Protected,
    Sealed,
    refuse_choices,
    refuse_whole_planes,
    task_identity,
)
from cloudsec.study import HOME, Study
from providers import Filter
from providers.boxes import region_around
from providers.service import MAX_WORK
from providers.wire import Task
from regions import BlockLinks, Box, informative

SLAB_BYTES = 8 << 20
"""Pixels of one slab, halo apart: answers of up to eight bytes a pixel stay within a provider's limit."""


class Unprotected:
    """N slabs with halo, in order: every provider sees its part of the image as it is. A piece is a row."""

    name: ClassVar[str] = "unprotected"
    assurance: ClassVar[str] = "none"
    choices: ClassVar[tuple[str, ...]] = ()
    fewest: ClassVar[int] = 1

    def carries(self, operation: Filter) -> bool:
        return not operation.whole

    def plan(self, job: Job, study: Study, keys: Keystream) -> Plan:
        refuse_whole_planes(job, self.name)
        refuse_choices(job.choices, self.choices, self.name)
        if job.tolerate:
            raise ValueError("scheme 'unprotected' withstands nobody; use scheme 'ga-es', or tolerate=0")
        height, width = job.shape
        parties = np.array(list(job.present.values()), np.intp)
        rows = np.arange(height)
        # Who may not be asked any more has no slab; without anybody, all is computed at home.
        owners = parties[rows * len(parties) // height] if parties.size else np.full(height, HOME)
        halo, _ = job.halo
        boxes, windows = np.zeros((2, height, 4), np.intp)
        boxes[:, 0], boxes[:, 2], boxes[:, 3] = rows, rows + 1, width
        windows[:, 0], windows[:, 3] = np.maximum(rows - halo, 0), width
        windows[:, 2] = np.minimum(rows + 1 + halo, height)
        nobody = np.full(height, HOME)
        regions = min(len(parties), height)
        return Plan(None, regions, None, (height, 1), rows, boxes, windows, owners, nobody)

    def protect(self, job: Job, plan: Plan, pieces: NDArray[np.intp], keys: Keystream) -> Protected:
        _, width = job.shape
        above, aside = job.halo
        # Halos are work too: those of the columns in every row, those of the rows in every slab, and beyond
        # the end faces of a volume.
        row_work = job.operation.taps * (width + 2 * aside) * job.deep
        affordable = MAX_WORK // row_work - 2 * above
        most = max(1, min(SLAB_BYTES // (width * job.deep * job.planes.itemsize), affordable))
        sealed: list[Sealed] = []
        carried: list[NDArray[np.intp]] = []
        places: list[tuple[int, Box]] = []
        for first, stop in _runs(plan.owners, pieces):
            for row in range(first, stop, most):
                last = min(row + most, stop)
                box = Box((*(0 for _ in job.depth), row, 0), (*job.depth, last, width))
                for component, plane in enumerate(job.planes):
                    region = region_around(plane, job.operation, box)
                    name, rounded = task_identity(keys, len(sealed)), not job.unrounded
                    task = Task(name, job.operation, region[None], rounded)
                    sealed.append(Sealed(task, int(plan.owners[first]), np.array([component])))
                    carried.append(np.arange(row, last))
                    places.append((component, box))
        return Protected(tuple(sealed), tuple(carried), tuple(places))

    def place(
        self, result: NDArray[np.generic], answer: NDArray[np.generic], task: Task, entry: tuple[int, Box]
    ) -> None:
        component, box = entry
        result[component][box.slices] = answer[0]

    def plain(self, job: Job, plan: Plan, pieces: NDArray[np.intp]) -> list[tuple[int, NDArray[np.generic]]]:
        # Nothing is hidden: what is sent is what there is, whatever the key of the tasks' names.
        sealed = self.protect(job, plan, pieces, Keystream(bytes(KEY_BYTES))).sealed
        return [(int(each.components[0]), each.task.stack) for each in sealed]

    def links(self, job: Job, plan: Plan) -> BlockLinks:
        height, width = job.shape
        following = np.column_stack([np.arange(height - 1), np.arange(1, height)])
        return BlockLinks(informative(job.planes, (1, width), channel_axis=0), following, following)

    def statement(self, job: Job, plan: Plan, exposed: Exposed) -> str:
        return "No confidentiality: every provider saw its part of the image as it is."


def _runs(owners: NDArray[np.intp], rows: NDArray[np.intp]) -> list[tuple[int, int]]:
    """First row and row after the last of the stretches of `rows`, in rising order, that one owner has."""
    breaks = np.flatnonzero((np.diff(rows) != 1) | (np.diff(owners[rows]) != 0)) + 1
    ends = [0, *breaks.tolist(), len(rows)]
    return [(int(rows[low]), int(rows[high - 1]) + 1) for low, high in pairwise(ends) if high > low]
