"""Grey and RGB TIFFs of one page, exactly; every claim is checked before tifffile takes memory for it."""

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
from providers.image import IMAGE_DTYPES

if TYPE_CHECKING:
    from tifffile import TiffPage

TIFF_MARKERS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_RATIOS = {1: 1, 5: 4096, 8: 1032, 32946: 1032, 32773: 64}
"""By how much a code expands at the most: none, LZW, Deflate (two numbers of it) and PackBits."""
_GREY, _RGB = 1, 2
_TOP_LEFT = 1
_CONVERT = "write it again as grey or RGB of one page, without alpha, and plain, LZW or Deflate"


def read_tiff(file: BinaryIO, *, max_pixels: int) -> NDArray[np.generic]:
    """The pixels of a TIFF of one page.

    Returns
    -------
    (M, N) ndarray of uint8, int16, uint16 or int32, or (M, N, 3) ndarray of uint8 or uint16

    Raises
    ------
    ImageFileError
        For other kinds of TIFF, for more than `max_pixels` values; also whatever tifffile raises.
    """
    from tifffile import TiffFile, TiffPage

    size = file.seek(0, 2)
    file.seek(0)
    with _silenced(), TiffFile(file) as tiff:
        page = tiff.pages.first
        if not isinstance(page, TiffPage) or len(tiff.pages) != 1:
            raise ImageFileError("is a TIFF of several pages; write each to a file of its own")
        _refuse_what_is_not_read(page)
        shape = page.shape
        tile = (page.tilelength, page.tilewidth) if page.is_tiled else shape[:2]
        if max(prod(shape), prod(tile) * prod(shape[2:])) > max_pixels:
            raise ImageFileError(
                f"claims {' x '.join(map(str, shape))} values; at most {max_pixels} are read, cut it"
            )
        counts = page.databytecounts
        ends = [*map(sum, zip(page.dataoffsets, counts, strict=True))]
        whole = len(counts) == prod(page.chunked) and min(counts) > 0 and max(ends) <= size
        # A strip that is missing would be taken for black.
        if not whole or page.nbytes > _RATIOS[page.compression] * size:
            raise ImageFileError("is a TIFF that is damaged or cut short; fetch it again from where it came")
        pixels = page.asarray()
    return np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))


def _refuse_what_is_not_read(page: TiffPage) -> None:
    samples = 3 if page.photometric == _RGB else 1
    shape = page.shape
    if page.photometric not in (_GREY, _RGB) or page.compression not in _RATIOS or page.extrasamples:
        raise ImageFileError(f"is a TIFF of a kind that is not read; {_CONVERT}")
    if shape[2:] != ((3,) if samples == 3 else ()) or min(shape) < 1 or page.samplesperpixel != samples:
        raise ImageFileError(f"is a TIFF of separate colours, or of a volume; {_CONVERT}")
    dtypes = ("uint8", "uint16") if samples == 3 else IMAGE_DTYPES
    if page.dtype is None or page.dtype.name not in dtypes or page.bitspersample != 8 * page.dtype.itemsize:
        raise ImageFileError(f"is a TIFF without pixels of {', '.join(dtypes)}; convert them first")
    orientation = page.tags.get("Orientation")
    if orientation is not None and orientation.value != _TOP_LEFT:
        raise ImageFileError("is a TIFF that is to be turned before it is shown; turn its pixels first")


def tiff_bytes(pixels: NDArray[np.generic], channel_axis: int | None) -> bytes:
    """A plain TIFF of integers of any width, of one page for each frame.

    Parameters
    ----------
    pixels : (M, N) or (F, M, N), or with `channel_axis` (M, N, 3) or (F, M, N, 3) ndarray of integers
    channel_axis : int or None
    """
    from tifffile import imwrite

    buffer = BytesIO()
    imwrite(
        buffer,
        np.ascontiguousarray(pixels),
        photometric="minisblack" if channel_axis is None else "rgb",
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
