"""What the daemon writes to its log: JSON lines of a closed list of fields, nothing of a patient's.

Nothing that somebody sent is among them: no path, header, name of a file or text of an error.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import structlog

FIELDS = (
    "timestamp",
    "level",
    "event",
    "daemon",
    "request",
    "method",
    "route",
    "status",
    "seconds",
    "bytes",
    "user",
    "role",
    "job",
    "state",
    "attempt",
    "code",
    "error",
    "where",
    "count",
)
"""All that can stand in a line. `user` and `job` are random ids, `route` is a path of the OpenAPI document,
`error` the type of an exception and `where` the line of the code that raised it."""

Log = structlog.typing.FilteringBoundLogger


def make_log(daemon: str, level: str, stream: TextIO | None = None) -> Log:
    """A log that writes JSON lines, to standard error if nothing else is named."""
    logger: Log = structlog.wrap_logger(
        structlog.PrintLogger(stream or sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _closed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        daemon=daemon,
    )
    return logger


def hush_libraries(log: Log) -> None:
    """Of what libraries say only that they did is written: their texts quote what they were given."""
    warnings.simplefilter("ignore")
    root = logging.getLogger()
    root.handlers = [_Hushed(log)]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True


def failure(error: BaseException) -> dict[str, str]:
    """The fields that tell of an exception: its type, and the line of ours that it came through last."""
    return {"error": type(error).__name__, "where": _line(error.__traceback__)}


def _line(trace: TracebackType | None) -> str:
    ours = Path(__file__).parents[2]
    found = "?"
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if path.is_relative_to(ours / "cloudsec") or path.is_relative_to(ours / "providers"):
            found = f"{path.relative_to(ours)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _closed(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: line[name] for name in FIELDS if name in line}


class _Hushed(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        told = {} if error is None else failure(error)
        self._log.warning("a library complained", code=record.name, **told)
