"""DICOM files without anybody in them, from bytes to bytes; nothing is written anywhere.

`deidentified_file` is what stands before every place outside of the vault:

    deidentified_file(content, profile=Profile(), rules=Rules(), pseudonyms=Pseudonyms(keys),
                      burned_in="refuse", ocr=False) -> DeidentifiedFile

A file is taken apart within the limits of `cloudsec.dicom.files` on bytes, items and elements; the element
that holds the pixels is copied, in whatever code, without anything else that lies in it; it is written anew
where a mask fits, or an overlay hides in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydicom import Dataset, uid
from pydicom.tag import Tag

from cloudsec.dicom.bare_pixels import bare_pixels, is_known_code
from cloudsec.dicom.codestreams import LOSSY_SYNTAXES
from cloudsec.dicom.deidentify import STATEMENTS, Deidentified, deidentified, mark_of, patient_of
from cloudsec.dicom.derived import STALE
from cloudsec.dicom.elements import decoded, text_of
from cloudsec.dicom.encoded import EncodedFile, encoded, opened, read_meta
from cloudsec.dicom.files import DAMAGED, burned_in_reason, foreign_errors
from cloudsec.dicom.letters import shows_letters
from cloudsec.dicom.manifest import Manifest, uids_replaced
from cloudsec.dicom.masking import OFFSET_TABLES, blackened, read_pixels, words_in
from cloudsec.dicom.meaning import drop
from cloudsec.dicom.profile import Profile
from cloudsec.dicom.pseudonyms import Patient, Pseudonyms
from cloudsec.dicom.rules import Rectangle, Rules
from cloudsec.errors import DicomError
from cloudsec.image_file import PREAMBLE

_SOUNDS = "1.2.840.10008.5.1.4.1.1.9.4."
"""SOP classes of recorded voices, and of any sound."""


@dataclass(frozen=True)
class Identity:
    """Who and what a file was of, for the vault; none of it is in a repr.

    Attributes
    ----------
    pseudonym : str
        The Patient ID of the de-identified file.
    patient : Patient
    name, birth_date : str
        As its header has them.
    instance, study : str
        The SOP Instance UID of the de-identified file, and its Study Instance UID, if it has one.
    mark : str
        By which the file tells its manifest from those of others that had the same SOP Instance UID.
    uids : dict of str to str
        From the UIDs of the de-identified file to those that they stand for.
    """

    pseudonym: str
    patient: Patient = field(repr=False)
    name: str = field(repr=False)
    birth_date: str = field(repr=False)
    instance: str = field(repr=False)
    study: str = field(repr=False)
    mark: str = field(repr=False)
    uids: dict[str, str] = field(repr=False)


@dataclass(frozen=True, eq=False)
class DeidentifiedFile:
    """What may be stored anywhere (`content`), and what belongs into the vault (the rest)."""

    content: bytes = field(repr=False)
    manifest: bytes = field(repr=False)
    identity: Identity = field(repr=False)


def deidentified_file(
    content: bytes,
    *,
    pseudonyms: Pseudonyms,
    profile: Profile | None = None,
    rules: Rules | None = None,
    burned_in: Literal["refuse", "accept"] = "refuse",
    ocr: bool = False,
) -> DeidentifiedFile:
    """A DICOM file without anybody in it.

    Parameters
    ----------
    content : bytes
        Of the whole file.
    pseudonyms : Pseudonyms
        Of the project that the file is for.
    profile : Profile or None
        None: that of the rules.
    rules : Rules or None
        Their masks are used here. None: there are none.
    burned_in : {"refuse", "accept"}
        What to do with images whose pixels may show a name and that no mask fits, and with those in which
        letters are found; of images that cannot be decoded, the header alone is judged.
    ocr : bool
        Refuse also images in which tesseract reads words, after masks; it clears none.

    Raises
    ------
    DicomError
        Names the cause and the way out, and nothing that the header says of a person.
    """
    rules = rules or Rules()
    profile = profile or rules.profile()
    with foreign_errors(DAMAGED):
        file = opened(content)
        dataset = file.dataset
        if not (text_of(dataset, "SOPClassUID") and text_of(dataset, "SOPInstanceUID")):
            raise DicomError("it does not say of what SOP class and instance it is; correct its header first")
        rectangles = rules.rectangles(dataset) if file.pixels else ()
        reason = burned_in_reason(dataset) if file.pixels else None
        if burned_in != "accept":
            _refuse_unseen(file, None if rectangles else reason)
        identity = _identity(dataset)
        result = deidentified(
            dataset,
            profile=profile,
            pseudonyms=pseudonyms,
            masked=bool(rectangles),
            preamble=file.preamble,
            meta=file.meta,
        )
        whole = _written(content, file, result.dataset, rectangles)
        if file.pixels:
            # Where letters are expected, a mask was made by somebody who knows which of them may stay.
            _refuse_letters(whole, words=ocr, rows=burned_in != "accept" and not reason)
        return DeidentifiedFile(whole, result.manifest.to_bytes(), _identified(identity, result))


def _refuse_unseen(file: EncodedFile, reason: str | None) -> None:
    """Refuse what may name somebody where nobody looks, or in pixels, for the reason that is given."""
    if unheard := _unheard(file):
        raise DicomError(
            f"nobody looks for comments and voices in {unheard}; convert it, or look at it, listen, and "
            "pass --burned-in accept"
        )
    if reason:
        raise DicomError(
            f"{reason}; write a mask rule for such images, or look at it and pass --burned-in accept"
        )


def _unheard(file: EncodedFile) -> str | None:
    """What it is, if somebody may be named in it in a way that nothing here finds."""
    if text_of(file.dataset, "SOPClassUID").startswith(_SOUNDS):
        return "recorded sound"
    known = not (file.pixels and file.syntax.is_compressed) or is_known_code(file)
    return None if known else file.syntax.name


def _written(content: bytes, file: EncodedFile, made: Dataset, rectangles: Sequence[Rectangle]) -> bytes:
    """A file with a new header, and its pixels: copied, or stored anew where what must go lies in them."""
    syntax, implicit = file.syntax, file.implicit
    pixels = bare_pixels(file) if file.pixels else b""
    if pixels is None or (file.pixels and (rectangles or _hides_overlay(file))):
        blackened(made, read_pixels(content), rectangles)
        if syntax in LOSSY_SYNTAXES:
            # What is lost stays lost, also where the header forgot to say it.
            made.LossyImageCompression = "01"
        pixels, syntax, implicit = b"", uid.ExplicitVRLittleEndian, False
    if not syntax.is_compressed:
        drop(made, OFFSET_TABLES)
    return encoded(made, pixels, syntax, implicit=implicit)


def _hides_overlay(file: EncodedFile) -> bool:
    """Whether an overlay of old lies in bits of the pixels, where it would stay."""
    groups = range(0x6000, 0x6020, 2)
    return any((group, 0x0010) in file.dataset and not file.dataset.get((group, 0x3000)) for group in groups)


def _refuse_letters(content: bytes, *, words: bool, rows: bool) -> None:
    """Refuse a file in whose pixels tesseract reads words, or a row of letters stands."""
    if not (words or rows):
        return
    try:
        frames = read_pixels(content)
    except DicomError:
        if words:
            raise
        # In a code that is not decoded, no row is found.
        return
    if words and (count := words_in(frames)):
        raise DicomError(
            f"tesseract reads words in its pixels ({count}); mask them by a rule, or look at it and "
            "leave out --ocr"
        )
    if rows and shows_letters(frames):
        raise DicomError(
            "letters stand in its pixels, which may name somebody; write a mask rule for such images, or "
            "look at it and pass --burned-in accept"
        )


@dataclass(frozen=True)
class Belongings:
    """What a file says of where it belongs; in no repr.

    Attributes
    ----------
    patient : Patient
    study, instance : str
        Their UIDs.
    sources : tuple of str
        The instances that it was derived from.
    mark : str
        Of the manifest of what was taken from it, or its source; "" where none was.
    """

    patient: Patient = field(repr=False)
    study: str = field(repr=False)
    instance: str = field(repr=False)
    sources: tuple[str, ...] = field(repr=False)
    mark: str


def belongings(content: bytes) -> Belongings:
    """Where a file belongs; DicomError as for `deidentified_file`."""
    with foreign_errors(DAMAGED):
        dataset = opened(content).dataset
        tag = Tag("SourceImageSequence")
        element = decoded(dataset, tag) if tag in dataset else None
        sources = element.value if element is not None and element.VR == "SQ" else ()
        uids = tuple(text_of(each, "ReferencedSOPInstanceUID") for each in sources)
        study, instance = (text_of(dataset, keyword) for keyword in ("StudyInstanceUID", "SOPInstanceUID"))
        return Belongings(patient_of(dataset), study, instance, uids, mark_of(dataset))


def named_file(
    content: bytes, patient: Patient, name: str, birth_date: str, original_uid: Callable[[str], str | None]
) -> bytes:
    """A de-identified file of which no manifest is known, with its patient's name, and with its UIDs."""
    with foreign_errors(DAMAGED):
        file = opened(content)
        uids_replaced(file.dataset, original_uid)
        drop(file.dataset, STATEMENTS)
        file.dataset.PatientName, file.dataset.PatientBirthDate = name, birth_date
        file.dataset.PatientID = patient.id
        if patient.issuer:
            file.dataset.IssuerOfPatientID = patient.issuer
        return encoded(file.dataset, file.pixels, file.syntax, implicit=file.implicit)


