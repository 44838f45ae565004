"""What a header tells of somebody by name, number, address or date, to be found again in texts that stay."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pydicom import DataElement, datadict

from cloudsec.dicom.elements import values_of

_LEAST_LETTERS = 3
_LEAST_SIGNS = 4
"""Shorter parts of names, and shorter numbers, are found in half of all texts by chance."""
_LEAST_BYTES = 5
"""The same in numbers of a table."""
_IDENTIFIERS = frozenset(
    datadict.tag_for_keyword(keyword)
    for keyword in (
        "AccessionNumber",
        "AdmissionID",
        "ClinicalTrialSubjectID",
        "CountryOfResidence",
        "DeviceSerialNumber",
        "FillerOrderNumberImagingServiceRequest",
        "InstitutionAddress",
        "InstitutionName",
        "InstitutionalDepartmentName",
        "IssuerOfPatientID",
        "MedicalRecordLocator",
        "OtherPatientIDs",
        "PatientAddress",
        "PatientID",
        "PatientInsurancePlanCodeSequence",
        "PatientTelephoneNumbers",
        "PatientTelecomInformation",
        "PerformedProcedureStepID",
        "PersonAddress",
        "PersonTelephoneNumbers",
        "PlacerOrderNumberImagingServiceRequest",
        "ReferringPhysicianAddress",
        "ReferringPhysicianTelephoneNumbers",
        "RegionOfResidence",
        "RequestedProcedureID",
        "ScheduledProcedureStepID",
        "StationName",
        "StudyID",
        "VisitComments",
    )
)
_DATE_FORMS = (
    "{y}{m}{d}",
    "{y}-{m}-{d}",
    "{y}/{m}/{d}",
    "{y}.{m}.{d}",
    "{d}.{m}.{y}",
    "{m}/{d}/{y}",
    "{d}/{m}/{y}",
)
_PARTS = re.compile(r"[\^=\s,;.()/\\\"'-]+")


def folded(text: str) -> str:
    """A text without differences of case and accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()


@dataclass(frozen=True)
class Traces:
    """What names somebody; never shown."""

    fragments: frozenset[str] = field(repr=False)

    def in_text(self, text: str) -> bool:
        """Whether a free text holds any of it, be it within a word."""
        plain = folded(text)
        return any(fragment in plain for fragment in self.fragments)

    def in_code(self, text: str) -> bool:
        """Whether a term of few words has one of them; AXIAL names no Axi."""
        return not self.fragments.isdisjoint([folded(text).strip(), *re.split(r"[\W_]+", folded(text))])

    def in_bytes(self, content: bytes) -> bool:
        """Whether numbers spell any of it."""
        plain = content.lower()
        long = (
            fragment for fragment in self.fragments if len(fragment) >= _LEAST_BYTES and fragment.isascii()
        )
        return any(fragment.encode() in plain for fragment in long)


def traces_of(elements: Iterable[DataElement]) -> Traces:
    """The traces that these elements, which do not stay, could leave elsewhere."""
    found: set[str] = set()
    for element in elements:
        if element.VR == "PN":
            found.update(_names(element))
        elif element.VR in ("DA", "DT"):
            for value in values_of(element):
                found.update(_dates(value))
        elif element.tag in _IDENTIFIERS and element.VR != "SQ":
            for value in values_of(element):
                found.update(
                    part for part in re.split(r"[,;\r\n]+", value) if len(part.strip()) >= _LEAST_SIGNS
                )
    return Traces(frozenset(plain for fragment in found if (plain := folded(fragment).strip())))


def _names(element: DataElement) -> Iterator[str]:
    for value in values_of(element):
        for part in _PARTS.split(value):
            # Two signs are a whole name where a sign is a word.
            if len(part) >= (_LEAST_LETTERS if part.isascii() else 2):
                yield part


def _dates(value: str) -> Iterator[str]:
    match = re.match(r"(\d{4})\.?(\d{2})\.?(\d{2})", value)
    if match:
        year, month, day = match.groups()
        for form in _DATE_FORMS:
            yield form.format(y=year, m=month, d=day)
