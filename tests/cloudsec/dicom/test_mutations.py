"""Damaged files of every kind: none crashes a reader, holds it up, takes memory without end or is quoted."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest

from benchmarks.damage import CHANGES, Change, damaged, taken_apart
from benchmarks.mutations import COUNT, MARK, honest_files, honest_slices, print_mutations
from cloudsec.dicom import read_dicom, read_header
from cloudsec.dicom.deidentified_files import deidentified_file
from cloudsec.dicom.pseudonyms import Pseudonyms
from cloudsec.errors import DicomError
from cloudsec.keystream import Keystream


def test_damaged_files_end_in_an_image_or_a_refusal() -> None:
    # In a process of its own, for its children's memory is limited.
    words = [sys.executable, "-m", "benchmarks.mutations", "80"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "None failed." in ended.stdout


@pytest.mark.slow
def test_ten_thousand_damaged_files_end_in_an_image_or_a_refusal(capfd: pytest.CaptureFixture[str]) -> None:
    assert print_mutations(COUNT), capfd.readouterr().out


def test_what_is_damaged_are_files_of_many_kinds_that_are_read() -> None:
    files = honest_files()
    syntaxes = {taken_apart(content).syntax for content in files}
    assert len(syntaxes) >= 13
    assert sum(MARK.encode() in content for content in files) > len(files) / 2
    # One of pydicom's is written otherwise than it says.
    assert sum(len(taken_apart(content).elements) > 10 for content in files) >= len(files) - 1
    for content in files:
        parts = taken_apart(content)
        # A deflated file is deflated again.
        read_dicom(BytesIO(parts.closed(parts.content)), max_pixels=1 << 22, burned_in="accept")


def test_every_kind_of_damage_is_done_and_the_same_number_does_the_same() -> None:
    files = [taken_apart(content) for content in honest_slices().values()]

    def done(change: Change) -> list[bytes]:
        return [
            change(files[0], files[0].content, files, np.random.default_rng(number)) for number in range(9)
        ]

    for change in CHANGES:
        assert done(change) == done(change)
        assert any(content != files[0].content for content in done(change)), change.__name__
    assert damaged(files, 7) == damaged(files, 7) != damaged(files, 8)


FAULTS = """
import os, sys, time
from benchmarks import mutations
from cloudsec.errors import ImageFileError

def told(content):
    raise ImageFileError(f"this is {mutations.MARK}")

files = [mutations.taken_apart(mutations.honest_slices()["b"])]
faults = [
    lambda content: bytearray(2 * mutations.MEMORY), lambda content: os._exit(3), lambda content: 1 / 0, told,
    lambda content: time.sleep(99),
]
for fault in faults:
    if fault is faults[-1]:
        mutations.SECONDS = 0.3
    print(*mutations._print_reader("a reader", fault, files, 1), file=sys.stderr)
"""


def test_what_goes_wrong_is_found() -> None:
    ended = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    found = ended.stderr.splitlines()
    says = ("MemoryError", "a crash", "ZeroDivisionError", "a message that tells a value", "a hang")
    assert len(found) == len(says)
    assert all(words in line for words, line in zip(says, found, strict=True)), found


@pytest.mark.parametrize("depth", [12, 13, 400])
def test_sequences_lie_so_deep_in_each_other_and_no_deeper(depth: int) -> None:
    parts = taken_apart(honest_slices()["b"])
    inner = b"\x09\0\x01\x10LO\x02\0A "
    for _ in range(depth):
        inner = parts.sequence(inner, True, (0x0009, 0x1001))
    place = next(e.start for e in parts.elements if parts.content[e.start : e.start + 2] > b"\x09\0")
    content = parts.content[:place] + inner + parts.content[place:]
    pseudonyms = Pseudonyms(Keystream(bytes(32)))
    if depth == 12:
        read_header(BytesIO(content))
        deidentified_file(content, pseudonyms=pseudonyms)
    else:
        with pytest.raises(DicomError, match="more than 12 deep"):
            read_header(BytesIO(content))
        with pytest.raises(DicomError, match="more than 12 deep"):
            deidentified_file(content, pseudonyms=pseudonyms)
