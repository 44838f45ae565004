"""The open data: every plane of at least 512 x 512 pixels in its folder, and why a file gives none."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image

LEAST = 512
"""Pixels of the shorter side."""
PICTURES = (".png", ".tif", ".gif", ".jpg")


@dataclass(frozen=True, eq=False)
class Picture:
    """One image; `channel_axis` as `Broker.process` takes it."""

    name: str
    pixels: NDArray[Any] = field(repr=False)

    @property
    def channel_axis(self) -> int | None:
        return None if self.pixels.ndim == 2 else -1

    @property
    def planes(self) -> NDArray[Any]:
        """The colour components, ``(C, M, N)``."""
        return self.pixels[None] if self.pixels.ndim == 2 else np.moveaxis(self.pixels, -1, 0)


@dataclass(frozen=True)
class LeftOut:
    """Files that give no image, and why."""

    name: str
    reason: str


def open_data_folder() -> Path:
    """Where the open data lies; ends the program if it is not there."""
    default = Path(__file__).parents[2] / "shared" / "data" / "open"
    folder = Path(os.environ.get("CLOUDSEC_TEST_DATA", default))
    if not folder.is_dir():
        sys.exit(f"the open test data is not at {folder}; set CLOUDSEC_TEST_DATA to its folder")
    return folder


def pictures(folder: Path, word: str = "") -> Iterator[Picture | LeftOut]:
    """Everything in the folder whose name holds the word, in order, one file in memory at a time."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for member in sorted(archive.namelist()):
                    if word in f"{name}/{member}":
                        yield _dicom(f"{name}/{member}", archive.read(member))
        elif word not in name:
            continue
        elif path.suffix == ".dcm":
            yield _dicom(name, path.read_bytes())
        elif path.suffix in PICTURES:
            with Image.open(path) as picture:
                yield _judged(name, np.asarray(picture))
        elif path.is_file():
            yield LeftOut(name, "holds no planes but volumes or sets of small images")


def _dicom(name: str, content: bytes) -> Picture | LeftOut:
    dataset = pydicom.dcmread(BytesIO(content))
    if int(dataset.get("NumberOfFrames", 1)) > 1:
        return LeftOut(name, "multi-frame")
    try:
        return _judged(name, dataset.pixel_array)
    except RuntimeError:
        syntax = dataset.file_meta.TransferSyntaxUID.name
        return LeftOut(name, f"{dataset.Rows} x {dataset.Columns}, not decoded here: {syntax}")


def _judged(name: str, pixels: NDArray[Any]) -> Picture | LeftOut:
    rows, columns = pixels.shape[:2]
    if min(rows, columns) < LEAST:
        return LeftOut(name, f"{rows} x {columns}, under {LEAST} x {LEAST}")
    return Picture(name, pixels)
