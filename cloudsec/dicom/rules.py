"""What a hospital adds to the profile: texts that stay, safe private elements, masks for letters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset, datadict

from cloudsec.dicom.elements import text_of
from cloudsec.dicom.profile import (
    CLEANED,
    RETAINED,
    Option,
    PrivateElement,
    Profile,
    attribute_name,
)

_TABLES = frozenset(("retain", "clean", "keep", "safe_private", "mask"))
_EDGES = ("left", "top", "width", "height")


@dataclass(frozen=True)
class Rectangle:
    """Pixels that are blackened, counted from the upper left corner of every frame."""

    left: int
    top: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if min(self.left, self.top) < 0 or min(self.width, self.height) < 1:
            raise ValueError(
                "a rectangle begins at 0 or beyond, and is a pixel wide and high at least; correct it"
            )


@dataclass(frozen=True)
class Mask:
    """Rectangles for all images whose header matches."""

    match: Mapping[str, str]
    rectangles: tuple[Rectangle, ...]

    def __post_init__(self) -> None:
        if not self.match or not self.rectangles:
            raise ValueError("a mask says which images it is for (match) and what to blacken (rectangles)")
        for keyword in self.match:
            if datadict.tag_for_keyword(keyword) is None:
                raise ValueError(f"a mask matches {keyword!r}, which is no keyword of DICOM; correct it")

    def fits(self, dataset: Dataset) -> bool:
        """Whether a header has all values that the mask is for, whatever their case."""
        return all(
            text_of(dataset, keyword).strip().casefold() == wanted.strip().casefold()
            for keyword, wanted in self.match.items()
        )


@dataclass(frozen=True)
class Rules:
    """The rules of one file.

    Attributes
    ----------
    options : frozenset of str
        Of the profile, which a file may name under `retain` and `clean`.
    keep : frozenset of str
        As `Profile` takes them.
    private : frozenset of PrivateElement
        As `Profile` takes them.
    masks : tuple of Mask
    """

    options: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()
    private: frozenset[PrivateElement] = frozenset()
    masks: tuple[Mask, ...] = ()

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Rules:
        """Rules as a TOML file has them.

        Raises
        ------
        ValueError
            Names what is wrong with them.
        """
        try:
            if unknown := table.keys() - _TABLES:
                raise ValueError(f"{min(unknown)!r} is no rule; those are {', '.join(sorted(_TABLES))}")
            return cls(
                frozenset(_options(table, "retain", RETAINED)) | frozenset(_options(table, "clean", CLEANED)),
                frozenset(attribute_name(name) for name in _list(table, "keep")),
                frozenset(element for each in table.get("safe_private", ()) for element in _private(each)),
                tuple(_mask(each) for each in table.get("mask", ())),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                "the rules are not of the form that the README shows; keep is a list of names, each "
                "[[safe_private]] has creator, group and elements, each [[mask]] has match and rectangles"
            ) from error

    def profile(self, options: Iterable[str] = ()) -> Profile:
        """The profile with these options besides those of the rules; ValueError where they do not agree."""
        return Profile(self.options | frozenset(options), self.keep, self.private)

    def rectangles(self, dataset: Dataset) -> tuple[Rectangle, ...]:
        """What is blackened in an image of this header, by all masks that fit."""
        return tuple(each for mask in self.masks if mask.fits(dataset) for each in mask.rectangles)


def _options(table: Mapping[str, Any], name: str, known: Mapping[str, Option]) -> list[str]:
    named = _list(table, name)
    if unknown := [each for each in named if each not in known]:
        raise ValueError(f"{unknown[0]!r} is no option to {name}; those are {', '.join(known)}")
    return named


def _list(table: Mapping[str, Any], name: str) -> list[Any]:
    named = table.get(name, [])
    if not isinstance(named, list):
        raise TypeError("another form")
    return named


def _private(table: Mapping[str, Any]) -> list[PrivateElement]:
    try:
        group = int(table["group"], 16)
        elements = [int(element, 16) for element in table["elements"]]
    except ValueError:
        raise TypeError("another form") from None
    if not group & 1 or any(not 0 <= element <= 0xFF for element in elements):
        raise ValueError("a safe private element has an odd group, and two hexadecimal digits; correct it")
    return [PrivateElement(table["creator"].strip(), group, element) for element in elements]


def _mask(table: Mapping[str, Any]) -> Mask:
    # A fraction would be cut off, and letters stay.
    if table.keys() != {"match", "rectangles"} or any(
        set(each) != set(_EDGES) or any(type(edge) is not int for edge in each.values())
        for each in table["rectangles"]
    ):
        raise TypeError("another form")
    return Mask(
        {keyword: str(wanted) for keyword, wanted in table["match"].items()},
        tuple(Rectangle(*(each[edge] for edge in _EDGES)) for each in table["rectangles"]),
    )
