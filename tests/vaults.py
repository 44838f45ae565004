"""A vault with something in every sealed column, and what a thief would look for in it."""

import base64
from collections.abc import Iterator

from cloudsec.keystream import Keystream
from cloudsec.vault import Vault

PATIENT, PSEUDONYM = "PID-4711-8", "CS-QZ7K"
NAME = "Mustermann^Erika"
UID, REPLACEMENT = "1.2.840.113619.2.55.3.604688", "2.25.329800735698586629295641978511506172918"
INSTANCE = "2.25.1700000000000000000000000000000000001"
MANIFEST = b'{"removed": {"00100010": "Mustermann^Erika", "00080080": "Charite Berlin"}}'
STUDY = b"provider 3 holds class 1"
KEYS = Keystream(bytes(32)).for_study("knee")
PROJECT = "knee trial"
SECRETS = (
    PATIENT,
    PSEUDONYM,
    NAME,
    "Mustermann",
    "Erika",
    UID,
    REPLACEMENT,
    INSTANCE,
    "Charite",
    PROJECT,
)


def fill(vault: Vault, patient: str = PATIENT, pseudonym: str = PSEUDONYM, project: str = PROJECT) -> str:
    """Remember a patient, and a study's record; the patient's row."""
    with vault.records(KEYS).changing() as change:
        change.write(STUDY)
    return vault.project(project).remember(
        patient,
        pseudonym,
        {"PatientName": NAME},
        uids={UID: REPLACEMENT},
        manifests={f"{INSTANCE}{pseudonym}": MANIFEST},
    )


def check(vault: Vault, patient: str = PATIENT, pseudonym: str = PSEUDONYM, project: str = PROJECT) -> None:
    """Everything that was put in comes out."""
    known = vault.project(project)
    expected = {"patient": patient, "pseudonym": pseudonym, "identity": {"PatientName": NAME}}
    assert known.identity(pseudonym) == expected
    assert expected in list(known.patients())
    assert known.original_uid(REPLACEMENT) == UID
    assert known.manifest(f"{INSTANCE}{pseudonym}") == MANIFEST
    assert vault.records(KEYS).read() == STUDY


def writings(text: str) -> Iterator[bytes]:
    """The ways in which a text could stand in a file."""
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        content = text.encode(encoding)
        yield content
        yield content.hex().encode()
        yield content.hex().upper().encode()
        # Wherever it begins in what was encoded, without the digits that its neighbours have a part in.
        for shift in range(3):
            digits = base64.b64encode(bytes(shift) + content)
            yield digits[-(-4 * shift // 3) : len(digits) // 4 * 4 - 4]
