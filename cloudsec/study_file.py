"""A study's record on disk: sealed, replaced whole, changed by one at a time; its meaning is unknown here."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cloudsec.aead import OVERHEAD, decrypted, encrypted
from cloudsec.atomic import make_directory, open_regular, write_whole
from cloudsec.errors import VaultError, shown
from cloudsec.keystream import KEY_BYTES, Keystream

LARGEST_RECORD = 1 << 28
"""Bytes of a sealed record: far more than any study needs, and still within an ordinary workstation."""

_MARKER = b"cloudsec record 1\n"
_RESTORE = (
    "restore it from a backup; to remove it instead means that providers may get other positions "
    "of the study's images"
)


@dataclass(frozen=True, eq=False)
class StudyFile:
    """The sealed record of one study.

    Attributes
    ----------
    keys : Keystream
        The study's own: who has them can read the record, and nobody else can tell whose it is.
    directory : Path
        Where the record lies; made when it is first changed.
    """

    keys: Keystream = field(repr=False)
    directory: Path

    @property
    def path(self) -> Path:
        """The record's file; its name tells nothing of the study's."""
        return self.directory / f"study-{self.keys.octets('vault name', 16).hex()}.sealed"

    @property
    def place(self) -> str:
        """The file's name, for a message."""
        return shown(self.path)

    def read(self) -> bytes | None:
        """What was last written, whole whoever is writing; None where there is no record yet.

        Raises
        ------
        VaultError
            If there is a record and it is not exactly as it was written here.
        """
        try:
            with open_regular(self.path) as file:
                size = os.fstat(file.fileno()).st_size
                if size > LARGEST_RECORD:
                    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
                return self._opened(file.read(size))
        except FileNotFoundError as error:
            # A link to nothing is a record that is lost, not one that was never written.
            if not self.path.is_symlink():
                return None
            raise VaultError(f"{self.place}: this record is a link to nothing; {_RESTORE}") from error
        except OSError as error:
            raise VaultError(
                f"{self.place}: this record cannot be read ({error.strerror}); {_RESTORE}"
            ) from error

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """The record, while no other thread or process can change it; others may read it.

        Who asks for the same record again inside waits for ever.

        Raises
        ------
        VaultError
            If the record cannot be read or locked.
        """
        with self._locked():
            change = Change(self._write, self.read())
            try:
                yield change
            finally:
                change.end()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # The record itself is replaced by another file with every change, and with it a lock would go.
        lock = self.path.with_suffix(".lock")
        try:
            make_directory(self.directory)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            # Every opening has a lock of its own, so that threads exclude each other as processes do.
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                raise VaultError(
                    f"{self.place}: the file system there cannot lock files ({error.strerror}); "
                    "move the records to another and name their directory in $CLOUDSEC_STATE"
                ) from error
            try:
                yield
            finally:
                # Closing is not enough: a process that was forked meanwhile has the file open too.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)

    def _write(self, content: bytes) -> None:
        sealed = self._sealed(content)
        if len(sealed) > LARGEST_RECORD:
            raise VaultError(
                f"{self.place}: the record would grow beyond {LARGEST_RECORD} bytes; begin another study"
            )
        try:
            write_whole(self.path, sealed, private=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def _sealed(self, content: bytes) -> bytes:
        return _MARKER + encrypted(self._key(), content, self._context())

    def _opened(self, sealed: bytes) -> bytes:
        if not sealed.startswith(_MARKER) or len(sealed) < len(_MARKER) + OVERHEAD:
            raise VaultError(f"{self.place}: this is no whole record of this version of CloudSec; {_RESTORE}")
        content = decrypted(self._key(), sealed[len(_MARKER) :], self._context())
        if content is None:
            raise VaultError(f"{self.place}: this record is damaged, or another study's; {_RESTORE}")
        return content

    def _key(self) -> bytes:
        return self.keys.octets("vault seal", KEY_BYTES)

    def _context(self) -> bytes:
        return _MARKER + self.path.name.encode()

    def _unwritable(self, error: OSError) -> VaultError:
        return VaultError(
            f"{self.place}: this record cannot be written ({error.strerror}); make its directory "
            "writable, or move the records to one that is and name it in $CLOUDSEC_STATE"
        )


class Change:
    """A record that nobody else can change meanwhile.

    Attributes
    ----------
    content : bytes or None
        What the record holds; None where there is none yet.
    """

    __slots__ = ("_write", "content")

    def __init__(self, write: Callable[[bytes], None], content: bytes | None) -> None:
        self._write: Callable[[bytes], None] | None = write
        self.content = content

    def write(self, content: bytes) -> None:
        """Replace the record; what fails has changed nothing.

        In a file it lasts when this returns, in a database when the block has ended that changes it.

        Raises
        ------
        VaultError
            If the record cannot be written.
        """
        if self._write is None:
            raise ValueError("the record is no longer locked; write to it inside the block that changes it")
        self._write(content)
        self.content = content

    def end(self) -> None:
        """The record is no longer locked."""
        self._write = None
