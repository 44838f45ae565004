"""Images in and out of bytes: told by content, checked before memory is taken; no path, no disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import ImageFileError
from cloudsec.file_port import port
from cloudsec.image_file import ImageFile, is_dicom
from cloudsec.jpeg import JPEG_MARKER, read_jpeg
from cloudsec.nifti import GZIP_MARKER, LONGEST_HEADER, NiftiHeader, is_nifti, nifti_bytes, read_nifti
from cloudsec.npy import NPY_MARKER, npy_bytes, read_npy
from cloudsec.png import PNG_MARKER, png_bytes, read_png
from cloudsec.tiff import TIFF_MARKERS, read_tiff, tiff_bytes
from providers.image import checked_image

if TYPE_CHECKING:
    from cloudsec.dicom import DicomHeader

BurnedIn: TypeAlias = Literal["refuse", "accept"]
Opener: TypeAlias = Callable[[], BinaryIO]
"""Opens the bytes of a file, wherever they lie: buffered, and able to seek. Who asks closes it."""

MAX_PIXELS = 1 << 28
"""Values of an image, of which an RGB pixel has three: a gigabyte at 32 bits.

Sixteen times the largest mammogram, and still within an ordinary workstation.
"""

STORED_ONLY = (".png", ".tif", ".tiff", ".npy")
"""Suffixes of files that do not say what their stored values mean."""
FORMATS = (*STORED_ONLY, ".nii", ".nii.gz", ".dcm")
"""Suffixes of all files that images are written to."""
FIGURES = ".json"
"""That of what is measured."""
_UNREAD = {
    b"NRRD": "an NRRD file; convert it to NIfTI (.nii.gz) first, with SimpleITK or 3D Slicer",
    b"PK\x03\x04": "an archive (NPZ or ZIP); unpack it, and name one image or array (.npy) of it",
    b"GIF8": "a GIF; convert it to PNG first",
}


def image_of(name: str | Path, opened: Opener, *, burned_in: BurnedIn) -> ImageFile:
    """The image, or the images, in the bytes of a file, as `cloudsec.files.read_image` explains it.

    Errors begin with the name.
    """
    if burned_in not in ("refuse", "accept"):
        raise ValueError(f"burned_in must be 'refuse' or 'accept', not {burned_in!r}")
    with port(name, "is damaged or cut short; fetch it again from where it came"), opened() as file:
        image = _decoded(file, burned_in)
        for frame in image.frames:
            _refuse_unprocessable(frame, image.channel_axis)
        return image


def _decoded(file: BinaryIO, burned_in: BurnedIn) -> ImageFile:
    start = file.read(LONGEST_HEADER)
    file.seek(0)
    # First, since its first 128 bytes may look like any other format: names are looked for in DICOM only.
    if is_dicom(start):
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


def slice_headers(image: ImageFile) -> tuple[DicomHeader, ...]:
    """The headers of a volume that was a directory of slices; else none."""
    if image.source is None or isinstance(image.source, NiftiHeader):
        return ()
    from cloudsec.dicom import SliceHeaders

    return image.source.headers if isinstance(image.source, SliceHeaders) else ()


def check_format(suffix: str, image: ImageFile) -> None:
    """Refuses, before any work is sent out, a format that cannot hold a result of this image.

    Raises
    ------
    ImageFileError
    """
    _refuse_unfit(suffix, image)
    if suffix == ".dcm":
        # Deriving an image from the source's own pixels tells whether its header can be written at all.
        for _ in _derived(image, image.pixels, Meaning("a check", 0, -1)):
            pass


def _refuse_unfit(suffix: str, image: ImageFile) -> None:
    """Refuses a format that cannot hold a result of this image, whatever its values."""
    if suffix not in FORMATS:
        raise ImageFileError(f"has no suffix that is written; those are {', '.join(FORMATS)}")
    planes, nifti = image.pixels.ndim - image.plane_axes, isinstance(image.source, NiftiHeader)
    if suffix == ".png" and planes > 0:
        raise ImageFileError("cannot hold several frames or planes; write .tif, .npy or what the input is")
    if suffix in (".tif", ".tiff") and planes > 1:
        raise ImageFileError("cannot hold several volumes; write .npy or what the input is")
    if suffix in (".nii", ".nii.gz") and not nifti:
        raise ImageFileError("can be NIfTI only if the input is; write .npy or .tif")
    if suffix == ".dcm" and (image.source is None or nifti):
        raise ImageFileError("can be DICOM only if the input is; write .png or .npy")


class Meaning(NamedTuple):
    """What a result means beside what it was computed from, as `cloudsec.dicom.derived_image` explains it."""

    description: str
    offset_gain: int | Fraction | None
    negation_sign: int


def encoded(suffix: str, pixels: NDArray[np.generic], image: ImageFile, meaning: Meaning) -> Iterator[bytes]:
    """The result of an image as the file of that suffix; as DICOM, a volume of slices is as many files.

    Only DICOM and NIfTI files tell what it means.

    Raises
    ------
    ImageFileError
        If the format cannot hold these values.
    """
    _refuse_unfit(suffix, image)
    if suffix == ".dcm":
        yield from _derived(image, pixels, meaning)
    elif suffix == ".png":
        yield png_bytes(pixels, image.channel_axis)
    elif suffix in (".tif", ".tiff"):
        yield tiff_bytes(pixels, image.channel_axis)
    elif suffix == ".npy":
        yield npy_bytes(pixels)
    else:
        assert isinstance(image.source, NiftiHeader)
        yield nifti_bytes(image.source, pixels, **meaning._asdict(), packed=suffix == ".nii.gz")


def _derived(image: ImageFile, pixels: NDArray[np.generic], meaning: Meaning) -> Iterator[bytes]:
    """The DICOM file of a result, or that of each slice."""
    from cloudsec.dicom import DicomHeader, derived_image

    parts: Iterable[tuple[DicomHeader, NDArray[np.generic], NDArray[np.generic]]]
    extremes = pixels.min().item(), pixels.max().item()
    if isinstance(image.source, DicomHeader):
        parts = [(image.source, image.pixels, pixels)]
    else:
        parts = zip(slice_headers(image), image.pixels, pixels, strict=True)
    for header, source, result in parts:
        yield derived_image(header, source, result, **meaning._asdict(), extremes=extremes)


def form_of(content: bytes) -> tuple[str, ...]:
    """The suffixes that fit what a result is, the usual one first; none for what is nothing of ours."""
    if is_dicom(content):
        return (".dcm",)
    for markers, suffixes in (
        (PNG_MARKER, (".png",)),
        (TIFF_MARKERS, (".tif", ".tiff")),
        (NPY_MARKER, (".npy",)),
        (GZIP_MARKER, (".nii.gz",)),
        ((b"{", b"["), (".json",)),
    ):
        if content.startswith(markers):
            return suffixes
    return (".nii",) if is_nifti(content[:LONGEST_HEADER]) else ()
