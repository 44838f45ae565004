"""DICOM files as scanners write them, and as nobody should; how reading and deriving them ends."""

from __future__ import annotations

import io
import os
import struct
import tempfile
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pydicom
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pydicom import Dataset, uid

from cloudsec.dicom import DicomHeader
from cloudsec.errors import DicomError
from cloudsec.files import read_image, write_image
from cloudsec.image_file import ImageFile

Pixels: TypeAlias = NDArray[np.generic]
PLANE = (np.arange(30, dtype=np.int16).reshape(5, 6) - 7) * 100
NAME = "Doe^Jane"
SHIPPED = Path(__file__).parents[1] / "cloudsec" / "demo" / "lidc-idri-0314.dcm"
CT, MG, US, SC = (
    uid.CTImageStorage,
    uid.DigitalMammographyXRayImageStorageForPresentation,
    *(
        uid.UltrasoundImageStorage,
        uid.SecondaryCaptureImageStorage,
    ),
)


def dataset_of(pixels: Pixels, **changes: Any) -> Dataset:
    """A CT slice of a person; None takes an attribute away."""
    dataset = Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    bits = 8 * pixels.dtype.itemsize
    values: dict[str, Any] = {
        "SOPClassUID": CT,
        "SOPInstanceUID": "1.2.3.4",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.1",
        "Modality": "CT",
        "PatientName": NAME,
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "PixelSpacing": [0.5, 0.5],
        "ImagePositionPatient": [1, 2, 3],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": changes.get("BitsStored", bits) - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "RescaleSlope": "2",
        "RescaleIntercept": "-1024",
        "PixelData": pixels.tobytes() + b"\0" * (pixels.nbytes % 2),
        **changes,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in values.items():
            if value is not None:
                setattr(dataset, keyword, value)
    dataset["PixelData"].VR = "OW"
    return dataset


def enhanced(frames: Pixels, **changes: Any) -> Dataset:
    """An enhanced CT image, ten millimetres from frame to frame."""

    def item(**values: Any) -> Dataset:
        made = Dataset()
        for keyword, value in values.items():
            setattr(made, keyword, value)
        return made

    return dataset_of(
        frames[0],
        SOPClassUID=uid.EnhancedCTImageStorage,
        FrameOfReferenceUID="1.2.3.5",
        PixelSpacing=None,
        ImagePositionPatient=None,
        RescaleSlope=None,
        RescaleIntercept=None,
        NumberOfFrames=len(frames),
        PixelData=frames.tobytes(),
        SharedFunctionalGroupsSequence=[
            item(
                PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.5], SliceThickness=10)],
                PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
                PixelValueTransformationSequence=[
                    item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")
                ],
            )
        ],
        PerFrameFunctionalGroupsSequence=[
            item(PlanePositionSequence=[item(ImagePositionPatient=[1, 2, 10 * number])])
            for number in range(len(frames))
        ],
        **changes,
    )


def file_of(dataset: Dataset, syntax: uid.UID = uid.ExplicitVRLittleEndian) -> bytes:
    buffer = io.BytesIO()
    dataset.file_meta.TransferSyntaxUID = syntax
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def row(dtype: type[np.generic], *values: int) -> Pixels:
    return np.array([values], dtype)


def with_syntax(content: bytes, syntax: str) -> bytes:
    """The same bytes under another transfer syntax of no greater length."""
    old = uid.ExplicitVRLittleEndian.encode() + b"\0"
    position = content.index(b"\x02\x00\x10\x00UI")
    body = syntax.encode() + b"\0" * (len(syntax) % 2)
    rest = content[position + 8 + len(old) :]
    grown = len(body) - len(old)
    (length,) = struct.unpack("<L", content[140:144])
    head = content[:140] + struct.pack("<L", length + grown) + content[144:position]
    return head + b"\x02\x00\x10\x00UI" + struct.pack("<H", len(body)) + body + rest


def read(content: bytes, burned_in: Any = "refuse") -> ImageFile:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "IMG0001"
        path.write_bytes(content)
        return read_image(path, burned_in=burned_in)


def refusal(content: bytes) -> str:
    with pytest.raises(DicomError) as caught:
        read(content)
    message = str(caught.value)
    assert "\n" not in message
    assert "IMG0001: " in message
    assert "Jane" not in message
    return message


def derived(
    dataset: Dataset,
    result: Pixels,
    gain: int | Fraction | None = 1,
    sign: int = -1,
    does: str = "CloudSec 0.1: gaussian sigma=2",
    syntax: uid.UID = uid.ExplicitVRLittleEndian,
) -> Dataset:
    """What pydicom reads of the derived image, after our own reader gave the same pixels."""
    image = read(file_of(dataset, syntax), "accept")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.dcm"
        write_image(path, result, image, description=does, offset_gain=gain, negation_sign=sign)
        assert os.listdir(folder) == ["out.dcm"]
        written = pydicom.dcmread(io.BytesIO(path.read_bytes()))
        assert np.array_equal(read_image(path, burned_in="accept").pixels, written.pixel_array)
    return written


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def images(*dtypes: str) -> st.SearchStrategy[Pixels]:
    shapes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)
    return st.sampled_from(dtypes).flatmap(lambda dtype: hnp.arrays(np.dtype(dtype), shapes))


def header_of(image: ImageFile) -> DicomHeader:
    assert image.source is not None
    return image.source
