"""Images in and out of files: told by content, checked before memory is taken, written whole or never."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from cloudsec.atomic import write_whole
from cloudsec.errors import ImageFileError, shown
from cloudsec.jpeg import JPEG_MARKER, read_jpeg
from cloudsec.png import PNG_MARKER, png_bytes, read_png
from cloudsec.tiff import TIFF_MARKERS, read_tiff, tiff_bytes
from providers.image import IMAGE_DTYPES

if TYPE_CHECKING:
    from cloudsec.dicom import DicomHeader, Series

MAX_PIXELS = 1 << 28
"""Values of an image, of which an RGB pixel has three: a gigabyte at 32 bits.

Sixteen times the largest mammogram, and still within an ordinary workstation.
"""
MAX_NPY_HEADER_BYTES = 1 << 14
"""Header of an NPY file: one line of Python, which honest writers keep to 128 bytes."""

_NPY_MARKER = b"\x93NUMPY"
_SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".dcm")


@dataclass(frozen=True, eq=False)
class ImageFile:
    """What a file holds.

    Attributes
    ----------
    pixels : (M, N) ndarray of uint8, int16, uint16 or int32, or (M, N, 3) ndarray of uint8 or uint16
        Stored values, never rescaled. With `stacked`, there is an axis of frames before these.
    source : DicomHeader or None
        Of a DICOM file, all but its pixels.
    channel_axis : int or None
        -1 of a colour image, as `providers.apply` takes it.
    stacked : bool
        Whether the first axis counts frames, each of which is an image of its own.
    """

    pixels: NDArray[np.generic] = field(repr=False)
    source: DicomHeader | None = field(default=None, repr=False)
    channel_axis: int | None = field(default=None, repr=False)
    stacked: bool = field(default=False, repr=False)

    @property
    def frames(self) -> NDArray[np.generic]:
        """The images to process one by one, the only one of a file that holds one."""
        return self.pixels if self.stacked else self.pixels[None]

    @property
    def study(self) -> str | None:
        """What the image belongs with, as DICOM files say."""
        return None if self.source is None else self.source.study


def read_image(path: Path, *, burned_in: Literal["refuse", "accept"] = "refuse") -> ImageFile:
    """The image in a PNG, TIFF, JPEG, NPY or DICOM file, grey or RGB; its content tells which.

    The file's name says nothing. An NPY file cannot say what its axes mean, so that it is read as grey.

    Parameters
    ----------
    path : Path
    burned_in : {"refuse", "accept"}
        What to do with DICOM images whose pixels may show a name: modality US, SC, RF or OT, Secondary
        Capture, or those that say so.

    Raises
    ------
    ImageFileError
        Anything else, in one line that names the file and the way out; DicomError for DICOM.
    """
    path = Path(path)
    if burned_in not in ("refuse", "accept"):
        raise ValueError(f"burned_in must be 'refuse' or 'accept', not {burned_in!r}")
    with _port(path, "is damaged or cut short; fetch it again from where it came"):
        _refuse_what_is_no_file(path)
        with path.open("rb") as file:
            start = file.read(132)
            file.seek(0)
            if start.startswith(PNG_MARKER):
                pixels = read_png(file, max_pixels=MAX_PIXELS)
                return ImageFile(pixels, channel_axis=None if pixels.ndim == 2 else -1)
            for markers, reader in ((TIFF_MARKERS, read_tiff), (JPEG_MARKER, read_jpeg)):
                if start.startswith(markers):
                    pixels = reader(file, max_pixels=MAX_PIXELS)
                    return ImageFile(pixels, channel_axis=None if pixels.ndim == 2 else -1)
            if start.startswith(_NPY_MARKER):
                return ImageFile(_npy_pixels(file))
            if start[128:] == b"DICM":
                from cloudsec.dicom import read_dicom

                pixels, header = read_dicom(file, max_pixels=MAX_PIXELS, burned_in=burned_in)
                axis = header.channel_axis
                return ImageFile(pixels, header, axis, stacked=pixels.ndim > (2 if axis is None else 3))
        raise ImageFileError(
            "is not an image that is read; those are PNG (grey of 8 or 16 bits, RGB of 8), TIFF, JPEG, "
            "NPY and DICOM"
        )


def read_series(directory: Path) -> Series:
    """The DICOM slices in a directory, in the order of their positions.

    Every file in it must be one, but for a DICOMDIR and hidden files.

    Raises
    ------
    ImageFileError
        Names the file that is none, or why the slices have no order.
    """
    from cloudsec.dicom import ordered_series, read_header

    slices = []
    for path in sorted(directory.iterdir()):
        if path.name == "DICOMDIR" or path.name.startswith("."):
            continue
        with _port(path, "is damaged or cut short; fetch it again from where it came"):
            _refuse_what_is_no_file(path)
            if not path.name.isprintable():
                raise ImageFileError("has a name that cannot be printed; rename it")
            with path.open("rb") as file:
                if file.read(132)[128:] != b"DICM":
                    raise ImageFileError("is no DICOM file; put slices in a directory of their own")
                file.seek(0)
                slices.append((path.name, read_header(file).dataset))
    with _port(directory, "cannot be read"):
        return ordered_series(slices)


def check_output(path: Path, image: ImageFile) -> None:
    """Refuses, before any work is sent out, a file that a result of this image could not be written to.

    Raises
    ------
    ImageFileError
    """
    with _port(path, "cannot be written"):
        _check_place(path)
        if path.suffix.lower() == ".dcm":
            # Deriving an image from the source's own pixels tells whether its header can be written at all.
            _encoded(path, image.pixels, image, "a check", 0, -1)


def check_directory(directory: Path) -> None:
    """Refuses a directory that could not be made, or holds anything already.

    Raises
    ------
    ImageFileError
    """
    with _port(directory, "cannot be written"):
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise ImageFileError("is there already; name a new directory for the slices")
        _check_parent(directory)


def write_image(
    path: Path,
    pixels: NDArray[np.generic],
    image: ImageFile,
    *,
    description: str,
    offset_gain: int | Fraction | None,
    negation_sign: int,
) -> None:
    """The result of an image, as the suffix says: .npy and .tif hold any.

    A .png holds grey levels from 0 to 65535, or RGB values from 0 to 255, of one frame.
    The file appears whole or not at all. All but DICOM hold stored values without any header.

    Parameters
    ----------
    path : Path
    pixels : (M, N) ndarray of integers, or (M, N, C) where `image` has a `channel_axis`
        With an axis of frames before these where the image is stacked.
    image : ImageFile
        What the result was computed from.
    description, offset_gain, negation_sign
        As in `cloudsec.dicom.derived_image`; only DICOM files tell them.

    Raises
    ------
    ImageFileError
        If the format cannot hold these values, or the file cannot be written.
    """
    with _port(path, "cannot be written"):
        _check_place(path)
        write_whole(path, _encoded(path, pixels, image, description, offset_gain, negation_sign))


@contextmanager
def _port(path: Path, failure: str) -> Iterator[None]:
    """What leaves here is an ImageFileError in one line that begins with the file's name."""
    name = shown(path)
    try:
        yield
    except ImageFileError as error:
        raise type(error)(f"{name}: {error}") from (error.__cause__ or error)
    except FileNotFoundError as error:
        raise ImageFileError(f"{name}: there is no such file; check the name") from error
    except PermissionError as error:
        raise ImageFileError(f"{name}: permission denied; check who may read and write it") from error
    except MemoryError as error:
        raise ImageFileError(
            f"{name}: needs more memory than this machine has left; use a smaller image"
        ) from error
    except OSError as error:
        # Pillow says with an OSError without a reason of the system that a file is damaged.
        reason = f" ({error.strerror})" if error.strerror else ""
        raise ImageFileError(f"{name}: {failure}{reason}") from error
    except Exception as error:
        raise ImageFileError(f"{name}: {failure}") from error


