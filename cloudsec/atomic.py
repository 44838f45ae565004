"""A file appears whole or not at all, and lasts."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


def write_whole(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file, or leave what was there; OSError where that fails, with nothing left behind.

    A private file is its owner's alone from the start; any other keeps the mode of what it replaces.
    """
    # A link stays, and what it leads to is replaced.
    path = path.resolve()
    with _part(path, content, private) as part:
        part.replace(path)
    _sync_directory(path.parent)


def create_private(path: Path, content: bytes) -> None:
    """Make a file that is its owner's alone; FileExistsError where there is one, whole and lasting too."""
    with _part(path, content, private=True) as part:
        try:
            # Unlike a file that is opened to be made, a link appears together with all its content.
            os.link(part, path)
        finally:
            # Who lost the race goes on with the winner's file, perhaps before the winner comes here.
            _sync_directory(path.parent)


def make_directory(directory: Path) -> None:
    """Make a directory, with those above it, for its owner alone; what is there already stays as it is."""
    missing = [place for place in (directory, *directory.parents) if not place.is_dir()]
    for place in reversed(missing):
        place.mkdir(0o700, exist_ok=True)
        _sync_directory(place.parent)


@contextmanager
def whole_directory(directory: Path) -> Iterator[Path]:
    """A place for the files of a new directory, which appears with all of them, or not at all.

    OSError where there is one already that holds anything.
    """
    # Links stay here too; nothing is renamed onto one.
    directory = directory.resolve()
    part = directory.with_name(f".cloudsec-{uuid4().hex}.part")
    part.mkdir()
    try:
        yield part
        try:
            part.rename(directory)
        except OSError as error:
            # Nobody knows of the part; somebody else may have made the directory meanwhile.
            raise OSError(error.errno, error.strerror, str(directory)) from error
    finally:
        # Nothing is left of it once it was renamed.
        try:
            shutil.rmtree(part, ignore_errors=True)
        except KeyboardInterrupt:
            # Who presses Ctrl-C twice is in a hurry, and does not want half of it either.
            shutil.rmtree(part, ignore_errors=True)
            raise
    _sync_directory(directory.parent)


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """A file to read; OSError for a directory, a pipe or a device, none of which is waited for."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file")
        yield file


@contextmanager
def _part(path: Path, content: bytes, private: bool) -> Iterator[Path]:
    """A file beside another with all of its content, on the disk; gone afterwards unless it was renamed."""
    part = path.with_name(f".cloudsec-{uuid4().hex}.part")
    mode = 0o600 if private else 0o666
    try:
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            if not private:
                # What was private stays so.
                with suppress(FileNotFoundError):
                    os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield part
    finally:
        with suppress(OSError):
            part.unlink()


def _sync_directory(directory: Path) -> None:
    """The new name must outlast a power cut too; not every file system can promise that."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
