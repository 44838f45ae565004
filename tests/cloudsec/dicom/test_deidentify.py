"""Nothing of the standard's table survives the basic profile; options keep what their columns say."""

from __future__ import annotations

import pytest
from pydicom import uid

from cloudsec.dicom.dates import moved
from cloudsec.dicom.deidentified_files import deidentified_file
from cloudsec.dicom.profile import OPTIONS, Profile, attribute_name
from cloudsec.dicom.pseudonyms import Pseudonyms
from cloudsec.keystream import Keystream
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
    assert [mark for mark in marks if survives(read(made), mark) and not harmless(mark)] == []
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
