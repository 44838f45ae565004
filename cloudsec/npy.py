"""NPY files of images and volumes; what the header claims is held against the file before memory is taken."""

from __future__ import annotations

import os
import warnings
from io import BytesIO
from math import prod
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import ImageFileError
from providers.image import COLOUR_COMPONENTS, FLOAT_DTYPES, IMAGE_DTYPES, MOST_AXES, PLANE_AXES

NPY_MARKER = b"\x93NUMPY"
MAX_HEADER_BYTES = 1 << 14
"""One line of Python, which honest writers keep to 128 bytes."""

_DTYPES = IMAGE_DTYPES + FLOAT_DTYPES


def read_npy(file: BinaryIO, *, max_pixels: int) -> NDArray[np.generic]:
    """The grey image or volume in an NPY file.

    Returns
    -------
    (M, N) or (P, M, N) ndarray

    Raises
    ------
    ImageFileError
        For other dtypes and shapes, for more than `max_pixels` values; also whatever numpy raises.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = BytesIO(file.read(MAX_HEADER_BYTES))
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(head)
    if version not in readers:
        raise ImageFileError(
            "is an NPY file of a version that images do not need; write it again with numpy.save"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shape, fortran, dtype = readers[version](head, max_header_size=MAX_HEADER_BYTES)
    native = dtype.newbyteorder("=")
    if native not in [np.dtype(name) for name in _DTYPES]:
        raise ImageFileError(f"holds no pixels of {', '.join(_DTYPES)}; convert them with numpy's astype")
    if len(shape) == MOST_AXES and shape[-1] in COLOUR_COMPONENTS:
        raise ImageFileError(
            f"holds the shape {shape}, and an NPY file cannot say what its axes mean: write colour (M, N, 3) "
            "as PNG or TIFF, and a volume (P, M, N) of so few columns with another axis last"
        )
    if not PLANE_AXES <= len(shape) <= MOST_AXES or min(shape) < 1:
        raise ImageFileError(
            f"holds the shape {shape}, and neither a plane (M, N) nor a volume (P, M, N); write one a file"
        )
    if prod(shape) > max_pixels:
        raise ImageFileError(
            f"claims {' x '.join(map(str, shape))} pixels; at most {max_pixels} are read, cut it"
        )
    held, claimed = size - head.tell(), prod(shape) * dtype.itemsize
    if held != claimed:
        raise ImageFileError(
            f"claims {claimed} bytes of pixels but holds {held}; fetch it again from where it came"
        )
    file.seek(head.tell())
    # Unlike np.fromfile, this reads what lies in memory too.
    stored = np.empty(prod(shape), dtype)
    file.readinto(stored.view(np.uint8))  # type: ignore[attr-defined]
    pixels = stored.astype(native, copy=False)
    return pixels.reshape(shape, order="F" if fortran else "C")


def npy_bytes(pixels: NDArray[np.generic]) -> bytes:
    """An NPY file of any array."""
    buffer = BytesIO()
    np.lib.format.write_array(buffer, pixels, allow_pickle=False)
    return buffer.getvalue()
