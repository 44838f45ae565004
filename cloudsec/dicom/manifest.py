"""What de-identification took from a header, with where it stood: enough to give it back."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from pydicom import DataElement, Dataset
from pydicom.tag import Tag

from cloudsec.dicom.elements import element_bytes, element_of
from cloudsec.errors import DicomError

ItemPath: TypeAlias = tuple[tuple[int, int], ...]
"""From the header inwards: the tag of a sequence, and which of its items."""
Place: TypeAlias = tuple[ItemPath, int]
"""A header or item, and the tag of one of its elements."""
_MARK = "cloudsec manifest 1"
"""Starts every manifest, so that one of another version is refused."""


@dataclass(frozen=True)
class Change:
    """One element, as it was and as it became; None where there was, or is, none."""

    path: ItemPath
    tag: int
    before: bytes | None = field(repr=False)
    after: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Manifest:
    """All changes of one file; what they say of a person is in no repr.

    Attributes
    ----------
    changes : tuple of Change
        From the outside inwards.
    preamble, meta : bytes
        The first 128 bytes of the file, and its file meta elements, Explicit VR Little Endian.
    """

    changes: tuple[Change, ...] = field(repr=False)
    preamble: bytes = field(default=b"", repr=False)
    meta: bytes = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        """As JSON."""
        rows = [[list(c.path), c.tag, _text(c.before), _text(c.after)] for c in self.changes]
        return json.dumps(
            [_MARK, _text(self.preamble), _text(self.meta), rows], separators=(",", ":")
        ).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Manifest:
        """Read what `to_bytes` wrote; DicomError for anything else."""
        try:
            mark, preamble, meta, rows = json.loads(content)
            if mark != _MARK:
                raise ValueError("another version")
            changes = tuple(
                Change(tuple((tag, item) for tag, item in path), tag, _bytes(before), _bytes(after))
                for path, tag, before, after in rows
            )
            return cls(changes, _bytes(preamble) or b"", _bytes(meta) or b"")
        except (ValueError, TypeError) as error:
            raise DicomError("its manifest is none of this version of CloudSec; restore the vault") from error

    def undone(self, dataset: Dataset, *, passed_over: Iterable[int] = ()) -> frozenset[Place]:
        """Give back to a header what was taken, and say where; what was changed since stays as it is.

        So a header that was derived from the de-identified one gets all that is still true of it.
        """
        ignored, given_back = frozenset(passed_over), set()
        for change in self.changes:
            place = _place(dataset, change.path)
            if place is None or change.tag in ignored:
                continue
            now = element_bytes(place[change.tag]) if change.tag in place else None
            if now != change.after:
                continue
            if change.before is None:
                del place[change.tag]
            else:
                place[change.tag] = element_of(change.before)
            given_back.add((change.path, change.tag))
        return frozenset(given_back)


def _place(dataset: Dataset, path: ItemPath) -> Dataset | None:
    for tag, number in path:
        element = dataset.get(Tag(tag))
        if element is None or element.VR != "SQ" or number >= len(element.value):
            return None
        dataset = element.value[number]
    return dataset


def uids_replaced(
    dataset: Dataset,
    replacement: Callable[[str], str | None],
    *,
    but: Collection[Place] = frozenset(),
    path: ItemPath = (),
) -> None:
    """Change UIDs at all depths to others, where there are any, but for the elements at some places."""
    for element in dataset:
        if (path, int(element.tag)) in but:
            continue
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                uids_replaced(item, replacement, but=but, path=(*path, (int(element.tag), number)))
        elif element.VR == "UI" and element.value:
            several = not isinstance(element.value, str)
            new = [
                replacement(str(uid)) or str(uid) for uid in (element.value if several else [element.value])
            ]
            dataset[element.tag] = DataElement(Tag(element.tag), "UI", new if several else new[0])


def _text(content: bytes | None) -> str | None:
    return None if content is None else b64encode(content).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text, validate=True)
