"""Grey and RGB JPEGs of eight bits, as Pillow decodes them; read and never written, for they lose."""

from __future__ import annotations

import warnings
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import ImageFileError

JPEG_MARKER = b"\xff\xd8\xff"

_COMPONENTS = {"L": 1, "RGB": 3}
_ORIENTATION = 0x0112
"""Of EXIF: cameras store a picture as the sensor lies, and viewers turn it."""


def read_jpeg(file: BinaryIO, *, max_pixels: int) -> NDArray[np.generic]:
    """The pixels of a JPEG.

    Returns
    -------
    (M, N) or (M, N, 3) ndarray of uint8

    Raises
    ------
    ImageFileError
        For other colours, for more than `max_pixels` values; also whatever Pillow raises.
    """
    from PIL.JpegImagePlugin import JpegImageFile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Image.open would apply Pillow's own limit of pixels, which is global to the process.
        with JpegImageFile(file) as image:
            if image.mode not in _COMPONENTS:
                raise ImageFileError("is a JPEG in other colours than grey and RGB; convert it")
            columns, rows = image.size
            if rows * columns * _COMPONENTS[image.mode] > max_pixels:
                raise ImageFileError(
                    f"claims {rows} x {columns} pixels; at most {max_pixels} values are read, cut it"
                )
            if image.getexif().get(_ORIENTATION, 1) != 1:
                raise ImageFileError(
                    "is a JPEG that is to be turned before it is shown; turn its pixels first"
                )
            return np.array(image)
