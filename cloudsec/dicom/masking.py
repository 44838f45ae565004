"""Letters in pixels: blackened where a rule says so, and looked for, which never clears an image."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from cloudsec.dicom.colours import PALETTE_KEYWORDS
from cloudsec.dicom.encoded import MAX_VALUES
from cloudsec.dicom.files import read_dicom
from cloudsec.dicom.meaning import drop
from cloudsec.dicom.rules import Rectangle
from cloudsec.errors import DicomError
from cloudsec.png import png_bytes

OFFSET_TABLES = (
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "EncapsulatedPixelDataValueTotalLength",
)
"""What speaks of a code, and says nothing of pixels that are in none."""
_STALE = ("SmallestImagePixelValue", "LargestImagePixelValue", "HistogramSequence", *OFFSET_TABLES)
"""What speaks of pixels that were blackened, or of a code that they are no longer in."""
_FRAMES_READ = 16
"""Of a cine, evenly spread: letters of a name stand in all of them."""
_SURE = 60.0
"""Percent that tesseract gives a word which it reads, and does not guess."""
_LEAST = 3
"""Letters of a word: shorter ones are read in every texture."""
_PATIENCE = 60.0
"""Seconds for one frame."""


def read_pixels(content: bytes) -> NDArray[np.generic]:
    """The frames of a file, (F, M, N) or (F, M, N, 3); DicomError where it holds none that are read."""
    pixels, header = read_dicom(BytesIO(content), max_pixels=MAX_VALUES, burned_in="accept")
    plane_axes = 2 if header.channel_axis is None else 3
    return pixels.reshape(-1, *pixels.shape[pixels.ndim - plane_axes :])


def blackened(dataset: Dataset, frames: NDArray[np.generic], rectangles: Sequence[Rectangle]) -> None:
    """Put frames into a header, uncompressed, with rectangles of every frame black.

    Black is the blackest value that the frames have: a blacker one would move the window that viewers choose
    for what an image holds. Colours become RGB.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Of the image that the frames are of; it is changed.
    frames : (F, M, N) or (F, M, N, 3) ndarray
    rectangles : sequence of Rectangle

    Raises
    ------
    DicomError
        If one of them lies outside of the image: then it was made for others.
    """
    frames = frames.copy()
    rows, columns = frames.shape[1:3]
    black = _black(dataset, frames)
    for each in rectangles:
        if each.top + each.height > rows or each.left + each.width > columns:
            raise DicomError(
                f"a mask reaches beyond its {rows} rows and {columns} columns; match Rows and Columns"
            )
        frames[:, each.top : each.top + each.height, each.left : each.left + each.width] = black
    drop(dataset, _STALE)
    if frames.ndim == 4:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        drop(dataset, PALETTE_KEYWORDS)
    keyword = "PixelData"
    if frames.dtype.kind == "f":
        keyword = "FloatPixelData" if frames.dtype.itemsize == 4 else "DoubleFloatPixelData"
        representation = "OF" if frames.dtype.itemsize == 4 else "OD"
        raw = frames.astype(f"<f{frames.dtype.itemsize}").tobytes()
    else:
        width = int(dataset.BitsAllocated) // 8
        representation = "OB" if width == 1 else "OW"
        raw = frames.astype(f"<{'i' if dataset.PixelRepresentation else 'u'}{width}").tobytes()
    dataset.add_new(keyword, representation, raw + b"\0" * (len(raw) % 2))


def _black(dataset: Dataset, frames: NDArray[np.generic]) -> int | float:
    if frames.ndim == 4:
        return 0
    black: int | float = (
        frames.max() if dataset.PhotometricInterpretation == "MONOCHROME1" else frames.min()
    ).item()
    return black


def words_in(frames: NDArray[np.generic]) -> int:
    """How many words tesseract reads in the pixels, which reach it through a pipe.

    None is no proof that there are none: it misses letters that people read.

    Raises
    ------
    DicomError
        If it is not installed, or fails.
    """
    program = shutil.which("tesseract")
    if program is None:
        raise DicomError("its letters cannot be looked for without tesseract; install it, or leave out --ocr")
    places = np.unique(np.linspace(0, len(frames) - 1, _FRAMES_READ).astype(int))
    return sum(
        _words(program, png_bytes(_shown(frames[each]), -1 if frames.ndim == 4 else None)) for each in places
    )


def _shown(frame: NDArray[np.generic]) -> NDArray[np.uint8]:
    """A frame with all its grey levels, as a screen has them."""
    low, high = float(frame.min()), float(frame.max())
    scaled = (frame.astype(np.float64) - low) * (255 / max(high - low, 1e-300))
    return scaled.astype(np.uint8)


def _words(program: str, picture: bytes) -> int:
    command = [program, "stdin", "stdout", "--psm", "11", "tsv"]
    try:
        answer = subprocess.run(command, input=picture, capture_output=True, check=True, timeout=_PATIENCE)
    except (OSError, subprocess.SubprocessError) as error:
        raise DicomError(
            "its letters could not be looked for, for tesseract failed; leave out --ocr"
        ) from error
    rows = [line.split("\t") for line in answer.stdout.decode("utf-8", "replace").splitlines()[1:]]
    return sum(
        float(row[10]) >= _SURE and sum(c.isalnum() for c in row[11]) >= _LEAST
        for row in rows
        if len(row) == 12
    )
