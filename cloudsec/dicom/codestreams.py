"""JPEG, JPEG-LS and JPEG 2000 by imagecodecs, which sees no code that claims other pixels than the header.

One package for all of them, because only it decodes twelve bits of JPEG Extended too.
"""

from __future__ import annotations

import struct
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom import uid

from cloudsec.dicom.claims import Claims
from cloudsec.errors import DicomError

Pixels: TypeAlias = NDArray[np.generic]

MAX_TILES = 1 << 12
"""Tiles of a JPEG 2000 image, for each of which OpenJPEG takes kilobytes: 2^28 pixels in squares of 256."""

MAX_SCANS = 64
"""Scans of a progressive JPEG, each of which costs a pass over all pixels: honest writers need ten or so."""

_END = b"\xff\xd9"
"""The marker at the end of all of these codes."""
_END_ROOM = 4
"""Bytes in which it must lie: some writers fill a last word up with other bytes than zero."""
_SCAN = b"\xff\xda"
_LOSSLESS, _LS = 0xC3, 0xF7
_PROGRESSIVE = uid.UID("1.2.840.10008.1.2.4.55")
_SOF_KINDS = {
    uid.JPEGBaseline8Bit: (0xC0,),
    uid.JPEGExtended12Bit: (0xC0, 0xC1),
    _PROGRESSIVE: (0xC2,),
    uid.JPEGLossless: (_LOSSLESS,),
    uid.JPEGLosslessSV1: (_LOSSLESS,),
    uid.JPEGLSLossless: (_LS,),
    uid.JPEGLSNearLossless: (_LS,),
}
"""The frame headers that a transfer syntax allows."""
_WAVELETS = (uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K)
LOSSY_SYNTAXES = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, _PROGRESSIVE)
"""Those that always lose something."""
CODESTREAM_SYNTAXES: tuple[uid.UID, ...] = (*_SOF_KINDS, *_WAVELETS)


def decoded_codestream(code: bytes, syntax: uid.UID, claims: Claims) -> Pixels:
    """The samples of one frame as they are coded: colours are not converted, bits not masked.

    Only the reversible and irreversible transforms of JPEG 2000 belong to its code, and give RGB.

    Parameters
    ----------
    code : bytes
    syntax : pydicom.uid.UID
        One of `CODESTREAM_SYNTAXES`.
    claims : Claims

    Returns
    -------
    (M, N) or (M, N, 3) ndarray of integers

    Raises
    ------
    DicomError
        Names the transfer syntax, and imagecodecs.
    """
    try:
        reader = _wavelet_size if syntax in _WAVELETS else _frame_size
        *size, bits = reader(code, syntax)
        if _END not in code.rstrip(b"\0")[-_END_ROOM:]:
            raise ValueError("cut short")
        # In coded pixels no marker can stand.
        if code.count(_SCAN) > MAX_SCANS and syntax == _PROGRESSIVE:
            raise ValueError(f"more than {MAX_SCANS} scans")
    except (ValueError, IndexError, struct.error) as error:
        raise DicomError(f"its {syntax.name} code is damaged or cut short; fetch it again") from error
    if size != [claims.rows, claims.columns, claims.samples] or bits > claims.allocated:
        raise DicomError(
            f"its {syntax.name} code is of {' x '.join(map(str, size))} values of {bits} bits, "
            f"but its header claims {claims.stated}; correct one of them"
        )
    try:
        pixels = _decoded(code, syntax, claims)
    except Exception as error:
        raise DicomError(
            f"its pixels, in {syntax.name} ({syntax}), are damaged or of a kind that imagecodecs does not "
            "decode; convert it to Explicit VR Little Endian first, with gdcmconv --raw, or dcmdjpeg of dcmtk"
        ) from error
    if pixels.shape != claims.frame_shape or pixels.dtype.kind not in "iu":
        raise DicomError(
            f"its pixels, in {syntax.name} ({syntax}), do not come out of imagecodecs as {claims.stated}"
        )
    return pixels


def _decoded(code: bytes, syntax: uid.UID, claims: Claims) -> Pixels:
    import imagecodecs

    if syntax in _WAVELETS:
        # High throughput too: of a damaged code htj2k_decode gives whatever was in memory.
        return imagecodecs.jpeg2k_decode(code)
    if syntax in (uid.JPEGLSLossless, uid.JPEGLSNearLossless):
        return imagecodecs.jpegls_decode(code)
    # The same colours on both sides: else libjpeg converts by what it guesses they are.
    colours = None if claims.samples == 1 else "RGB"
    return imagecodecs.jpeg8_decode(code, colorspace=colours, outcolorspace=colours)


def _frame_size(code: bytes, syntax: uid.UID) -> tuple[int, int, int, int]:
    """Rows, columns, components and bits in the frame header of a JPEG or JPEG-LS (ISO 10918-1, B.2)."""
    if code[:2] != b"\xff\xd8":
        raise ValueError("no JPEG")
    position = 2
    while code[position] == 0xFF:
        marker = code[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker < 0x02 or 0xD0 <= marker <= 0xD9:
            # These have no length: a decoder would look for the frame header elsewhere than we do.
            raise ValueError("a marker that has no place before the frame header")
        (length,) = struct.unpack(">H", code[position + 2 : position + 4])
        if marker == _LS or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            if marker not in _SOF_KINDS[syntax]:
                raise ValueError("another kind of JPEG than the transfer syntax says")
            bits, rows, columns, components = struct.unpack(">BHHB", code[position + 4 : position + 10])
            return rows, columns, components, bits
        position += 2 + length
    raise ValueError("no frame header")


def _wavelet_size(code: bytes, syntax: uid.UID) -> tuple[int, int, int, int]:
    """Rows, columns, components and bits in the size header of JPEG 2000 (ISO 15444-1, A.5.1)."""
    if code[:4] != b"\xff\x4f\xff\x51":
        raise ValueError("no JPEG 2000 code")
    right, bottom, left, top, wide, high, tiles_left, tiles_top, components = struct.unpack(
        ">8LH", code[8:42]
    )
    depths = {code[42 + 3 * each : 45 + 3 * each] for each in range(components)}
    (depth, *steps) = depths.pop()
    if depths or steps != [1, 1]:
        raise ValueError("components of several sizes")
    if -((tiles_left - right) // wide) * -((tiles_top - bottom) // high) > MAX_TILES:
        raise ValueError(f"more than {MAX_TILES} tiles")
    return bottom - top, right - left, components, (depth & 0x7F) + 1
