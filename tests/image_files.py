"""Image files as other programs write them, and as nobody should; how reading them ends."""

from __future__ import annotations

import os
import struct
import tempfile
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from cloudsec.errors import ImageFileError
from cloudsec.files import read_image, write_image
from cloudsec.image_file import ImageFile

Pixels: TypeAlias = NDArray[np.generic]
PLANE = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
COLOUR = (np.arange(11 * 13 * 3) * 457 % 251).astype(np.uint8).reshape(11, 13, 3)
COLOURS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([3, 4])))
PASSES = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)
EDITS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4)


def images(*dtypes: str) -> st.SearchStrategy[Pixels]:
    return st.sampled_from(dtypes).flatmap(_arrays)


def _arrays(dtype: str) -> st.SearchStrategy[Pixels]:
    if np.dtype(dtype).kind != "f":
        return hnp.arrays(np.dtype(dtype), SHAPES)
    width = 8 * np.dtype(dtype).itemsize
    return hnp.arrays(np.dtype(dtype), SHAPES, elements=st.floats(-(2.0**20), 2.0**20, width=width))


def write(path: Path, pixels: Pixels, channel_axis: int | None = None) -> None:
    image = ImageFile(pixels, channel_axis=channel_axis)
    write_image(path, pixels, image, description="a test", offset_gain=1, negation_sign=-1)


def through(suffix: str, pixels: Pixels) -> Pixels:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"image{suffix}"
        write(path, pixels)
        assert os.listdir(folder) == [path.name]
        return read_image(path).pixels


def refusal(path: Path) -> str:
    with pytest.raises(ImageFileError) as caught:
        read_image(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


def attempt(path: Path) -> tuple[Pixels | None, str]:
    try:
        return read_image(path).pixels, ""
    except ImageFileError as error:
        return None, str(error)


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def png(
    rows: int, columns: int, depth: int, colour: int, raw: bytes, extra: bytes = b"", interlaced: int = 0
) -> bytes:
    """A PNG written by the letter of its specification, not by Pillow."""
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, interlaced)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def unfiltered(pixels: Pixels) -> bytes:
    return b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in pixels)


def interlaced(pixels: Pixels) -> bytes:
    parts = (pixels[row::down, column::right] for row, column, down, right in PASSES)
    # A pass without columns has no rows either, not even their filter bytes.
    return b"".join(unfiltered(part) for part in parts if part.size)


def npy(header: str, body: bytes) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def damaged(content: bytes, edits: list[tuple[int, int]], cut: int) -> bytes:
    changed = bytearray(content)
    for position, value in edits:
        changed[position % len(content)] = value
    return bytes(changed[: len(content) - cut % len(content)] if cut % 3 == 0 else changed)
