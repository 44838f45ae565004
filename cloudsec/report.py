"""What a job cost, who computed what, and what providers could see; no pixel, no key, no name."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cloudsec.atomic import write_whole


@dataclass(frozen=True)
class ProviderReport:
    """One provider's part in a job.

    Attributes
    ----------
    name : str
    pixel_share : float
        Of the output's pixels, what it computed.
    received_share : float
        Of the input's pixels, what it was sent, halos included.
    bytes_up, bytes_down : int
    tasks : int
    seconds : float
        Between sending and answer, added up.
    """

    name: str
    pixel_share: float
    received_share: float
    bytes_up: int
    bytes_down: int
    tasks: int
    seconds: float


@dataclass(frozen=True)
class Report:
    """The record of one job; prints as a short table.

    Attributes
    ----------
    scheme, operation : str
    assurance : {"heuristic", "none"}
        How far the scheme protects what a provider sees.
    statement : str
        One plain sentence.
    image : dict
        ``shape`` and ``dtype`` of the input.
    home : dict
        ``pixel_share`` computed by the broker, and its ``reasons``.
    providers : tuple of ProviderReport
    plan : dict
        ``block`` (pixels or None), ``regions`` (providers used).
    exact : str
        How it is known that the result is exact.
    timings : dict
        Seconds of plan, protect, deliver, recover, total and, for this process, cpu.
    """

    scheme: str
    assurance: str
    statement: str
    operation: str
    image: dict[str, Any]
    home: dict[str, Any]
    providers: tuple[ProviderReport, ...]
    plan: dict[str, Any]
    exact: str
    timings: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        fields: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return fields

    def save(self, path: str | Path) -> None:
        """Write the report as JSON, whole or not at all; ValueError for another suffix than .json."""
        check_report_path(Path(path))
        write_whole(Path(path), (json.dumps(self.to_dict(), indent=2) + "\n").encode())

    def __str__(self) -> str:
        width = max((len(p.name) for p in self.providers), default=8)
        lines = [
            f"{self.operation} by scheme {self.scheme} ({self.assurance}), {self.timings['total']:.2f} s",
            f"{'provider':<{width}}  computed  received      up kB    down kB  tasks  seconds",
            *(
                f"{p.name:<{width}}  {p.pixel_share:8.1%}  {p.received_share:8.1%}  {p.bytes_up / 1e3:9.1f}"
                f"  {p.bytes_down / 1e3:9.1f}  {p.tasks:5d}  {p.seconds:7.3f}"
                for p in self.providers
            ),
            f"{'at home':<{width}}  {self.home['pixel_share']:8.1%}",
            self.statement,
            f"Exact: {self.exact}.",
        ]
        return "\n".join(lines)


def check_report_path(path: Path) -> None:
    """ValueError unless a report can be written there."""
    if path.suffix.lower() != ".json":
        raise ValueError(f"a report is written as .json, not as {path.name!r}")
    # Where the report is a link, the directory of what it leads to is written into.
    directory = path.resolve().parent
    if not directory.is_dir():
        raise ValueError(f"there is no directory {directory} to write the report into")
    if (path.exists() and not path.is_file()) or not os.access(directory, os.W_OK | os.X_OK):
        raise ValueError(f"the report cannot be written to {path}; choose another place")
