"""The open data: every plane of at least 512 x 512 pixels, and why a file gives none."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image

from cloudsec.demo import samples

LEAST = 512
"""Pixels of the shorter side."""
NOT_HERE = "The open test data is not here; set CLOUDSEC_TEST_DATA to its folder."
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


def open_data_folder() -> Path | None:
    """Where the open data lies, if it does."""
    default = Path(__file__).parents[2] / "shared" / "data" / "open"
    folder = Path(os.environ.get("CLOUDSEC_TEST_DATA", default))
    return folder if folder.is_dir() else None


def shipped_pictures() -> list[Picture]:
    """What anybody has: the images of the demonstration."""
    return [Picture(f"{sample.name} (demonstration)", sample.pixels) for sample in samples()]


def every_picture(folder: Path | None) -> Iterator[Picture | LeftOut]:
    """What anybody has, and then what the folder holds besides."""
    shipped = shipped_pictures()
    yield from shipped
    for entry in pictures(folder) if folder is not None else ():
        same = [
            each.name
            for each in shipped
            if isinstance(entry, Picture) and np.array_equal(each.pixels, entry.pixels)
        ]
        yield LeftOut(entry.name, f"the same as {same[0]}") if same else entry


def by_reason(left_out: Iterable[LeftOut]) -> list[str]:
    """A line for each reason, if there is one: the first file of it, and how many more."""
    names: dict[str, list[str]] = {}
    for entry in left_out:
        names.setdefault(entry.reason, []).append(entry.name)
    lines = ["Left out:"] if names else []
    for reason, those in names.items():
        more = f" and {len(those) - 1} more" if those[1:] else ""
        lines.append(f"  {those[0]}{more}: {reason}")
    return lines


def pictures(folder: Path, word: str = "", *, least: int = LEAST) -> Iterator[Picture | LeftOut]:
    """Everything in the folder whose name holds the word, in order, one file in memory at a time."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for member in sorted(archive.namelist()):
                    if word in f"{name}/{member}":
                        yield _dicom(f"{name}/{member}", archive.read(member), least)
        elif word not in name:
            continue
        elif path.suffix == ".dcm":
            yield _dicom(name, path.read_bytes(), least)
        elif path.suffix in PICTURES:
            with Image.open(path) as picture:
                yield _judged(name, np.asarray(picture), least)
        elif path.is_file():
            yield LeftOut(name, "holds no planes but volumes or sets of small images")


def _dicom(name: str, content: bytes, least: int) -> Picture | LeftOut:
    dataset = pydicom.dcmread(BytesIO(content))
    if int(dataset.get("NumberOfFrames", 1)) > 1:
        return LeftOut(name, "multi-frame")
    try:
        return _judged(name, dataset.pixel_array, least)
    except RuntimeError:
        syntax = dataset.file_meta.TransferSyntaxUID.name
        return LeftOut(name, f"{dataset.Rows} x {dataset.Columns}, not decoded here: {syntax}")


def _judged(name: str, pixels: NDArray[Any], least: int) -> Picture | LeftOut:
    rows, columns = pixels.shape[:2]
    if min(rows, columns) < least:
        return LeftOut(name, f"{rows} x {columns}, under {least} x {least}")
    return Picture(name, pixels)
