"""What is handed out is written down first: plans a job under its study, and keeps the study's record."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import VaultError
from cloudsec.keystream import Keystream
from cloudsec.schemes import Job, Plan, ProtectionScheme
from cloudsec.study import Study


class Change(Protocol):
    """A record that nobody else can change meanwhile; None where there is none yet."""

    content: bytes | None

    def write(self, content: bytes) -> None:
        """Replace the record; it lasts once the block that changes it has ended."""


class Record(Protocol):
    """The sealed record of one study, wherever it is kept."""

    @property
    def place(self) -> str:
        """Where it is kept, in words."""

    def read(self) -> bytes | None:
        """What was last written; None where there is no record yet, VaultError where it is damaged."""

    def changing(self) -> AbstractContextManager[Change]:
        """The record, while nobody else can change it."""


@dataclass(frozen=True, eq=False)
class Ledger:
    """The record of one study, and how jobs are planned under it.

    Of brokers that plan the first job of a study at the same time one wins, and the others use its plan.
    """

    scheme: ProtectionScheme
    keys: Keystream = field(repr=False)
    record: Record

    def planned(self, job: Job) -> Plan:
        """Who computes what of a job; nothing may be sent before this returns."""
        record = self.record.read()
        plan, news = self._under(record, job)
        if news is None:
            return plan
        with self.record.changing() as change:
            if change.content != record:
                # Another broker was first.
                plan, news = self._under(change.content, job)
            if news is not None:
                change.write(news.encoded())
        return plan

    def foreseen(self, job: Job) -> Plan:
        """What `planned` would come to now; nothing is written down, and nothing may be sent."""
        plan, _ = self._under(self.record.read(), job)
        return plan

    def _under(self, record: bytes | None, job: Job) -> tuple[Plan, Study | None]:
        """The plan under a record, and the study if it is to be written down anew."""
        study = self._study(record)
        plan = self.scheme.plan(job, study, self.keys)
        return plan, None if plan.study is study else plan.study

    def lend(self, job: Job, plan: Plan, lent: Mapping[str, NDArray[np.intp]]) -> None:
        """Write down which places of the grid stand-ins are about to be given."""
        if not lent:
            return
        with self.record.changing() as change:
            study = self._study(change.content)
            grid = study.grid(job.shape, plan.block)
            if grid is None or grid.halo is None:
                raise VaultError(f"{self.record.place} was changed while a job ran; restore it from a backup")
            blocks = {name: grid.blocks_at(places) for name, places in lent.items()}
            changed = study.having(grid.received(grid.halo, blocks))
            if changed is not study:
                change.write(changed.encoded())

    def _study(self, record: bytes | None) -> Study:
        if record is None:
            return Study()
        try:
            return Study.decoded(record)
        except ValueError as error:
            raise VaultError(f"{self.record.place}: {error}; restore it from a backup") from error
