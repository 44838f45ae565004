"""DICOM in and out; no other room imports pydicom, and only a DICOM file makes it load."""

from cloudsec.dicom.derived import derived_image
from cloudsec.dicom.files import DicomHeader, read_dicom, read_header
from cloudsec.dicom.series import Series, SliceHeaders, differing_levels, frame_order, ordered_series

__all__ = [
    "DicomHeader",
    "Series",
    "SliceHeaders",
    "derived_image",
    "differing_levels",
    "frame_order",
    "ordered_series",
    "read_dicom",
    "read_header",
]
