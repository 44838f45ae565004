"""AES-256-GCM: what is sealed for one place opens there only; decisions only, no database, no file."""

from __future__ import annotations

from dataclasses import dataclass

from cloudsec.aead import OVERHEAD, decrypted, encrypted
from cloudsec.errors import VaultError

_MARKER = b"cloudsec sealed 1\n"
_VERSION_BYTES = 4


@dataclass(frozen=True)
class Place:
    """Where a value belongs: a column of a row, told by what of it stands in the clear and must not change.

    Attributes
    ----------
    table, column : str
    row : tuple of str
        The values of the row that the column's type binds it to.
    """

    table: str
    column: str
    row: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of row {self.row[0]}"

    def encoded(self) -> bytes:
        """Bytes that no other place has."""
        words = [word.encode() for word in (self.table, self.column, *self.row)]
        return b"".join(len(word).to_bytes(4) + word for word in words)


def prefix(version: int) -> bytes:
    """How all that is sealed under a data key of this version begins."""
    return _MARKER + version.to_bytes(_VERSION_BYTES)


def seal(key: bytes, version: int, place: Place, content: bytes) -> bytes:
    """Seal a value for its place under a data key, which is good for 2**32 values; rotate before that."""
    head = prefix(version)
    return head + encrypted(key, content, head + place.encoded())


def version_of(place: Place, sealed: bytes) -> int:
    """Under which data key a value was sealed; VaultError if that cannot be told."""
    start = len(_MARKER) + _VERSION_BYTES
    if not sealed.startswith(_MARKER) or len(sealed) < start + OVERHEAD:
        raise VaultError(
            f"{place}: this is no whole sealed value of this version of CloudSec; restore the database from "
            "a backup"
        )
    return int.from_bytes(sealed[len(_MARKER) : start])


def unseal(key: bytes, place: Place, sealed: bytes) -> bytes:
    """What was sealed for a place under this key; VaultError for anything else."""
    head = prefix(version_of(place, sealed))
    content = decrypted(key, sealed[len(head) :], head + place.encoded())
    if content is None:
        raise VaultError(
            f"{place}: this sealed value is damaged, or belongs elsewhere; restore the database from a backup"
        )
    return content
