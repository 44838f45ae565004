"""RLE Lossless (PS3.5 Annex G), never longer than the header claims.

pydicom expands a segment to whatever length it codes, up to sixty-four times its own, before it looks;
imagecodecs stops where its room ends.
"""

import struct
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import DicomError

_PADDING = 128
"""Bytes after the last pixel that a segment may expand to: what fills it up reads as another run."""


def expanded_run_lengths(code: bytes, pixels: int, planes: int, samples: int = 1) -> bytes:
    """The pixels of one frame, little-endian, of as many bytes as there are planes, sample after sample."""
    if len(code) < 64:
        raise DicomError("its run-length code is cut short; fetch it again")
    count, *offsets = struct.unpack("<16L", code[:64])
    if count != planes:
        raise DicomError(
            f"its run-length code has {count} planes of bytes instead of {planes}; fetch it again"
        )
    ends = [*offsets[1:planes], len(code)]
    words = np.empty((pixels, planes), np.uint8)
    width = planes // samples
    for plane, (start, end) in enumerate(zip(offsets[:planes], ends, strict=True)):
        # The first plane of a sample holds its most significant bytes.
        sample, byte = divmod(plane, width)
        words[:, sample * width + width - 1 - byte] = _plane(code[start:end], pixels)
    return words.tobytes()


def _plane(segment: bytes, size: int) -> NDArray[np.uint8]:
    from imagecodecs import packbits_decode

    try:
        expanded = packbits_decode(segment, out=size + _PADDING)
    except Exception as error:
        raise DicomError(
            f"its run-length code is damaged, or longer than {size} pixels; fetch it again"
        ) from error
    if len(expanded) < size:
        raise DicomError(f"its run-length code ends after {len(expanded)} of {size} pixels; fetch it again")
    return np.frombuffer(expanded, np.uint8, size)


def ends_with_its_pixels(code: bytes, pixels: int, planes: int) -> bool:
    """Whether the code of one frame holds nothing besides its pixels, but for a byte to make it even."""
    from imagecodecs import packbits_decode

    count, *offsets = struct.unpack_from("<16L", code)
    starts = [*offsets[:count], len(code)]
    if count != planes or starts != sorted(starts) or starts[0] != 64 or any(offsets[count:]):
        return False
    try:
        return all(
            len(packbits_decode(code[start:end], out=pixels + _PADDING)) == pixels
            for start, end in pairwise(starts)
        )
    except Exception:
        # Its own errors say no more than that it is damaged.
        return False
