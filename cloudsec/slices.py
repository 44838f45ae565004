"""A directory of DICOM slices: in the order of their positions, and as one volume where they make one."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloudsec.dicom import DicomHeader, Series, SliceHeaders, differing_levels, ordered_series, read_header
from cloudsec.errors import ImageFileError
from cloudsec.file_port import check_vacant, port, refuse_what_is_no_file
from cloudsec.files import MAX_PIXELS, BurnedIn, is_file_name, read_image
from cloudsec.image_file import ImageFile
from providers.image import PLANE_AXES

_ONE_BY_ONE = "--one-by-one filters each slice by itself"
_NO_VOLUME = f"no volume that could be filtered as one ({_ONE_BY_ONE})"


def read_series(directory: Path) -> Series:
    """The DICOM slices in a directory, in the order of their positions.

    Every file in it must be one, but for a DICOMDIR and hidden files.

    Raises
    ------
    ImageFileError
        Names the file that is none, or why the slices have no order.
    """
    slices = []
    for path in sorted(directory.iterdir()):
        if path.name == "DICOMDIR" or path.name.startswith("."):
            continue
        with port(path, "is damaged or cut short; fetch it again from where it came"):
            refuse_what_is_no_file(path)
            if not path.name.isprintable():
                raise ImageFileError("has a name that cannot be printed; rename it")
            with path.open("rb") as file:
                if file.read(132)[128:] != b"DICM":
                    raise ImageFileError("is no DICOM file; put slices in a directory of their own")
                file.seek(0)
                slices.append((path.name, read_header(file).dataset))
    with port(directory, "cannot be read"):
        return ordered_series(slices)


def read_volume(directory: Path, series: Series, *, burned_in: BurnedIn = "refuse") -> ImageFile:
    """The slices of a regular series as one volume, (P, M, N), from the lowest position to the highest.

    Raises
    ------
    ImageFileError
        Where they are none, because they lie unevenly, or differ in what their pixels are or mean.
    """
    with port(directory, "cannot be read"):
        if found := series.irregularities:
            more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
            raise ImageFileError(f"holds {_NO_VOLUME}: {'; '.join(found[:3])}{more}")
    volume: NDArray[np.generic] | None = None
    headers: list[DicomHeader] = []
    for number, name in enumerate(series.names):
        image = read_image(directory / name, burned_in=burned_in)
        with port(directory, "cannot be read"):
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
