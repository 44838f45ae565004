"""What the basic profile and its options say of one attribute, wherever it stands."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from pydicom import config, datadict, uid


class Action(StrEnum):
    """What is done with an attribute, as Table E.1-1a names it."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    UID = "U"
    KEEP = "K"
    SHIFT = "C"
    """Clean, of dates: moved by the days of their patient."""
    READ = "R"
    """Clean, of text that a rule keeps: it stays, if it names nobody."""


class Option(NamedTuple):
    """One of the standard's options (PS3.15 E.3), and its code in CID 7050."""

    code: str
    meaning: str


class PrivateElement(NamedTuple):
    """An element of a private block: who reserves it, its group, and its last two digits."""

    creator: str
    group: int
    element: int


RETAINED = {
    "uids": Option("113110", "Retain UIDs Option"),
    "device-identity": Option("113109", "Retain Device Identity Option"),
    "institution-identity": Option("113112", "Retain Institution Identity Option"),
    "patient-characteristics": Option("113108", "Retain Patient Characteristics Option"),
    "full-dates": Option("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "modified-dates": Option("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "safe-private": Option("113111", "Retain Safe Private Option"),
}
CLEANED = {
    "descriptors": Option("113105", "Clean Descriptors Option"),
    "structured-content": Option("113104", "Clean Structured Content Option"),
    "graphics": Option("113103", "Clean Graphics Option"),
}
OPTIONS = RETAINED | CLEANED

_COMPOUND = {"X/Z": "Z", "X/D": "D", "Z/D": "D", "X/Z/D": "D", "X/Z/U*": "U"}
"""Of actions that depend on the kind of image the one that is valid in all: an empty value may stand for
what may be missing, a dummy for both. References keep their shape, with other UIDs."""
_SEQUENCES = {"X/Z": "X", "X/D": "X", "X/Z/D": "X"}
"""No dummy item can be valid everywhere; in images these sequences may be missing, and then not be empty."""
_EMPTY_SEQUENCE = "00400555"
"""But for the Acquisition Context, which enhanced images must have."""
_OVERLAY_TEXT = (0x0022, 0x1500)
_OF_CLASSES = frozenset(
    datadict.tag_for_keyword(keyword)
    for keyword in (
        "SOPClassUID",
        "ReferencedSOPClassUID",
        "RelatedGeneralSOPClassUID",
        "OriginalSpecializedSOPClassUID",
        "SOPClassesInStudy",
        "PertinentSOPClassesInStudy",
        "PertinentSOPClassesInSeries",
        "CodingSchemeUID",
        "ContextUID",
        "MappingResourceUID",
        "MACCalculationTransferSyntaxUID",
        "EncryptedContentTransferSyntaxUID",
    )
)
"""Attributes whose UIDs name kinds and codes, never one thing."""


@cache
def _rows() -> dict[str, dict[str, str]]:
    with (files(__package__) / "attributes.csv").open() as file:
        return {row.pop("tag"): row for row in csv.DictReader(file)}


@cache
def safe_private() -> frozenset[PrivateElement]:
    """The private elements that are kept by the option `safe-private`, of scanners and all systems."""
    with (files(__package__) / "safe_private.csv").open() as file:
        return frozenset(
            PrivateElement(row["creator"], int(row["tag"][:4], 16), int(row["tag"][-2:], 16))
            for row in csv.DictReader(file)
        )


def _row_name(tag: int) -> str:
    """What the table calls an attribute: its tag, or the group of repeated ones."""
    group = tag >> 16
    if group & 1:
        return "private"
    if group >> 8 == 0x50:
        return "50xxxxxx"
    return f"60xx{tag & 0xFFFF:04x}" if group >> 8 == 0x60 else f"{tag:08x}"


def attribute_name(name: str) -> str:
    """The row of the table that a keyword, such as "SeriesDescription", or a tag, such as "0008103e", names.

    Overlays and curves are named by "OverlayData", "OverlayComments" and "CurveData".

    Raises
    ------
    ValueError
        For what is not in the table: nothing is done with that but reading it.
    """
    repeated = {"OverlayData": "60xx3000", "OverlayComments": "60xx4000", "CurveData": "50xxxxxx"}
    tag = datadict.tag_for_keyword(name)
    row = repeated.get(name) or (name.strip("()").replace(",", "").lower() if tag is None else f"{tag:08x}")
    if row not in _rows():
        raise ValueError(
            f"{name!r} is no attribute of the confidentiality profile; name one by its keyword, such as "
            "'SeriesDescription', or by its tag, such as '0008103e'"
        )
    return row


@dataclass(frozen=True)
class Profile:
    """The basic profile, with some of its options.

    Attributes
    ----------
    options : frozenset of str
        Of `OPTIONS`.
    keep : frozenset of str
        Rows, as `attribute_name` gives them, that are kept where an option says that they are cleaned: what
        stays of them names nobody. Without a rule cleaning is what the basic profile does.
    private : frozenset of PrivateElement
        Kept by the option `safe-private`, next to those of the standard.
    """

    options: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()
    private: frozenset[PrivateElement] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        if unknown := self.options - OPTIONS.keys():
            raise ValueError(f"{min(unknown)!r} is no option; those are {', '.join(OPTIONS)}")
        if {"full-dates", "modified-dates"} <= self.options:
            raise ValueError("dates are kept as they are, or moved; take full-dates or modified-dates")
        if self.private and "safe-private" not in self.options:
            raise ValueError("safe private elements are kept by the option safe-private only; retain it")
        for row in sorted(self.keep):
            by = [name for name in OPTIONS if _rows()[row][name] == "C" and name != "modified-dates"]
            if not self.options & set(by):
                way = (
                    f"name the option {' or '.join(by)} too"
                    if by
                    else "no option cleans it, take the rule out"
                )
                raise ValueError(
                    f"a rule keeps {_rows()[row]['name']}, which none of the options cleans; {way}"
                )

    def action(self, tag: int, representation: str) -> Action:
        """What is done with an attribute of this tag and representation; no private one is kept."""
        name, options = _row_name(tag), self.options
        if tag >> 24 == 0x60 and name not in _rows():
            # Without its pixels an overlay is nothing, and its texts are for whoever drew it.
            kept = "60xx3000" in self.keep and tag & 0xFFFF not in _OVERLAY_TEXT
            return Action.KEEP if kept else Action.REMOVE
        row = _rows().get(name)
        if row is None:
            return self._unlisted(tag, representation)
        if "modified-dates" in options and row["modified-dates"] == "C":
            # The stricter of two options that a date falls under.
            return Action.SHIFT if representation in ("DA", "DT", "TM") else self._basic(row, representation)
        if any(row[option] == "K" for option in options):
            return Action.KEEP
        if name in self.keep and any(row[option] == "C" for option in options):
            return Action.READ
        return self._basic(row, representation)

    @staticmethod
    def _basic(row: dict[str, str], representation: str) -> Action:
        action = row["basic"]
        if representation == "SQ" and row is not _rows()[_EMPTY_SEQUENCE]:
            action = _SEQUENCES.get(action, action)
        return Action(_COMPOUND.get(action, action))

    def _unlisted(self, tag: int, representation: str) -> Action:
        """What the table does not name: kinds of values that may name somebody, or one thing, never stay."""
        if tag >> 16 < 0x0008 or tag & 0xFFFF == 0 or not datadict.dictionary_has_tag(tag):
            return Action.REMOVE
        if representation in ("DA", "DT", "TM", "AS"):
            if representation != "AS" and "full-dates" in self.options:
                return Action.KEEP
            shifted = representation != "AS" and "modified-dates" in self.options
            return Action.SHIFT if shifted else Action.REMOVE
        if representation == "UI":
            kept = tag in _OF_CLASSES or "uids" in self.options
            return Action.KEEP if kept else Action.UID
        if representation in ("PN", "UR", "UN", "AE"):
            return Action.REMOVE
        return Action.READ if representation not in ("SQ", "AT") else Action.KEEP


def names_a_kind(value: str) -> bool:
    """Whether a UID is registered by DICOM itself, for a kind of thing and never for one thing."""
    # Of others pydicom knows no type.
    return bool(uid.UID(value, config.IGNORE).type)
