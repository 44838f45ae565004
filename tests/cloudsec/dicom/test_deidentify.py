"""Nothing of the standard's table survives the basic profile; options keep what their columns say."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from pydicom import Dataset, uid

from cloudsec.dicom.dates import moved
from cloudsec.dicom.deidentified_files import deidentified_file
from cloudsec.dicom.profile import OPTIONS, Action, Profile, attribute_name
from cloudsec.dicom.pseudonyms import Pseudonyms
from cloudsec.errors import DicomError
from cloudsec.keystream import Keystream
from tests.dicom_files import PLANE, dataset_of, file_of
from tests.marked import LISTED, REFERENCES, ROWS, Mark, as_file, found, marked, others, read

PSEUDONYMS = Pseudonyms(Keystream(bytes(32)))
SYNTAXES = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian)


def survives(made: object, mark: Mark) -> bool:
    element = found(made, mark)  # type: ignore[arg-type]
    return element is not None and not element.is_empty and element.value == mark.value


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_no_attribute_of_the_table_survives_the_basic_profile_at_any_depth(syntax: uid.UID) -> None:
    dataset, marks = marked()
    assert len(LISTED) == 617
    content = as_file(dataset, syntax)
    assert all(mark.written in content for mark in marks if mark.written)
    made = deidentified_file(content, pseudonyms=PSEUDONYMS).content
    assert [mark for mark in marks if mark.written and mark.written in made and not harmless(mark)] == []
    parsed = read(made)
    assert [mark for mark in marks if survives(parsed, mark) and not harmless(mark)] == []
    assert b"MRK99999Q" not in made


def harmless(mark: Mark) -> bool:
    """What a reference means says nobody's name; the reference itself is to another UID."""
    return mark.tag == 0x00080104 and LISTED[mark.path[-1]]["basic"] == REFERENCES


def test_none_survives_as_bytes_of_unknown_representation() -> None:
    dataset, marks = marked(unknown=True)
    made = deidentified_file(as_file(dataset, uid.ExplicitVRLittleEndian), pseudonyms=PSEUDONYMS).content
    assert [mark for mark in marks if mark.written and mark.written in made and not harmless(mark)] == []


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("options", [(), tuple(o for o in OPTIONS if o != "modified-dates")])
def test_what_no_table_lists_survives_under_no_option(syntax: uid.UID, options: tuple[str, ...]) -> None:
    dataset, marks = others()
    content = as_file(dataset, syntax)
    profile = Profile(frozenset(options) - {"uids", "full-dates"})
    made = deidentified_file(content, pseudonyms=PSEUDONYMS, profile=profile).content
    assert [mark for mark in marks if mark.written and mark.written in made] == []
    assert not any(element.tag.is_private for element in read(made))


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_keeps_what_its_column_says_and_nothing_else(option: str) -> None:
    dataset, marks = marked()
    content = as_file(dataset, uid.ExplicitVRLittleEndian)
    profile = Profile(frozenset([option]))
    result = deidentified_file(content, pseudonyms=PSEUDONYMS, profile=profile)
    made = read(result.content)
    days = PSEUDONYMS.days(result.identity.patient)
    wrong = []
    for mark in marks:
        row = LISTED[mark.path[-1] if mark.path and mark.path[-1] in LISTED else mark.tag]
        element = found(made, mark)
        if mark.tag.group < 8 or harmless(mark):
            continue
        if (
            row[option] == "C"
            and option == "modified-dates"
            and element is not None
            and element.VR in ("DA", "DT", "TM")
        ):
            right = str(element.value) == moved(element.VR, mark.value, days)
        elif row is not LISTED.get(mark.tag):
            # In a sequence its own row decides too.
            inner = LISTED.get(mark.tag, {}).get(option) == "K" or mark.tag == 0x00080104
            right = survives(made, mark) == (inner and (row[option] == "K" or row["basic"] == REFERENCES))
        else:
            right = survives(made, mark) == (row[option] == "K")
        if not right:
            wrong.append((mark, row, element))
    assert wrong == []


def test_contradicting_options_and_rules_that_no_option_cleans_are_refused() -> None:
    with pytest.raises(ValueError, match="full-dates or modified-dates"):
        Profile(frozenset(["full-dates", "modified-dates"]))
    with pytest.raises(ValueError, match="name the option descriptors"):
        Profile(keep=frozenset([attribute_name("SeriesDescription")]))
    with pytest.raises(ValueError, match="take the rule out"):
        Profile(frozenset(OPTIONS) - {"full-dates"}, keep=frozenset([attribute_name("PatientName")]))
    with pytest.raises(ValueError, match="no attribute of the confidentiality profile"):
        attribute_name("Rows")
    assert len(ROWS) == 621


