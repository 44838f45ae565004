"""Palettes and luminance with colour differences as RGB of eight bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from cloudsec.errors import DicomError

LUMINANCE = ("YBR_FULL", "YBR_FULL_422")
"""Colours that are not RGB once decoded; those of JPEG 2000's own transforms are."""
PALETTE_KEYWORDS = tuple(
    f"{colour}PaletteColorLookupTable{part}"
    for colour in ("Red", "Green", "Blue")
    for part in ("Data", "Descriptor")
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


def palette_of(dataset: Dataset) -> tuple[int, NDArray[np.uint8]]:
    """The index that the first colour stands for, and the colours, ``(K, 3)``.

    Entries of sixteen bits are cut to the upper eight (PS3.3 C.7.6.3.1.6 spreads levels over all bits).

    Raises
    ------
    DicomError
        If the palette is segmented, supplements grey levels, or is not as its descriptors say.
    """
    columns, firsts = [], set()
    for colour in ("Red", "Green", "Blue"):
        descriptor = dataset.get(f"{colour}PaletteColorLookupTableDescriptor")
        data = dataset.get(f"{colour}PaletteColorLookupTableData")
        if descriptor is None or data is None:
            raise DicomError("its palette is missing or segmented; convert it to RGB with dcmj2pnm of dcmtk")
        count, first, bits = (int(number) % (1 << 16) for number in descriptor)
        count = count or 1 << 16
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


def rgb_of_palette(frame: NDArray[np.generic], first: int, colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame of indices, ``(M, N)``, as RGB; those beyond the palette get its first or last colour."""
    entries = np.clip(frame.astype(np.int32) - first, 0, len(colours) - 1)
    return colours[entries]
