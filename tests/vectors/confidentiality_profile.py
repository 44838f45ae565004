"""Writes cloudsec/dicom/profile/attributes.csv from the standard's table as JSON.

    python tests/vectors/confidentiality_profile.py confidentiality_profile_attributes.json

The JSON is PS3.15 Annex E, Table E.1-1, as the project dicom-standard of Innolitics reads it off the
standard: a list of attributes, each with the actions of its columns. Empty columns are left out.
"""

import csv
import json
import sys
from pathlib import Path

COLUMNS = {
    "basic": "basicProfile",
    "safe-private": "rtnSafePrivOpt",
    "uids": "rtnUIDsOpt",
    "device-identity": "rtnDevIdOpt",
    "institution-identity": "rtnInstIdOpt",
    "patient-characteristics": "rtnPatCharsOpt",
    "full-dates": "rtnLongFullDatesOpt",
    "modified-dates": "rtnLongModifDatesOpt",
    "descriptors": "cleanDescOpt",
    "structured-content": "cleanStructContOpt",
    "graphics": "cleanGraphOpt",
}
TARGET = Path(__file__).parents[2] / "cloudsec" / "dicom" / "profile" / "attributes.csv"


def main() -> None:
    attributes = json.loads(Path(sys.argv[1]).read_text())
    known = {"name", "tag", "id", "stdCompIOD", *COLUMNS.values()}
    assert all(each.keys() <= known for each in attributes), "a column that is not known here"
    with TARGET.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["tag", "name", *COLUMNS])
        for each in sorted(attributes, key=lambda each: each["id"]):
            tag = "private" if each["id"].startswith("ggggeeee") else each["id"]
            writer.writerow([tag, each["name"], *(each.get(column, "") for column in COLUMNS.values())])


if __name__ == "__main__":
    main()