def test_a_date_that_another_option_would_keep_is_moved_where_dates_are() -> None:
    both = [
        (tag, option)
        for tag, row in LISTED.items()
        for option in OPTIONS.keys() - {"full-dates"}
        if row["modified-dates"] == "C" and row[option] == "K"
    ]
    assert both
    for tag, option in both:
        assert Profile(frozenset({option})).action(tag, "DA") is Action.KEEP
        assert Profile(frozenset({option, "modified-dates"})).action(tag, "DA") is Action.SHIFT


def element_bytes(representation: bytes, tag: int, content: bytes) -> bytes:
    """An explicit element with a length of 32 bits."""
    return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, representation, 0, len(content)) + content


@pytest.mark.parametrize("delimited", [True, False])
def test_a_sequence_in_bytes_of_unknown_representation_is_read_item_by_item(delimited: bool) -> None:
    name, region = b"Doe^Jane", b"KNEE"
    item = struct.pack("<HHL", 0x0008, 0x0104, len(region)) + region
    item += struct.pack("<HHL", 0x0040, 0xA123, len(name)) + name
    items = struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item
    content = as_file(Dataset(), uid.ExplicitVRLittleEndian)
    if delimited:
        head = struct.pack("<HH2sHL", 0x0008, 0x2218, b"UN", 0, 0xFFFFFFFF)
        content += head + items + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    else:
        content += element_bytes(b"UN", 0x00082218, items)
    made = deidentified_file(content, pseudonyms=PSEUDONYMS).content
    assert b"Doe" not in made
    assert read(made).AnatomicRegionSequence[0].CodeMeaning == "KNEE"


@pytest.mark.parametrize(
    "element",
    [
        struct.pack("<HH2sH", 0x0028, 0x0010, b"LO", 8) + b"Doe^Jane",
        struct.pack("<HH2sH", 0x0028, 0x0010, b"US", 8) + b"Doe^Jane",
        struct.pack("<HH2sH", 0x0018, 0x0050, b"DS", 8) + b"Doe^Jane",
        struct.pack("<HH2sH", 0x0040, 0xA123, b"LO", 8) + b"Doe^Jane",
        element_bytes(b"UN", 0x00082218, b"Doe^Jane"),
        element_bytes(b"UN", 0x00082218, b"Doe^Jane" * 9000),
        element_bytes(b"OB", 0x7FE10010, b"Doe^Jane"),
        element_bytes(b"OB", 0xFFFCFFFC, b"Doe^Jane"),
        element_bytes(b"SQ", 0xFFFAFFFA, b"") + b"Doe^Jane",
        b"Doe^Jane" * 3,
    ],
)
def test_no_name_hides_where_none_should_be(element: bytes) -> None:
    content = as_file(Dataset(), uid.ExplicitVRLittleEndian) + element
    try:
        made = deidentified_file(content, pseudonyms=PSEUDONYMS).content
    except DicomError as error:
        assert "Doe" not in str(error)
    else:
        assert b"Doe" not in made


@pytest.mark.parametrize(
    ("profile", "stays"), [(b"colours of a display", True), (b"of E. Mustermann", False)]
)
def test_bytes_that_stay_spell_no_name(profile: bytes, stays: bool) -> None:
    content = file_of(dataset_of(PLANE, PatientName="Mustermann^Erika", ICCProfile=profile))
    made = deidentified_file(content, pseudonyms=PSEUDONYMS).content
    assert (profile in made) == stays


def test_a_deflated_file_is_written_plain_and_never_longer_than_it_claims() -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    plain = file_of(dataset_of(PLANE, PatientName="Doe^Jane"))
    start = plain.index(b"\x08\x00\x08\x00CS")
    dataset = dataset_of(PLANE)
    head = file_of(dataset)[:start].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    head = head.replace(b"\x10\x00UI\x14\x00", b"\x10\x00UI\x16\x00")
    length = struct.unpack("<L", head[140:144])[0]
    head = head[:140] + struct.pack("<L", length + 2) + head[144:]
    bomb = compressor.compress(plain[start:]) + compressor.compress(bytes(1 << 26)) + compressor.flush()
    made = deidentified_file(head + bomb, pseudonyms=PSEUDONYMS).content
    assert len(made) < 1 << 12
    assert np.array_equal(read(made).pixel_array, PLANE)
    assert b"Doe" not in made
