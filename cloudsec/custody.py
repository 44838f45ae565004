"""Who keeps a broker's key and the records of its studies: the user's files, or others instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cloudsec.key_file import master_key, state_directory
from cloudsec.keystream import Keystream
from cloudsec.ledger import Ledger, Record
from cloudsec.schemes import ProtectionScheme
from cloudsec.study import study_name
from cloudsec.study_file import StudyFile


@dataclass(frozen=True, eq=False)
class Custody:
    """The master key, and where records of studies lie.

    Attributes
    ----------
    key : Keystream
        What every study's secrets come from: with another, providers get other positions of its images.
    record : callable
        The record of the study whose keys are given. Nobody else may give those keys.
    """

    key: Keystream = field(repr=False)
    record: Callable[[Keystream], Record] = field(repr=False)

    def study(
        self, scheme: ProtectionScheme, name: str | None, fleet: str
    ) -> tuple[Keystream, Ledger | None]:
        """The keys of a study, and who keeps its record; nobody, where the scheme remembers nothing."""
        keys = self.key.for_study(study_name(name), fleet)
        remembered = scheme.assurance == "heuristic"
        return keys, Ledger(scheme, keys, self.record(keys)) if remembered else None


def custody_of(key: bytes | str | Path | Custody | None, *, lasting: bool) -> Custody:
    """The custody that a broker's `key` means.

    Parameters
    ----------
    key : bytes, str, Path, Custody or None
    lasting : bool
        Whether anything is remembered under the key. If not, it is a fresh one, and no file is made or read.

    Raises
    ------
    ValueError
        For anything else, or too few bytes.
    VaultError
        If a key file cannot be made or read, or others can read or write it.
    """
    if isinstance(key, Custody):
        return key
    if key is not None and not isinstance(key, (bytes, str, Path)):
        raise ValueError("key must be bytes, the name of a key file, or None")
    # What is sent as it is, or as noise, needs no key that lasts.
    return Custody(master_key(key) if lasting else Keystream.fresh(), _file)


def _file(keys: Keystream) -> StudyFile:
    return StudyFile(keys, state_directory())
