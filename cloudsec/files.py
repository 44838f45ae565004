"""Images in and out of files: told by content, checked before memory is taken, written whole or never."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cloudsec.atomic import whole_directory, write_whole
from cloudsec.errors import ImageFileError
from cloudsec.file_port import check_place, check_vacant, port, refuse_what_is_no_file
from cloudsec.image_file import ImageFile
from cloudsec.jpeg import JPEG_MARKER, read_jpeg
from cloudsec.nifti import GZIP_MARKER, LONGEST_HEADER, NiftiHeader, is_nifti, nifti_bytes, read_nifti
from cloudsec.npy import NPY_MARKER, npy_bytes, read_npy
from cloudsec.png import PNG_MARKER, png_bytes, read_png
from cloudsec.tiff import TIFF_MARKERS, read_tiff, tiff_bytes
from providers.image import checked_image

if TYPE_CHECKING:
    from cloudsec.dicom import DicomHeader

BurnedIn: TypeAlias = Literal["refuse", "accept"]

MAX_PIXELS = 1 << 28
"""Values of an image, of which an RGB pixel has three: a gigabyte at 32 bits.

Sixteen times the largest mammogram, and still within an ordinary workstation.
"""

STORED_ONLY = (".png", ".tif", ".tiff", ".npy")
"""Suffixes of files that do not say what their stored values mean."""
_SUFFIXES = (*STORED_ONLY, ".nii", ".nii.gz", ".dcm")
_UNREAD = {
    b"NRRD": "an NRRD file; convert it to NIfTI (.nii.gz) first, with SimpleITK or 3D Slicer",
    b"PK\x03\x04": "an archive (NPZ or ZIP); unpack it, and name one image or array (.npy) of it",
    b"GIF8": "a GIF; convert it to PNG first",
}


def read_image(path: Path, *, burned_in: BurnedIn = "refuse") -> ImageFile:
    """The image, or the images, in a PNG, TIFF, JPEG, NPY, NIfTI or DICOM file; its content tells which.

    The file's name says nothing. An NPY file cannot say what its axes mean, so that it is read as grey.
    Frames of a DICOM file are one volume where it says that they lie one above the other in even steps.

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
    with port(path, "is damaged or cut short; fetch it again from where it came"):
        image = _opened(path, burned_in)
        for frame in image.frames:
            _refuse_unprocessable(frame, image.channel_axis)
        return image


def _opened(path: Path, burned_in: BurnedIn) -> ImageFile:
    refuse_what_is_no_file(path)
    with path.open("rb") as file:
        start = file.read(LONGEST_HEADER)
        file.seek(0)
        # First, since its first 128 bytes may look like any other format: names are looked for in DICOM only.
        if start[128:132] == b"DICM":
            from cloudsec.dicom import frame_order, read_dicom

            pixels, header = read_dicom(file, max_pixels=MAX_PIXELS, burned_in=burned_in)
            axis = header.channel_axis
            stacked = pixels.ndim > (2 if axis is None else 3)
            # Volumes are grey.
            order, remarks = frame_order(header) if stacked and axis is None else (None, ())
            return ImageFile(pixels, header, axis, int(stacked and order is None), order, remarks)
        for markers, reader in ((PNG_MARKER, read_png), (JPEG_MARKER, read_jpeg)):
            if start.startswith(markers):
                pixels = reader(file, max_pixels=MAX_PIXELS)
                return ImageFile(pixels, channel_axis=None if pixels.ndim == 2 else -1)
        if start.startswith(TIFF_MARKERS):
            pixels, axis, frame_axes = read_tiff(file, max_pixels=MAX_PIXELS)
            return ImageFile(pixels, channel_axis=axis, frame_axes=frame_axes)
        if start.startswith(NPY_MARKER):
            return ImageFile(read_npy(file, max_pixels=MAX_PIXELS))
        if start.startswith(GZIP_MARKER) or is_nifti(start):
            pixels, source, frame_axes = read_nifti(file, max_pixels=MAX_PIXELS)
            return ImageFile(pixels, source, frame_axes=frame_axes)
    for marker, kind in _UNREAD.items():
        if start.startswith(marker):
            raise ImageFileError(f"is not an image that is read, but {kind}")
    raise ImageFileError(
        "is not an image that is read; those are PNG (grey of 8 or 16 bits, RGB and RGBA of 8), TIFF, JPEG, "
        "NPY, NIfTI and DICOM"
    )


def _refuse_unprocessable(pixels: NDArray[np.generic], channel_axis: int | None) -> None:
    try:
        checked_image(pixels, channel_axis)
    except ValueError as error:
        raise ImageFileError(f"cannot be processed: {error}") from error


def is_file_name(path: Path) -> bool:
    """Whether the suffix is that of an image file, so that no directory is meant."""
    return _suffix(path) in _SUFFIXES


