"""A DICOM file as its header and the bytes of its pixels, which are copied in whatever code they are."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from io import BytesIO

from pydicom import Dataset, uid
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.tag import BaseTag

from cloudsec.dicom.claims import checked_claims
from cloudsec.dicom.deflated import inflated
from cloudsec.dicom.files import DEFLATED, MAX_HEADER_BYTES, bounded_header, transfer_syntax
from cloudsec.errors import DicomError
from cloudsec.image_file import DICOM_MARK, PREAMBLE, is_dicom

MAX_VALUES = 1 << 28
"""Of an image whose pixels are decoded or inflated, as of every other that is read."""
_DIRECTORY = "1.2.840.10008.1.3.10"
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"))
_UNDEFINED = 0xFFFFFFFF
_PIXELS = ((0x7FE0, 0x0008), (0x7FE0, 0x0009), (0x7FE0, 0x0010))
_ITEM, _END = 0xE000, 0xE0DD


@dataclass(frozen=True, eq=False)
class EncodedFile:
    """What a file holds, in no repr.

    Attributes
    ----------
    preamble, meta : bytes
        As they stand at its beginning.
    syntax : pydicom.uid.UID
    dataset : pydicom.Dataset
        All elements but the pixels; those that come after them too.
    pixels : bytes
        The whole element of the pixels, from its tag to its end; none of an object without pixels.
    """

    preamble: bytes = field(repr=False)
    meta: bytes = field(repr=False)
    syntax: uid.UID
    dataset: Dataset = field(repr=False)
    pixels: bytes = field(repr=False)

    @property
    def implicit(self) -> bool:
        """Whether elements do not say of what representation they are, whatever the transfer syntax says."""
        return bool(self.dataset.original_encoding[0])


def opened(content: bytes) -> EncodedFile:
    """The parts of a file, of any transfer syntax of the standard.

    Raises
    ------
    DicomError
        If it is none, or is more than an image needs, or a DICOMDIR. pydicom's own errors come as they are.
    """
    if not is_dicom(content):
        raise DicomError("is no DICOM file")
    syntax, start = transfer_syntax(content[:MAX_HEADER_BYTES])
    if not syntax.is_transfer_syntax or syntax.is_private:
        raise DicomError(
            "its transfer syntax is private or unknown; convert it with the program that wrote it"
        )
    preamble, meta = content[:PREAMBLE], content[PREAMBLE + len(DICOM_MARK) : start]
    if syntax == DEFLATED:
        # Nobody reads a deflated file in part; it is written plain.
        content, start, syntax = _inflated(content[start:]), 0, uid.ExplicitVRLittleEndian
    dataset, position = bounded_header(content[:MAX_HEADER_BYTES], start, syntax)
    end = position
    if position < len(content):
        order = "<" if syntax.is_little_endian else ">"
        if struct.unpack_from(order + "HH", content, position) not in _PIXELS:
            raise DicomError("its header cannot be read to its end; fetch it again from where it came")
        if len(content) > MAX_HEADER_BYTES <= position:
            raise DicomError(f"its pixel data do not begin within the first {MAX_HEADER_BYTES >> 20} MiB")
        end = _end_of_element(content, position, bool(dataset.original_encoding[0]), syntax)
        for tag, raw in _after_pixels(content[end : end + MAX_HEADER_BYTES], syntax):
            dataset[tag] = raw
    if read_meta(meta).get("MediaStorageSOPClassUID") == _DIRECTORY or "DirectoryRecordSequence" in dataset:
        raise DicomError("is a DICOMDIR, which lists the names of patients; make a new one of the new files")
    return EncodedFile(preamble, meta, syntax, dataset, content[position:end])


def read_meta(content: bytes) -> Dataset:
    """The file meta elements."""
    return read_dataset(BytesIO(content), False, True)


def encoded(
    dataset: Dataset,
    pixels: bytes,
    syntax: uid.UID,
    *,
    implicit: bool,
    preamble: bytes = bytes(PREAMBLE),
    meta: bytes | None = None,
) -> bytes:
    """A file of a header and the element of its pixels, with fresh file meta unless they are given."""
    buffer = DicomBytesIO()
    if meta is None:
        fresh = FileMetaDataset()
        fresh.TransferSyntaxUID = syntax
        fresh.MediaStorageSOPClassUID = dataset.get("SOPClassUID")
        fresh.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID")
        buffer.is_implicit_VR, buffer.is_little_endian = False, True
        write_file_meta_info(buffer, fresh)
        meta = buffer.getvalue()
    body = DicomBytesIO()
    body.is_implicit_VR, body.is_little_endian = implicit, syntax.is_little_endian
    later = Dataset()
    # A Dataset by itself yields elements, decoded.
    for tag in sorted(tag for tag in dataset.keys() if tag > 0x7FE00010):  # noqa: SIM118 - see above
        later[tag] = dataset.get_item(tag)
    write_dataset(body, dataset[:0x7FE00011])
    body.write(pixels)
    if later:
        write_dataset(body, later)
    return preamble + DICOM_MARK + meta + body.getvalue()


def _inflated(stream: bytes) -> bytes:
    """A deflated file up to the end of its pixels, no longer than they are claimed to be."""
    head = inflated(BytesIO(stream), MAX_HEADER_BYTES)
    dataset, position = bounded_header(head, 0, uid.ExplicitVRLittleEndian)
    if position == len(head) < MAX_HEADER_BYTES:
        return head
    floating = head[position : position + 4] != struct.pack("<HH", *_PIXELS[-1])
    claims = checked_claims(dataset, MAX_VALUES, floating=floating)
    return inflated(BytesIO(stream), position + 12 + claims.native_bytes + claims.native_bytes % 2)


def _after_pixels(content: bytes, syntax: uid.UID) -> list[tuple[BaseTag, DataElement | RawDataElement]]:
    """The elements that come after the pixels; none of what fills a file up and is none."""
    try:
        rest, _ = bounded_header(content, 0, syntax)
    except Exception:
        # pydicom raises nearly everything; nothing of this is written again.
        return []
    return [(tag, rest.get_item(tag)) for tag in sorted(rest.keys())]


def value_of(content: bytes, position: int, implicit: bool, syntax: uid.UID) -> tuple[int, int | None]:
    """Where the value of the element at a position begins, and its length; None for one of items."""
    order = "<" if syntax.is_little_endian else ">"
    if implicit:
        head = 8
        (length,) = struct.unpack_from(order + "L", content, position + 4)
    else:
        long = content[position + 4 : position + 6] in _LONG
        head = 12 if long else 8
        (length,) = struct.unpack_from(order + ("L" if long else "H"), content, position + (8 if long else 6))
    return position + head, None if length == _UNDEFINED else int(length)


def _end_of_element(content: bytes, position: int, implicit: bool, syntax: uid.UID) -> int:
    order = "<" if syntax.is_little_endian else ">"
    position, length = value_of(content, position, implicit, syntax)
    if length is not None:
        if position + length > len(content):
            raise DicomError("its pixel data are cut short; fetch it again from where it came")
        return position + length
    while True:
        _, number, size = struct.unpack_from(order + "HHL", content, position)
        position += 8
        if number == _END:
            return position
        if number != _ITEM or position + size > len(content):
            raise DicomError("its pixel data are damaged or cut short; fetch it again from where it came")
        position += size
