"""What a study fixes for all its jobs, and what every provider was given in them; values only, no files.

A study has one grid for each shape of image: where blocks lie, which class each has, which class stands in
for it, and who sits in each class. A grid only ever grows: providers may take a class that nobody present
holds, and what was handed out is written down, never off.
"""

from __future__ import annotations

import json
import unicodedata
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regions import NO_CLASS

HOME = -1
"""In place of a provider: the broker itself."""
MAX_NAME = 1000
"""Characters of a study's name."""
_VERSION = 1


@dataclass(frozen=True, eq=False)
class StudyGrid:
    """The blocks of all images of one shape, and who may see which.

    Attributes
    ----------
    shape : (int, int)
    block : int
        Side of the blocks in pixels.
    classes, stand_ins : (rows, columns) ndarray of intp
        Class of every block, and the class that may be given it instead; NO_CLASS for none.
    seats : tuple of tuple of str
        Per class, the providers that hold it: the first of them that is there is asked.
    areas : tuple of float
        A_1, A_2, … under the widest halo, as far as they were ever needed, of the first image of the study
        that showed enough to tell, and at least of one in which nothing is flat.
    informative : int
        Informative blocks of that image.
    halo : (int, int) or None
        The widest halo with which blocks were ever sent; None before the first.
    lent : dict of str to (rows, columns) ndarray of bool
        Per provider, the blocks that it was ever given as a stand-in.
    """

    shape: tuple[int, int]
    block: int
    classes: NDArray[np.intp] = field(repr=False)
    stand_ins: NDArray[np.intp] = field(repr=False)
    seats: tuple[tuple[str, ...], ...]
    areas: tuple[float, ...] = ()
    informative: int = 0
    halo: tuple[int, int] | None = None
    lent: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict, repr=False)

    @property
    def members(self) -> frozenset[str]:
        """All providers that hold a class."""
        return frozenset(name for names in self.seats for name in names)

    def seated(self, present: Sequence[str], newcomers: Sequence[str]) -> StudyGrid:
        """The grid with classes that nobody present holds given to newcomers, in their order."""
        waiting = list(newcomers)
        seats = [
            names if not waiting or set(names) & set(present) else (*names, waiting.pop(0))
            for names in self.seats
        ]
        return self if seats == list(self.seats) else replace(self, seats=tuple(seats))

    def parties(self, present: Mapping[str, int]) -> NDArray[np.intp]:
        """Per class, the party that is asked, by the names of those that are there; HOME for none."""
        asked = [next((present[name] for name in names if name in present), HOME) for names in self.seats]
        return np.array(asked, np.intp)

    def blocks_at(self, places: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Blocks by their numbers in the grid, row by row, as a mask of the grid."""
        blocks = np.zeros(self.classes.size, bool)
        blocks[places] = True
        return blocks.reshape(self.classes.shape)

    def received(self, halo: tuple[int, int], lent: Mapping[str, NDArray[np.bool_]]) -> StudyGrid:
        """The grid after blocks were sent with this halo, some to stand-ins; itself if nothing is new."""
        before = self.halo or (0, 0)
        widest = (max(before[0], halo[0]), max(before[1], halo[1]))
        all_lent = dict(self.lent)
        for name, blocks in lent.items():
            known = all_lent.get(name)
            all_lent[name] = blocks if known is None else known | blocks
        same = widest == self.halo and all(
            name in self.lent and (self.lent[name] == blocks).all() for name, blocks in all_lent.items()
        )
        return self if same else replace(self, halo=widest, lent=all_lent)


@dataclass(frozen=True, eq=False)
class Study:
    """The grids of a study, in the order in which they were made.

    >>> Study.decoded(Study().encoded()).grids
    ()
    """

    grids: tuple[StudyGrid, ...] = ()

    def grid(self, shape: tuple[int, ...], block: int | None) -> StudyGrid | None:
        """The grid of a shape with blocks of this size, or the first one made for the shape."""
        for grid in self.grids:
            if grid.shape == shape and block in (None, grid.block):
                return grid
        return None

    def having(self, grid: StudyGrid) -> Study:
        """The study with this grid, in place of the one of its shape and block size."""
        before = self.grid(grid.shape, grid.block)
        if before is grid:
            return self
        if before is None:
            return Study((*self.grids, grid))
        return Study(tuple(grid if each is before else each for each in self.grids))

    @property
    def members(self) -> frozenset[str]:
        """All providers that hold a class of some grid."""
        return frozenset[str]().union(*(grid.members for grid in self.grids))

    def encoded(self) -> bytes:
        """The record of the study."""
        return json.dumps({"version": _VERSION, "grids": list(map(_fields, self.grids))}).encode()

    @classmethod
    def decoded(cls, record: bytes) -> Study:
        """The study of a record; ValueError if it is none that this version reads."""
        try:
            content = json.loads(record)
            version, grids = content["version"], content["grids"]
            if type(version) is int and version == _VERSION:
                _require(isinstance(grids, list))
                return cls(tuple(map(_grid, grids)))
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError, zlib.error) as error:
            raise ValueError("is no record of a study") from error
        raise ValueError(f"is a record of a study of version {version!r}, which is not read")


def study_name(study: str | None) -> str | None:
    """The name of a study, the same however its letters are composed or what blanks are around it."""
    if study is None:
        return None
    name = unicodedata.normalize("NFC", study).strip() if isinstance(study, str) else ""
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise ValueError(f"study must be a name of 1 to {MAX_NAME} printable characters, or None")
    return name


def _fields(grid: StudyGrid) -> dict[str, Any]:
    return {
        "shape": list(grid.shape),
        "block": grid.block,
        "classes": _packed(grid.classes),
        "stand_ins": _packed(grid.stand_ins),
        "seats": [list(names) for names in grid.seats],
        "areas": list(grid.areas),
        "informative": grid.informative,
        "halo": grid.halo and list(grid.halo),
        "lent": {name: _packed(blocks) for name, blocks in grid.lent.items()},
    }


def _grid(fields: dict[str, Any]) -> StudyGrid:
    """A grid that no job stumbles over: every field is of its type, and fits the others."""
    shape, block = _counts(fields["shape"], 2), fields["block"]
    _require(type(block) is int and block > 0 and min(shape) > 0)
    rows, columns = (-(-length // block) for length in shape)
    classes, stand_ins = (_unpacked(fields[name], rows, columns) for name in ("classes", "stand_ins"))
    seats = fields["seats"]
    _require(isinstance(seats, list) and all(isinstance(names, list) and names for names in seats))
    members = [name for names in seats for name in names]
    # Who held two classes would hold neighbours.
    _require(all(isinstance(name, str) for name in members) and len(set(members)) == len(members))
    _require(max(classes.max(), stand_ins.max()) < len(seats))
    _require(min(classes.min(), stand_ins.min()) >= NO_CLASS)
    (informative,) = _counts([fields["informative"]], 1)
    areas, halo, lent = fields["areas"], fields["halo"], fields["lent"]
    _require(isinstance(areas, list) and all(type(a) in (int, float) and 0 <= a <= 1 for a in areas))
    _require(isinstance(lent, dict))
    return StudyGrid(
        shape,
        block,
        classes,
        stand_ins,
        tuple(map(tuple, seats)),
        tuple(areas),
        informative,
        None if halo is None else _counts(halo, 2),
        {name: _unpacked(blocks, rows, columns) > 0 for name, blocks in lent.items()},
    )


def _counts(numbers: object, length: int) -> Any:
    """So many whole numbers from 0 on, as a tuple."""
    _require(isinstance(numbers, list) and len(numbers) == length)
    assert isinstance(numbers, list)
    _require(all(type(number) is int and number >= 0 for number in numbers))
    return tuple(numbers)


def _require(fits: bool) -> None:
    if not fits:
        raise ValueError("a field of a study's record is of another kind than its name says")


def _packed(labels: NDArray[Any]) -> str:
    return b64encode(zlib.compress(labels.astype("<i2").tobytes(), 1)).decode()


def _unpacked(text: str, rows: int, columns: int) -> NDArray[np.intp]:
    """Labels of a grid; ValueError if they are not as many."""
    size = rows * columns * np.dtype("<i2").itemsize
    stream = zlib.decompressobj()
    octets = stream.decompress(b64decode(text, validate=True), size + 1)
    _require(stream.eof and len(octets) == size)
    return np.frombuffer(octets, "<i2").astype(np.intp).reshape(rows, columns)
