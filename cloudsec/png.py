"""Grey PNGs of 8 and 16 bits, RGB and RGBA of 8, exactly; claims are checked before Pillow sees a file."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from io import BytesIO
from math import prod
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import ImageFileError

PNG_MARKER = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 1 << 20
"""Chunks of a PNG: pixels come in chunks of 8 KiB or more, so that the largest image has a tenth of these."""

_DEFLATE_RATIO = 1032
"""No deflate stream expands by more (zlib's technical notes); less data than that is no image."""
_COMPONENTS: dict[int, tuple[int, ...]] = {0: (), 2: (3,), 6: (4,)}
"""What a pixel of the colour types that are read adds to the shape of an image: grey, RGB and RGBA."""
_REFUSED = {3: "a palette of colours", 4: "grey and alpha"}
_ACCEPTED = "greyscale of 8 or 16 bits, or to RGB or RGBA of 8 bits"
_INTERLACED = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
"""First row and column and both steps of the seven passes of an interlaced PNG (its specification, 8.2)."""
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
"""Chunks that change pixels begin with a capital letter; a reader that does not know one must stop."""
_PIECE = 1 << 20


def read_png(file: BinaryIO, *, max_pixels: int) -> NDArray[np.generic]:
    """The pixels of a grey PNG of 8 or 16 bits, or of an RGB or RGBA one of 8, exactly.

    Parameters
    ----------
    file : binary file
    max_pixels : int
        Values that are read at most; an RGB pixel has three.

    Returns
    -------
    (M, N) ndarray of uint8 or uint16, or (M, N, 3|4) ndarray of uint8

    Raises
    ------
    ImageFileError
        For other kinds of PNG, for more than `max_pixels`, for damage; also whatever Pillow raises.
    """
    from PIL.PngImagePlugin import PngImageFile

    size = file.seek(0, 2)
    file.seek(0)
    shape, depth, claimed = _checked_header(file.read(33), size, max_pixels)
    file.seek(len(PNG_MARKER))
    # Pillow fills rows that are missing with black, and does not look at the checksums of pixels.
    if _inflated_length(_compressed(file, size), claimed) != claimed:
        raise ImageFileError(
            "is a PNG of more or fewer pixels than it claims; fetch it again from where it came"
        )
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Image.open would apply Pillow's own limit of pixels, which is global to the process.
        with PngImageFile(file) as image:
            pixels = np.array(image)
    if pixels.dtype != (np.uint8 if depth == 8 else np.uint16) or pixels.shape != shape:
        raise ImageFileError(
            "is a PNG that the installed Pillow does not decode exactly; install Pillow 11 or later"
        )
    return pixels


def _checked_header(header: bytes, size: int, max_pixels: int) -> tuple[tuple[int, ...], int, int]:
    """Shape and bit depth of the image, and how many bytes its pixels must inflate to.

    Pillow spreads depths of 2 and 4 over 8 bits, cuts 16 bits of RGB down to 8, and does not tell.
    """
    numbers: tuple[int, ...] = struct.unpack(">IIBBBBB", header[16:29])
    columns, rows, depth, colour, _, _, interlaced = numbers
    if header[8:16] != b"\0\0\0\x0dIHDR" or not 0 < columns < 1 << 31 or not 0 < rows < 1 << 31:
        raise ImageFileError("is a damaged PNG; fetch it again from where it came")
    if colour not in _COMPONENTS:
        kind = _REFUSED.get(colour, "an unknown kind of pixel")
        raise ImageFileError(f"is a PNG with {kind}; convert it to {_ACCEPTED}")
    if depth not in (8, 16):
        raise ImageFileError(f"is a PNG of {depth} bits a value; convert it to {_ACCEPTED}")
    shape = (rows, columns, *_COMPONENTS[colour])
    if depth == 16 and len(shape) == 3:
        raise ImageFileError(
            "is a PNG with RGB colour of 16 bits, which is not read exactly; write red, green and blue to "
            "grey PNGs of 16 bits, or convert it to 8 bits"
        )
    claims = f"claims {' x '.join(map(str, shape))} values"
    if prod(shape) > max_pixels:
        raise ImageFileError(f"{claims}; at most {max_pixels} are read, cut it")
    bytes_a_pixel = prod(shape[2:]) * depth // 8
    claimed = 0
    for row, column, down, right in _INTERLACED if interlaced else ((0, 0, 1, 1),):
        lines, pixels = len(range(row, rows, down)), len(range(column, columns, right))
        # Each line begins with a byte that names its filter; empty ones are left out.
        claimed += lines * (1 + pixels * bytes_a_pixel) if pixels else 0
    if claimed > _DEFLATE_RATIO * size:
        raise ImageFileError(f"{claims}, but {size} bytes cannot hold them")
    return shape, depth, claimed


def _compressed(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The compressed pixels piece by piece, and every chunk held against its checksum."""
    for number in range(MAX_CHUNKS):
        length, name = struct.unpack(">I4s", file.read(8))
        if length > size - file.tell() - 4:
            raise ImageFileError("is a PNG that is cut short; fetch it again from where it came")
        if (name == b"IHDR" and number) or not (name[0] & 0x20 or name in _CRITICAL):
            raise ImageFileError("is a damaged PNG; fetch it again from where it came")
        if name == b"acTL":
            raise ImageFileError("is an animated PNG; write each frame to a file of its own")
        if name == b"tRNS":
            raise ImageFileError("is a PNG with a transparent colour; write it again without transparency")
        checksum = zlib.crc32(name)
        for start in range(0, length, _PIECE):
            piece = file.read(min(_PIECE, length - start))
            checksum = zlib.crc32(piece, checksum)
            if name == b"IDAT":
                yield piece
        if file.read(4) != checksum.to_bytes(4, "big"):
            raise ImageFileError("is a PNG with a wrong checksum; fetch it again from where it came")
        if name == b"IEND":
            return
    raise ImageFileError(f"is a PNG of more than {MAX_CHUNKS} chunks; write it again with another program")


def _inflated_length(pieces: Iterator[bytes], enough: int) -> int:
    """Bytes that a deflate stream makes, a piece at a time; counting stops beyond enough."""
    inflater = zlib.decompressobj()
    length = 0
    for piece in pieces:
        # What follows the end of the stream would be copied again with every piece.
        if inflater.eof and piece:
            return enough + 1
        made = _PIECE
        # A full piece made means that more may follow, even where no input is left.
        while piece or made == _PIECE:
            made = len(inflater.decompress(piece, _PIECE))
            length += made
            if length > enough:
                return length
            piece = inflater.unconsumed_tail
    # A stream without its end, or with something after it, counts as too long.
    return length if inflater.eof and not inflater.unused_data else enough + 1


def png_bytes(pixels: NDArray[np.generic], channel_axis: int | None = None) -> bytes:
    """A PNG of an image: with `channel_axis` RGB or RGBA of 8 bits, else grey, of 8 for uint8, else of 16.

    Parameters
    ----------
    pixels : (M, N) or, with `channel_axis`, (M, N, 3|4) ndarray of integers
    channel_axis : int or None

    Raises
    ------
    ImageFileError
        If it cannot hold the image's shape or values.
    """
    from PIL import Image

    grey = channel_axis is None
    kind = "a grey PNG" if grey else "an RGB PNG"
    if pixels.ndim < 2 or pixels.shape[2:] not in ([()] if grey else [(3,), (4,)]):
        raise ImageFileError(f"as {kind} cannot hold an image of the shape {pixels.shape}; write a .npy file")
    if pixels.dtype.kind not in "iu":
        raise ImageFileError(f"as {kind} cannot hold pixels of {pixels.dtype}; write a .npy file")
    held = np.uint8 if not grey or pixels.dtype == np.uint8 else np.uint16
    low, high = int(pixels.min()), int(pixels.max())
    if low < 0 or high > np.iinfo(held).max:
        raise ImageFileError(f"as {kind} cannot hold values from {low} to {high}; write a .npy file")
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels, held)).save(buffer, "PNG")
    return buffer.getvalue()
