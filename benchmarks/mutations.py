"""Damaged DICOM files into all that reads them: an image or a clear error, soon, and within memory."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from io import BytesIO
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import TypeAlias

import imagecodecs
import numpy as np
import pydicom
from pydicom import Dataset, uid
from pydicom.encaps import encapsulate

from benchmarks.damage import Parts, damaged, taken_apart
from benchmarks.open_data import open_data_folder
from cloudsec.dicom import read_dicom, read_header
from cloudsec.dicom.deidentified_files import deidentified_file, reidentified_file
from cloudsec.dicom.letters import shows_letters
from cloudsec.dicom.masking import read_pixels
from cloudsec.dicom.pseudonyms import Pseudonyms
from cloudsec.errors import ImageFileError
from cloudsec.formats import check_format, image_of
from cloudsec.keystream import Keystream
from cloudsec.slices import Folder
from cloudsec.work import images_of_folder, in_memory

COUNT = 10_000
CHUNK = 250
"""Files of one process: one that ends it takes no others with it."""
MAX_BYTES = 1 << 19
"""Of a file to begin with: larger ones take longer and fail no differently."""
MAX_PIXELS = 1 << 22
MEMORY = 1 << 30
"""Bytes that a process may take on top of what it starts with."""
SECONDS = 20.0
"""For one file: as many pixels of the slowest code take two."""
ENDS = ("read", "refused")
MARK = "Zyxwvut"
"""Stands in many values of the headers, and is to stand in no message."""


def honest_files() -> list[bytes]:
    """Small files of pydicom and of the open data, the codes that neither holds, frames and floats."""
    bundled = Path(pydicom.__file__).parent / "data" / "test_files"
    folders = [bundled, *filter(None, [open_data_folder()])]
    paths = sorted(path for folder in folders for path in folder.rglob("*.dcm"))
    files = [path.read_bytes() for path in paths if path.stat().st_size <= MAX_BYTES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = [_marked(content) for content in files]
    dataset = pydicom.dcmread(BytesIO(_marked((bundled / "CT_small.dcm").read_bytes())))
    plane = dataset.pixel_array.astype(np.uint16)
    codes = {
        uid.HTJ2KLossless: imagecodecs.htj2k_encode(plane, reversible=True),
        uid.JPEGLosslessSV1: imagecodecs.jpeg8_encode(plane, lossless=True, predictor=1, bitspersample=16),
        uid.JPEGExtended12Bit: imagecodecs.jpeg8_encode(plane & 0xFFF, level=90, bitspersample=12),
    }
    for syntax, code in codes.items():
        dataset.PixelData = encapsulate([bytes(code)])
        dataset.file_meta.TransferSyntaxUID = syntax
        files.append(_written(dataset))
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    files += [_frames(dataset, plane), _floats(dataset, plane)]
    return [content for content in files if _outcome(content) == "read"]


def honest_slices() -> dict[str, bytes]:
    """Three slices of one volume."""
    bundled = Path(pydicom.__file__).parent / "data" / "test_files"
    slices = {}
    for number, name in enumerate("abc"):
        dataset = pydicom.dcmread(BytesIO(_marked((bundled / "CT_small.dcm").read_bytes())))
        dataset.ImagePositionPatient = [0, 0, 2 * number]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        slices[name] = _written(dataset)
    return slices


def _marked(content: bytes) -> bytes:
    """A file of a person and a place that no message may name; one that cannot be written again as it is."""
    try:
        dataset = pydicom.dcmread(BytesIO(content))
        for keyword in ("PatientName", "PatientID", "InstitutionName", "StudyDescription", "StationName"):
            setattr(dataset, keyword, MARK)
        return _written(dataset)
    except Exception:
        # pydicom raises nearly everything for what it reads and cannot write.
        return content


def _written(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def _frames(dataset: Dataset, plane: np.ndarray) -> bytes:
    """An enhanced image of three frames, one above the other."""

    def item(**values: object) -> Dataset:
        made = Dataset()
        for keyword, value in values.items():
            setattr(made, keyword, value)
        return made

    frames = pydicom.dcmread(BytesIO(_written(dataset)))
    frames.SOPClassUID, frames.NumberOfFrames = uid.EnhancedCTImageStorage, 3
    frames.PixelData = plane[:32].tobytes() * 3
    frames.Rows = 32
    frames.SharedFunctionalGroupsSequence = [
        item(
            PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.5])],
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelValueTransformationSequence=[item(RescaleSlope=1, RescaleIntercept=-1024)],
        )
    ]
    frames.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 2 * number])]) for number in range(3)
    ]
    return _written(frames)


def _floats(dataset: Dataset, plane: np.ndarray) -> bytes:
    floats = pydicom.dcmread(BytesIO(_written(dataset)))
    del floats.PixelData
    floats.BitsAllocated, floats.FloatPixelData = 32, plane.astype(np.float32).tobytes()
    return _written(floats)


def _read(content: bytes) -> None:
    read_dicom(BytesIO(content), max_pixels=MAX_PIXELS, burned_in="accept")


def _read_header(content: bytes) -> None:
    read_header(BytesIO(content))


def _derive(content: bytes) -> None:
    """What the file may become: read as the command line reads it, and checked as what is written."""
    check_format(".dcm", image_of("a file", in_memory(content), burned_in="accept"))


def _in_a_folder(slices: dict[str, bytes], content: bytes) -> None:
    """The file among slices that are as they should be."""
    folder = Folder("a folder", {name: in_memory(each) for name, each in (slices | {"b": content}).items()})
    for _ in images_of_folder(folder).files:
        pass


def _deidentify(content: bytes) -> None:
    """What the file is without anybody in it, and given back."""
    pseudonyms = Pseudonyms(Keystream(bytes(32)))
    made = deidentified_file(content, pseudonyms=pseudonyms, burned_in="accept")
    reidentified_file(made.content, made.manifest, made.identity.uids.get)


def _look(content: bytes) -> None:
    """What de-identification does with pixels that nobody looked at."""
    shows_letters(read_pixels(content))


Reader: TypeAlias = Callable[[bytes], None]


def readers() -> dict[str, tuple[Reader, list[Parts]]]:
    """All that takes the bytes of a DICOM file, and the files of which damaged ones are made for it."""
    files, slices = [taken_apart(content) for content in honest_files()], honest_slices()
    return {
        "the reader": (_read, files),
        "the header's reader": (_read_header, files),
        "reader and writer": (_derive, files),
        "de-identification": (_deidentify, files),
        "the look for letters": (_look, files),
        "slices": (partial(_in_a_folder, slices), [taken_apart(slices["b"])]),
    }


def _outcome(content: bytes, reader: Reader = _read) -> str:
    try:
        reader(content)
    except ImageFileError as error:
        if isinstance(error.__cause__, MemoryError):
            return "memory"
        if MARK[:5] in str(error):
            return f"a message that tells a value: {error}"
        return "refused"
    except BaseException as error:
        return type(error).__name__
    return "read"


def _read_all(
    files: list[Parts],
    reader: Reader,
    numbers: range,
    at: Synchronized[int],
    answers: multiprocessing.Queue,
) -> None:
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    reserved = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (reserved + MEMORY, reserved + MEMORY))
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    # What a decoder's own code cannot raise Python only prints, and an image comes out all the same.
    unraised: list[str] = []
    sys.unraisablehook = lambda event: unraised.append(str(event.exc_value))
    for number in numbers:
        at.value = number
        content = damaged(files, number)
        started = time.monotonic()
        outcome = _outcome(content, reader)
        if unraised:
            outcome = unraised.pop()
        outcomes[outcome if outcome in ENDS else f"{number}: {outcome}"] += 1
        slowest = max(slowest, time.monotonic() - started)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - held
    answers.put((outcomes, slowest, grown))


def print_mutations(count: int) -> bool:
    """What became of so many damaged files at each reader; whether each ended as it should."""
    print(f"{count} damaged files into each of:")
    print(f"{'':20} {'made of':>8} {'read':>6} {'refused':>8} {'slowest, s':>11} {'memory grew by, MiB':>20}")
    wrong = []
    for name, (reader, files) in readers().items():
        wrong += _print_reader(name, reader, files, count)
    print(f"Failed: {', '.join(wrong)}" if wrong else "None failed.")
    return not wrong


def _print_reader(name: str, reader: Reader, files: list[Parts], count: int) -> list[str]:
    """The row of one reader; what went wrong."""
    context = multiprocessing.get_context("fork")
    outcomes: Counter[str] = Counter()
    slowest, grown = 0.0, 0
    for first in range(0, count, CHUNK):
        numbers = range(first, min(first + CHUNK, count))
        at, answers = context.Value("q", first), context.SimpleQueue()
        child = context.Process(target=_read_all, args=(files, reader, numbers, at, answers))
        child.start()
        seen, since = first, time.monotonic()
        while child.is_alive() and time.monotonic() - since < SECONDS:
            child.join(0.1)
            if at.value != seen:
                seen, since = at.value, time.monotonic()
        if child.exitcode == 0:
            found, seconds, bytes_more = answers.get()
            outcomes += found
            slowest, grown = max(slowest, seconds), max(grown, bytes_more)
        else:
            outcomes[f"{at.value}: {'a hang' if child.is_alive() else 'a crash'}"] += 1
            child.kill()
            child.join()
    ends = f"{outcomes['read']:6} {outcomes['refused']:8}"
    print(f"{name:20} {len(files):8} {ends} {slowest:11.1f} {grown >> 20:20}")
    return [f"{name} at {end}" for end in sorted(set(outcomes) - set(ENDS))]


if __name__ == "__main__":
    sys.exit(0 if print_mutations(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT) else 1)
