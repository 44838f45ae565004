"""Elements of a header one by one, also those that no reader could make sense of; and elements as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from pydicom import DataElement, Dataset, Sequence, datadict
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag, Tag
from pydicom.values import convert_SQ

_UTF8 = "ISO_IR 192"
_CHARACTER_SET = Tag(0x0008, 0x0005)
TEXTS = frozenset(("AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
NUMBERS_AS_TEXT = frozenset(("DA", "DS", "DT", "IS", "TM"))


def representation_of(tag: BaseTag, stored: str | None) -> str:
    """The Value Representation that the standard gives an attribute; that of the file for unknown ones."""
    if tag.is_private or not datadict.dictionary_has_tag(tag):
        return stored or "UN"
    known = datadict.dictionary_VR(tag)
    return stored if stored and stored in known.split(" or ") else known[:2]


def decoded(dataset: Dataset, tag: BaseTag) -> DataElement | None:
    """An element with its value; None where the value is none of the attribute's.

    A sequence may come as bytes of unknown representation, which are implicit then (PS3.5 section 6.2.2).
    Its items are read, for nobody knows what is in them.
    """
    raw = dataset.get_item(tag)
    try:
        if isinstance(raw, RawDataElement) and raw.VR == "UN" and representation_of(tag, None) == "SQ":
            items = convert_SQ(raw.value or b"", True, True)
            return DataElement(tag, "SQ", items)
        element = dataset[tag]
        if " or " in element.VR:
            element = DataElement(tag, _settled(element), element.value)
        # Some values are converted when they are asked for only, and those of items later still.
        return element if _fits(element) else None
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
    return stored in known or " or " in stored or (stored in TEXTS and known[0] in TEXTS)


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


def encoded_element(dataset: Dataset, tag: BaseTag) -> bytes:
    """An element in Explicit VR Little Endian, its texts in UTF-8; a broken one as it came."""
    element = decoded(dataset, tag)
    if element is not None:
        try:
            return element_bytes(element)
        except Exception:  # noqa: S110 - what pydicom decodes, it cannot always encode
            pass
    raw = dataset.get_item(tag)
    value = raw.value if isinstance(raw, RawDataElement) else b""
    return element_bytes(unknown_element(tag, value or b""))


def unknown_element(tag: BaseTag, content: bytes) -> DataElement:
    """An element of unknown representation, which pydicom would make a known one of, and fail."""
    element = DataElement(tag, "OB", content)
    element.VR = "UN"
    return element


def element_bytes(element: DataElement) -> bytes:
    """An element in Explicit VR Little Endian, its texts in UTF-8."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
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


def sequence(items: list[Dataset]) -> Sequence:
    """Items as pydicom takes them."""
    return Sequence(items)
