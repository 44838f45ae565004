"""Seconds that the phases of a job take."""

from __future__ import annotations

import time

PHASES = ("plan", "protect", "deliver", "recover", "finish")
"""The parts of a job's time, in their order."""


class Clock:
    """Starts when it is made; each phase lasts from the end of the one before, and may end more than once."""

    def __init__(self) -> None:
        self._began = self._since = time.perf_counter()
        self._cpu = time.process_time()
        self._seconds = dict.fromkeys(PHASES, 0.0)

    def ends(self, phase: str) -> None:
        """Count the time since another phase ended to this one."""
        now = time.perf_counter()
        self._seconds[phase] += now - self._since
        self._since = now

    def timings(self) -> dict[str, float]:
        """Seconds by phase, in total, and of this process's processor time."""
        spent = {"total": time.perf_counter() - self._began, "cpu": time.process_time() - self._cpu}
        return self._seconds | spent
