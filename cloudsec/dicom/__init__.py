"""DICOM in and out; no other room imports pydicom, and only a DICOM file makes it load."""

from cloudsec.dicom.derived import derived_image
from cloudsec.dicom.files import DicomHeader, read_dicom, read_header
from cloudsec.dicom.series import Series, ordered_series

__all__ = ["DicomHeader", "Series", "derived_image", "ordered_series", "read_dicom", "read_header"]
