"""The image in a DICOM file: what the file claims is checked before memory is taken for it."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import chain
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, uid
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from cloudsec.dicom.claims import GREY, checked_claims
from cloudsec.dicom.codestreams import CODESTREAM_SYNTAXES, LOSSY_SYNTAXES
from cloudsec.dicom.deflated import inflated
from cloudsec.dicom.pixels import PixelElement, read_pixels
from cloudsec.errors import DicomError

MAX_HEADER_BYTES = 1 << 24
"""Everything before the pixels: parsed elements take up to fifty times their bytes in memory, and the
largest honest headers (overlays of mammograms, private records of scanners) take a few MiB."""
MAX_ITEMS = 1 << 16
"""Items of sequences: eight bytes of file are one item, and an item is more than a kilobyte in memory."""

MAX_ELEMENTS = 20_000
"""Elements at all depths: each is copied and decoded, at more cost than bytes; images have hundreds."""

MAX_DEPTH = 12
"""Of sequences in sequences; images have five. Where one cannot be written, pydicom says so once more at each
depth and quotes what it said below twice: a message of gigabytes at a depth of thirty."""

DAMAGED = "this DICOM file is damaged or cut short; fetch it again from where it came"
_TOO_MANY_ELEMENTS = f"its header holds more than {MAX_ELEMENTS} elements, which no single image needs"
_RISKY_MODALITIES = {"US", "SC", "RF", "OT"}
_RISKY_CLASSES = (
    "1.2.840.10008.5.1.1.29",  # Hardcopy of greys: film
    "1.2.840.10008.5.1.1.30",  # Hardcopy of colours
    "1.2.840.10008.5.1.4.1.1.3.1",  # Ultrasound Multi-frame
    "1.2.840.10008.5.1.4.1.1.6.1",  # Ultrasound
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture and its multi-frame kin
    "1.2.840.10008.5.1.4.1.1.12.2",  # X-Ray Radiofluoroscopic
)
_CAPTURED = frozenset(("DV", "DF", "SD", "SI", "DRW", "WSD"))
"""Conversion Type of what was no digital image before: film, video, paper, screens (PS3.3 C.8.6.1)."""
_NATIVE_SYNTAXES = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
DEFLATED = uid.DeflatedExplicitVRLittleEndian
_FLOATING = {(0x7FE0, 0x0008): b"OF", (0x7FE0, 0x0009): b"OD"}
"""Elements of floating-point pixels, of single and double precision, and how they are represented."""
_READ_SYNTAXES = (*_NATIVE_SYNTAXES, DEFLATED, uid.RLELossless, *CODESTREAM_SYNTAXES)
_CONVERTERS: dict[str, tuple[str, str]] = {
    "1.2.840.10008.1.2.4.53": ("python-gdcm", "gdcmconv --raw"),
    **dict.fromkeys((uid.JPEG2000MCLossless, uid.JPEG2000MC), ("pylibjpeg-openjpeg", "gdcmconv --raw")),
}
"""Per transfer syntax that is not read the package that would decode it, and the tool that converts it."""


@dataclass(frozen=True, eq=False)
class DicomHeader:
    """A DICOM image without its pixels; what it says of a person is in no repr."""

    dataset: Dataset = field(repr=False)

    @property
    def channel_axis(self) -> int | None:
        """-1 of an image in colour, whose pixels are RGB whatever the header says."""
        return None if self.dataset.PhotometricInterpretation in GREY else -1

    @property
    def study(self) -> str | None:
        """The UID of the study that the image belongs to, if the header says it."""
        return str(self.dataset.get("StudyInstanceUID") or "") or None

    @property
    def letters(self) -> str | None:
        """Why pixels may show a name, if they may, by what the header says."""
        return burned_in_reason(self.dataset)


def read_dicom(
    file: BinaryIO, *, max_pixels: int, burned_in: Literal["refuse", "accept"]
) -> tuple[NDArray[np.generic], DicomHeader]:
    """The stored values of an image, its colours as RGB, and its header.

    Rescale slope and window are not applied. The frames of a multi-frame image come one after the other.

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
    pixels : (M, N) or (F, M, N) ndarray of uint8, int16, uint16, int32, float32 or float64
        In colour (M, N, 3) or (F, M, N, 3), of uint8.
    header : DicomHeader

    Raises
    ------
    DicomError
        Names the cause and the way out, and nothing that the header says of a person.
    """
    with foreign_errors(DAMAGED):
        syntax, dataset, element = _parsed(file)
        claims = checked_claims(dataset, max_pixels, floating=element.floating)
        if burned_in != "accept" and (reason := burned_in_reason(dataset)):
            raise DicomError(f"{reason}, and letters stay legible; look at it, then pass --burned-in accept")
        if syntax in LOSSY_SYNTAXES:
            # Also where the header forgot to say it, all that is derived from it has lost what its code lost.
            dataset.LossyImageCompression = "01"
        if element.stream is not None:
            file.seek(element.stream)
            file = BytesIO(inflated(file, element.position + claims.native_bytes + 1))
        size = file.seek(0, 2)
        return read_pixels(file, size, element, syntax, dataset, claims), DicomHeader(dataset)


def read_header(file: BinaryIO) -> DicomHeader:
    """The header alone, of a file as `read_dicom` takes it; DicomError likewise."""
    with foreign_errors(DAMAGED):
        return DicomHeader(_parsed(file)[1])


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


def _parsed(file: BinaryIO) -> tuple[uid.UID, Dataset, PixelElement]:
    head = file.read(MAX_HEADER_BYTES)
    syntax, start = transfer_syntax(head)
    if syntax not in _READ_SYNTAXES:
        package, tool = _CONVERTERS.get(syntax, ("no package known to us", "the program that wrote it"))
        raise DicomError(
            f"its transfer syntax, {_named(syntax)}, is not read yet ({package} would decode it); "
            f"convert it to Explicit VR Little Endian first, with {tool}"
        )
    stream = None
    if syntax == DEFLATED:
        stream = file.seek(start)
        head, start, syntax = inflated(file, MAX_HEADER_BYTES), 0, uid.ExplicitVRLittleEndian
    dataset, element = _header(head, start, syntax)
    return syntax, dataset, replace(element, stream=stream)


def _named(syntax: uid.UID) -> str:
    # The name of an unknown one is whatever the file says.
    return f"{syntax.name} ({syntax})" if syntax.is_transfer_syntax else "private or unknown"


def transfer_syntax(head: bytes) -> tuple[uid.UID, int]:
    """The transfer syntax of a file that begins so, and where its header begins.

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
    return syntax, buffer.tell()


