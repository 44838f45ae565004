"""Palettes and luminance with colour differences as RGB of eight bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from cloudsec.errors import DicomError

LUMINANCE = ("YBR_FULL", "YBR_FULL_422")
"""Colours that are not RGB once decoded; those of JPEG 2000's own transforms are."""
_TABLES = tuple(f"{colour}PaletteColorLookupTable" for colour in ("Red", "Green", "Blue"))
PALETTE_KEYWORDS = tuple(
    keyword
    for table in _TABLES
    for keyword in (f"{table}Data", f"{table}Descriptor", f"Segmented{table}Data")
)

_BLUE, _RED = 1.772, 1.402
_GREEN_OF_BLUE, _GREEN_OF_RED = 0.114 * _BLUE / 0.587, 0.299 * _RED / 0.587
"""What colour differences add to luminance (PS3.3 C.7.6.3.1.2, by ITU-R BT.601)."""


def rgb_of_luminance(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame of YBR_FULL samples, ``(M, N, 3)``, as RGB, to rounding."""
    luminance = frame[..., 0].astype(np.float32)
    blue, red = (frame[..., each].astype(np.float32) - 128 for each in (1, 2))
    colours = np.empty(frame.shape, np.float32)
    colours[..., 0] = luminance + np.float32(_RED) * red
    colours[..., 1] = luminance - np.float32(_GREEN_OF_BLUE) * blue - np.float32(_GREEN_OF_RED) * red
    colours[..., 2] = luminance + np.float32(_BLUE) * blue
    return np.clip(np.rint(colours, out=colours), 0, 255).astype(np.uint8)


def full_of_subsampled(stored: bytes) -> bytes:
    """YBR_FULL of YBR_FULL_422: two luminances and one pair of differences for every two pixels of a row."""
    pairs = np.frombuffer(stored, np.uint8).reshape(-1, 4)
    full = np.empty((len(pairs), 2, 3), np.uint8)
    full[..., 0], full[..., 1:] = pairs[:, :2], pairs[:, None, 2:]
    return full.tobytes()


def palette_of(dataset: Dataset) -> tuple[int, NDArray[np.uint8]]:
    """The index that the first colour stands for, and the colours, ``(K, 3)``.

    Entries of sixteen bits are cut to the upper eight (PS3.3 C.7.6.3.1.6 spreads levels over all bits).

    Raises
    ------
    DicomError
        If the palette supplements grey levels, or is not as its descriptors say.
    """
    columns, firsts = [], set()
    for table in _TABLES:
        descriptor = dataset.get(f"{table}Descriptor")
        data, segments = (dataset.get(f"{prefix}{table}Data") for prefix in ("", "Segmented"))
        if descriptor is None or (data is None and segments is None):
            raise DicomError("its palette is missing; convert it to RGB with dcmj2pnm of dcmtk")
        count, first, bits = (int(number) % (1 << 16) for number in descriptor)
        count = count or 1 << 16
        if data is None:
            data = _expanded_segments(np.frombuffer(segments, "u1" if bits == 8 else "<u2"), count)
        # Tables of eight bits are packed, but some writers give each entry sixteen.
        width = 1 if len(data) in (count, count + count % 2) else 2
        if bits not in (8, 16) or len(data) < count * width or (bits == 16 and width == 1):
            raise DicomError("its palette is not as long as its descriptor says; correct it first")
        entries = np.frombuffer(data, "u1" if width == 1 else "<u2", count)
        columns.append((entries >> 8 if bits == 16 else entries).astype(np.uint8))
        firsts.add((first, count))
    if len(firsts) > 1:
        raise DicomError("the three tables of its palette differ in length; correct them first")
    return firsts.pop()[0], np.stack(columns, axis=1)


def _expanded_segments(segments: NDArray[np.unsignedinteger], count: int) -> bytes:
    """The entries of a segmented table (PS3.3 C.7.9.2): runs of them, and lines from the last to another."""
    entries: list[NDArray[np.unsignedinteger]] = []
    position = held = 0
    # A table of an odd number of bytes is filled up with one.
    while position + 1 < len(segments) and held < count:
        kind, length = (int(number) for number in segments[position : position + 2])
        ends = segments[position + 2 :]
        if kind == 0 and 0 < length <= len(ends):
            entries.append(ends[:length])
            position += 2 + length
        elif kind == 1 and length and len(ends) and entries:
            line = np.linspace(float(entries[-1][-1]), float(ends[0]), length + 1)[1:]
            entries.append(np.rint(line).astype(segments.dtype))
            position += 3
        else:
            raise DicomError(
                "its palette has segments that are damaged or refer to others, which are not read; "
                "convert it to RGB with dcmj2pnm of dcmtk"
            )
        held += length
    return np.concatenate(entries)[:count].tobytes() if entries else b""


def rgb_of_palette(frame: NDArray[np.generic], first: int, colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame of indices, ``(M, N)``, as RGB; those beyond the palette get its first or last colour."""
    entries = np.clip(frame.astype(np.int32) - first, 0, len(colours) - 1)
    return colours[entries]
