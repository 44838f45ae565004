"""Many pixels in one ciphertext: integers side by side, one of each tile of an image.

All pixels of a ciphertext have the same place in their tiles, and so have their neighbours, in another
ciphertext. A stencil therefore moves between ciphertexts and never within one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Slots:
    """Integers of which number j counts ``2**(width * j)`` times in their sum.

    From such a sum they come back if each lies in a range of no more than ``2**width``, whatever was done to
    the sum that was done to each.
    """

    count: int
    width: int

    def packed(self, values: NDArray[np.integer[Any]], low: int) -> list[int]:
        """The sum of each line of ``(n, count)`` values from `low` to below ``low + 2**width``."""
        above = (values.astype(np.int64) - low).view(np.uint64)
        bits = np.unpackbits(above[..., None].astype("<u8").view(np.uint8), axis=-1, bitorder="little")
        lines = np.packbits(bits[..., : self.width].reshape(len(values), -1), axis=-1, bitorder="little")
        base = low * self._ones
        return [int.from_bytes(line.tobytes(), "little") + base for line in lines]

    def unpacked(self, sums: Iterable[int], low: int) -> NDArray[np.int64]:
        """The values of each sum, ``(n, count)``, if all lie from `low` to below ``low + 2**width``.

        Of what is the sum of no such values they are all ``low - 1``, so that it passes for none.
        """
        base, end = low * self._ones, 1 << self.count * self.width
        above = [each - base for each in sums]
        length = -(-self.count * self.width // 8)
        octets = b"".join((each if 0 <= each < end else 0).to_bytes(length, "little") for each in above)
        lines = np.frombuffer(octets, np.uint8).reshape(-1, length)
        bits = np.unpackbits(lines, axis=-1, count=self.count * self.width, bitorder="little")
        words = np.zeros((len(lines), self.count, 64), np.uint8)
        words[..., : self.width] = bits.reshape(len(lines), self.count, self.width)
        found = np.packbits(words, axis=-1, bitorder="little").view("<u8")[..., 0]
        values = (found.astype(np.uint64) + np.uint64(low % 2**64)).view(np.int64)
        values[[not 0 <= each < end for each in above]] = low - 1
        return values

    @property
    def _ones(self) -> int:
        return sum(1 << self.width * number for number in range(self.count))


@dataclass(frozen=True)
class Tiling:
    """Equal tiles that cover a plane; the last ones begin farther up or left rather than reach beyond it.

    Attributes
    ----------
    sides : (int, int)
        Rows and columns of a tile.
    tops, lefts : tuple of int
    """

    sides: tuple[int, int]
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    @classmethod
    def of(cls, plane: tuple[int, int], halo: tuple[int, int], most: int, least: int) -> Tiling:
        """At most so many tiles, of at least so many rows, with the fewest pixels in one and its halo."""
        rows, columns = plane

        def sides_of(down: int) -> tuple[int, int]:
            return -(-rows // down), -(-columns // min(most // down, columns))

        sides = min(
            map(sides_of, range(1, min(most, max(1, rows // least)) + 1)),
            key=lambda sides: (sides[0] + 2 * halo[0]) * (sides[1] + 2 * halo[1]),
        )
        return cls(sides, _starts(rows, sides[0]), _starts(columns, sides[1]))

    @property
    def count(self) -> int:
        return len(self.tops) * len(self.lefts)

    def pixels(self, halo: tuple[int, int]) -> int:
        """Of a tile with its halo."""
        down, across = self.sides
        return (down + 2 * halo[0]) * (across + 2 * halo[1])

    def cut(self, windows: NDArray[T], halo: tuple[int, int]) -> NDArray[T]:
        """Of planes with their halo, ``(…, rows, columns)``, those of all tiles: ``(…, *window, tiles)``."""
        tall, wide = (side + 2 * reach for side, reach in zip(self.sides, halo, strict=True))
        places = product(self.tops, self.lefts)
        return np.stack([windows[..., top : top + tall, left : left + wide] for top, left in places], axis=-1)

    def joined(self, tiles: NDArray[T], none: int) -> NDArray[T]:
        """The planes ``(…, rows, columns)`` of tiles without their halo, ``(…, *sides, tiles)``.

        What several tiles have must be the same in all, and is `none` elsewhere: whoever could change a copy
        that is not looked at would learn from what that does to its neighbours.
        """
        tall, wide = self.sides
        plane = (self.tops[-1] + tall, self.lefts[-1] + wide)
        joined = np.empty((*tiles.shape[:-3], *plane), tiles.dtype)
        places = [
            (..., slice(top, top + tall), slice(left, left + wide))
            for top, left in product(self.tops, self.lefts)
        ]
        for number, place in enumerate(places):
            joined[place] = tiles[..., number]
        differ = [joined[place] != tiles[..., number] for number, place in enumerate(places)]
        for place, wrong in zip(places, differ, strict=True):
            joined[place][wrong] = none
        return joined


def _starts(length: int, side: int) -> tuple[int, ...]:
    return tuple(min(first, length - side) for first in range(0, length, side))


def slabs_of(
    plane: tuple[int, int], halo: tuple[int, int], most: int, least: int, bound: int
) -> tuple[tuple[tuple[int, int], ...], Tiling]:
    """Slabs of as many rows each, first and after the last, and the tiles of all; see `Tiling.of`.

    A slab has no more than `bound` pixels in a tile with its halo, unless it has `least` rows.
    """
    rows, columns = plane
    height = rows
    while True:
        tiling = Tiling.of((height, columns), halo, most, least)
        if height <= least or tiling.pixels(halo) <= bound:
            break
        height = max(least, -(-height // 2))
    tops = (min(top, rows - height) for top in range(0, rows, height))
    return tuple((top, top + height) for top in tops), tiling


def bands(rows: int, count: int) -> Sequence[tuple[int, int]]:
    """So many rows in bands for each of `count`: the first row, and the one after the last."""
    ends = [rows * number // count for number in range(count + 1)]
    return list(pairwise(ends))
