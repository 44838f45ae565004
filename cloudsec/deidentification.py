"""Files and whole trees of DICOM without anybody in them, and back, with a vault that knows who it was.

What cannot be de-identified, or belongs to nobody for certain, is set aside with its reason.
"""

from __future__ import annotations

import csv
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from io import StringIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from cloudsec.atomic import whole_directory, write_whole
from cloudsec.dicom.deidentified_files import (
    DeidentifiedFile,
    belongings,
    named_file,
    reidentified_file,
)
from cloudsec.dicom.pseudonyms import Patient
from cloudsec.dicom.rules import Rules
from cloudsec.errors import DicomError, ImageFileError, PatientConflict, shown
from cloudsec.file_port import check_place, check_vacant, port, refuse_what_is_no_file

if TYPE_CHECKING:
    from cloudsec.vault.projects import Project

_AT_ONCE = 64
"""Files that the vault writes down together, for each transaction waits for the disk."""
_DAMAGED = "is damaged or cut short; fetch it again from where it came"


@dataclass(frozen=True)
class Quarantined:
    """A file that was not written, and why not."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.reason}"


class NothingWritten(ImageFileError):
    """All files of a directory were set aside.

    Attributes
    ----------
    quarantined : list of Quarantined
    """

    def __init__(self, message: str, quarantined: list[Quarantined]) -> None:
        super().__init__(message)
        self.quarantined = quarantined


def read_rules(path: Path) -> Rules:
    """The rules in a TOML file; ValueError for wrong ones."""
    with port(path, "is no file of rules in TOML; correct it"), path.open("rb") as file:
        try:
            table = tomllib.load(file)
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ImageFileError(f"is no file of rules in TOML: {error}; correct it") from error
    try:
        return Rules.of(table)
    except ValueError as error:
        raise ValueError(f"{shown(path)}: {error}") from error


def read_pseudonyms(path: Path) -> dict[str, str]:
    """Pseudonyms by Patient ID, from a CSV file with one patient a line.

    Raises
    ------
    ImageFileError
        If it is no UTF-8, a line has not two values, or gives a patient another pseudonym than one before.
    """
    given: dict[str, str] = {}
    with port(path, "is no list of pseudonyms in CSV; correct it"):
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ImageFileError("is not in UTF-8; save it as CSV in UTF-8") from error
        for number, line in enumerate(csv.reader(StringIO(text, newline="")), start=1):
            if not line or (number == 1 and line[0].strip().casefold() in ("patientid", "patient id")):
                continue
            patient, pseudonym = (value.strip() for value in line) if len(line) == 2 else ("", "")
            if not patient or not pseudonym:
                raise ImageFileError(
                    f"has no Patient ID and pseudonym, with a comma between, in line {number}; correct it"
                )
            if given.setdefault(patient, pseudonym) != pseudonym:
                raise ImageFileError(f"gives a patient another pseudonym in line {number}; leave one")
    return given


def deidentify(
    source: Path, target: Path, *, project: Project, deidentified: Callable[[bytes], DeidentifiedFile]
) -> tuple[int, list[Quarantined]]:
    """De-identify a file, or all files in a directory and below, into a new one.

    The vault knows who and what they were before anything appears. Files of a directory are
    numbered, for their names may be those of patients.

    Parameters
    ----------
    source, target : Path
    project : Project
    deidentified : callable
        `deidentified_file` with pseudonyms of the project, and all else that is chosen.

    Returns
    -------
    written : int
    quarantined : list of Quarantined
        Files that were not: what is no DICOM, DICOMDIR, images that may show a name, studies of several
        patients, here or with those that the vault knows, what the directory holds twice.

    Raises
    ------
    ImageFileError
        If a single file cannot be de-identified.
    NothingWritten
        If no file of a directory can.
    VaultError
        If the vault knows the patient of a single file under another pseudonym, or its study as another's.
    """
    if not source.is_dir():
        _check_file(source, target)
        with port(source, _DAMAGED):
            result = deidentified(_content(source))
        remember(project, [result])
        write_whole(target, result.content)
        return 1, []
    with port(target, "cannot be written"):
        check_vacant(target)
    good, quarantined = _sorted_out(source)
    with whole_directory(target) as place:
        pending: list[_Written] = []
        numbers = count(1)
        for path in good:
            try:
                result = deidentified(_content(path))
            except DicomError as error:
                quarantined.append(Quarantined(path, str(error)))
                continue
            file = place / f"{next(numbers):06d}.dcm"
            write_whole(file, result.content)
            # Its image is written, and no other is held with it.
            pending.append(_Written(path, file, replace(result, content=b"")))
            if len(pending) == _AT_ONCE:
                quarantined += _remember_all(project, pending)
                pending.clear()
        quarantined += _remember_all(project, pending)
        written = sum(1 for _ in place.iterdir())
        if not written:
            raise NothingWritten(f"{shown(source)}: holds no file that could be de-identified", quarantined)
    return written, quarantined


def remember(project: Project, results: Iterable[DeidentifiedFile]) -> str:
    """Write down in the vault who files of one patient were of; it may be done again. The patient's row."""
    results = list(results)
    identity = results[0].identity
    return project.remember(
        identity.patient.known_as,
        identity.pseudonym,
        {
            "id": identity.patient.id,
            "issuer": identity.patient.issuer,
            "study": identity.patient.study,
            "name": identity.name,
            "birth_date": identity.birth_date,
        },
        uids={old: new for each in results for new, old in each.identity.uids.items()},
        manifests={(each.identity.instance, each.identity.mark): each.manifest for each in results},
        alone={uid for each in results for uid in (each.identity.instance, each.identity.study)},
    )


