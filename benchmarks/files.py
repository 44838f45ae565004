"""Every file of the open data through `cloudsec process`, and what came out held against what went in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pydicom

import providers
from benchmarks.open_data import NOT_HERE, open_data_folder
from cloudsec.cli import main
from cloudsec.errors import ImageFileError
from cloudsec.files import read_image
from cloudsec.image_file import ImageFile
from cloudsec.slices import read_series

OPERATIONS = ("gaussian", "sobel")
"""One that keeps what grey levels mean, and one that changes it."""
GEOMETRY = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "FrameOfReferenceUID",
    "NumberOfFrames",
    "FrameTime",
)


@dataclass(frozen=True)
class Outcome:
    """What became of a file under an operation; `wrong` says what should not have."""

    name: str
    operation: str
    seconds: float
    text: str
    wrong: str = ""


def every_file(folder: Path, unpacked: Path) -> Iterator[tuple[str, Path]]:
    """Files by name; archives of slices as directories of them."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder))
        if path.suffix == ".zip":
            place = unpacked / path.stem
            with zipfile.ZipFile(path) as archive:
                archive.extractall(place)
            yield name, place
        else:
            yield name, path


def outcome(name: str, source: Path, operation: str, place: Path) -> Outcome:
    """Processes one file or directory into `place`, and checks the result."""
    target = place / ("out" if source.is_dir() else f"out{_suffix(source, operation)}")
    errors = StringIO()
    started = time.monotonic()
    with redirect_stdout(StringIO()), redirect_stderr(errors):
        status = main(["process", str(source), str(target), "-o", operation, "--burned-in", "accept"])
    seconds = time.monotonic() - started
    if status:
        line = errors.getvalue().strip()
        return Outcome(
            name, operation, seconds, f"refused: {line.rpartition(': ')[2]}", _half_written(target)
        )
    pairs = (
        zip((source / each for each in read_series(source).names), sorted(target.iterdir()), strict=True)
        if source.is_dir()
        else [(source, target)]
    )
    found = [(read_image(one, burned_in="accept"), one, other) for one, other in pairs]
    wrong = [complaint for image, one, other in found for complaint in _wrong(image, one, other, operation)]
    shape = " x ".join(map(str, found[0][0].pixels.shape))
    files = f"{len(found)} files of " if source.is_dir() else ""
    return Outcome(
        name, operation, seconds, f"{files}{shape} {found[0][0].pixels.dtype}", "; ".join(wrong[:2])
    )


def _suffix(source: Path, operation: str) -> str:
    try:
        image = read_image(source, burned_in="accept")
    except ImageFileError:
        return ".npy"
    # A gradient of colours has more than the eight bits that DICOM holds.
    fits = image.channel_axis is None or operation == "gaussian"
    return ".dcm" if image.source is not None and fits else ".tif"


def _half_written(target: Path) -> str:
    return "a refused file left an output" if target.exists() else ""


def _wrong(image: ImageFile, source: Path, target: Path, operation: str) -> Iterator[str]:
    written = pydicom.dcmread(target).pixel_array if target.suffix == ".dcm" else _pixels(target)
    results = [providers.apply(frame, operation, channel_axis=image.channel_axis) for frame in image.frames]
    if not np.array_equal(written.reshape(image.frames.shape), np.stack(results)):
        yield f"{source.name}: pixels differ from the unsplit operation"
    if target.suffix != ".dcm":
        return
    before, after = (pydicom.dcmread(each, stop_before_pixels=True) for each in (source, target))
    yield from (f"{source.name}: another {word}" for word in GEOMETRY if before.get(word) != after.get(word))
    yield from (f"{source.name}: dciodvfy: {line}" for line in complaints(target) - complaints(source))


def _pixels(target: Path) -> np.ndarray:
    from tifffile import imread

    return imread(target)


def complaints(path: Path) -> set[str]:
    """What dciodvfy calls an error, wherever it stands; nothing where dciodvfy is not installed."""
    if shutil.which("dciodvfy") is None:
        return set()
    answer = subprocess.run(["dciodvfy", str(path)], capture_output=True, check=False)
    text = (answer.stdout + answer.stderr).decode("utf-8", "replace")
    return {line.split(" in (")[0] for line in text.splitlines() if line.startswith("Error")}


def print_files() -> bool:
    """A line for each file; whether all came out as they should."""
    folder = open_data_folder()
    if folder is None:
        print(NOT_HERE)
        return True
    if shutil.which("dciodvfy") is None:
        print("Without dciodvfy (make system) nobody judges whether DICOM results are valid.")
    right = True
    alike: dict[str, int] = {}
    with TemporaryDirectory() as unpacked:
        for name, source in every_file(folder, Path(unpacked)):
            for operation in OPERATIONS:
                with TemporaryDirectory() as place:
                    each = outcome(name, source, operation, Path(place))
                right &= not each.wrong
                key = f"{Path(name).parts[0]} {operation}: {each.text}"
                alike[key] = alike.get(key, 0) + 1
                # Of many small files of one kind the first speaks for all.
                if alike[key] == 1 or each.wrong:
                    print(
                        f"{name:<52}{operation:<10}{each.seconds:6.1f} s  {each.text}  {each.wrong}",
                        flush=True,
                    )
    runs = sum(alike.values())
    refused = sum(count for key, count in alike.items() if ": refused: " in key)
    judged = "all of them right" if right else "SOME WRONG"
    print(f"{runs} runs: {runs - refused} written, {judged}; {refused} refused.")
    return right


if __name__ == "__main__":
    with TemporaryDirectory() as state:
        os.environ["CLOUDSEC_KEY_FILE"] = str(Path(state) / "key")
        os.environ["CLOUDSEC_STATE"] = state
        sys.exit(0 if print_files() else 1)