def check_output(path: Path, image: ImageFile) -> None:
    """Refuses, before any work is sent out, a file that a result of this image could not be written to.

    Raises
    ------
    ImageFileError
    """
    with port(path, "cannot be written"):
        if _becomes_directory(path, image):
            check_vacant(path)
        else:
            _check_target(path)
            _refuse_unfit(_suffix(path), image)
        if _suffix(path) == ".dcm" or _becomes_directory(path, image):
            # Deriving an image from the source's own pixels tells whether its header can be written at all.
            for _ in _derived(image, image.pixels, "a check", 0, -1):
                pass


def write_image(
    path: Path,
    pixels: NDArray[np.generic],
    image: ImageFile,
    *,
    description: str,
    offset_gain: int | Fraction | None,
    negation_sign: int,
) -> None:
    """The result of an image, as the suffix says: .npy holds any, .tif all but several volumes.

    A .png holds grey levels from 0 to 65535, or RGB(A) values from 0 to 255, of one plane; .dcm, .nii and
    .nii.gz a result of what was such a file. Without a suffix, slices of a volume are written into a new
    directory. What is written appears whole or not at all. All but DICOM and NIfTI hold stored values
    without any header.

    Parameters
    ----------
    path : Path
    pixels : ndarray
        Of the shape of the image's.
    image : ImageFile
        What the result was computed from.
    description, offset_gain, negation_sign
        As in `cloudsec.dicom.derived_image`; only DICOM and NIfTI files tell them.

    Raises
    ------
    ImageFileError
        If the format cannot hold these values, or the file cannot be written.
    """
    with port(path, "cannot be written"):
        meaning = description, offset_gain, negation_sign
        if _becomes_directory(path, image):
            check_vacant(path)
            with whole_directory(path) as place:
                for number, content in enumerate(_derived(image, pixels, *meaning), start=1):
                    write_whole(place / f"{number:04d}.dcm", content)
            return
        _check_target(path)
        _refuse_unfit(_suffix(path), image)
        write_whole(path, _encoded(_suffix(path), pixels, image, *meaning))


def _suffix(path: Path) -> str:
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()


def _slice_headers(image: ImageFile) -> tuple[DicomHeader, ...]:
    """The headers of a volume that was a directory of slices; else none."""
    if image.source is None or isinstance(image.source, NiftiHeader):
        return ()
    from cloudsec.dicom import SliceHeaders

    return image.source.headers if isinstance(image.source, SliceHeaders) else ()


def _becomes_directory(path: Path, image: ImageFile) -> bool:
    return not is_file_name(path) and bool(_slice_headers(image))


def _check_target(path: Path) -> None:
    if not is_file_name(path):
        raise ImageFileError(f"has no suffix that is written; those are {', '.join(_SUFFIXES)}")
    check_place(path)


def _refuse_unfit(suffix: str, image: ImageFile) -> None:
    """Refuses a format that cannot hold a result of this image, whatever its values."""
    planes, nifti = image.pixels.ndim - image.plane_axes, isinstance(image.source, NiftiHeader)
    if suffix == ".png" and planes > 0:
        raise ImageFileError("cannot hold several frames or planes; write .tif, .npy or what the input is")
    if suffix in (".tif", ".tiff") and planes > 1:
        raise ImageFileError("cannot hold several volumes; write .npy or what the input is")
    if suffix in (".nii", ".nii.gz") and not nifti:
        raise ImageFileError("can be NIfTI only if the input is; write .npy or .tif")
    if suffix == ".dcm" and (image.source is None or nifti):
        raise ImageFileError("can be DICOM only if the input is; write .png or .npy")
    if suffix == ".dcm" and _slice_headers(image):
        raise ImageFileError("holds one image, and the input is slices; name a new directory, or a .npy file")


def _encoded(
    suffix: str,
    pixels: NDArray[np.generic],
    image: ImageFile,
    description: str,
    offset_gain: int | Fraction | None,
    negation_sign: int,
) -> bytes:
    if suffix == ".png":
        return png_bytes(pixels, image.channel_axis)
    if suffix in (".tif", ".tiff"):
        return tiff_bytes(pixels, image.channel_axis)
    if suffix == ".npy":
        return npy_bytes(pixels)
    if isinstance(image.source, NiftiHeader):
        return nifti_bytes(
            image.source,
            pixels,
            description=description,
            offset_gain=offset_gain,
            negation_sign=negation_sign,
            packed=suffix == ".nii.gz",
        )
    (content,) = _derived(image, pixels, description, offset_gain, negation_sign)
    return content


def _derived(
    image: ImageFile,
    pixels: NDArray[np.generic],
    description: str,
    offset_gain: int | Fraction | None,
    negation_sign: int,
) -> Iterator[bytes]:
    """The DICOM file of a result, or that of each slice."""
    from cloudsec.dicom import DicomHeader, derived_image

    parts: Iterable[tuple[DicomHeader, NDArray[np.generic], NDArray[np.generic]]]
    extremes = pixels.min().item(), pixels.max().item()
    if isinstance(image.source, DicomHeader):
        parts = [(image.source, image.pixels, pixels)]
    else:
        parts = zip(_slice_headers(image), image.pixels, pixels, strict=True)
    for header, source, result in parts:
        yield derived_image(
            header,
            source,
            result,
            description=description,
            offset_gain=offset_gain,
            negation_sign=negation_sign,
            extremes=extremes,
        )
