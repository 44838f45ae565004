"""LZW codes are judged before they are decoded: imagecodecs crashes where a table begins with no literal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CLEAR, _END = 256, 257
_NARROW = ((9, 254), (10, 512), (11, 1024))
"""Bits of a code, and how many are so wide after a table was cleared (TIFF 6.0, section 13)."""
_WIDEST = 12
_PIECE = 4096
"""Codes that are looked at together: as many as a table has, after which an encoder clears it."""


def begins_with_literals(code: bytes) -> bool:
    """Whether an LZW stream of a TIFF begins with an empty table, and each of its tables with a literal."""
    padded = np.frombuffer(code + bytes(4), np.uint8)
    if _codes(padded, 0, 9, 1).tolist() != [_CLEAR]:
        return False
    at: int | None = 9
    while at is not None:
        first = _codes(padded, at, 9, 1).tolist()
        if first and first[0] > _END:
            return False
        at = _after_next_clear(padded, at)
    return True


def _after_next_clear(padded: NDArray[np.uint8], at: int) -> int | None:
    """The bit after the code that clears the table which begins here; None where the stream ends before."""
    sections = iter(_NARROW)
    while True:
        width, count = next(sections, (_WIDEST, _PIECE))
        codes = _codes(padded, at, width, count)
        special = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        if len(special):
            ended = int(codes[special[0]]) == _END
            return None if ended else at + width * (int(special[0]) + 1)
        if len(codes) < count:
            return None
        at += width * count


def _codes(padded: NDArray[np.uint8], at: int, width: int, count: int) -> NDArray[np.int64]:
    """So many codes of some bits each from a bit on, or as many as there are before the padding."""
    there = max(0, (8 * (len(padded) - 4) - at) // width)
    places = at + width * np.arange(min(count, there))
    starts = places >> 3
    words = sum(padded[starts + each].astype(np.int64) << 8 * (3 - each) for each in range(4))
    codes: NDArray[np.int64] = (words >> (32 - width - (places & 7))) & ((1 << width) - 1)
    return codes
