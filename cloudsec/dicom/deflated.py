"""Deflated Explicit VR (PS3.5 A.5), never longer than the header claims: a kilobyte may hold a megabyte."""

import zlib
from typing import BinaryIO

_CHUNK = 1 << 16


def inflated(file: BinaryIO, limit: int) -> bytes:
    """What the stream at a file's position holds, but no more than `limit` bytes; zlib.error if damaged."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    parts, held = [], 0
    while held < limit and not inflater.eof and (chunk := inflater.unconsumed_tail or file.read(_CHUNK)):
        parts.append(inflater.decompress(chunk, limit - held))
        held += len(parts[-1])
    return b"".join(parts)
