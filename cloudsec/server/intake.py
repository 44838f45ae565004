"""What is done with an image before it is a job's: whatever is kept of it after this is de-identified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cloudsec.deidentification import reidentified, remember
from cloudsec.dicom.deidentified_files import deidentified_file
from cloudsec.dicom.pseudonyms import Pseudonyms
from cloudsec.dicom.rules import Rules
from cloudsec.errors import ImageFileError
from cloudsec.file_port import port
from cloudsec.formats import image_of
from cloudsec.image_file import is_dicom
from cloudsec.vault import Vault
from cloudsec.work import in_memory


@dataclass(frozen=True)
class Intake:
    """The way of images in, and of results out to who may know whose they are.

    Attributes
    ----------
    vault : Vault
        Knows who the patients are.
    rules : Rules
        Of de-identification, with all options that are taken; ValueError where they do not agree.
    """

    vault: Vault
    rules: Rules

    def __post_init__(self) -> None:
        # Else every image would be refused for it.
        self.rules.profile()

    def taken(
        self, content: bytes, *, name: str, project: str, burned_in: Literal["refuse", "accept"]
    ) -> tuple[bytes, str | None]:
        """The image to process, and the row of its patient; of what is no DICOM nothing says who that is.

        Raises
        ------
        ImageFileError
            If it is no image, or cannot be de-identified, or may show a name: in a line that begins with the
            name, and tells nothing of the header.
        """
        patient = None
        if is_dicom(content):
            theirs = self.vault.project(project)
            with port(name, "is damaged or cut short; fetch it again from where it came"):
                result = deidentified_file(
                    content, pseudonyms=Pseudonyms(theirs.keys), rules=self.rules, burned_in=burned_in
                )
            patient, content = remember(theirs, [result]), result.content
        # Whether it can be read is told to who sends it, and not to a worker.
        image_of(name, in_memory(content), burned_in="accept")
        return content, patient

    def given_back(self, content: bytes, *, project: str) -> bytes:
        """A result with its patient's identity; ImageFileError where none was taken away."""
        if not is_dicom(content):
            raise ImageFileError("this result has no header for an identity; fetch it without")
        with port("the result", "cannot be given its patient back; fetch it without"):
            return reidentified(content, self.vault.project(project))
