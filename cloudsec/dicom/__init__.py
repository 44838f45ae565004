"""DICOM in and out; no other room imports pydicom, and only a DICOM file makes it load."""

from cloudsec.dicom.derived import derived_image
from cloudsec.dicom.files import DicomHeader, read_dicom

__all__ = ["DicomHeader", "derived_image", "read_dicom"]