def bounded_header(head: bytes, start: int, syntax: uid.UID) -> tuple[Dataset, int]:
    """The elements before the pixels, no more of them than an image needs, and where they end."""
    if max(head.count(b"\xfe\xff\x00\xe0"), head.count(b"\xff\xfe\xe0\x00")) > MAX_ITEMS:
        raise DicomError(
            f"its header holds more than {MAX_ITEMS} items of sequences, which no single image needs"
        )
    buffer = BytesIO(head)
    buffer.seek(start)
    stop = _AtPixels()
    dataset = read_dataset(buffer, syntax.is_implicit_VR, syntax.is_little_endian, stop_when=stop)
    _refuse_excess(dataset)
    return dataset, buffer.tell()


def _refuse_excess(dataset: Dataset) -> None:
    """Refuses more elements, or sequences deeper in each other, than any image needs."""
    count, level = 0, [dataset]
    for _ in range(MAX_DEPTH + 1):
        inner: list[Dataset] = []
        for element in chain.from_iterable(level):
            count += 1
            if count > MAX_ELEMENTS:
                raise DicomError(_TOO_MANY_ELEMENTS)
            if element.VR == "SQ":
                inner += element.value or ()
        if not inner:
            return
        level = inner
    raise DicomError(
        f"its sequences lie more than {MAX_DEPTH} deep in each other; no single image needs that"
    )


def _header(head: bytes, start: int, syntax: uid.UID) -> tuple[Dataset, PixelElement]:
    dataset, position = bounded_header(head, start, syntax)
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
        representation = _FLOATING.get((group, number), b"OW")
        (length,) = struct.unpack(order + "L", head[position + 4 : position + 8])
    floating = _FLOATING.get((group, number))
    known = representation in ((floating,) if floating else (b"OB", b"OW", b"UN"))
    if not known or not (floating or (group, number) == (0x7FE0, 0x0010)):
        raise DicomError("this DICOM file holds no pixel data that could be found; name one that is an image")
    if (length == 0xFFFFFFFF) != syntax.is_compressed or (floating and syntax.is_compressed):
        raise DicomError("its pixel data are not stored as its transfer syntax says; fetch it again")
    return dataset, PixelElement(
        "OW" if representation == b"UN" else representation.decode(),
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


def burned_in_reason(dataset: Dataset) -> str | None:
    """Why pixels may show a name, if they may, by what the header says.

    Modality and annotation as in the standard; the class as well, for Modality is often wrong.
    """
    modality, annotation = _upper(dataset.get("Modality")), _upper(dataset.get("BurnedInAnnotation"))
    if "YES" in annotation:
        return "its header says that a name or the like is burned into the pixels"
    if risky := modality & _RISKY_MODALITIES:
        return f"images of modality {min(risky)} often show a name in their pixels"
    if str(dataset.get("SOPClassUID", "")).startswith(_RISKY_CLASSES):
        return "images of this SOP class often show a name in their pixels"
    if _upper(dataset.get("ConversionType")) & _CAPTURED:
        return "it was captured from film, video, paper or a screen, which often show a name"
    if any("SCREEN" in kind for kind in _upper(dataset.get("ImageType"))):
        return "its image type says that it is of a screen, which often shows a name"
    return None


def _upper(value: object) -> set[str]:
    values = [value] if isinstance(value, str) else value
    return {str(v).strip().upper() for v in values} if hasattr(values, "__iter__") else set()
