"""What a header tells of somebody by name, number, address or date, to be found again in texts that stay."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import permutations

from pydicom import DataElement

from cloudsec.dicom.elements import representation_of, values_of
from cloudsec.dicom.profile import names_a_kind
from cloudsec.errors import DicomError

_LEAST_LETTERS = 3
_LEAST_SIGNS = 4
"""Shorter parts of names, and shorter numbers, are found in half of all texts by chance."""
_LEAST_BYTES = 5
"""The same in bytes, and of a number that is the whole value of another attribute."""
_LEAST_WITHIN_CODES = 7
"""So long a name is part of no term of the standard."""
MOST_TRACES = 2000
"""Each is looked for in every text: what more of them cost grows beyond minutes."""
_IDENTIFIERS = re.compile(
    r"\w*(ID|IDs|Identifier|Locator|Number|Numbers|Address|TelecomInformation|InstitutionName|DepartmentName"
    r"|StationName|OrderNumber\w+|IssuerOfPatientID|(Country|Region)OfResidence|VisitComments)"
)
"""Keywords of attributes that identify, or tell a place; codes of them are of few kinds."""
_IDENTIFYING_TEXTS = frozenset(("LO", "LT", "SH", "ST", "UC", "UT"))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE_WORDS = re.compile(
    rf"(?<!\d)(\d{{1,4}})(?:st|nd|rd|th)?[-\s./,]{{1,3}}(\d{{1,2}}|(?:{'|'.join(_MONTHS)})[a-z]*)[-\s./,]{{1,3}}(\d{{1,4}})(?!\d)"
    rf"|(?<![a-z])((?:{'|'.join(_MONTHS)})[a-z]*)[-\s./,]{{1,3}}(\d{{1,2}})(?:st|nd|rd|th)?[-\s./,]{{1,3}}(\d{{2,4}})(?!\d)"
)
"""A date as people write it, of numbers in any order, or with the month as a word."""
_DAY = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_LONG_NUMBER = re.compile(r"[1-9]\d{5,}")
"""What is written of an identifier where its letters and leading zeros are left out."""
_NUMBERED = re.compile(r"\d+(?:\.\d+){3,}")
_PARTS = re.compile(r"[\^=\s,;.()/\\\"'\u2018\u2019\u02bc\u00b4`\u2010-\u2014-]+")
_STROKES = str.maketrans(
    {"ø": "o", "ł": "l", "ı": "i", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ŧ": "t"}
)
"""Letters that are no others with an accent, and that people write so where they have no such keys."""
_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
"""The other way in which names with these are written, in machine-readable passports also."""


def folded(text: str) -> str:
    """A text without differences of case and accents."""
    if text.isascii():
        return text.casefold()
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return plain.casefold().translate(_STROKES)


def spellings(text: str) -> set[str]:
    """A text `folded`, as it is and with two letters for one, as in Mueller."""
    if text.isascii():
        return {folded(text)}
    return {folded(text), folded(unicodedata.normalize("NFC", text).casefold().translate(_SPELLED))}


@dataclass(frozen=True)
class Traces:
    """What names somebody; never shown.

    Attributes
    ----------
    fragments : frozenset of str
        Names and numbers, `folded`, and dates as yyyymmdd.
    uids : frozenset of str
        Of things, which others replace.
    """

    fragments: frozenset[str] = field(repr=False)
    uids: frozenset[str] = field(default=frozenset(), repr=False)

    def in_text(self, text: str) -> bool:
        """Whether a free text holds any of it, be it within a word."""
        plain = folded(text)
        return (
            any(fragment in each for each in spellings(text) for fragment in self.fragments)
            or any(date in self.fragments for date in _written_dates(plain))
            or not self.uids.isdisjoint(_NUMBERED.findall(plain))
        )

    def in_code(self, text: str) -> bool:
        """Whether a term of few words has one of them; AXIAL names no Axi."""
        long = [fragment for fragment in self.fragments if len(fragment) >= _LEAST_WITHIN_CODES]
        return any(
            not self.fragments.isdisjoint([plain.strip(), *re.split(r"[\W_]+", plain)])
            or any(fragment in plain for fragment in long)
            for plain in spellings(text)
        )

    def in_number(self, text: str) -> bool:
        """Whether a number is one of them."""
        plain = text.strip(" \0")
        return len(plain) >= _LEAST_BYTES and plain in self.fragments

    def in_bytes(self, content: bytes) -> bool:
        """Whether bytes spell any of it, in Latin letters, UTF-8 or UTF-16."""
        texts = spellings(content.replace(b"\0", b"").decode("latin-1"))
        if not content.isascii():
            texts |= spellings(content.decode("utf-8", "ignore"))
        long = [fragment for fragment in self.fragments if len(fragment) >= _LEAST_BYTES]
        return any(fragment in text for text in texts for fragment in long)


def traces_of(elements: Iterable[DataElement], uids: Iterable[DataElement] = ()) -> Traces:
    """The traces that these elements, which do not stay, and UIDs could leave elsewhere.

    Raises
    ------
    DicomError
        If they are more than an image needs.
    """
    found: set[str] = set()
    for element in elements:
        if representation_of(element.tag, element.VR) == "PN":
            found.update(_names(element))
        elif element.VR in ("DA", "DT"):
            for value in values_of(element):
                if match := _DAY.match(value):
                    found.add("".join(match.groups()))
        elif element.VR in _IDENTIFYING_TEXTS and _IDENTIFIERS.fullmatch(element.keyword):
            for value in values_of(element):
                found.update(
                    part for part in re.split(r"[,;\r\n]+", value) if len(part.strip()) >= _LEAST_SIGNS
                )
                found.update(_LONG_NUMBER.findall(value))
        if len(found) > MOST_TRACES:
            raise DicomError(
                f"its header holds more than {MOST_TRACES} names, numbers and dates; no image needs them"
            )
    things = (value.strip(" \0") for element in uids for value in values_of(element))
    return Traces(
        frozenset(plain.strip() for fragment in found for plain in spellings(fragment)) - {""},
        frozenset(value for value in things if not names_a_kind(value)),
    )


def _names(element: DataElement) -> Iterator[str]:
    for value in values_of(element):
        for part in _PARTS.split(value):
            # Two signs are a whole name where a sign is a word.
            if len(part) >= (_LEAST_LETTERS if part.isascii() else 2):
                yield part


def _written_dates(text: str) -> Iterator[str]:
    """All days that a text may mean, as yyyymmdd."""
    for match in _DATE_WORDS.finditer(text):
        numbers = [_number(part) for part in match.groups() if part]
        for year, month, day in permutations(numbers):
            for century in (0,) if year > 99 else (1900, 2000):
                yield f"{century + year:04d}{month:02d}{day:02d}"


def _number(part: str) -> int:
    return int(part) if part.isdigit() else _MONTHS.index(part[:3]) + 1
