"""Damaged DICOM files into the reader: each must give an image or a DicomError, soon, and within memory."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections import Counter
from io import BytesIO
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom import uid
from pydicom.encaps import encapsulate

from benchmarks.open_data import open_data_folder
from cloudsec.dicom import read_dicom
from cloudsec.errors import DicomError

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
_EDGES = np.array([0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF], np.uint8)


def honest_files() -> list[bytes]:
    """Small files of pydicom and of the open data, and the codes that neither holds."""
    bundled = Path(pydicom.__file__).parent / "data" / "test_files"
    folders = [bundled, *filter(None, [open_data_folder()])]
    paths = sorted(path for folder in folders for path in folder.rglob("*.dcm"))
    files = [path.read_bytes() for path in paths if path.stat().st_size <= MAX_BYTES]
    dataset = pydicom.dcmread(bundled / "CT_small.dcm")
    plane = dataset.pixel_array.astype(np.uint16)
    codes = {
        uid.HTJ2KLossless: imagecodecs.htj2k_encode(plane, reversible=True),
        uid.JPEGLosslessSV1: imagecodecs.jpeg8_encode(plane, lossless=True, predictor=1, bitspersample=16),
        uid.JPEGExtended12Bit: imagecodecs.jpeg8_encode(plane & 0xFFF, level=90, bitspersample=12),
    }
    for syntax, code in codes.items():
        dataset.PixelData = encapsulate([bytes(code)])
        dataset.file_meta.TransferSyntaxUID = syntax
        buffer = BytesIO()
        dataset.save_as(buffer)
        files.append(buffer.getvalue())
    del dataset.PixelData
    dataset.file_meta.TransferSyntaxUID, dataset.BitsAllocated = uid.ExplicitVRLittleEndian, 32
    dataset.FloatPixelData = plane.astype(np.float32).tobytes()
    buffer = BytesIO()
    dataset.save_as(buffer)
    files.append(buffer.getvalue())
    return [content for content in files if _outcome(content) == "read"]


def damaged(files: list[bytes], number: int) -> bytes:
    """One of the files with some bytes changed, moved, repeated or cut away; the number decides all of it."""
    random = np.random.default_rng(number)
    content = np.frombuffer(files[random.integers(len(files))], np.uint8).copy()
    # Half of the damage is done where headers are.
    room = min(len(content), 4096) if random.random() < 0.5 else len(content)
    for _ in range(random.integers(1, 5)):
        place = int(random.integers(132, room))
        width = int(random.integers(1, 9))
        kind = random.integers(5)
        if kind == 0:
            content[place] = random.integers(256)
        elif kind == 1:
            content[place : place + width] = random.choice(_EDGES)
        elif kind == 2:
            source = int(random.integers(132, len(content)))
            moved = content[source : source + 8 * width]
            content = np.concatenate([content[:place], moved, content[place:]])
        elif kind == 3:
            content = np.concatenate([content[:place], content[place + width :]])
        else:
            content[place] ^= 1 << random.integers(8)
        room = min(room, len(content))
    if random.random() < 0.1:
        content = content[: random.integers(132, len(content))]
    return content.tobytes()


def _outcome(content: bytes) -> str:
    try:
        read_dicom(BytesIO(content), max_pixels=MAX_PIXELS, burned_in="accept")
    except DicomError as error:
        return "memory" if isinstance(error.__cause__, MemoryError) else "refused"
    except BaseException as error:
        return type(error).__name__
    return "read"


def _read(files: list[bytes], numbers: range, at: Synchronized[int], answers: multiprocessing.Queue) -> None:
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
        outcome = _outcome(content)
        if unraised:
            outcome = unraised.pop()
        outcomes[outcome if outcome in ENDS else f"{number}: {outcome}"] += 1
        slowest = max(slowest, time.monotonic() - started)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - held
    answers.put((outcomes, slowest, grown))


def print_fuzz(count: int) -> bool:
    """What became of so many damaged files; whether each ended as it should."""
    files = honest_files()
    context = multiprocessing.get_context("fork")
    outcomes: Counter[str] = Counter()
    slowest, grown = 0.0, 0
    for first in range(0, count, CHUNK):
        numbers = range(first, min(first + CHUNK, count))
        at, answers = context.Value("q", first), context.SimpleQueue()
        child = context.Process(target=_read, args=(files, numbers, at, answers))
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
    wrong = sorted(set(outcomes) - set(ENDS))
    print(
        f"{count} damaged files of {len(files)}: {outcomes['read']} read, {outcomes['refused']} refused; "
        f"the slowest took {slowest:.1f} s, and memory grew by {grown >> 20} MiB."
    )
    print(f"Failed: {', '.join(wrong)}" if wrong else "None failed.")
    return not wrong


if __name__ == "__main__":
    sys.exit(0 if print_fuzz(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT) else 1)
