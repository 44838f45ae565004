"""The element of the pixels without anything else that may lie in it; no pixel is decoded.

Codes have room beside their pixels, and after their end, that no viewer shows: for comments, thumbnails, the
place of a camera. It is made zero where it lies, so that nothing else moves.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import accumulate, islice

import numpy as np
from pydicom import Dataset, uid

from cloudsec.dicom.claims import claimed_size
from cloudsec.dicom.encoded import EncodedFile, value_of
from cloudsec.dicom.run_lengths import ends_with_its_pixels
from cloudsec.errors import DicomError

_ITEM = struct.Struct("<HHL")
_HEAD = 12
"""Bytes before the first item: compressed pixels are never of implicit representation."""
_JPEG, _WAVELETS = b"\xff\xd8", b"\xff\x4f"
_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
"""No such bytes are coded pixels of JPEG or JPEG-LS, which RST0 to RST7 only divide."""
_END, _SCAN, _COMMENT = 0xD9, 0xDA, 0xFE
_CODING = frozenset((*range(0xC0, 0xD0), *range(0xDA, 0xE0), 0xF7, 0xF8))
_NEEDED = {0xE0: (b"JFIF\0", 14), 0xE8: (b"mrfx", 5), 0xEE: (b"Adobe", 12)}
"""What decoders read of the segments of applications: how colours are meant."""
_TILE, _TILE_DATA, _NOTE, _LAST = 0xFF90, 0xFF93, 0xFF64, 0xFFD9
_WAVELET_CODING = frozenset(
    (*range(0xFF50, 0xFF54), 0xFF55, *range(0xFF57, 0xFF5A), *range(0xFF5C, 0xFF62), 0xFF63)
)


class _CannotTell(Exception):
    """What is pixels and what is not cannot be told by where it lies."""


def bare_pixels(file: EncodedFile) -> bytes | None:
    """The element with nothing but pixels in it; None where they must be decoded and stored anew for that.

    A code of an unknown kind stays as it is.

    Raises
    ------
    DicomError
        If the pixels are not stored as the transfer syntax says, or are more than the header claims.
    """
    start, length = value_of(file.pixels, 0, file.implicit, file.syntax)
    if (length is None) != file.syntax.is_compressed:
        raise DicomError("its pixel data are not stored as its transfer syntax says; fetch it again")
    try:
        if length is not None:
            return _bare_values(file, start, length)
        return _bare_code(file) if is_known_code(file) else file.pixels
    except (_CannotTell, IndexError, struct.error):
        return None


def is_known_code(file: EncodedFile) -> bool:
    """Whether it is known where a code of this kind has room for other things; a video has sound too."""
    # The first item is the table of offsets.
    first = next(islice(_items(file.pixels), 1, None), b"")
    return file.syntax == uid.RLELossless or first[:2] in (_JPEG, _WAVELETS)


def _bare_values(file: EncodedFile, start: int, length: int) -> bytes:
    whole, frames = claimed_size(file.dataset)
    if length >= whole + whole // frames + 2:
        raise DicomError("it holds pixel data for more frames than it names; correct its header first")
    values = file.pixels[start : start + min(whole, length)]
    if _uses_other_bits(file.dataset, values, file.syntax):
        raise _CannotTell
    values += bytes(len(values) % 2)
    order = "<" if file.syntax.is_little_endian else ">"
    size = struct.pack(order + ("H" if start == 8 and not file.implicit else "L"), len(values))
    return file.pixels[: start - len(size)] + size + values


def _uses_other_bits(dataset: Dataset, values: bytes, syntax: uid.UID) -> bool:
    """Whether bits beside those of the pixels are set, that only repeat no sign."""
    allocated, stored = int(dataset.BitsAllocated), int(dataset.get("BitsStored") or dataset.BitsAllocated)
    below = int(dataset.get("HighBit", stored - 1)) + 1 - stored
    if allocated not in (8, 16, 32) or not 0 < stored < allocated or not 0 <= below <= allocated - stored:
        return False
    width = allocated // 8
    order = "<" if syntax.is_little_endian else ">"
    words = np.frombuffer(values[: len(values) // width * width], f"{order}i{width}").astype(f"=i{width}")
    above = allocated - stored - below
    others = (1 << allocated) - 1 - (((1 << stored) - 1) << below)
    if not (words.view(f"=u{width}") & np.dtype(f"u{width}").type(others)).any():
        return False
    extended = below == 0 and bool((words << above >> above == words).all())
    return not (dataset.get("PixelRepresentation") and extended)


def _bare_code(file: EncodedFile) -> bytes:
    table, *fragments = [*_items(file.pixels)] or [b""]
    starts, long = _starts(fragments), file.dataset.get("ExtendedOffsetTable")
    lengths = file.dataset.get("ExtendedOffsetTableLengths")
    tables = ((table, "<L", starts), (long, "<Q", starts), (lengths, "<Q", range(len(file.pixels))))
    for content, form, known in tables:
        if not all(each in known for (each,) in struct.iter_unpack(form, content or b"")):
            raise _CannotTell
    bare, position = b"".join(_bare_frames(file, fragments)), 0
    parts = [file.pixels[:_HEAD], _ITEM.pack(0xFFFE, 0xE000, len(table)), table]
    for fragment in fragments:
        parts += [_ITEM.pack(0xFFFE, 0xE000, len(fragment)), bare[position : position + len(fragment)]]
        position += len(fragment)
    return b"".join([*parts, _ITEM.pack(0xFFFE, 0xE0DD, 0)])


def _starts(fragments: list[bytes]) -> frozenset[int]:
    """Where frames may begin, counted from the first item after the table."""
    return frozenset(accumulate((len(each) + _ITEM.size for each in fragments[:-1]), initial=0))


def _items(element: bytes) -> Iterator[bytes]:
    """The table of offsets, and the fragments after it, each copied when it is asked for."""
    position = _HEAD
    while True:
        _, number, length = _ITEM.unpack_from(element, position)
        position += _ITEM.size
        if number == 0xE0DD:
            return
        yield element[position : position + length]
        position += length


def _bare_frames(file: EncodedFile, fragments: list[bytes]) -> list[bytes]:
    """Frames of as many bytes as before; each begins with a fragment."""
    if file.syntax == uid.RLELossless:
        size, frames = claimed_size(file.dataset)
        planes = int(file.dataset.get("SamplesPerPixel", 1)) * int(file.dataset.BitsAllocated) // 8
        if not all(ends_with_its_pixels(each, size // frames // planes, planes) for each in fragments):
            raise _CannotTell
        return fragments
    frames_of: list[list[bytes]] = []
    for fragment in fragments:
        if fragment[:2] in (_JPEG, _WAVELETS):
            frames_of.append([])
        frames_of[-1].append(fragment)
    codes = [bytearray(b"".join(each)) for each in frames_of]
    for code in codes:
        _quiet_jpeg(code) if code[:2] == _JPEG else _quiet_wavelets(code)
    return [bytes(each) for each in codes]


def _quiet_jpeg(code: bytearray) -> None:
    """Make zero what a JPEG or JPEG-LS (ISO 10918-1, B.1; 14495-1, C.1) holds beside its pixels."""
    position, coded = 2, False
    while found := _MARKER.search(code, position):
        marker, segment = code[found.start() + 1], found.end()
        if found.start() > position and not coded:
            raise _CannotTell
        if marker == _END:
            code[segment:] = bytes(len(code) - segment)
            return
        (length,) = struct.unpack_from(">H", code, segment)
        position, coded = segment + length, marker == _SCAN
        if 0xE0 <= marker <= 0xEF or marker == _COMMENT:
            name, needed = _NEEDED.get(marker, (b"", 0))
            begin = segment + 2 + (needed if code.startswith(name, segment + 2) else 0)
            if begin < position <= len(code):
                code[begin:position] = bytes(position - begin)
        elif marker not in _CODING:
            raise _CannotTell
    raise _CannotTell


def _quiet_wavelets(code: bytearray) -> None:
    """Make zero the comments of a JPEG 2000 code, and what comes after its end (ISO 15444-1, annex A)."""
    position, tile = 2, 0
    while True:
        (marker,) = struct.unpack_from(">H", code, position)
        if marker == _LAST:
            code[position + 2 :] = bytes(len(code) - position - 2)
            return
        if marker == _TILE_DATA:
            (length,) = struct.unpack_from(">L", code, tile + 6)
            # The last part of a tile may say none, and goes on to the end.
            after = tile + length if length else code.find(b"\xff\xd9", position)
            if after <= position:
                raise _CannotTell
            position = after
            continue
        (length,) = struct.unpack_from(">H", code, position + 2)
        after = position + 2 + length
        if marker == _TILE:
            tile = position
        elif marker == _NOTE:
            begin = position + 6
            if not begin <= after <= len(code):
                raise _CannotTell
            code[begin:after] = bytes(after - begin)
        elif marker not in _WAVELET_CODING:
            raise _CannotTell
        position = after
