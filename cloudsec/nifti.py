"""NIfTI in one file, plain or gzipped: stored values in, and results out under the header they came with."""

from __future__ import annotations

import gzip
import os
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from math import isfinite, prod
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import ImageFileError
from cloudsec.rescale import rescaled
from providers.image import FLOAT_DTYPES, IMAGE_DTYPES, PLANE_AXES

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

GZIP_MARKER = b"\x1f\x8b"
LONGEST_HEADER = 540
"""Bytes by which a file is told to be NIfTI: the header of version 2."""
MAX_HEADER_BYTES = 1 << 24
"""Everything before the pixels, extensions included, which are passed over."""

_DTYPES = ("int8", *IMAGE_DTYPES, *FLOAT_DTYPES)
_DEFLATE_RATIO = 1032
"""By how much gzip expands at the most."""
_CHUNK = 1 << 20
_TIME_AXIS = 4
"""Of the axes column, row, plane, time; more are vectors and the like."""
_CODES = ("magic", "regular")
"""Fields of letters that are no text; all others may hold anything, such as a name."""
_OF_VALUES = (*range(2, 25), 1002, 1003)
"""Intents that say of every value what it is: a statistic, a label, the name of a structure."""


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """The header of a NIfTI file, without its extensions and texts, which may hold anything; in no repr."""

    fields: Nifti1Header = field(repr=False)

    @property
    def study(self) -> None:
        """NIfTI names no study."""

    @property
    def letters(self) -> None:
        """NIfTI says nothing of names in pixels."""


def is_nifti(start: bytes) -> bool:
    """Whether a file that begins so is one of NIfTI, or the header of one in two files."""
    return _version(start) is not None


