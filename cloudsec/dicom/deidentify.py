"""A header without anybody in it: every element at every depth is judged by the profile.

Pure: datasets in, datasets out. Files are those of `cloudsec.dicom.deidentified_files`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pydicom import DataElement, Dataset, Sequence, datadict
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.tag import BaseTag, Tag

from cloudsec.dicom.dates import moved
from cloudsec.dicom.elements import (
    NUMBERS,
    TEXTS,
    all_elements,
    decoded,
    element_bytes,
    encoded_element,
    representation_of,
    text_of,
    values_of,
)
from cloudsec.dicom.manifest import Change, ItemPath, Manifest
from cloudsec.dicom.profile import (
    CLEANED,
    OPTIONS,
    Action,
    Option,
    PrivateElement,
    Profile,
    names_a_kind,
    safe_private,
)
from cloudsec.dicom.pseudonyms import Patient, Pseudonyms
from cloudsec.dicom.traces import Traces, traces_of
from cloudsec.errors import DicomError

_BASIC = Option("113100", "Basic Application Confidentiality Profile")
_PIXELS = Option("113101", "Clean Pixel Data Option")
_METHOD = "CloudSec: PS3.15 basic profile"
_MARK = re.compile(r"manifest ([0-9a-f]{32})$")
STATEMENTS = (
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
)
"""What a header says of its de-identification."""
_PATIENT_ID = Tag("PatientID")
_PIXEL_DATA = frozenset(map(Tag, ("PixelData", "FloatPixelData", "DoubleFloatPixelData")))
_CODED = {
    "CodeValue": "REMOVED",
    "CodingSchemeDesignator": "99REMOVED",
    "CodeMeaning": "Removed",
}
_DUMMIES: dict[str, object] = {
    "AE": "REMOVED",
    "AS": "000D",
    "AT": 0,
    "CS": "REMOVED",
    "DA": "19000101",
    "DS": "0",
    "DT": "19000101000000",
    "IS": "0",
    "PN": "Removed",
    "TM": "000000",
    "UR": "urn:removed",
    **dict.fromkeys(("LO", "LT", "SH", "ST", "UC", "UT"), "Removed"),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), bytes(8)),
    **dict.fromkeys(("SL", "SS", "SV", "UL", "US", "UV"), 0),
    **dict.fromkeys(("FD", "FL"), 0.0),
}
"""A valid value of each representation, which says nothing."""
_NUMBER_SIGNS = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True, eq=False)
class Deidentified:
    """A header without anybody in it, and what it took; neither is in a repr.

    Attributes
    ----------
    dataset : pydicom.Dataset
    manifest : Manifest
    patient : Patient
        Who it was of.
    pseudonym : str
        Who it is of now.
    mark : str
        Of the manifest, which the header says too.
    uids : dict of str to str
        The UIDs that were replaced, by those that replace them.
    """

    dataset: Dataset = field(repr=False)
    manifest: Manifest = field(repr=False)
    patient: Patient = field(repr=False)
    pseudonym: str
    mark: str
    uids: dict[str, str] = field(repr=False)


def patient_of(dataset: Dataset) -> Patient:
    """Who a header is of: the ID and its issuer, or the study where there is no ID."""
    study = text_of(dataset, "StudyInstanceUID") or text_of(dataset, "SOPInstanceUID")
    return Patient(text_of(dataset, "PatientID"), text_of(dataset, "IssuerOfPatientID"), study)


def mark_of(dataset: Dataset) -> str:
    """The mark of the manifest of what was taken from a header; "" if it says none."""
    found = _MARK.search(text_of(dataset, "DeidentificationMethod"))
    return found[1] if found else ""


def deidentified(
    dataset: Dataset,
    *,
    profile: Profile,
    pseudonyms: Pseudonyms,
    masked: bool = False,
    preamble: bytes = b"",
    meta: bytes = b"",
) -> Deidentified:
    """A header by the basic profile and the options that are taken.

    Attributes that the standard does not know go, and so do all persons' names, dates and UIDs of things
    that it knows and does not list. Texts that stay name nobody by a name, number, address or date that
    the header gives. Private elements go, but for safe ones under their option.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Without file meta; it is not changed, but decoded.
    profile : Profile
    pseudonyms : Pseudonyms
    masked : bool
        Whether what may name somebody was blackened in the pixels, which is then stated.
    preamble, meta : bytes
        What the manifest is to hold besides: the first bytes of the file, and its file meta elements.

    Raises
    ------
    DicomError
        If the pseudonym given names the patient, or the header more people and days than an image needs.
    """
    correct_ambiguous_vr(dataset, True)
    patient = patient_of(dataset)
    walk = _Walk(profile, pseudonyms, patient, _traces(dataset, profile))
    made = walk.through(dataset, ())
    pseudonym = pseudonyms.of(patient)
    if pseudonyms.assigned and _traces_of_patient(dataset).in_code(pseudonym):
        raise DicomError("the pseudonym given to its patient holds their name or Patient ID; give another")
    taken = Manifest(tuple(walk.changes), preamble, meta)
    mark = pseudonyms.mark(patient, text_of(made, "SOPInstanceUID").encode() + taken.to_bytes())
    _state(dataset, made, walk, pseudonym, mark, masked)
    return Deidentified(
        made, replace(taken, changes=tuple(walk.changes)), patient, pseudonym, mark, walk.uids
    )


def _traces(dataset: Dataset, profile: Profile) -> Traces:
    gone, others = [], []
    for element in all_elements(dataset):
        action = profile.action(element.tag, element.VR)
        if action in (Action.REMOVE, Action.EMPTY, Action.DUMMY, Action.SHIFT):
            gone.append(element)
        elif action is Action.UID and element.VR == "UI":
            others.append(element)
    return traces_of(gone, others)


def _traces_of_patient(dataset: Dataset) -> Traces:
    elements = (
        decoded(dataset, Tag(keyword)) for keyword in ("PatientID", "PatientName") if keyword in dataset
    )
    return traces_of(element for element in elements if element is not None)


class _Walk:
    """One way through a header, from the outside inwards, and what was changed on it."""

    def __init__(self, profile: Profile, pseudonyms: Pseudonyms, patient: Patient, traces: Traces) -> None:
        self.changes: list[Change] = []
        self.uids: dict[str, str] = {}
        self.profile = profile
        self._pseudonyms, self._patient, self._traces = pseudonyms, patient, traces
        self._days = pseudonyms.days(patient)
        self._safe = profile.private | safe_private() if "safe-private" in profile.options else frozenset()

    def through(self, source: Dataset, path: ItemPath) -> Dataset:
        """The same dataset, or item, with every element judged."""
        made = Dataset()
        safe = frozenset(self._safe_tags(source))
        for tag in sorted(source.keys()):
            element = decoded(source, tag)
            if tag.is_private:
                result = element if tag in safe else None
            else:
                result = self._judged(tag, element, path)
            if result is not None:
                made.add(result)
            if not (result is element is not None) and not self._entered(element, result):
                self._note(path, tag, encoded_element(source, tag), result)
        return made

    def state(self, source: Dataset, made: Dataset, keyword: str, value: object) -> None:
        """Say something at the top of the header, instead of what became of what was said there."""
        tag = Tag(keyword)
        before = encoded_element(source, tag) if tag in source else None
        # A new element: elements that stayed are those of the source.
        made.add(DataElement(tag, datadict.dictionary_VR(tag), value))
        outside = [change for change in self.changes if (*change.path, (change.tag, 0))[0][0] != tag]
        self.changes[:] = outside
        self._note((), tag, before, made[tag])

    def _entered(self, element: DataElement | None, result: DataElement | None) -> bool:
        """Whether a sequence stayed, so that what changed is put down item by item."""
        if element is None or result is None or element.VR != "SQ":
            return False
        return len(result.value) > 0 and self.profile.action(element.tag, "SQ") is not Action.DUMMY

    def _note(self, path: ItemPath, tag: int, before: bytes | None, result: DataElement | None) -> None:
        """Put down a change, if it is one."""
        after = None if result is None else element_bytes(result)
        if before != after:
            self.changes.append(Change(path, int(tag), before, after))

    def _safe_tags(self, source: Dataset) -> Iterator[BaseTag]:
        """Private elements that are safe, and those that reserve their blocks."""
        for tag in sorted(source.keys()):
            if not tag.is_private or tag.element < 0x1000:
                continue
            owner = Tag(tag.group, tag.element >> 8)
            creator = decoded(source, owner) if owner in source else None
            name = str(creator.value).strip() if creator is not None else ""
            if PrivateElement(name, tag.group, tag.element & 0xFF) not in self._safe:
                continue
            element = decoded(source, tag)
            if element is not None and element.VR != "SQ" and not self._betrays(element):
                yield tag
                yield owner

    def _judged(self, tag: BaseTag, element: DataElement | None, path: ItemPath) -> DataElement | None:
        """What becomes of a standard element; an element of None could not be decoded."""
        known = representation_of(tag, element.VR if element is not None else None)
        if tag.group < 0x0008 or (path and tag in _PIXEL_DATA):
            # Nobody looks at pixels within sequences.
            return None
        action = self.profile.action(tag, known)
        if action in (Action.KEEP, Action.READ, Action.SHIFT) and (element is None or element.VR == "UN"):
            # Nobody knows what it says.
            return None
        if action is Action.REMOVE:
            return None
        if element is not None and element.is_empty and action is not Action.KEEP:
            return element
        if action is Action.EMPTY:
            return DataElement(tag, known, Sequence([]) if known == "SQ" else None)
        if element is not None and known == "SQ" and element.VR == "SQ" and action is not Action.DUMMY:
            items = enumerate(element.value)
            return DataElement(
                tag, "SQ", Sequence([self.through(each, (*path, (int(tag), n))) for n, each in items])
            )
        if action is Action.UID and known == "UI":
            return self._other_uids(tag, element)
        if action is Action.SHIFT:
            return self._shifted(tag, known, element)
        if action in (Action.UID, Action.DUMMY):
            return self._dummy(tag, known, element, path)
        return self._read(tag, known, element, path)

    def _read(
        self, tag: BaseTag, known: str, element: DataElement | None, path: ItemPath
    ) -> DataElement | None:
        """A value that stays, if it names nobody."""
        assert element is not None
        if known == "UI" and "uids" not in self.profile.options:
            valid = all(self._names_nobody(value.strip(" \0")) for value in values_of(element))
            return element if valid else self._other_uids(tag, element)
        return self._dummy(tag, known, element, path) if self._betrays(element) else element

    def _names_nobody(self, value: str) -> bool:
        """Whether a UID of a kind, which may be a manufacturer's own, is nothing but that."""
        known = names_a_kind(value) or not self._traces.in_text(value)
        return known and _NUMBER_SIGNS.fullmatch(value) is not None

    def _betrays(self, element: DataElement) -> bool:
        """Whether a value names somebody whom the header names elsewhere."""
        if element.tag in _PIXEL_DATA:
            return False
        if isinstance(element.value, bytes):
            return self._traces.in_bytes(element.value)
        if element.VR in NUMBERS:
            spelled = any(self._traces.in_bytes(element_bytes(element, order)) for order in (True, False))
            return spelled or any(self._traces.in_number(value) for value in values_of(element))
        if element.VR not in TEXTS:
            return False
        found = self._traces.in_code if element.VR == "CS" else self._traces.in_text
        return any(found(value) for value in values_of(element))

    def _dummy(self, tag: BaseTag, known: str, element: DataElement | None, path: ItemPath) -> DataElement:
        if tag == _PATIENT_ID and element is not None:
            named = not path or "".join(values_of(element)).strip(" \0") == self._patient.id
            return DataElement(tag, known, self._pseudonyms.of(self._patient) if named else "Removed")
        if known == "UI":
            return self._other_uids(tag, element)
        if known == "SQ":
            coded = datadict.keyword_for_tag(tag).endswith("CodeSequence")
            return DataElement(tag, "SQ", Sequence([_item(_CODED)] if coded else []))
        return DataElement(tag, known, _DUMMIES[known])

    def _other_uids(self, tag: BaseTag, element: DataElement | None) -> DataElement:
        old = ["broken"] if element is None else values_of(element)
        new = [self._pseudonyms.uid(value) for value in old]
        self.uids.update(
            (other, value.strip(" \0"))
            for other, value in zip(new, old, strict=True)
            if element is not None and other != value.strip(" \0")
        )
        return DataElement(tag, "UI", new if len(new) > 1 else new[0])

    def _shifted(self, tag: BaseTag, known: str, element: DataElement | None) -> DataElement:
        assert element is not None
        later = [moved(known, value, self._days) for value in values_of(element)]
        if None in later:
            # It would leave the calendar.
            return DataElement(tag, known, _DUMMIES[known])
        return DataElement(tag, known, later if len(later) > 1 else later[0])


