"""How often somebody may come: a bucket that fills by the minute, one for each; decisions only, no clock."""

from __future__ import annotations

from collections import OrderedDict
from math import ceil

MOST = 10_000
"""Buckets that are kept; that of whoever did not come for longest is forgotten, and is full again."""


class Rates:
    """So many a minute for each name, and as many at once.

    Parameters
    ----------
    per_minute : int
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def pause(self, name: str, at: float) -> int:
        """Seconds after which this one, who comes at this time, may come again; 0 if it may now."""
        left, last = self._buckets.pop(name, (float(self._per_minute), at))
        left = min(float(self._per_minute), left + (at - last) * self._per_minute / 60)
        allowed = left >= 1
        self._buckets[name] = (left - 1 if allowed else left), at
        if len(self._buckets) > MOST:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, ceil((1 - left) * 60 / self._per_minute))
