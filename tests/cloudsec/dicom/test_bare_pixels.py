"""Whatever lies beside the pixels in their element goes, and no pixel changes by it."""

from __future__ import annotations

import struct
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
from pydicom import Dataset, uid
from pydicom.encaps import encapsulate, generate_frames

from cloudsec.dicom.deidentified_files import deidentified_file
from cloudsec.dicom.masking import read_pixels
from cloudsec.dicom.pseudonyms import Pseudonyms
from cloudsec.errors import DicomError
from cloudsec.keystream import Keystream
from tests.dicom_files import dataset_of
from tests.dicom_files import file_of as file_in

PSEUDONYMS = Pseudonyms(Keystream(bytes(32)))
FRAME = (np.arange(256, dtype=np.uint8) * 7).reshape(16, 16)
SECRET = b"Nurse Hibbard 55"
"""Nothing else in the header tells of it."""


def file_of(dataset: Dataset) -> bytes:
    return file_in(dataset, dataset.file_meta.TransferSyntaxUID)


def de_identified(content: bytes) -> bytes:
    return deidentified_file(content, pseudonyms=PSEUDONYMS).content


def compressed(codes: list[bytes], syntax: uid.UID) -> Dataset:
    dataset = dataset_of(FRAME)
    dataset.file_meta.TransferSyntaxUID = syntax
    if len(codes) > 1:
        dataset.NumberOfFrames = len(codes)
    dataset.PixelData = encapsulate(codes)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


def with_segment(code: bytes, marker: int, content: bytes) -> bytes:
    return code[:2] + struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content + code[2:]


def with_note(code: bytes, content: bytes) -> bytes:
    end_of_size = 4 + int.from_bytes(code[4:6], "big")
    note = struct.pack(">HHH", 0xFF64, len(content) + 4, 1) + content
    return code[:end_of_size] + note + code[end_of_size:]


def wavelets(frame: np.ndarray) -> bytes:
    return imagecodecs.jpeg2k_encode(frame, codecformat="j2k", reversible=True, level=0)


@pytest.mark.parametrize(
    ("encoder", "syntax", "hide"),
    [
        *(
            (encoder, syntax, lambda code, marker=marker: with_segment(code, marker, SECRET))
            for encoder, syntax in (
                (imagecodecs.jpeg8_encode, uid.JPEGBaseline8Bit),
                (imagecodecs.jpegls_encode, uid.JPEGLSLossless),
            )
            for marker in (0xE1, 0xEE, 0xFE)
        ),
        (imagecodecs.jpeg8_encode, uid.JPEGBaseline8Bit, lambda code: code + SECRET),
        (wavelets, uid.JPEG2000Lossless, lambda code: with_note(code, SECRET)),
        (wavelets, uid.JPEG2000Lossless, lambda code: code + SECRET),
    ],
)
def test_comments_of_codes_go_where_they_lie_and_the_code_stays(
    encoder: Callable[[np.ndarray], bytes], syntax: uid.UID, hide: Callable[[bytes], bytes]
) -> None:
    codes = [encoder(frame) for frame in (FRAME, FRAME[::-1].copy())]
    content = file_of(compressed([hide(code) for code in codes], syntax))
    made = de_identified(content)
    assert SECRET in content
    assert SECRET not in made
    assert np.array_equal(read_pixels(made), read_pixels(file_of(compressed(codes, syntax))))
    # Not decoded and written plain: that would cost several times the bytes.
    assert syntax.encode() in made


def test_a_code_without_comments_is_copied() -> None:
    code = imagecodecs.jpeg8_encode(FRAME)
    assert code in de_identified(file_of(compressed([code], uid.JPEGBaseline8Bit)))


def test_text_behind_run_lengths_or_in_a_table_of_offsets_is_not_copied() -> None:
    dataset = dataset_of(FRAME)
    dataset.compress(uid.RLELossless)
    (code,) = generate_frames(dataset.PixelData, number_of_frames=1)
    plain = file_of(compressed([code], uid.RLELossless))
    assert code in de_identified(plain)
    hidden = compressed([code + b"\x0f" + SECRET], uid.RLELossless)
    hidden.NumberOfFrames = 1
    assert SECRET not in de_identified(file_of(hidden))
    item = struct.Struct("<HHL")
    hidden.PixelData = b"".join(
        item.pack(0xFFFE, 0xE000, len(each)) + each for each in (SECRET, code)
    ) + item.pack(0xFFFE, 0xE0DD, 0)
    assert SECRET not in de_identified(file_of(hidden))


def test_bytes_behind_the_pixels_and_bits_beside_them_go() -> None:
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
    behind = dataset_of(pixels)
    behind.PixelData += SECRET
    made = de_identified(file_of(behind))
    assert SECRET not in made
    assert np.array_equal(read_pixels(made), pixels[None])
    beside = dataset_of(pixels, BitsStored=8, HighBit=7)
    beside.PixelData = bytes(byte for pair in zip(range(64), SECRET * 4, strict=True) for byte in pair)
    made = de_identified(file_of(beside))
    assert SECRET[:1] + b"\1" + SECRET[1:2] not in made
    assert np.array_equal(read_pixels(made), pixels[None])


def test_more_frames_than_are_named_and_items_in_a_plain_syntax_are_refused() -> None:
    more = dataset_of(FRAME)
    more.PixelData *= 3
    with pytest.raises(DicomError, match="more frames than it names"):
        de_identified(file_of(more))
    items = compressed([SECRET], uid.JPEGBaseline8Bit)
    content = file_of(items).replace(b".4.50", b".1\0\0\0")
    with pytest.raises(DicomError, match="not stored as its transfer syntax says"):
        de_identified(content)


def test_pixels_within_sequences_go() -> None:
    dataset, item = dataset_of(FRAME), Dataset()
    item.add_new("PixelData", "OB", SECRET)
    item.CodeValue = "T-1"
    dataset.AnatomicRegionSequence = [item]
    assert SECRET not in de_identified(file_of(dataset))


def test_sound_is_refused_until_somebody_listened() -> None:
    film = compressed([b"\0\0\1\xb3" + SECRET], uid.MPEG2MPML)
    voice = dataset_of(FRAME, SOPClassUID="1.2.840.10008.5.1.4.1.1.9.4.1")
    for dataset in (film, voice):
        with pytest.raises(DicomError, match="comments and voices"):
            de_identified(file_of(dataset))
        assert deidentified_file(file_of(dataset), pseudonyms=PSEUDONYMS, burned_in="accept").content
