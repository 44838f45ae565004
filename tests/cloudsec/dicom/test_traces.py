"""Whom a header names is found again wherever it is written, and in bounded time."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pydicom import Dataset, datadict

from cloudsec.dicom.deidentify import deidentified
from cloudsec.dicom.profile import Profile
from cloudsec.dicom.pseudonyms import Pseudonyms
from cloudsec.dicom.traces import MOST_TRACES
from cloudsec.errors import DicomError
from cloudsec.keystream import Keystream

# Values that no attribute should have are written too.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
KEYS = Keystream(bytes(32))


def header(**values: Any) -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.PatientName, made.PatientID, made.PatientBirthDate = "Müllerová^Jana", "9876543", "19560512"
    made.StudyInstanceUID, made.ContainerIdentifier = "1.2.840.777.888", "P-77/31"
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def result(keyword: str, value: object) -> Any:
    made = deidentified(header(**{keyword: value}), profile=Profile(), pseudonyms=Pseudonyms(KEYS))
    return made.dataset.get(keyword)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        *(
            ("FilterType", text)
            for text in (
                "12-MAY-1956",
                "born 12 May 1956",
                "May 12th, 1956",
                "5/12/1956",
                "12.5.56",
                "1956 05 12",
                "19560512",
                "see 1.2.840.777.888",
                "for mullerova",
                "slide P-77/31",
            )
        ),
        ("BodyPartExamined", "DRMULLEROVA1"),
        ("Exposure", "19560512"),
        ("RepetitionTime", "9876543"),
        ("ReferencedFrameNumber", "9876543"),
        ("SimpleFrameList", list(struct.unpack("<2L", b"9876543 "))),
        ("SOPClassUID", "1.2.3.19560512.5"),
        ("ContextUID", "1.2.3.9876543"),
        *(("ICCProfile", "for Müllerová.".encode(code)) for code in ("utf-8", "utf-16-be", "utf-16-le")),
        ("ICCProfile", "Müllerova, Jana".encode("latin-1")),
    ],
)
def test_whoever_is_named_in_a_text_a_number_a_uid_or_bytes_is_found(keyword: str, value: object) -> None:
    assert result(keyword, value) != value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Müller^Jürgen", "for MUELLER"),
        ("Mueller^Juergen", "for Müller"),
        ("Sørensen^Åse", "for Sorensen"),
        ("Sørensen^Åse", "for Soerensen"),
        ("Łukasz^Ewa", "for LUKASZ"),
        ("Işık^Ada", "for IŞIK"),
        ("Işık^Ada", "for Isik"),
        ("O\u2019Brien^Mary", "for O'Brien"),
        ("Lévesque\u2011Roy^Guy", "for Levesque"),
    ],
)
def test_a_name_is_found_as_others_write_it(name: str, text: str) -> None:
    made = header(PatientName=name, FilterType=text)
    made = deidentified(made, profile=Profile(), pseudonyms=Pseudonyms(KEYS)).dataset
    assert made.FilterType == "Removed"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("FilterType", "V5.12.1"),
        ("FilterType", "13 May 1956"),
        ("FilterType", "1.2.840.777.889"),
        ("BodyPartExamined", "JANALYSIS"),
        ("Exposure", "1956"),
        ("SimpleFrameList", [1, 2, 3]),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2"),
        ("ICCProfile", b"sRGB IEC61966-2.1 "),
    ],
)
def test_what_names_nobody_stays(keyword: str, value: object) -> None:
    assert datadict.tag_for_keyword(keyword)
    assert result(keyword, value) == value


@pytest.mark.parametrize("given", ["9876543", "Site 4-9876543", "Jana-1"])
def test_a_pseudonym_that_names_its_patient_is_refused(given: str) -> None:
    with pytest.raises(DicomError, match="holds their name or Patient ID"):
        deidentified(header(), profile=Profile(), pseudonyms=Pseudonyms(KEYS, {"9876543": given}))


def test_a_header_of_thousands_of_names_is_refused_before_each_is_looked_for_in_each_text() -> None:
    def person(number: int) -> Dataset:
        item = Dataset()
        item.PersonName = "^".join(f"ab{number}x{part}" for part in range(50))
        return item

    many = [person(number) for number in range(MOST_TRACES // 50 + 1)]
    with pytest.raises(DicomError, match="no image needs"):
        deidentified(header(AnatomicRegionSequence=many), profile=Profile(), pseudonyms=Pseudonyms(KEYS))


def test_a_number_is_found_without_the_letters_and_zeros_before_it() -> None:
    for text in ("47110815", "patient 47110815, knee"):
        dataset = header(PatientID="PID-0047110815", FilterType=text)
        made = deidentified(dataset, profile=Profile(), pseudonyms=Pseudonyms(KEYS)).dataset
        assert made.FilterType == "Removed"
