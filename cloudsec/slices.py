"""A folder of DICOM slices: in the order of their positions, and as one volume where they make one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloudsec.dicom import DicomHeader, Series, SliceHeaders, differing_levels, ordered_series, read_header
from cloudsec.errors import ImageFileError
from cloudsec.file_port import check_vacant, port
from cloudsec.files import files_in, is_file_name, open_file
from cloudsec.formats import MAX_PIXELS, BurnedIn, Opener, image_of
from cloudsec.image_file import DICOM_MARK, PREAMBLE, ImageFile, is_dicom
from providers.image import PLANE_AXES

_ONE_BY_ONE = "--one-by-one filters each slice by itself"
_NO_VOLUME = f"no volume that could be filtered as one ({_ONE_BY_ONE})"


@dataclass(frozen=True)
class Folder:
    """Files by name, wherever they lie.

    Attributes
    ----------
    name : str or Path
        Of the folder, with which errors begin; those of a file with its place, or where the folder is none
        on a disk, and this a text, with the file's name alone.
    files : mapping of str to a function that opens the file
    """

    name: str | Path
    files: Mapping[str, Opener]

    def image(self, name: str, *, burned_in: BurnedIn) -> ImageFile:
        """What one of the files holds."""
        return image_of(self.place(name), self.files[name], burned_in=burned_in)

    def place(self, name: str) -> str | Path:
        """What errors call one of the files."""
        return self.name / name if isinstance(self.name, Path) else name


def folder_at(directory: Path) -> Folder:
    """The files in a directory, but for a DICOMDIR and hidden ones."""
    return Folder(directory, {path.name: partial(open_file, path) for path in files_in(directory)})


def read_series(folder: Folder) -> Series:
    """The DICOM slices in a folder, in the order of their positions; every file in it must be one.

    Raises
    ------
    ImageFileError
        Names the file that is none, or why the slices have no order.
    """
    slices = []
    for name, opened in folder.files.items():
        with port(folder.place(name), "is damaged or cut short; fetch it again from where it came"):
            if not name.isprintable():
                raise ImageFileError("has a name that cannot be printed; rename it")
            with opened() as file:
                if not is_dicom(file.read(PREAMBLE + len(DICOM_MARK))):
                    raise ImageFileError("is no DICOM file; put slices in a directory of their own")
                file.seek(0)
                slices.append((name, read_header(file).dataset))
    with port(folder.name, "cannot be read"):
        return ordered_series(slices)


def read_volume(folder: Folder, series: Series, *, burned_in: BurnedIn = "refuse") -> ImageFile:
    """The slices of a regular series as one volume, (P, M, N), from the lowest position to the highest.

    Raises
    ------
    ImageFileError
        Where they are none, because they lie unevenly, or differ in what their pixels are or mean.
    """
    with port(folder.name, "cannot be read"):
        if found := series.irregularities:
            more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
            raise ImageFileError(f"holds {_NO_VOLUME}: {'; '.join(found[:3])}{more}")
    volume: NDArray[np.generic] | None = None
    headers: list[DicomHeader] = []
    for number, name in enumerate(series.names):
        image = folder.image(name, burned_in=burned_in)
        with port(folder.name, "cannot be read"):
            if not isinstance(image.source, DicomHeader) or image.pixels.ndim != PLANE_AXES:
                raise ImageFileError(f"holds {_NO_VOLUME}: {name} is no single grey plane")
            headers.append(image.source)
            if volume is None:
                shape = (len(series.names), *image.pixels.shape)
                if prod(shape) > MAX_PIXELS:
                    raise ImageFileError(
                        f"holds {' x '.join(map(str, shape))} pixels; at most {MAX_PIXELS} are read as one "
                        f"volume, and {_ONE_BY_ONE}"
                    )
                volume = np.empty(shape, image.pixels.dtype)
            differing = differing_levels(image.source, headers[0])
            if image.pixels.dtype != volume.dtype:
                differing = "BitsAllocated or PixelRepresentation"
            if differing:
                raise ImageFileError(
                    f"holds {_NO_VOLUME}: {name} and {series.names[0]} differ in {differing}"
                )
            volume[number] = image.pixels
    assert volume is not None
    return ImageFile(volume, SliceHeaders(tuple(headers)), remarks=series.remarks)


def check_directory(directory: Path) -> None:
    """Refuses a directory for slices that could not be made, holds anything already, or is named as a file.

    Raises
    ------
    ImageFileError
    """
    with port(directory, "cannot be written"):
        if is_file_name(directory):
            raise ImageFileError("is the name of a file; slices are written one by one into a new directory")
        check_vacant(directory)