def _refuse_what_is_no_file(path: Path) -> None:
    """Opening a pipe would wait for a writer for ever."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ImageFileError("is a directory; name one image file")
    if not stat.S_ISREG(mode):
        raise ImageFileError("is not a regular file; name one image file")


def _npy_pixels(file: BinaryIO) -> NDArray[np.generic]:
    size = _size(file)
    head = BytesIO(file.read(MAX_NPY_HEADER_BYTES))
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(head)
    if version not in readers:
        raise ImageFileError(
            "is an NPY file of a version that images do not need; write it again with numpy.save"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shape, fortran, dtype = readers[version](head, max_header_size=MAX_NPY_HEADER_BYTES)
    native = dtype.newbyteorder("=")
    if native not in [np.dtype(name) for name in IMAGE_DTYPES]:
        raise ImageFileError(
            f"holds no pixels of {', '.join(IMAGE_DTYPES)}; convert them with numpy's astype"
        )
    if len(shape) == 3 and shape[2] == 3:
        raise ImageFileError(
            "holds three axes, and an NPY file cannot say what they mean: write RGB colour as PNG, "
            "or one plane a file"
        )
    if len(shape) != 2 or min(shape) < 1:
        raise ImageFileError("holds no single plane with rows and columns; write one plane a file")
    if shape[0] * shape[1] > MAX_PIXELS:
        raise ImageFileError(f"claims {shape[0]} x {shape[1]} pixels; at most {MAX_PIXELS} are read, cut it")
    held, claimed = size - head.tell(), shape[0] * shape[1] * dtype.itemsize
    if held != claimed:
        raise ImageFileError(
            f"claims {claimed} bytes of pixels but holds {held}; fetch it again from where it came"
        )
    file.seek(head.tell())
    pixels = np.fromfile(file, dtype, shape[0] * shape[1]).astype(native, copy=False)
    return pixels.reshape(shape, order="F" if fortran else "C")


def _size(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def _check_place(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ImageFileError(f"has no suffix that is written; those are {', '.join(_SUFFIXES)}")
    if path.is_dir():
        raise ImageFileError("is a directory; name a file in it")
    if path.exists() and not path.is_file():
        raise ImageFileError("is not a regular file; name another")
    _check_parent(path)


def _check_parent(path: Path) -> None:
    # The directory that is written to, where the file is a link.
    directory = path.resolve().parent
    if not directory.is_dir():
        raise ImageFileError("lies in a directory that does not exist; make it first")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ImageFileError("lies in a directory that may not be written to; choose another")


def _encoded(
    path: Path,
    pixels: NDArray[np.generic],
    image: ImageFile,
    description: str,
    offset_gain: int | Fraction | None,
    negation_sign: int,
) -> bytes:
    suffix = path.suffix.lower()
    if suffix == ".png":
        if image.stacked:
            raise ImageFileError(
                "cannot hold several frames; write .tif or .npy, or .dcm if the input is DICOM"
            )
        return png_bytes(pixels, image.channel_axis)
    if suffix in (".tif", ".tiff"):
        return tiff_bytes(pixels, image.channel_axis)
    if suffix == ".npy":
        buffer = BytesIO()
        np.lib.format.write_array(buffer, pixels, allow_pickle=False)
        return buffer.getvalue()
    if image.source is None:
        raise ImageFileError("can be DICOM only if the input is; write .png or .npy")
    from cloudsec.dicom import derived_image

    return derived_image(
        image.source,
        image.pixels,
        pixels,
        description=description,
        offset_gain=offset_gain,
        negation_sign=negation_sign,
    )