def read_nifti(file: BinaryIO, *, max_pixels: int) -> tuple[NDArray[np.generic], NiftiHeader, int]:
    """The stored values of a NIfTI file, its header, and how many first axes count images of their own.

    NIfTI goes from column to plane, and so does not our last axis: ``(x, y, z)`` is read as (P, M, N), where
    P counts z, and ``(x, y, z, t)`` as that many volumes. Axes of length one at the end are none. Slope and
    intercept are not applied.

    Returns
    -------
    pixels : (M, N), (P, M, N), (T, M, N) or (T, P, M, N) ndarray
        int8 as int16.
    header : NiftiHeader
    frame_axes : {0, 1}

    Raises
    ------
    ImageFileError
        For other kinds of NIfTI, for more than `max_pixels` values; also whatever gzip raises.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    packed = file.read(2) == GZIP_MARKER
    file.seek(0)
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
    start = stream.read(LONGEST_HEADER)
    header = _header(start)
    shape, dtype = _checked_shape(header, max_pixels), _checked_dtype(header)
    claimed, least = prod(shape) * dtype.itemsize, header.single_vox_offset
    offset = float(header["vox_offset"]) or least
    if not least <= offset <= MAX_HEADER_BYTES:
        raise ImageFileError("is a NIfTI file whose pixels begin nowhere; fetch it again from where it came")
    if claimed > (size * _DEFLATE_RATIO if packed else size):
        raise ImageFileError(_held_less(claimed))
    stream.seek(int(offset))
    stored = np.empty(claimed, np.uint8)
    filled = 0
    while filled < claimed:
        count = cast(gzip.GzipFile, stream).readinto(stored[filled : filled + _CHUNK].data)
        if not count:
            raise ImageFileError(_held_less(claimed))
        filled += count
    # Of a gzipped file, this also compares its checksum.
    if stream.read(1):
        raise ImageFileError(f"holds more than the {claimed} bytes of pixels that it claims; write it again")
    native = np.dtype(np.int16) if dtype.name == "int8" else dtype.newbyteorder("=")
    pixels = stored.view(dtype).reshape(shape[::-1]).astype(native, copy=False)
    if len(shape) < _TIME_AXIS:
        return pixels, NiftiHeader(header), 0
    return (pixels[:, 0] if pixels.shape[1] == 1 else pixels), NiftiHeader(header), 1


def nifti_bytes(
    source: NiftiHeader,
    pixels: NDArray[np.generic],
    *,
    description: str,
    offset_gain: int | Fraction | None,
    negation_sign: int,
    packed: bool,
) -> bytes:
    """A NIfTI file of a result under its source's header, with the geometry, units and times of that.

    What its values mean changes as in `cloudsec.rescale`. The window goes where they mean something else,
    an intent that named each of them goes always.

    Parameters
    ----------
    source : NiftiHeader
    pixels : ndarray
        Of the shape that `read_nifti` gave with the header.
    description, offset_gain, negation_sign
        As in `cloudsec.files.write_image`.
    packed : bool
        Whether to gzip it.

    Raises
    ------
    ImageFileError
        If NIfTI holds no such numbers.
    """
    header = source.fields.copy()
    header.set_data_dtype(pixels.dtype)
    header["vox_offset"] = header.single_vox_offset
    header["descrip"] = description.encode("ascii", "replace")[:79]
    if scale := _scale(header):
        header["scl_slope"], header["scl_inter"] = rescaled(*scale, offset_gain, negation_sign)
    if (offset_gain, negation_sign) != (1, -1):
        header["cal_min"] = header["cal_max"] = 0
    if int(header["intent_code"]) in _OF_VALUES:
        header.set_intent("none")
    numbers = pixels.astype(header.get_data_dtype(), copy=False).tobytes()
    # Four zeros say that no extension follows.
    content = b"".join((header.binaryblock, bytes(4), numbers))
    return gzip.compress(content, 6, mtime=0) if packed else content


def _version(start: bytes) -> int | None:
    for order in "<>":
        (size,) = struct.unpack_from(f"{order}i", start.ljust(4, b"\0"))
        if size == 348 and start[344:348] in (b"n+1\0", b"ni1\0"):
            return 1
        if size == 540 and start[4:8] in (b"n+2\0", b"ni2\0"):
            return 2
    return None


def _header(start: bytes) -> Nifti1Header:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    version = _version(start)
    if version is None:
        raise ImageFileError("is a gzipped file that holds no NIfTI image; unpack it first")
    kind = Nifti1Header if version == 1 else Nifti2Header
    length = kind.template_dtype.itemsize
    if len(start) < length:
        raise ImageFileError("is a NIfTI file that is cut short; fetch it again from where it came")
    header = kind(start[:length], check=False)
    if not bytes(header["magic"]).startswith(b"n+"):
        raise ImageFileError("is a NIfTI header whose pixels are in another file; write one .nii file")
    for name in header:
        if kind.template_dtype[name].kind == "S" and name not in _CODES:
            header[name] = b""
    return header


def _checked_shape(header: Nifti1Header, max_pixels: int) -> tuple[int, ...]:
    """Lengths of the axes column, row, plane and time, as far as there are any."""
    axes = int(header["dim"][0])
    shape = tuple(int(length) for length in header["dim"][1 : axes + 1]) if 1 <= axes <= 7 else ()
    while len(shape) > PLANE_AXES and shape[-1] == 1:
        shape = shape[:-1]
    if not PLANE_AXES <= len(shape) <= _TIME_AXIS or min(shape) < 1:
        raise ImageFileError(
            f"is a NIfTI file of the shape {shape}; planes, volumes and volumes in time are read, so write "
            "its other components each to a file of its own"
        )
    if prod(shape) > max_pixels:
        raise ImageFileError(
            f"claims {' x '.join(map(str, shape))} pixels; at most {max_pixels} are read, cut it"
        )
    return shape


def _checked_dtype(header: Nifti1Header) -> np.dtype[np.generic]:
    from nibabel.nifti1 import data_type_codes

    code = int(header["datatype"])
    known = code in data_type_codes.value_set("code")
    dtype = header.get_data_dtype() if known else np.dtype(np.void)
    if dtype.name not in _DTYPES:
        kind = str(data_type_codes.niistring[code]).removeprefix("NIFTI_TYPE_") if known else f"type {code}"
        raise ImageFileError(
            f"holds {kind or 'unnamed'} values, which are not read; those are {', '.join(_DTYPES)}: convert "
            "it first, with nibabel's set_data_dtype for one"
        )
    _scale(header)
    return dtype


def _scale(header: Nifti1Header) -> tuple[float, float] | None:
    """Slope and intercept, where there are any: a slope of 0 or NaN says that there are none."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not isfinite(slope):
        return None
    if not isfinite(intercept):
        raise ImageFileError("is a NIfTI file whose scl_inter is no number; correct its header first")
    return slope, intercept


def _held_less(claimed: int) -> str:
    return f"claims {claimed} bytes of pixels but holds fewer; fetch it again from where it came"