def reidentified_file(
    content: bytes, manifest: bytes, original_uid: Callable[[str], str | None], *, derived: bool = False
) -> bytes:
    """A de-identified file with everything that was taken from it, or an image that was derived from one.

    What was changed since stays as it is. Pixels that were blackened stay black.

    Parameters
    ----------
    content : bytes
    manifest : bytes
        Of the file, or of that which it was derived from.
    original_uid : callable
        The UID that one stands for; None for those that stand for themselves.
    derived : bool
        Whether pixels are others: what speaks of the old ones, or signs them, is not given back.

    Raises
    ------
    DicomError
        If the file or the manifest is damaged.
    """
    with foreign_errors(DAMAGED):
        file, taken = opened(content), Manifest.from_bytes(manifest)
        stale = [Tag(keyword) for keyword in STALE] if derived else ()
        # A UID that came is what it was, even where it stands for another one in this project.
        uids_replaced(file.dataset, original_uid, but=taken.undone(file.dataset, passed_over=stale))
        preamble, meta = taken.preamble, _meta(taken.meta, file.syntax)
        if derived or not meta:
            preamble, meta = bytes(PREAMBLE), None
        return encoded(
            file.dataset, file.pixels, file.syntax, implicit=file.implicit, preamble=preamble, meta=meta
        )


def _meta(meta: bytes, syntax: uid.UID) -> bytes | None:
    """The file meta elements that there were, unless the pixels are in another code now."""
    return meta if read_meta(meta).get("TransferSyntaxUID") == syntax else None


def _identity(dataset: Dataset) -> tuple[str, str]:
    return text_of(dataset, "PatientName"), text_of(dataset, "PatientBirthDate")


def _identified(identity: tuple[str, str], result: Deidentified) -> Identity:
    instance, study = (text_of(result.dataset, keyword) for keyword in ("SOPInstanceUID", "StudyInstanceUID"))
    # Image and study are remembered also where their UIDs stay, for they are one patient's.
    uids = {each: each for each in (instance, study) if each} | result.uids
    return Identity(result.pseudonym, result.patient, *identity, instance, study, result.mark, uids)
