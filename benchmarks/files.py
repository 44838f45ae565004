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
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel
import numpy as np
import pydicom
from nibabel.arrayproxy import ArrayProxy
from tifffile import imread

import providers
from benchmarks.open_data import NOT_HERE, open_data_folder
from cloudsec.cli import main
from cloudsec.errors import ImageFileError
from cloudsec.files import read_image
from cloudsec.image_file import ImageFile
from cloudsec.nifti import NiftiHeader
from cloudsec.slices import folder_at, read_series, read_volume
from providers.operation import float_tolerance, resolved_for
from providers.registry import make_operation

OPERATIONS = ("gaussian", "sobel")
"""One that keeps what grey levels mean, and one that changes it."""
GEOMETRY = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "FrameOfReferenceUID",
    "FrameTime",
)


OF_VALUES = ("datatype", "bitpix", "scl_slope", "scl_inter", "cal_min", "cal_max", "descrip")
"""What may change in a NIfTI header."""


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
    words = ["process", str(source), str(target), "-o", operation, "--burned-in", "accept"]
    with redirect_stdout(StringIO()), redirect_stderr(errors):
        # With so few, images of a few hundred pixels have blocks enough to be sent out.
        status = main([*words, "--providers", "4"])
    seconds = time.monotonic() - started
    if status:
        line = errors.getvalue().strip()
        return Outcome(
            name, operation, seconds, f"refused: {line.rpartition(': ')[2]}", _half_written(target)
        )
    image = _image(source)
    shape = " x ".join(map(str, image.pixels.shape))
    text = f"{_kind(image, source)}{shape} {image.pixels.dtype}"
    return Outcome(
        name, operation, seconds, text, "; ".join(islice(_wrong(image, source, target, operation), 2))
    )


def _image(source: Path) -> ImageFile:
    if source.is_dir():
        folder = folder_at(source)
        return read_volume(folder, read_series(folder), burned_in="accept")
    return read_image(source, burned_in="accept")


def _kind(image: ImageFile, source: Path) -> str:
    if image.count > 1:
        return "frames, "
    slices = "slices as a " if source.is_dir() else ""
    return f"{slices}volume, " if image.pixels.ndim > image.plane_axes else ""


def _suffix(source: Path, operation: str) -> str:
    try:
        image = read_image(source, burned_in="accept")
    except ImageFileError:
        return ".npy"
    if isinstance(image.source, NiftiHeader):
        return ".nii.gz"
    # A gradient of colours has more than the eight bits that DICOM holds.
    fits = image.channel_axis is None or operation == "gaussian"
    return ".dcm" if image.source is not None and fits else ".tif"


def _half_written(target: Path) -> str:
    return "a refused file left an output" if target.exists() else ""


def _wrong(image: ImageFile, source: Path, target: Path, operation: str) -> Iterator[str]:
    written = _pixels(target)
    wanted = image.together(_filtered(frame, operation, image.channel_axis) for frame in image.frames)
    made = resolved_for(image.frames[0], make_operation(operation), image.channel_axis)
    apart = np.abs(np.subtract(written, wanted, dtype=np.float64)).max()
    if written.dtype != wanted.dtype and target.suffix != ".dcm" and not target.is_dir():
        yield f"pixels of {written.dtype} and not {wanted.dtype}"
    if apart > float_tolerance(made, image.pixels):
        yield f"pixels differ from the unsplit operation, by up to {apart}"
    if target.suffix == ".gz":
        yield from _other_header(source, target)
    for one, other in _dicom_pairs(source, target):
        before, after = (pydicom.dcmread(each, stop_before_pixels=True) for each in (one, other))
        yield from (
            f"{one.name}: another {word}" for word in GEOMETRY if _told(before, word) != _told(after, word)
        )
        yield from (f"{one.name}: dciodvfy: {line}" for line in complaints(other) - complaints(one))


def _filtered(frame: np.ndarray, operation: str, axis: int | None) -> np.ndarray:
    result = providers.apply(frame, operation, channel_axis=axis)
    assert isinstance(result, np.ndarray)
    return result


def _told(header: pydicom.Dataset, word: str) -> object:
    """What a header says, or its functional groups say first: a Parametric Map says all in these."""
    return next((element.value for element in header.iterall() if element.keyword == word), None)


def _pixels(target: Path) -> np.ndarray:
    if target.is_dir():
        return np.stack([pydicom.dcmread(each).pixel_array for each in sorted(target.iterdir())])
    if target.suffix == ".dcm":
        return pydicom.dcmread(target).pixel_array
    if target.suffix == ".gz":
        # Ours are planes, rows and columns.
        proxy = nibabel.Nifti1Image.from_filename(target).dataobj
        assert isinstance(proxy, ArrayProxy)
        return proxy.get_unscaled().T
    return imread(target)


def _dicom_pairs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """Each file that was read, beside that which was written of it."""
    if target.is_dir():
        names = read_series(folder_at(source)).names
        return list(zip((source / name for name in names), sorted(target.iterdir()), strict=True))
    return [(source, target)] if target.suffix == ".dcm" else []


def _other_header(source: Path, target: Path) -> Iterator[str]:
    before, after = (nibabel.Nifti1Image.from_filename(each) for each in (source, target))
    if not np.array_equal(before.affine, after.affine):
        yield "another affine"
    changed = [key for key in before.header if before.header[key].tobytes() != after.header[key].tobytes()]
    yield from (f"another {key}" for key in changed if key not in OF_VALUES)


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
