"""One grey plane out of a DICOM file: what the file claims is checked before memory is taken for it."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import generate_fragments
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from cloudsec.dicom.run_lengths import expanded_run_lengths
from cloudsec.errors import DicomError

MAX_HEADER_BYTES = 1 << 24
"""Everything before the pixels: parsed elements take up to fifty times their bytes in memory, and the
largest honest headers (overlays of mammograms, private records of scanners) take a few MiB."""
MAX_ITEMS = 1 << 16
"""Items of sequences: eight bytes of file are one item, and an item is more than a kilobyte in memory."""

MAX_ELEMENTS = 20_000
"""Elements at all depths: each is copied and decoded, at more cost than bytes; images have hundreds."""

_TOO_MANY_ELEMENTS = f"its header holds more than {MAX_ELEMENTS} elements, which no single image needs"
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_RISKY_MODALITIES = {"US", "SC", "RF", "OT"}
_RISKY_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.3.1",  # Ultrasound Multi-frame
    "1.2.840.10008.5.1.4.1.1.6.1",  # Ultrasound
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture and its multi-frame kin
    "1.2.840.10008.5.1.4.1.1.12.2",  # X-Ray Radiofluoroscopic
)
_READ_SYNTAXES = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.RLELossless,
)
_CONVERTERS = {
    **dict.fromkeys(uid.JPEGTransferSyntaxes, ("python-gdcm", "gdcmconv --raw")),
    **dict.fromkeys(uid.JPEGLSTransferSyntaxes, ("pyjpegls", "gdcmconv --raw")),
    **dict.fromkeys(uid.JPEG2000TransferSyntaxes, ("pylibjpeg-openjpeg", "gdcmconv --raw")),
    **dict.fromkeys((uid.HTJ2K, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL), ("pylibjpeg-openjpeg", "Orthanc")),
    # Of the permissive packages none decodes twelve bits of it.
    uid.JPEGExtended12Bit: ("no Python package", "dcmdjpeg of dcmtk"),
    uid.DeflatedExplicitVRLittleEndian: ("zlib", "dcmconv +te of dcmtk"),
}
"""Per transfer syntax that is not read the package that would decode it, and the tool that converts it."""


@dataclass(frozen=True, eq=False)
class DicomHeader:
    """A DICOM image without its pixels; what it says of a person is in no repr."""

    dataset: Dataset = field(repr=False)

    @property
    def study(self) -> str | None:
        """The UID of the study that the image belongs to, if the header says it."""
        return str(self.dataset.get("StudyInstanceUID") or "") or None


@dataclass(frozen=True)
class _Frame:
    """How the header says that the pixels are stored."""

    rows: int
    columns: int
    allocated: int
    stored: int
    signed: bool

    @property
    def raw_bytes(self) -> int:
        return self.rows * self.columns * self.allocated // 8


@dataclass(frozen=True)
class _PixelElement:
    """Where the pixel data are in the file; a length of None is that of encapsulated data."""

    representation: str
    position: int
    length: int | None


def read_dicom(
    file: BinaryIO, *, max_pixels: int, burned_in: Literal["refuse", "accept"]
) -> tuple[NDArray[np.generic], DicomHeader]:
    """The stored values of a single-frame grey image, and its header.

    Rescale slope and window are not applied. Bits above Bits Stored (overlays of old) are masked, and
    signed values extended (PS3.5 section 8.1.1).

    Parameters
    ----------
    file : BinaryIO
        Seekable, with the prefix "DICM" at offset 128.
    max_pixels : int
        More are refused before they are read.
    burned_in : {"refuse", "accept"}
        What to do with images whose pixels may show a name.

    Returns
    -------
    pixels : (M, N) ndarray of uint8, int16, uint16 or int32
    header : DicomHeader

    Raises
    ------
    DicomError
        Names the cause and the way out, and nothing that the header says of a person.
    """
    with foreign_errors("this DICOM file is damaged or cut short; fetch it again from where it came"):
        head = file.read(MAX_HEADER_BYTES)
        size = file.seek(0, 2)
        syntax, start = _transfer_syntax(head)
        dataset, element = _header(head, start, syntax)
        frame = _checked_frame(dataset, max_pixels)
        if burned_in != "accept":
            _refuse_burned_in(dataset)
        stored = _stored_bytes(file, element, frame, size)
        native = syntax if element.length is not None else uid.ExplicitVRLittleEndian
        return _decoded(stored, frame, native, element.representation), DicomHeader(dataset)


@contextmanager
def foreign_errors(sentence: str) -> Iterator[None]:
    """The port to pydicom: its warnings go nowhere, and all that it raises becomes this DicomError.

    pydicom raises nearly every built-in exception for one broken file or another. Its warnings and
    exceptions quote values of the header, which are no business of a log; the sentence quotes none.
    """
    log = logging.getLogger("pydicom")
    silenced = log.disabled
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.disabled = True
        try:
            yield
        except DicomError:
            raise
        except Exception as error:
            raise DicomError(sentence) from error
        finally:
            log.disabled = silenced


def _transfer_syntax(head: bytes) -> tuple[uid.UID, int]:
    """The transfer syntax, if it is one that is read, and where the header begins.

    pydicom's own `dcmread` inflates a deflated file, to whatever size, before it can be asked.
    """
    buffer = BytesIO(head)
    buffer.seek(132)
    meta = read_dataset(buffer, False, True, stop_when=_after_meta)
    syntax = meta.get("TransferSyntaxUID")
    if not isinstance(syntax, uid.UID) or not syntax:
        raise DicomError(
            "this DICOM file does not name its transfer syntax; write it again with dcmconv of dcmtk"
        )
    if syntax not in _READ_SYNTAXES:
        # The name of an unknown one is whatever the file says.
        name = f"{syntax.name} ({syntax})" if syntax.is_transfer_syntax else "private or unknown"
        package, tool = _CONVERTERS.get(syntax, ("no package known to us", "the program that wrote it"))
        raise DicomError(
            f"its transfer syntax, {name}, is not read yet ({package} would decode it); "
            f"convert it to Explicit VR Little Endian first, with {tool}"
        )
    return syntax, buffer.tell()


def _header(head: bytes, start: int, syntax: uid.UID) -> tuple[Dataset, _PixelElement]:
    if max(head.count(b"\xfe\xff\x00\xe0"), head.count(b"\xff\xfe\xe0\x00")) > MAX_ITEMS:
        raise DicomError(
            f"its header holds more than {MAX_ITEMS} items of sequences, which no single image needs"
        )
    buffer = BytesIO(head)
    buffer.seek(start)
    stop = _AtPixels()
    dataset = read_dataset(buffer, syntax.is_implicit_VR, syntax.is_little_endian, stop_when=stop)
    if sum(1 for _ in islice(dataset.iterall(), MAX_ELEMENTS + 1)) > MAX_ELEMENTS:
        raise DicomError(_TOO_MANY_ELEMENTS)
    position = buffer.tell()
    order = "<" if syntax.is_little_endian else ">"
    implicit, _ = dataset.original_encoding
    if len(head) < position + 8:
        if len(head) == MAX_HEADER_BYTES:
            raise DicomError(f"its pixel data do not begin within the first {MAX_HEADER_BYTES >> 20} MiB")
        raise DicomError("this DICOM file holds no pixel data; name one that is an image")
    # With an implicit representation the smallest image ends ten bytes from here.
    start_of_element = head[position : position + 12].ljust(12, b"\0")
    group, number, representation, length = struct.unpack(order + "HH2s2xL", start_of_element)
    if implicit:
        representation = b"OW"
        (length,) = struct.unpack(order + "L", head[position + 4 : position + 8])
    if (group, number) in ((0x7FE0, 0x0008), (0x7FE0, 0x0009)):
        raise DicomError("its pixels are floating-point numbers, which are not read yet; use integer pixels")
    if (group, number) != (0x7FE0, 0x0010) or representation not in (b"OB", b"OW", b"UN"):
        raise DicomError("this DICOM file holds no pixel data that could be found; name one that is an image")
    if (length == 0xFFFFFFFF) != syntax.is_compressed:
        raise DicomError("its pixel data are not stored as its transfer syntax says; fetch it again")
    return dataset, _PixelElement(
        "OB" if representation == b"OB" else "OW",
        position + (8 if implicit else 12),
        None if syntax.is_compressed else length,
    )


def _after_meta(tag: BaseTag, representation: str | None, length: int) -> bool:
    return tag.group != 2


class _AtPixels:
    """Stops reading at the pixels, and refuses a header without end while it is being read."""

    def __init__(self) -> None:
        self._elements = 0

    def __call__(self, tag: BaseTag, representation: str | None, length: int) -> bool:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise DicomError(_TOO_MANY_ELEMENTS)
        return tag in (0x7FE00008, 0x7FE00009, 0x7FE00010)


def _checked_frame(dataset: Dataset, max_pixels: int) -> _Frame:
    photometric = dataset.get("PhotometricInterpretation")
    if photometric not in _MONOCHROME or _integer(dataset, "SamplesPerPixel", 1) != 1:
        raise DicomError(
            "its pixels are in colour; only MONOCHROME1 and MONOCHROME2 are read, convert it to grey"
        )
    if _integer(dataset, "NumberOfFrames", 1) != 1:
        raise DicomError(
            "it holds more than one frame, which is not read yet; write each frame to a file of its own"
        )
    frame = _Frame(
        _integer(dataset, "Rows"),
        _integer(dataset, "Columns"),
        _integer(dataset, "BitsAllocated"),
        _integer(dataset, "BitsStored"),
        bool(_integer(dataset, "PixelRepresentation", 0)),
    )
    if frame.allocated not in (8, 16, 32):
        raise DicomError(f"its pixels take {frame.allocated} bits each; 8, 16 and signed 32 are read")
    if frame.allocated == 32 and not frame.signed:
        raise DicomError("its pixels are unsigned 32-bit numbers; 8, 16 and signed 32 bits are read")
    if (
        not 1 <= frame.stored <= frame.allocated
        or _integer(dataset, "HighBit", frame.stored - 1) != frame.stored - 1
    ):
        raise DicomError(
            "its Bits Stored, High Bit and Bits Allocated contradict each other; correct them first"
        )
    if min(frame.rows, frame.columns) < 1:
        raise DicomError("it claims an image without rows or columns")
    if frame.rows * frame.columns > max_pixels:
        raise DicomError(
            f"it claims {frame.rows} x {frame.columns} pixels; at most {max_pixels} are read, cut it"
        )
    return frame


def _integer(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    value = dataset.get(keyword)
    if value is None and default is not None:
        return default
    if not isinstance(value, int):
        raise DicomError(f"its header gives no number for {keyword}, so that the pixels cannot be read")
    return int(value)


def _refuse_burned_in(dataset: Dataset) -> None:
    """Modality and annotation as in the standard; the class as well, for Modality is often wrong."""
    modality, annotation = _upper(dataset.get("Modality")), _upper(dataset.get("BurnedInAnnotation"))
    reason = None
    if "YES" in annotation:
        reason = "its header says that a name or the like is burned into the pixels"
    elif risky := modality & _RISKY_MODALITIES:
        reason = f"images of modality {min(risky)} often show a name in their pixels"
    elif str(dataset.get("SOPClassUID", "")).startswith(_RISKY_CLASSES):
        reason = "images of this SOP class often show a name in their pixels"
    if reason:
        raise DicomError(f"{reason}, and letters stay legible; look at it, then pass --burned-in accept")


def _upper(value: object) -> set[str]:
    values = [value] if isinstance(value, str) else value
    return {str(v).strip().upper() for v in values} if hasattr(values, "__iter__") else set()


def _stored_bytes(file: BinaryIO, element: _PixelElement, frame: _Frame, size: int) -> bytes:
    """The pixels uncompressed, in the byte order of the file."""
    file.seek(element.position)
    rest = size - element.position
    if element.length is None:
        # A run may be as short as one pixel, never shorter: twice the pixels is the longest honest code.
        buffer = BytesIO(file.read(min(rest, 2 * frame.raw_bytes + 4096)))
        # The first item is a table of offsets, of no use for one frame.
        _, *fragments = generate_fragments(buffer)
        return expanded_run_lengths(b"".join(fragments), frame.rows * frame.columns, frame.allocated // 8)
    if min(rest, element.length) < frame.raw_bytes:
        raise DicomError(
            f"it claims {frame.rows} x {frame.columns} pixels of {frame.allocated} bits, "
            f"but holds {min(rest, element.length)} bytes of them; fetch it again"
        )
    if element.length >= 2 * frame.raw_bytes + 2:
        raise DicomError(
            "it holds pixel data for more than one frame, but names one; correct its header first"
        )
    return file.read(min(rest, frame.raw_bytes + frame.raw_bytes % 2))


def _decoded(stored: bytes, frame: _Frame, syntax: uid.UID, representation: str) -> NDArray[np.generic]:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.Rows, image.Columns = frame.rows, frame.columns
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit = frame.allocated, frame.stored, frame.stored - 1
    image.PixelRepresentation = int(frame.signed)
    image.add_new("PixelData", representation, stored)
    pixels = image.pixel_array
    # There are no images of int8; int16 holds them exactly.
    dtype = np.dtype(np.int16) if pixels.dtype == np.int8 else pixels.dtype.newbyteorder("=")
    return np.ascontiguousarray(pixels, dtype)
