"""Grey, RGB and RGBA TIFFs, volumes of pages too, exactly; claims are checked before memory is taken."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from math import prod
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import ImageFileError
from cloudsec.lzw import begins_with_literals
from providers.image import FLOAT_DTYPES, IMAGE_DTYPES

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

TIFF_MARKERS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_RATIOS = {1: 1, 5: 4096, 8: 1032, 32946: 1032, 32773: 64}
"""By how much a code expands at the most: none, LZW, Deflate (two numbers of it) and PackBits."""
MAX_PAGES = 1 << 14
"""Pages of a volume: each is parsed, at more cost than its bytes; scanners give a few thousand planes."""

_GREY, _RGB = 1, 2
_UNASSOCIATED = 2
"""An extra sample that colours were not multiplied by: those are others' colours."""
_TOP_LEFT = 1
_OPAQUE = 3
_CONVERT = "write it again as grey, RGB or RGBA (unassociated alpha), and plain, LZW or Deflate"
_DAMAGED = "is a TIFF that is damaged or cut short; fetch it again from where it came"
_LZW = 5
_LOWEST_FIRST = 2
"""A fill order: the bits of a byte come from the lowest."""
_ALIKE = ("shape", "dtype", "photometric")


def read_tiff(file: BinaryIO, *, max_pixels: int) -> tuple[NDArray[np.generic], int | None, int]:
    """The pixels of a TIFF: grey pages are the planes of a volume, unless it calls them points in time.

    Returns
    -------
    pixels : (M, N), (P, M, N), (M, N, 3|4) or (F, M, N, 3|4) ndarray
        Colours of uint8 or uint16, and else of all dtypes that an image may have.
    channel_axis : int or None
        -1 of colours.
    frame_axes : int
        1 where the first axis counts images of their own.

    Raises
    ------
    ImageFileError
        For other kinds of TIFF, for more than `max_pixels` values; also whatever tifffile raises.
    """
    from tifffile import TiffFile, TiffPage

    size = file.seek(0, 2)
    file.seek(0)
    with _silenced(), TiffFile(file) as tiff:
        if len(tiff.pages) > MAX_PAGES:
            raise ImageFileError(f"is a TIFF of more than {MAX_PAGES} pages; cut it")
        pages = [page for page in tiff.pages if isinstance(page, TiffPage)]
        first = pages[0]
        for page in pages:
            _refuse_what_is_not_read(page)
            if any(getattr(page, name) != getattr(first, name) for name in _ALIKE):
                raise ImageFileError("is a TIFF whose pages differ in shape or type; write each to a file")
        in_time = _pages_are_times(tiff, len(pages), first.shape)
        shape = first.shape if len(pages) == 1 else (len(pages), *first.shape)
        tile = (first.tilelength, first.tilewidth) if first.is_tiled else first.shape[:2]
        if max(prod(shape), prod(tile) * prod(first.shape[2:])) > max_pixels:
            raise ImageFileError(
                f"claims {' x '.join(map(str, shape))} values; at most {max_pixels} are read, cut it"
            )
        if not _whole(pages, size):
            raise ImageFileError(_DAMAGED)
        if not all(map(_decodable, pages)):
            raise ImageFileError(_DAMAGED)
        pixels = np.empty(shape, np.dtype(first.dtype).newbyteorder("="))
        for plane, page in zip(pixels.reshape(-1, *first.shape), pages, strict=True):
            plane[...] = page.asarray()
    colour = first.photometric == _RGB
    return pixels, -1 if colour else None, int(len(pages) > 1 and (colour or in_time))


