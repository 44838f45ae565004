"""Headers in which every attribute of the confidentiality profile says who somebody is, at several depths."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom import DataElement, Dataset, datadict, uid
from pydicom.tag import BaseTag, Tag

from cloudsec.dicom.elements import unknown_element
from cloudsec.dicom.encoded import encoded

TABLE = Path(__file__).parents[1] / "cloudsec" / "dicom" / "profile" / "attributes.csv"
ROWS = {row["tag"]: row for row in csv.DictReader(TABLE.read_text().splitlines())}
LISTED = {Tag(int(tag, 16)): row for tag, row in ROWS.items() if "x" not in tag and tag != "private"}
REFERENCES = "X/Z/U*"
OUTER, INNER = Tag("AnatomicRegionSequence"), Tag("AnatomicRegionModifierSequence")
"""Sequences that the profile does not list, and that stay."""


@dataclass(frozen=True)
class Mark:
    """A value that says who somebody is: where it stands, and how it looks in a file, if it can be told."""

    path: tuple[BaseTag, ...]
    tag: BaseTag
    value: Any
    written: bytes | None


def _value(representation: str, number: int) -> tuple[Any, bytes | None]:
    name = f"MRK{number:06d}Q"
    if representation in ("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"):
        return name, name.encode()
    if representation == "PN":
        return f"{name}^{name}R", name.encode()
    if representation == "UI":
        return f"1.2.3.7777.{number}.8888", f"1.2.3.7777.{number}.8888".encode()
    day = date(1950, 1, 1) + timedelta(number)
    times = f"{number // 3600 % 24:02d}{number // 60 % 60:02d}{number % 60:02d}.424242"
    written = {
        "AS": "077Y",
        "DA": f"{day:%Y%m%d}",
        "DT": f"{day:%Y%m%d}{times}",
        "TM": times,
        "DS": f"73519.{number}",
        "IS": f"735{number}",
    }
    if representation in written:
        value = written[representation]
        return value, None if representation == "AS" else value.encode()
    if representation in ("OB", "UN"):
        return name.encode(), name.encode()
    assert representation in ("US", "UL"), representation
    return 7351 + number, None


def marked(*, unknown: bool = False) -> tuple[Dataset, list[Mark]]:
    """A header of marks at the top, one and two sequences deep, and those marks.

    Parameters
    ----------
    unknown : bool
        Whether values come as bytes of unknown representation, where they are texts.
    """
    numbers = iter(range(1, 100_000))
    top, marks = _items(numbers, (), unknown)
    for path, deeper in (((OUTER,), 0), ((OUTER, INNER), 1)):
        item, more = _items(numbers, path, unknown)
        place = top if not deeper else top[OUTER].value[0]
        place.add(DataElement(path[-1], "SQ", [item]))
        marks += more
    return top, marks


def _items(numbers: Iterator[int], path: tuple[BaseTag, ...], unknown: bool) -> tuple[Dataset, list[Mark]]:
    made, marks = Dataset(), []
    for tag in LISTED:
        representation = datadict.dictionary_VR(tag)
        if representation == "SQ":
            item = Dataset()
            for keyword in ("ReferencedSOPInstanceUID", "CodeMeaning", "PersonName"):
                inner = Tag(keyword)
                value, written = _value(datadict.dictionary_VR(inner), next(numbers))
                item.add_new(inner, datadict.dictionary_VR(inner), value)
                marks.append(Mark((*path, tag), inner, value, written))
            made.add(DataElement(tag, "SQ", [item]))
            continue
        value, written = _value(representation, next(numbers))
        marks.append(Mark(path, tag, value, written))
        if unknown and isinstance(value, str):
            made.add(
                unknown_element(
                    tag, value.encode() + (b"\0" if representation == "UI" else b" ") * (len(value) % 2)
                )
            )
        else:
            made.add_new(tag, representation, value)
    return made, marks


def others() -> tuple[Dataset, list[Mark]]:
    """A header of marks that no table lists: private ones, unknown ones, overlays, curves."""
    places = [
        (0x00090010, "LO"),
        (0x00091001, "LO"),
        (0x00091002, "PN"),
        (0x00091003, "UN"),
        (0x00091004, "SQ"),
        (0x00095001, "LO"),
        (0x0010FFF0, "LO"),
        (0x0010FFF1, "UN"),
        (0x00142006, "PN"),
        (0x00141020, "DA"),
        (0x00081167, "UI"),
        (0x50000010, "LO"),
        (0x50003000, "OB"),
        (0x60000022, "LO"),
        (0x60001500, "LO"),
        (0x60003000, "OB"),
        (0x60004000, "LT"),
    ]
    made, marks = Dataset(), []
    for number, (place, representation) in enumerate(places, start=90_000):
        tag = Tag(place)
        kind = "LO" if representation == "SQ" else representation
        value, written = _value(kind, number)
        marks.append(Mark((), tag, value, written))
        if representation == "SQ":
            item = Dataset()
            item.add_new(Tag("CodeMeaning"), "LO", value)
            value = [item]
        made.add(DataElement(tag, representation, value))
    return made, marks


def as_file(dataset: Dataset, syntax: uid.UID) -> bytes:
    """A file that begins with a name and ends with a number of elements that no file should have."""
    dataset.SOPClassUID = uid.CTImageStorage
    if "SOPInstanceUID" not in dataset:
        dataset.SOPInstanceUID = "1.2.3.4"
    return encoded(
        dataset,
        b"",
        syntax,
        implicit=syntax.is_implicit_VR,
        preamble=b"MRK99999Q".ljust(128, b"\0"),
    )


def read(content: bytes) -> Dataset:
    """What pydicom makes of a file."""
    return pydicom.dcmread(BytesIO(content))


def found(dataset: Dataset, mark: Mark) -> DataElement | None:
    """The element where a mark stood."""
    for tag in mark.path:
        if tag not in dataset or not len(dataset[tag].value):
            return None
        dataset = dataset[tag].value[0]
    return dataset.get(mark.tag)
