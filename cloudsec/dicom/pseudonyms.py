"""Other names for patients and things, the same for one key; without it none leads back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from cloudsec.dicom.profile import names_a_kind
from cloudsec.errors import DicomError
from cloudsec.keystream import Keystream

MOST_DAYS = 365
"""How far dates of a patient are moved, into the past or the future: seasons tell nothing any more."""
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Without vowels no pseudonym spells a name or a word, and without digits none looks like a number."""
_LENGTH = 18
"""Letters of a pseudonym: two of 2^30 patients share one with a chance of 2^-17 at most."""
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


@dataclass(frozen=True)
class Patient:
    """Who an image is of, as far as its header tells; in no repr.

    Attributes
    ----------
    id, issuer : str
        The same ID of two issuers is that of two patients.
    study : str
        Whose image it is where there is no ID.
    """

    id: str = field(repr=False)
    issuer: str = field(default="", repr=False)
    study: str = field(default="", repr=False)

    @property
    def known_as(self) -> str:
        """Different for different patients, and the Patient ID where no issuer is named."""
        if not self.id:
            return f"^^^^study {self.study}"
        return f"{self.id}^^^{self.issuer}" if self.issuer else self.id


@dataclass(frozen=True, eq=False)
class Pseudonyms:
    """The other names that one project gives.

    Attributes
    ----------
    keys : Keystream
        The project's. Everything follows from it: a project of another key gives others.
    assigned : mapping of str to str
        Pseudonyms given by somebody else, by Patient ID. Two patients may not share one.
    """

    keys: Keystream
    assigned: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name in self.assigned.values():
            if not _VALUE.fullmatch(name):
                raise ValueError(
                    "a pseudonym given is not of 1 to 64 letters, digits, blanks, points, dashes; change it"
                )
        if twice := [name for name, count in Counter(self.assigned.values()).items() if count > 1]:
            raise ValueError(f"the pseudonym {min(twice)!r} is given to several patients; give each its own")

    def of(self, patient: Patient) -> str:
        """The pseudonym of a patient.

        Raises
        ------
        DicomError
            If pseudonyms are given, and none to this patient.
        """
        if self.assigned:
            if patient.id not in self.assigned:
                raise DicomError(
                    "its patient is given no pseudonym; add a line with the Patient ID to the list"
                )
            return self.assigned[patient.id]
        letters = self.keys.integers(f"pseudonym {patient.known_as}", len(_LETTERS), _LENGTH)
        return "".join(_LETTERS[each] for each in letters)

    def days(self, patient: Patient) -> int:
        """By how many days the dates of a patient are moved: never by none."""
        (drawn,) = self.keys.integers(f"days {patient.known_as}", 2 * MOST_DAYS, 1)
        return int(drawn) - MOST_DAYS + int(drawn >= MOST_DAYS)

    def uid(self, value: str) -> str:
        """Another UID for one thing; a UID that DICOM registers for a kind of thing stays."""
        value = value.strip(" \0")
        if not value or names_a_kind(value):
            return value
        return f"2.25.{int.from_bytes(self.keys.octets(f'uid {value}', 16), 'big')}"

    def mark(self, patient: Patient, content: bytes) -> str:
        """By what something that was taken from a patient's file is found again; it tells nothing of it."""
        digest = sha256(content).hexdigest()
        return self.keys.octets(f"mark {digest} {patient.known_as}", 16).hex()
