"""`cloudsec deidentify` and `cloudsec reidentify`: words to files, and what is to be said of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudsec.deidentification import Quarantined
    from providers.__main__ import OneLineParser

RETAINED = (
    "uids",
    "device-identity",
    "institution-identity",
    "patient-characteristics",
    "full-dates",
    "modified-dates",
    "safe-private",
)
CLEANED = ("descriptors", "structured-content", "graphics")
"""The options of `cloudsec.dicom.profile`, which takes pydicom to import."""


def add_commands(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    """The words of these commands."""
    away = commands.add_parser("deidentify", help="DICOM files without anybody in them; the vault knows who")
    away.add_argument("source", type=Path, metavar="IN", help="a DICOM file, or a directory of them")
    away.add_argument("target", type=Path, metavar="OUT", help="a file, or a new directory")
    away.add_argument("--project", default="default", metavar="NAME", help="pseudonyms and UIDs are its own")
    away.add_argument(
        "--retain",
        action="append",
        choices=RETAINED,
        default=[],
        metavar="OPTION",
        help=f"once for each: {', '.join(RETAINED)}",
    )
    away.add_argument(
        "--clean",
        action="append",
        choices=CLEANED,
        default=[],
        metavar="OPTION",
        help=f"once for each: {', '.join(CLEANED)}: what rules keep stays, if it names nobody",
    )
    away.add_argument("--rules", type=Path, metavar="F.toml", help="what is kept, is safe, is masked")
    away.add_argument("--pseudonyms", type=Path, metavar="F.csv", help="lines of PatientID,pseudonym")
    away.add_argument(
        "--burned-in",
        choices=("refuse", "accept"),
        default="refuse",
        help="accept: somebody looked, and no name stands in the pixels",
    )
    away.add_argument("--ocr", action="store_true", help="refuse also images in which tesseract reads words")
    away.set_defaults(run=deidentify)

    back = commands.add_parser(
        "reidentify", help="give de-identified files, and results, their patients back"
    )
    back.add_argument("source", type=Path, metavar="IN", help="a DICOM file, or a directory of them")
    back.add_argument("target", type=Path, metavar="OUT", help="a file, or a new directory")
    back.add_argument("--project", default="default", metavar="NAME", help="that they were de-identified in")
    back.set_defaults(run=reidentify)


def deidentify(options: argparse.Namespace) -> int:
    """DICOM files without anybody in them."""
    from cloudsec import deidentification
    from cloudsec.dicom.deidentified_files import deidentified_file
    from cloudsec.dicom.pseudonyms import Pseudonyms
    from cloudsec.dicom.rules import Rules
    from cloudsec.vault.settings import user_vault

    _check_project(options.project)
    rules = deidentification.read_rules(options.rules) if options.rules else Rules()
    profile = rules.profile([*options.retain, *options.clean])
    given = deidentification.read_pseudonyms(options.pseudonyms) if options.pseudonyms else {}
    with user_vault() as vault:
        project = vault.project(options.project)
        deidentified = partial(
            deidentified_file,
            pseudonyms=Pseudonyms(project.keys, given),
            profile=profile,
            rules=rules,
            burned_in=options.burned_in,
            ocr=options.ocr,
        )
        with _set_aside():
            written, quarantined = deidentification.deidentify(
                options.source, options.target, project=project, deidentified=deidentified
            )
    return _told(written, "de-identified", options, quarantined)


def reidentify(options: argparse.Namespace) -> int:
    """De-identified files with their patients."""
    from cloudsec import deidentification
    from cloudsec.errors import VaultError
    from cloudsec.vault.settings import user_vault

    _check_project(options.project)
    with user_vault(new=False) as vault, _set_aside():
        known = {project.name: project for project in vault.projects()}
        if options.project not in known:
            raise VaultError(
                f"the vault knows no patient of a project {options.project!r}; give one of its projects with "
                f"--project: {', '.join(map(repr, known)) or 'it has none'}"
            )
        written, quarantined = deidentification.reidentify(
            options.source, options.target, project=known[options.project]
        )
    return _told(written, "given their patients back", options, quarantined)


@contextmanager
def _set_aside() -> Iterator[None]:
    """Where nothing is written, the reasons are told all the same."""
    from cloudsec.commands import say
    from cloudsec.deidentification import NothingWritten

    try:
        yield
    except NothingWritten as error:
        for each in error.quarantined:
            say(str(each))
        raise


def _check_project(name: str) -> None:
    # As an empty variable of a script gives it: another project than the one that is meant.
    if not name:
        raise ValueError("--project has no name; give one, or leave it out")


def _told(written: int, what: str, options: argparse.Namespace, quarantined: Sequence[Quarantined]) -> int:
    from cloudsec.commands import say

    for each in quarantined:
        say(str(each))
    print(f"{written} {'file' if written == 1 else 'files'} {what} in the project {options.project!r}.")
    if quarantined:
        print(f"{len(quarantined)} set aside, and not written.", file=sys.stderr)
    return 1 if quarantined else 0
