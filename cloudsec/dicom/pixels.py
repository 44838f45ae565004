"""The frames of a DICOM file as arrays: no more of the file is read, or expanded, than the claims allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import generate_frames

from cloudsec.dicom.claims import PALETTE, Claims
from cloudsec.dicom.codestreams import decoded_codestream
from cloudsec.dicom.colours import (
    LUMINANCE,
    full_of_subsampled,
    palette_of,
    rgb_of_luminance,
    rgb_of_palette,
)
from cloudsec.dicom.run_lengths import expanded_run_lengths
from cloudsec.errors import DicomError

_TABLES = 1 << 12
"""Bytes of each frame for headers, tables and padding of its code."""


@dataclass(frozen=True)
class PixelElement:
    """Where the pixel data are in the file, or in what the deflated stream at `stream` in it holds.

    A length of None is that of encapsulated data.
    """

    representation: str
    position: int
    length: int | None
    stream: int | None = None

    @property
    def floating(self) -> bool:
        return self.representation in ("OF", "OD")


def read_pixels(
    file: BinaryIO, size: int, element: PixelElement, syntax: uid.UID, dataset: Dataset, claims: Claims
) -> NDArray[np.generic]:
    """Stored values, and colours as RGB, in the shapes of `read_dicom`.

    Bits above Bits Stored (overlays of old) are masked, and signed values extended (PS3.5 section 8.1.1).

    Raises
    ------
    DicomError
        If the file does not hold what it claims.
    """
    palette = palette_of(dataset) if claims.photometric == PALETTE else None
    pixels: NDArray[np.generic] | None = None
    for number, frame in enumerate(_frames(file, size, element, syntax, claims)):
        if palette:
            frame = rgb_of_palette(frame, *palette)
        elif claims.photometric in LUMINANCE:
            # Of 8 bits, as the claims were checked.
            frame = rgb_of_luminance(frame)  # type: ignore[arg-type]
        if pixels is None:
            pixels = np.empty((claims.frames, *frame.shape), frame.dtype)
        pixels[number] = frame
    assert pixels is not None
    return pixels if claims.frames > 1 else pixels[0]


def _frames(
    file: BinaryIO, size: int, element: PixelElement, syntax: uid.UID, claims: Claims
) -> Iterator[NDArray[np.generic]]:
    file.seek(element.position)
    rest = size - element.position
    if element.length is None:
        for code in _codes(file, rest, claims):
            if syntax == uid.RLELossless:
                planes = claims.samples * claims.allocated // 8
                expanded = expanded_run_lengths(code, claims.rows * claims.columns, planes, claims.samples)
            else:
                coded = decoded_codestream(code, syntax, claims)
                expanded = coded.astype(f"<u{claims.allocated // 8}").tobytes()
            yield from _masked(expanded, claims, 1, uid.ExplicitVRLittleEndian, "OW", planar=False)
        return
    whole = claims.native_bytes
    if min(rest, element.length) < whole:
        raise DicomError(
            f"it claims {claims.stated}, but holds {min(rest, element.length)} bytes of them; fetch it again"
        )
    if element.length >= whole + whole // claims.frames + 2:
        raise DicomError("it holds pixel data for more frames than it names; correct its header first")
    stored = file.read(min(rest, whole + whole % 2))
    if claims.subsampled:
        if claims.columns % 2 or claims.planar or not syntax.is_little_endian:
            raise DicomError(
                "its subsampled colours do not come in pairs of pixels, which are read; convert it to RGB"
            )
        stored = full_of_subsampled(stored[:whole])
    if claims.floating:
        if claims.allocated != (32 if element.representation == "OF" else 64):
            raise DicomError("its pixels are of another precision than it claims; correct its header")
        order = "<" if syntax.is_little_endian else ">"
        values = np.frombuffer(stored, f"{order}f{claims.allocated // 8}")
        yield from values.reshape(claims.frames, *claims.frame_shape).astype(values.dtype.newbyteorder("="))
        return
    # All at once: where bytes are swapped by words, a frame may begin in the middle of one.
    yield from _masked(stored, claims, claims.frames, syntax, element.representation, claims.planar)


def _codes(file: BinaryIO, rest: int, claims: Claims) -> Iterator[bytes]:
    # A run may be as short as one pixel, never shorter: twice the pixels is the longest honest code.
    buffer = BytesIO(file.read(min(rest, claims.frames * (2 * claims.frame_bytes + _TABLES))))
    count = 0
    for count, code in enumerate(generate_frames(buffer, number_of_frames=claims.frames), start=1):
        if count > claims.frames:
            break
        yield code
    if count != claims.frames:
        raise DicomError(f"it claims {claims.frames} frames, but holds another number; fetch it again")


def _masked(
    stored: bytes, claims: Claims, frames: int, syntax: uid.UID, representation: str, planar: bool
) -> NDArray[np.generic]:
    """The samples of some frames, ``(F, M, N)`` or ``(F, M, N, 3)``."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.NumberOfFrames = frames
    image.Rows, image.Columns = claims.rows, claims.columns
    image.SamplesPerPixel = claims.samples
    # Named RGB, colours are left as they are.
    image.PhotometricInterpretation = "MONOCHROME2" if claims.samples == 1 else "RGB"
    if claims.samples > 1:
        image.PlanarConfiguration = int(planar)
    image.BitsAllocated, image.BitsStored, image.HighBit = claims.allocated, claims.stored, claims.stored - 1
    image.PixelRepresentation = int(claims.signed)
    image.add_new("PixelData", representation, stored)
    pixels = image.pixel_array
    # There are no images of int8; int16 holds them exactly.
    dtype = np.dtype(np.int16) if pixels.dtype == np.int8 else pixels.dtype.newbyteorder("=")
    return np.ascontiguousarray(pixels, dtype).reshape(frames, *claims.frame_shape)
