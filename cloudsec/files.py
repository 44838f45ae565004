"""Images in and out of files, which are told by content, and written whole or never."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cloudsec.atomic import whole_directory, write_whole
from cloudsec.errors import ImageFileError
from cloudsec.file_port import check_place, check_vacant, port, refuse_what_is_no_file
from cloudsec.formats import FORMATS, BurnedIn, Meaning, encoded, image_of, slice_headers
from cloudsec.image_file import ImageFile


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
    return image_of(path, partial(open_file, path), burned_in=burned_in)


def open_file(path: Path) -> BinaryIO:
    """A file to read; nothing is waited for."""
    refuse_what_is_no_file(path)
    return path.open("rb")


def files_in(directory: Path) -> list[Path]:
    """What lies in a directory of slices, but for a DICOMDIR and what is hidden."""
    return [path for path in sorted(directory.iterdir()) if path.name != "DICOMDIR" and path.name[0] != "."]


def is_file_name(path: Path) -> bool:
    """Whether the suffix is that of an image file, so that no directory is meant."""
    return format_of(path) in FORMATS


def format_of(path: Path) -> str:
    """The suffix that says how a result is written; of a directory of slices that of each."""
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()


def checked_form(path: Path, *, slices: bool) -> str:
    """The suffix of what a result becomes there; slices of a volume may be a new directory of as many.

    Raises
    ------
    ImageFileError
        If the path has no suffix that is written, or nothing can be written there.
    """
    with port(path, "cannot be written"):
        if slices and not is_file_name(path):
            check_vacant(path)
            return ".dcm"
        if not is_file_name(path):
            raise ImageFileError(f"has no suffix that is written; those are {', '.join(FORMATS)}")
        check_place(path)
        if slices and format_of(path) == ".dcm":
            raise ImageFileError(
                "holds one image, and the input is slices; name a new directory, or a .npy file"
            )
        return format_of(path)


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
    form = checked_form(path, slices=bool(slice_headers(image)))
    with port(path, "cannot be written"):
        contents = encoded(form, pixels, image, Meaning(description, offset_gain, negation_sign))
        (write_file if is_file_name(path) else write_slices)(path, contents)


def write_file(path: Path, contents: Iterable[bytes]) -> None:
    """The only content, whole or not at all; errors of who makes it stay as they are."""
    (content,) = contents
    with port(path, "cannot be written"):
        write_whole(path, content)


def write_slices(directory: Path, contents: Iterable[bytes]) -> None:
    """DICOM files into a new directory, all or none, named by their order; errors as of `write_file`."""
    contents = iter(contents)
    first = next(contents)
    # Nothing is there before the first of them is.
    with whole_directory(directory) as place:
        for number, content in enumerate(chain([first], contents), start=1):
            with port(directory, "cannot be written"):
                write_whole(place / f"{number:04d}.dcm", content)
