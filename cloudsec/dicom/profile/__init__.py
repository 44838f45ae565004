"""Which attributes of DICOM tell who somebody is, and what is done with each: PS3.15 Annex E as data.

`attributes.csv` is Table E.1-1, 621 rows with all option columns, made from the standard's table by
`tests/vectors/confidentiality_profile.py`. `safe_private.csv` holds private elements of scanners that
Table E.3.10-1 calls safe: those on which published transcriptions of it agree, of numbers and codes only.
"""

from cloudsec.dicom.profile.profile import (
    CLEANED,
    OPTIONS,
    RETAINED,
    Action,
    Option,
    PrivateElement,
    Profile,
    attribute_name,
    names_a_kind,
    safe_private,
)

__all__ = [
    "CLEANED",
    "OPTIONS",
    "RETAINED",
    "Action",
    "Option",
    "PrivateElement",
    "Profile",
    "attribute_name",
    "names_a_kind",
    "safe_private",
]
