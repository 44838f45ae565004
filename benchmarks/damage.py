"""DICOM files made wrong where it hurts: lengths, representations, tags, nesting; a number decides it all."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

UNDEFINED = 0xFFFFFFFF
ITEM, END_OF_ITEM, END_OF_SEQUENCE = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
"""Representations whose length takes four bytes."""
SHORT = (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"FD", b"FL", b"IS", b"LO", b"PN", b"SH", b"SL", b"SS")
SHORTER = (b"ST", b"TM", b"UI", b"UL", b"US", b"LT", b"\0\0", b"??", b"  ")
LENGTHS = (0, 1, 2, 3, 0x7F, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFE, UNDEFINED)
TAGS = (
    *(ITEM, END_OF_ITEM, END_OF_SEQUENCE),
    *((0x7FE0, 0x0010), (0x7FE0, 0x0008), (0x0002, 0x0010), (0x0000, 0x0000), (0xFFFF, 0xFFFF)),
    *((0x0028, 0x0010), (0x0028, 0x0100), (0x0028, 0x0008), (0x0028, 0x0004), (0x0020, 0x000D)),
    *((0x5200, 0x9229), (0x5200, 0x9230), (0x0028, 0x1201), (0x0009, 0x0010), (0x0009, 0x1001)),
)
EDGES = np.array([0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF], np.uint8)
DEEPEST = 2000
MOST_COPIES = 3000
DEFLATED = "1.2.840.10008.1.2.1.99"


@dataclass(frozen=True)
class Element:
    """Where an element lies in a file: its tag, its length, its value and the end of that."""

    start: int
    length_at: int
    value: int
    end: int


@dataclass(frozen=True)
class Parts:
    """A file of which the elements are known: those of its dataset at all depths."""

    content: bytes
    syntax: str
    order: str
    implicit: bool
    elements: tuple[Element, ...]
    deflated_from: int | None = None

    def closed(self, content: bytes) -> bytes:
        """A changed content as it stands in the file."""
        if self.deflated_from is None:
            return content
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        start = self.deflated_from
        return content[:start] + packer.compress(content[start:]) + packer.flush()

    def tag(self, tag: tuple[int, int]) -> bytes:
        return struct.pack(self.order + "HH", *tag)

    def length(self, count: int) -> bytes:
        return struct.pack(self.order + "L", count)

    def sequence(self, content: bytes, defined: bool, tag: tuple[int, int]) -> bytes:
        """An item with some content in a sequence of its own."""
        head = self.tag(tag) + (b"" if self.implicit else b"SQ\0\0")
        if defined:
            item = self.tag(ITEM) + self.length(len(content)) + content
            return head + self.length(len(item)) + item
        ends = self.tag(END_OF_ITEM) + self.length(0) + self.tag(END_OF_SEQUENCE) + self.length(0)
        return head + self.length(UNDEFINED) + self.tag(ITEM) + self.length(UNDEFINED) + content + ends


def taken_apart(content: bytes) -> Parts:
    """The elements of an honest file; of a deflated one those that it would have if it were none."""
    syntax, start = b"", 132
    for element in _walked(content, 132, len(content), "<", False, stop=lambda group: group != 2):
        if content[element.start : element.start + 4] == b"\x02\0\x10\0":
            syntax = content[element.value : element.end]
        start = element.end
    name = syntax.rstrip(b"\0").decode("ascii", "replace")
    deflated = name == DEFLATED
    if deflated:
        content = content[:start] + zlib.decompress(content[start:], -zlib.MAX_WBITS)
    order, implicit = ">" if name == "1.2.840.10008.1.2.2" else "<", name == "1.2.840.10008.1.2"
    elements = tuple(_walked(content, start, len(content), order, implicit))
    return Parts(content, name, order, implicit, elements, start if deflated else None)


def _walked(
    content: bytes,
    at: int,
    end: int,
    order: str,
    implicit: bool,
    stop: Callable[[int], bool] = lambda group: False,
) -> Iterator[Element]:
    """The elements from here to there and those in their items; ends where something is not understood."""
    while at + 8 <= end:
        group, _ = struct.unpack_from(order + "HH", content, at)
        if stop(group):
            return
        marker = group == 0xFFFE
        representation = content[at + 4 : at + 6]
        if implicit or marker:
            length_at, (length,) = at + 4, struct.unpack_from(order + "L", content, at + 4)
            value = at + 8
        elif representation in LONG:
            if at + 12 > end:
                return
            length_at, (length,) = at + 8, struct.unpack_from(order + "L", content, at + 8)
            value = at + 12
        else:
            length_at, (length,) = at + 6, struct.unpack_from(order + "H", content, at + 6)
            value = at + 8
        nested = marker or representation == b"SQ" or length == UNDEFINED
        if not nested and value + length > end:
            return
        yield Element(at, length_at, value, value if nested else value + length)
        # What is in a sequence follows as if it lay beside it.
        at = value if nested else value + length


def damaged(files: Sequence[Parts], number: int) -> bytes:
    """One of the files, made wrong in one to four ways."""
    random = np.random.default_rng(number)
    parts = files[int(random.integers(len(files)))]
    content = parts.content
    for _ in range(random.integers(1, 5)):
        # What was found once lies elsewhere after the first change, which is damage too.
        change = CHANGES[random.integers(len(CHANGES))]
        content = change(parts, content, files, random)
    return parts.closed(content)


Change = Callable[[Parts, bytes, Sequence[Parts], np.random.Generator], bytes]


def _an_element(parts: Parts, random: np.random.Generator) -> Element:
    if not parts.elements:
        place = int(random.integers(132, len(parts.content) - 8))
        return Element(place, place + 4, place + 8, place + 8)
    return parts.elements[random.integers(len(parts.elements))]


def _flipped(_: Parts, content: bytes, __: Sequence[Parts], random: np.random.Generator) -> bytes:
    # Half of the damage is done where headers are.
    room = min(len(content), 4096) if random.random() < 0.5 else len(content)
    changed = np.frombuffer(content, np.uint8).copy()
    if room > 132:
        changed[random.integers(132, room)] ^= 1 << random.integers(8)
    return changed.tobytes()


def _edged(_: Parts, content: bytes, __: Sequence[Parts], random: np.random.Generator) -> bytes:
    place, width = int(random.integers(0, len(content) + 1)), int(random.integers(1, 9))
    edge = bytes([random.choice(EDGES)]) * width
    return content[:place] + edge + content[place + width :]


def _cut(_: Parts, content: bytes, __: Sequence[Parts], random: np.random.Generator) -> bytes:
    return content[: random.integers(0, len(content) + 1)]


def _length(parts: Parts, content: bytes, _: Sequence[Parts], random: np.random.Generator) -> bytes:
    element = _an_element(parts, random)
    width = 2 if element.value - element.length_at == 2 else 4
    held = element.end - element.value
    near = (held - 1, held + 1, held * 2, len(content) - element.value, len(content) - element.value + 2)
    length = int(random.choice(np.array((*LENGTHS, *near)))) % (1 << 8 * width)
    code = struct.pack(parts.order + ("H" if width == 2 else "L"), length)
    return content[: element.length_at] + code + content[element.length_at + width :]


def _representation(parts: Parts, content: bytes, _: Sequence[Parts], random: np.random.Generator) -> bytes:
    element = _an_element(parts, random)
    kinds = (*LONG, *SHORT, *SHORTER)
    kind = kinds[random.integers(len(kinds))]
    return content[: element.start + 4] + kind + content[element.start + 6 :]


def _tag(parts: Parts, content: bytes, _: Sequence[Parts], random: np.random.Generator) -> bytes:
    one, other = _an_element(parts, random), _an_element(parts, random)
    if random.random() < 0.5:
        tag = TAGS[random.integers(len(TAGS))]
        return content[: one.start] + parts.tag(tag) + content[one.start + 4 :]
    changed = bytearray(content)
    first, second = content[one.start : one.start + 4], content[other.start : other.start + 4]
    changed[one.start : one.start + 4], changed[other.start : other.start + 4] = second, first
    return bytes(changed)


def _repeated(parts: Parts, content: bytes, _: Sequence[Parts], random: np.random.Generator) -> bytes:
    one, other = _an_element(parts, random), _an_element(parts, random)
    copies = int(random.choice([1, 1, 1, 2, MOST_COPIES]))
    copy = content[one.start : min(one.end, one.start + 64)]
    return content[: other.start] + copy * copies + content[other.start :]


def _nested(parts: Parts, content: bytes, _: Sequence[Parts], random: np.random.Generator) -> bytes:
    element, defined = _an_element(parts, random), bool(random.random() < 0.5)
    depth = int(random.choice([1, 1, 2, 3, 70, DEEPEST]))
    tag = TAGS[-int(random.integers(1, 8))]
    inner = content[element.start : min(element.end, element.start + 64)]
    for _level in range(depth):
        inner = parts.sequence(inner, defined, tag)
    return content[: element.start] + inner + content[element.end :]


def _unclosed(parts: Parts, content: bytes, _: Sequence[Parts], random: np.random.Generator) -> bytes:
    """Starts of sequences or items that nothing ends, or ends that nothing began."""
    element = _an_element(parts, random)
    marks = (ITEM, END_OF_ITEM, END_OF_SEQUENCE)
    mark = parts.tag(marks[random.integers(3)]) + parts.length(int(random.choice(np.array(LENGTHS))))
    times = int(random.choice([1, 1, 2, 1000]))
    return content[: element.start] + mark * times + content[element.start :]


def _value(parts: Parts, content: bytes, _: Sequence[Parts], random: np.random.Generator) -> bytes:
    element = _an_element(parts, random)
    size = min(element.end - element.value, 16)
    kind = random.integers(3)
    value = bytes([random.choice(EDGES)]) * size if kind == 0 else random.bytes(size)
    if kind == 1:
        value = (b"-9" * 8 if random.random() < 0.5 else b"1e999\\nan;\xffZYX")[:size].ljust(size)
    return content[: element.value] + value + content[element.value + size :]


def _spliced(_: Parts, content: bytes, files: Sequence[Parts], random: np.random.Generator) -> bytes:
    """The beginning of one file and the end of another."""
    other = files[int(random.integers(len(files)))]
    one, two = (_an_element(_, random).start, _an_element(other, random).start)
    return content[:one] + other.content[two:]


CHANGES: tuple[Change, ...] = (
    _flipped,
    _flipped,
    _edged,
    _cut,
    _length,
    _length,
    _representation,
    _tag,
    _repeated,
    _nested,
    _unclosed,
    _value,
    _value,
    _spliced,
)
