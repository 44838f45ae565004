"""The table of the package is the standard's."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from cloudsec.dicom.profile import OPTIONS
from tests.marked import TABLE

COLUMNS = {
    "uids": "rtnUIDsOpt",
    "device-identity": "rtnDevIdOpt",
    "institution-identity": "rtnInstIdOpt",
    "patient-characteristics": "rtnPatCharsOpt",
    "full-dates": "rtnLongFullDatesOpt",
    "modified-dates": "rtnLongModifDatesOpt",
    "safe-private": "rtnSafePrivOpt",
    "descriptors": "cleanDescOpt",
    "structured-content": "cleanStructContOpt",
    "graphics": "cleanGraphOpt",
}


def test_every_row_and_every_column_is_as_the_standard_has_it(open_data: Path) -> None:
    source = open_data.parent / "standard" / "confidentiality_profile_attributes.json"
    if not source.is_file():
        pytest.skip("the standard's table is not beside the open test data")
    rows = list(csv.DictReader(TABLE.read_text().splitlines()))
    standard = {each["name"].partition("\n")[0]: each for each in json.loads(source.read_text())}
    assert list(COLUMNS) == list(OPTIONS)
    assert len(rows) == len(standard) == 621
    for row in rows:
        each = standard[row["name"]]
        assert row["tag"] in (each["id"], "private")
        assert row["basic"] == each["basicProfile"]
        assert {name: row[name] for name in COLUMNS} == {
            name: each.get(column, "") for name, column in COLUMNS.items()
        }