@dataclass(frozen=True)
class _Written:
    source: Path
    target: Path
    result: DeidentifiedFile


def _remember_all(project: Project, files: Iterable[_Written]) -> list[Quarantined]:
    """Files of several patients, in one transaction for each study; what the vault refuses is removed."""
    studies: defaultdict[tuple[str, str], list[_Written]] = defaultdict(list)
    for each in files:
        studies[each.result.identity.pseudonym, each.result.identity.study].append(each)
    refused = []
    for theirs in studies.values():
        try:
            remember(project, [each.result for each in theirs])
        except PatientConflict as error:
            for each in theirs:
                each.target.unlink()
                refused.append(Quarantined(each.source, str(error)))
    return refused


def reidentified(content: bytes, project: Project) -> bytes:
    """A file with its patient again, that was de-identified in a project or derived from one that was.

    Raises
    ------
    DicomError
        If the project knows nothing of it, or several things of which none is certain.
    """
    about = belongings(content)
    for instance in (about.instance, *about.sources):
        # What others derived from ours may have lost the mark.
        found = project.manifests(instance, about.mark)
        if len(found) > 1:
            raise DicomError(
                "images of its SOP Instance UID were de-identified in several ways, and it does not say in "
                "which; give the file as `cloudsec deidentify` wrote it"
            )
        if found:
            derived = instance != about.instance
            return reidentified_file(content, found[0], project.original_uid, derived=derived)
    known = project.identity(about.patient.id) if about.patient.id else None
    if known is None:
        raise DicomError(
            f"is no image of the project {project.name!r}; name the one that it was de-identified in"
        )
    said = known["identity"]
    patient = Patient(said["id"], said["issuer"], said["study"])
    return named_file(content, patient, said["name"], said["birth_date"], project.original_uid)


def reidentify(source: Path, target: Path, *, project: Project) -> tuple[int, list[Quarantined]]:
    """Give back their patients to a file, or to all in a directory and below; as `deidentify`."""
    if not source.is_dir():
        _check_file(source, target)
        with port(source, _DAMAGED):
            content = reidentified(_content(source), project)
        write_whole(target, content, private=not target.exists())
        return 1, []
    with port(target, "cannot be written"):
        check_vacant(target)
    written, quarantined = 0, []
    with whole_directory(target) as place:
        for path in _files(source):
            try:
                content = reidentified(_content(path), project)
            except DicomError as error:
                quarantined.append(Quarantined(path, str(error)))
                continue
            written += 1
            write_whole(place / f"{written:06d}.dcm", content, private=True)
        if not written:
            raise NothingWritten(
                f"{shown(source)}: holds no file of the project {project.name!r}", quarantined
            )
    return written, quarantined


def _check_file(source: Path, target: Path) -> None:
    with port(target, "cannot be written"):
        check_place(target)
        if target.exists() and source.exists() and target.samefile(source):
            raise ImageFileError("is the input, and would be lost; name another file")


def _sorted_out(source: Path) -> tuple[list[Path], list[Quarantined]]:
    """The files of a directory that are one patient's for certain, and all others."""
    quarantined, studies = [], defaultdict(set)
    instances: dict[str, Path] = {}
    belonging: list[tuple[Path, str]] = []
    for path in _files(source):
        try:
            about = belongings(_content(path))
        except DicomError as error:
            quarantined.append(Quarantined(path, str(error)))
            continue
        if first := instances.get(about.instance):
            quarantined.append(
                Quarantined(path, f"is the same instance as {shown(first)}; leave one of them")
            )
            continue
        instances[about.instance] = path
        # Of what names no study, each is its own.
        studies[about.study or about.instance].add(about.patient.known_as)
        belonging.append((path, about.study or about.instance))
    good = []
    for path, study in belonging:
        if len(studies[study]) > 1:
            quarantined.append(
                Quarantined(path, "its study carries several Patient IDs; find out whose it is")
            )
        else:
            good.append(path)
    return good, quarantined


def _files(directory: Path) -> Iterator[Path]:
    # Listed before anything is written, for the target may lie in it. A link to a directory, which might lead
    # round in a circle, is listed too, and set aside as one.
    return iter(sorted(path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir()))


def _content(path: Path) -> bytes:
    """A whole file; what cannot be read is no file to de-identify."""
    try:
        refuse_what_is_no_file(path)
        return path.read_bytes()
    except ImageFileError as error:
        raise DicomError(str(error)) from error
    except OSError as error:
        raise DicomError(f"cannot be read ({(error.strerror or 'unknown').lower()})") from error
