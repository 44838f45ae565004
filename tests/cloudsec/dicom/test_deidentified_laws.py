"""Laws of pseudonyms, UIDs and dates, on headers of any depth; taken and given back is nothing done."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import DataElement, Dataset, datadict, uid
from pydicom.tag import Tag

from cloudsec.dicom.dates import moved
from cloudsec.dicom.deidentified_files import deidentified_file, reidentified_file
from cloudsec.dicom.profile import OPTIONS, Profile, safe_private
from cloudsec.dicom.pseudonyms import MOST_DAYS, Patient, Pseudonyms
from cloudsec.errors import DicomError
from cloudsec.keystream import Keystream
from tests.marked import LISTED, as_file, read

# Values that no attribute should have are drawn too.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
ONE, OTHER = (Pseudonyms(Keystream(bytes([number]) * 32)) for number in (1, 2))
KINDS = ("ExplicitVRLittleEndian", "ImplicitVRLittleEndian", "ExplicitVRBigEndian")
SYNTAXES = st.sampled_from([getattr(uid, kind) for kind in KINDS])
FREE = ("Modality", "BodyPartExamined", "ImageComments", "Rows", "SliceThickness", "FrameType", "CodeMeaning")
TAGS = [*(Tag(keyword) for keyword in FREE), *(tag for tag in LISTED if tag.group >= 8)]
TAGS = [tag for tag in TAGS if tag < 0x7FE00000 and datadict.dictionary_VR(tag) != "UN"]
SEQUENCES = [
    *(Tag(name) for name in ("AnatomicRegionSequence", "DeidentificationMethodCodeSequence")),
    *(tag for tag in LISTED if datadict.dictionary_VR(tag) == "SQ"),
]
DAYS = st.dates(date(1905, 1, 1), date(2090, 1, 1)).map(lambda day: f"{day:%Y%m%d}")
VALUES = {
    "DA": DAYS,
    "DT": DAYS.map(lambda day: f"{day}120000.5+0100"),
    "TM": st.just("235959.999999"),
    "AS": st.sampled_from(["044Y", "Doe"]),
    "UI": st.integers(1, 10**20).map("1.2.3.{}".format),
    "PN": st.sampled_from(["Doe^Jane", "Müller^Änne", "Lee"]),
    "DS": st.floats(-1e9, 1e9).map("{:.9g}".format),
    "IS": st.integers(-999, 999).map(str),
    "US": st.integers(0, 999),
    "OB": st.binary(max_size=8).map(lambda content: content + b"\0" * (len(content) % 2)),
}
WORDS = st.sampled_from(["", "KNEE", "Doe", "A7 B8", "20010101"])


@st.composite
def headers(draw: st.DrawFn, depth: int = 2) -> Dataset:
    made = Dataset()
    for tag in draw(st.lists(st.sampled_from(TAGS), max_size=8, unique=True)):
        representation = datadict.dictionary_VR(tag)
        if representation != "SQ":
            made.add(DataElement(tag, representation, draw(VALUES.get(representation, WORDS))))
    if depth:
        for tag in draw(st.lists(st.sampled_from(SEQUENCES), max_size=2, unique=True)):
            made.add(DataElement(tag, "SQ", draw(st.lists(headers(depth - 1), max_size=2))))
        block = made.private_block(0x0009, "Somebody", create=True)
        block.add_new(0x01, "LO", draw(WORDS))
    made.SpecificCharacterSet = "ISO_IR 192"
    return made


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    options = draw(st.frozensets(st.sampled_from(list(OPTIONS))))
    return Profile(options - {"full-dates"} if "modified-dates" in options else options)


@given(headers(), profiles(), SYNTAXES)
def test_taken_and_given_back_is_the_header_that_it_was(
    header: Dataset, profile: Profile, syntax: uid.UID
) -> None:
    content = as_file(header, syntax)
    made = deidentified_file(content, pseudonyms=ONE, profile=profile)
    back = reidentified_file(made.content, made.manifest, made.identity.uids.get)
    assert read(back) == read(content)
    assert back[:132] == content[:132]


@given(headers(), profiles())
def test_what_was_de_identified_changes_no_more_but_for_other_uids_pseudonyms_and_dates(
    header: Dataset, profile: Profile
) -> None:
    content = as_file(header, uid.ExplicitVRLittleEndian)
    once = deidentified_file(content, pseudonyms=ONE, profile=profile)
    twice = deidentified_file(once.content, pseudonyms=ONE, profile=profile)
    again = deidentified_file(content, pseudonyms=ONE, profile=profile)
    assert again.content == once.content
    kinds = ("UI", "LO", "DA", "DT", "SQ")
    first, second = (
        {element.tag: element for element in read(made.content) if element.VR not in kinds}
        for made in (once, twice)
    )
    assert first == second


@given(st.integers(1, 10**20).map("1.2.3.{}".format), st.text("ABC123", min_size=1, max_size=8))
def test_pseudonyms_and_uids_are_a_projects_own_and_always_the_same(number: str, name: str) -> None:
    assert ONE.uid(number) == ONE.uid(number + "\0") != OTHER.uid(number)
    assert uid.UID(ONE.uid(number)).is_valid
    assert ONE.of(Patient(name)) == ONE.of(Patient(name, study="1.2")) != OTHER.of(Patient(name))
    assert ONE.of(Patient(name)) != ONE.of(Patient(name, "hospital"))


def test_dates_are_moved_by_any_days_of_a_year_to_either_side_but_by_none() -> None:
    drawn = {ONE.days(Patient(f"{number}")) for number in range(10_000)}
    assert drawn == set(range(-MOST_DAYS, MOST_DAYS + 1)) - {0}


def test_uids_of_kinds_stay_and_references_lead_to_the_new_ones() -> None:
    first, second = Dataset(), Dataset()
    first.SOPInstanceUID, second.SOPInstanceUID = "1.2.3.10", "1.2.3.11"
    for each in (first, second):
        each.PatientID, each.SeriesInstanceUID = "7", "1.2.3.9"
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = uid.CTImageStorage, "1.2.3.10"
    second.ReferencedImageSequence = [reference]
    one, two = (
        read(deidentified_file(as_file(each, uid.ExplicitVRLittleEndian), pseudonyms=ONE).content)
        for each in (first, second)
    )
    (item,) = two.ReferencedImageSequence
    assert item.ReferencedSOPInstanceUID == one.SOPInstanceUID == one.file_meta.MediaStorageSOPInstanceUID
    assert item.ReferencedSOPClassUID == one.SOPClassUID == uid.CTImageStorage
    assert one.SeriesInstanceUID == two.SeriesInstanceUID != "1.2.3.9"
    assert one.PatientID == two.PatientID


@given(
    st.dates(date(1905, 1, 1), date(2090, 1, 1)), st.integers(0, 10_000), st.integers(-MOST_DAYS, MOST_DAYS)
)
def test_moved_dates_keep_their_distances(day: date, later: int, days: int) -> None:
    other = day + timedelta(later) if day.year < 2060 else day
    one, two = (moved("DA", f"{each:%Y%m%d}", days) for each in (day, other))
    assert one is not None
    assert two is not None
    distance = date.fromisoformat(two) - date.fromisoformat(one)
    assert distance == other - day
    assert moved("DA", one, -days) == f"{day:%Y%m%d}"


@pytest.mark.parametrize(
    ("representation", "value", "expected"),
    [
        ("DA", "20200228", "20200301"),
        ("DA", "2020.02.28", "2020.03.01"),
        ("DA", "20200228-20200301", "20200301-20200303"),
        ("DA", "-20200301", "-20200303"),
        ("DA", "", ""),
        ("DA", "20200231", None),
        ("DA", "Jane", None),
        ("DT", "20200228235959.123456-0500", "20200301235959.123456-0500"),
        ("DT", "20200228-20200301", "20200301-20200303"),
        ("DT", "202002", "202002"),
        ("DT", "2020", "2020"),
        ("DT", "2020Jane", None),
        ("TM", "101010.5", "101010.5"),
        ("TM", "10-11", "10-11"),
        ("TM", "Jane", None),
    ],
)
def test_every_form_of_a_date_is_moved_and_no_other_text(
    representation: str, value: str, expected: str | None
) -> None:
    assert moved(representation, value, 2) == expected


def test_given_pseudonyms_are_taken_and_what_contradicts_itself_is_refused() -> None:
    given_ones = Pseudonyms(Keystream(bytes(32)), {"7": "TRIAL-0001"})
    assert given_ones.of(Patient("7")) == "TRIAL-0001"
    with pytest.raises(DicomError, match="given no pseudonym"):
        given_ones.of(Patient("8"))
    with pytest.raises(ValueError, match="several patients"):
        Pseudonyms(Keystream(bytes(32)), {"7": "A", "8": "A"})
    with pytest.raises(ValueError, match="64 letters"):
        Pseudonyms(Keystream(bytes(32)), {"7": "A^B"})


def test_private_elements_that_are_safe_are_of_private_groups() -> None:
    assert all(element.group & 1 and element.element <= 0xFF for element in safe_private())