def _state(dataset: Dataset, made: Dataset, walk: _Walk, pseudonym: str, mark: str, masked: bool) -> None:
    """Whose it is now, and what was done, in the words of the standard."""
    options = walk.profile.options
    temporal = (
        "UNMODIFIED" if "full-dates" in options else "MODIFIED" if "modified-dates" in options else "REMOVED"
    )
    codes = [_BASIC, *([_PIXELS] if masked else []), *(OPTIONS[name] for name in OPTIONS if name in options)]
    words = [f"{'clean' if name in CLEANED else 'retain'} {name}" for name in OPTIONS if name in options]
    statements: dict[str, object] = {
        "PatientID": pseudonym,
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": [
            *(_METHOD, *words, *(["clean pixels"] if masked else [])),
            f"manifest {mark}",
        ],
        "DeidentificationMethodCodeSequence": Sequence([_code(option) for option in codes]),
        "LongitudinalTemporalInformationModified": temporal,
        **({"BurnedInAnnotation": "NO"} if masked else {}),
    }
    for keyword, value in statements.items():
        walk.state(dataset, made, keyword, value)


def _code(option: Option) -> Dataset:
    return _item({"CodeValue": option.code, "CodingSchemeDesignator": "DCM", "CodeMeaning": option.meaning})


def _item(values: dict[str, str]) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made