def _pages_are_times(tiff: TiffFile, count: int, shape: tuple[int, ...]) -> bool:
    """Whether pages are points in time; refused where they are neither that nor planes, but colours."""
    if tiff.is_ome and count > 1:
        raise ImageFileError("is an OME-TIFF of several pages; write it again as .npy, or without OME")
    if tiff.is_imagej:
        said = tiff.imagej_metadata or {}
        channels, slices, times, images = (
            int(said.get(name, 1)) for name in ("channels", "slices", "frames", "images")
        )
        if channels > 1 or min(slices, times) > 1 or images != count:
            raise ImageFileError("is a hyperstack of ImageJ; write each of its volumes to a file of its own")
        return times > 1
    if tiff.is_shaped:
        for said in tiff.shaped_metadata or ():
            # One of length one says nothing.
            stated = [length for length in said["shape"] if length > 1]
            if stated != [length for length in (count, *shape) if length > 1]:
                raise ImageFileError("is a TIFF of more axes than a volume has; write each to a file")
    return False


def _whole(pages: list[TiffPage], size: int) -> bool:
    """Whether a file of this size holds all that its pages claim."""
    for page in pages:
        counts = page.databytecounts
        ends = map(sum, zip(page.dataoffsets, counts, strict=True))
        # A strip that is missing would be taken for black.
        if len(counts) != prod(page.chunked) or min(counts) < 1 or max(ends) > size:
            return False
    # Together, for bytes that several pages shared would be expanded for each of them.
    return sum(page.nbytes / _RATIOS[page.compression] for page in pages) <= size


def _decodable(page: TiffPage) -> bool:
    """Whether a decoder may see the code of a page; one of LZW crashes of some."""
    if page.compression != _LZW:
        return True
    handle = page.parent.filehandle
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        handle.seek(offset)
        code = handle.read(count)
        if page.fillorder == _LOWEST_FIRST:
            code = np.packbits(np.unpackbits(np.frombuffer(code, np.uint8), bitorder="little")).tobytes()
        if not begins_with_literals(code):
            return False
    return True


def _refuse_what_is_not_read(page: TiffPage) -> None:
    alpha = page.photometric == _RGB and page.extrasamples == (_UNASSOCIATED,)
    samples = 3 + alpha if page.photometric == _RGB else 1
    shape = page.shape
    if page.extrasamples and not alpha:
        raise ImageFileError(f"is a TIFF with samples beside colours, or multiplied by alpha; {_CONVERT}")
    if page.photometric not in (_GREY, _RGB) or page.compression not in _RATIOS:
        raise ImageFileError(f"is a TIFF of a kind that is not read; {_CONVERT}")
    if shape[2:] != ((samples,) if samples > 1 else ()) or min(shape) < 1 or page.samplesperpixel != samples:
        raise ImageFileError(f"is a TIFF of separate colours, or of a volume in one page; {_CONVERT}")
    dtypes = ("uint8", "uint16") if samples > 1 else IMAGE_DTYPES + FLOAT_DTYPES
    if page.dtype is None or page.dtype.name not in dtypes or page.bitspersample != 8 * page.dtype.itemsize:
        raise ImageFileError(f"is a TIFF without pixels of {', '.join(dtypes)}; convert them first")
    orientation = page.tags.get("Orientation")
    if orientation is not None and orientation.value != _TOP_LEFT:
        raise ImageFileError("is a TIFF that is to be turned before it is shown; turn its pixels first")


def tiff_bytes(pixels: NDArray[np.generic], channel_axis: int | None) -> bytes:
    """A plain TIFF of numbers of any width, of one page for each frame or plane.

    Parameters
    ----------
    pixels : (..., M, N), or with `channel_axis` (..., M, N, 3|4) ndarray
    channel_axis : int or None
    """
    from tifffile import imwrite

    buffer = BytesIO()
    imwrite(
        buffer,
        np.ascontiguousarray(pixels),
        photometric="minisblack" if channel_axis is None else "rgb",
        extrasamples=["unassalpha"] if channel_axis is not None and pixels.shape[-1] > _OPAQUE else None,
        metadata=None,
        software=False,
    )
    return buffer.getvalue()


@contextmanager
def _silenced() -> Iterator[None]:
    """What tifffile finds wrong and goes on with is in no log."""
    log = logging.getLogger("tifffile")
    before = log.disabled
    log.disabled = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            log.disabled = before
