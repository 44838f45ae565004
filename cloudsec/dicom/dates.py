"""Dates moved by whole days, so that distances stay; what is no date is no date afterwards either."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

_DATE = re.compile(r"(\d{4})([.]?)(\d{2})\2(\d{2})")
_MOMENT = re.compile(r"(\d{8})(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?([+-]\d{4})?")
_PARTIAL = re.compile(r"(\d{4})(\d{2})?([+-]\d{4})?")
_TIME = re.compile(r"\d{2}(:?)(?:\d{2}(?:\1\d{2}(?:\.\d{1,6})?)?)?")


def moved(representation: str, value: str, days: int) -> str | None:
    """A DA, DT or TM value, or a range of two, some days later; None for what is none.

    Times of the day stay, for days are whole. A year, or a month, stays one: that of its middle.
    """
    ends = value.strip(" \0")
    if representation == "TM":
        return _each_end(ends, lambda end: end if _TIME.fullmatch(end) else None)
    mover = _moved_date if representation == "DA" else _moved_moment
    return _each_end(ends, lambda end: mover(end, days))


def _each_end(value: str, change: Callable[[str], str | None]) -> str | None:
    if not value:
        return value
    if (whole := change(value)) is not None:
        return whole
    # A range has an end on one side at least; a dash in a moment may also begin its offset.
    for place in (match.start() for match in re.finditer("-", value)):
        parts = [part.strip() for part in (value[:place], value[place + 1 :])]
        ends = [change(part) if part else "" for part in parts]
        if any(parts) and None not in ends:
            return f"{ends[0]}-{ends[1]}"
    return None


def _moved_date(value: str, days: int) -> str | None:
    match = _DATE.fullmatch(value)
    if not match:
        return None
    year, mark, month, day = match.groups()
    return _later(int(year), int(month), int(day), days, f"%Y{mark}%m{mark}%d")


def _moved_moment(value: str, days: int) -> str | None:
    if match := _MOMENT.fullmatch(value):
        day, rest, offset = match.groups()
        later = _moved_date(day, days)
        return None if later is None else f"{later}{rest or ''}{offset or ''}"
    if match := _PARTIAL.fullmatch(value):
        year, month, offset = match.groups()
        form = "%Y%m" if month else "%Y"
        later = _later(int(year), int(month or 7), 15 if month else 1, days, form)
        return None if later is None else f"{later}{offset or ''}"
    return None


def _later(year: int, month: int, day: int, days: int, form: str) -> str | None:
    try:
        later = date(year, month, day) + timedelta(days)
    except (ValueError, OverflowError):
        return None
    # strftime leaves out the zeros of early years.
    return later.strftime(form.replace("%Y", f"{later.year:04d}"))
