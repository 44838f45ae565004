"""Orthanc as a judge: what it takes away, or changes, the basic profile does too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, uid

from cloudsec.dicom.deidentified_files import deidentified_file
from cloudsec.dicom.elements import values_of
from cloudsec.dicom.pseudonyms import Pseudonyms
from cloudsec.keystream import Keystream
from tests.dicom_files import SHIPPED
from tests.marked import INNER, OUTER, as_file, marked, others, read
from tests.orthanc import anonymized
from tests.peers import peer

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
REAL = ("phi/ct_pseudophi_2.dcm", "phi/us_grey_burnedin.dcm", "mr/emri_small.dcm")


def kept_by_us_alone(source: Dataset, ours: Dataset, theirs: Dataset) -> Iterator[str]:
    """The attributes whose values came through ours, and not through theirs."""
    for element in source:
        tag = element.tag
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                results = [
                    made[tag].value[number] if tag in made and number < len(made[tag].value) else Dataset()
                    for made in (ours, theirs)
                ]
                yield from kept_by_us_alone(item, *results)
        elif tag != 0x7FE00010 and tag.element and not element.is_empty:
            ours_kept, theirs_kept = (
                tag in made and values_of(made[tag]) == values_of(element) for made in (ours, theirs)
            )
            if ours_kept and not theirs_kept:
                yield f"{tag} {element.keyword}"


def without_commands(dataset: Dataset) -> Dataset:
    """Orthanc takes no files with elements that belong into messages and media."""
    for tag in sorted(tag for tag in dataset.keys() if tag.group < 8):  # noqa: SIM118
        del dataset[tag]
    return dataset


def test_what_orthanc_takes_away_stays_under_no_profile_of_ours(open_data: Path, tmp_path: Path) -> None:
    orthanc = peer("Orthanc", "/usr/sbin/Orthanc")
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    target.mkdir()
    whole, unlisted = marked()[0], others()[0]
    for item in (whole, whole[OUTER].value[0], whole[OUTER].value[0][INNER].value[0]):
        without_commands(item)
    unlisted.PatientID, unlisted.StudyInstanceUID, unlisted.SeriesInstanceUID = "7", "1.2.1", "1.2.2"
    for name, dataset in (("marked", whole), ("unlisted", unlisted)):
        (source / name).write_bytes(as_file(dataset, uid.ExplicitVRLittleEndian))
    for path in (SHIPPED, *(open_data / name for name in REAL)):
        (source / path.name).write_bytes(path.read_bytes())
    anonymized(orthanc, source, target)
    keys = Pseudonyms(Keystream(bytes(32)))
    stricter = 0
    for path in sorted(source.iterdir()):
        content = path.read_bytes()
        before, theirs = read(content), read((target / path.name).read_bytes())
        ours = read(deidentified_file(content, pseudonyms=keys, burned_in="accept").content)
        assert list(kept_by_us_alone(before, ours, theirs)) == [], path.name
        stricter += len(list(kept_by_us_alone(before, theirs, ours)))
    assert stricter > 300
