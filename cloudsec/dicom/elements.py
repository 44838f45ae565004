"""Elements of a header one by one, also those that no reader could make sense of; and elements as bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

from pydicom import DataElement, Dataset, datadict
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag, Tag

from cloudsec.dicom.dates import moved

_UTF8 = "ISO_IR 192"
_CHARACTER_SET = Tag(0x0008, 0x0005)
TEXTS = frozenset(("AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
_BINARY_NUMBERS = frozenset(("FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"))
NUMBERS = _BINARY_NUMBERS | {"AT", "DS", "IS"}
_PATTERNS = {
    "AS": re.compile(r" *(\d{1,3}[DWMY])?[ \0]*"),
    "DS": re.compile(r"[ \0]*([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)?[ \0]*"),
    "IS": re.compile(r"[ \0]*([+-]?\d+)?[ \0]*"),
}
"""Numbers as texts, and nothing else."""


def representation_of(tag: BaseTag, stored: str | None) -> str:
    """The Value Representation that the standard gives an attribute; that of the file for unknown ones."""
    if tag.is_private or not datadict.dictionary_has_tag(tag):
        return stored or "UN"
    known = datadict.dictionary_VR(tag)
    return stored if stored and stored in known.split(" or ") else known[:2]


def decoded(dataset: Dataset, tag: BaseTag) -> DataElement | None:
    """An element with its value; None where the value is none of the attribute's."""
    element = _converted(dataset, tag)
    try:
        return element if element is not None and _fits(element) else None
    except Exception:
        # Some values are converted when they are asked for only, and fail then as in `_converted`.
        return None


def _converted(dataset: Dataset, tag: BaseTag) -> DataElement | None:
    """An element with whatever value it has; None where pydicom makes nothing of it."""
    try:
        element = dataset[tag]
        if " or " in element.VR:
            return DataElement(tag, _settled(element), element.value)
        return element
    except Exception:
        # pydicom raises nearly everything for one broken value or another.
        return None


def _settled(element: DataElement) -> str:
    """A representation of those that the standard leaves open, which the header does not settle."""
    if isinstance(element.value, bytes):
        return "OW" if "OW" in element.VR else "OB"
    numbers = element.value if isinstance(element.value, list) else [element.value]
    return "SS" if any(isinstance(number, int) and number < 0 for number in numbers) else "US"


def _fits(element: DataElement) -> bool:
    """Whether the value is of a kind that the attribute can have, no name where a number should be."""
    tag, stored = element.tag, element.VR
    if tag.is_private or not datadict.dictionary_has_tag(tag):
        return True
    known = datadict.dictionary_VR(tag).split(" or ")
    if stored in _BINARY_NUMBERS:
        # Four numbers where one belongs may spell a name.
        count = datadict.dictionary_VM(tag)
        return stored in known and (not count.isdigit() or int(count) == element.VM)
    if stored in ("DA", "DT", "TM"):
        return stored in known and all(moved(stored, value, 0) is not None for value in values_of(element))
    if stored in _PATTERNS:
        return stored in known and all(_PATTERNS[stored].fullmatch(value) for value in values_of(element))
    return stored in known or (stored in TEXTS and known[0] in TEXTS)


def all_elements(dataset: Dataset) -> Iterator[DataElement]:
    """Elements at all depths that can be decoded."""
    for tag in sorted(dataset.keys()):
        element = decoded(dataset, tag)
        if element is None:
            continue
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from all_elements(item)


def values_of(element: DataElement) -> list[str]:
    """The values of an element as text; none of an empty one."""
    value = element.value
    if value is None:
        return []
    several = isinstance(value, list | tuple) or (hasattr(value, "__iter__") and element.VM > 1)
    return [str(each) for each in value] if several else [str(value)]


def text_of(dataset: Dataset, keyword: str) -> str:
    """The values of an attribute as one text, without its padding; "" where it is not there, or broken."""
    tag = Tag(keyword)
    element = decoded(dataset, tag) if tag in dataset else None
    return "" if element is None else "\\".join(values_of(element)).strip(" \0")


def encoded_element(dataset: Dataset, tag: BaseTag) -> bytes:
    """An element in Explicit VR Little Endian, its texts in UTF-8; a broken one as it came."""
    element = _converted(dataset, tag)
    if element is not None:
        try:
            content = element_bytes(element)
            # Damaged texts are decoded by one alphabet, and encoded by another.
            if element_bytes(element_of(content)) == content:
                return content
        except Exception:  # noqa: S110 - what pydicom decodes, it cannot always encode
            pass
    raw = dataset.get_item(tag)
    if isinstance(raw, RawDataElement):
        return element_bytes(unknown_element(tag, raw.value or b""))
    text = "\\".join(values_of(element)) if element is not None else ""
    return element_bytes(unknown_element(tag, text.encode(errors="replace")))


def unknown_element(tag: BaseTag, content: bytes) -> DataElement:
    """An element of unknown representation, which pydicom would make a known one of, and fail."""
    element = DataElement(tag, "OB", content)
    element.VR = "UN"
    return element


def element_bytes(element: DataElement, little_endian: bool = True) -> bytes:
    """An element with its representation, its texts in UTF-8."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = little_endian, False
    write_data_element(buffer, element, [_UTF8])
    return buffer.getvalue()


def element_of(content: bytes) -> DataElement:
    """The element that `element_bytes` encoded."""
    buffer = BytesIO(b"\x08\x00\x05\x00CS\x0a\x00" + _UTF8.encode() + content)
    dataset = read_dataset(buffer, False, True)
    (tag,) = sorted(dataset.keys() - {_CHARACTER_SET}) or [_CHARACTER_SET]
    raw = dataset.get_item(tag)
    if isinstance(raw, RawDataElement) and raw.VR == "UN":
        # It was of unknown representation, and is so again.
        return unknown_element(tag, raw.value or b"")
    element = dataset[tag]
    if element.VR == "SQ":
        for item in element.value:
            _decode(item)
    return element


def _decode(dataset: Dataset) -> None:
    """Decode all of it now, while it is known that texts are UTF-8."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _decode(item)
