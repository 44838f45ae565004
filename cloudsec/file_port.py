"""The way to files: what is wrong with one is said in a line that begins with its name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloudsec.errors import ImageFileError, shown


@contextmanager
def port(path: Path | str, failure: str) -> Iterator[None]:
    """What leaves here is an ImageFileError in one line that begins with the file's name."""
    name = shown(path)
    try:
        yield
    except ImageFileError as error:
        raise type(error)(f"{name}: {error}") from (error.__cause__ or error)
    except FileNotFoundError as error:
        raise ImageFileError(f"{name}: there is no such file; check the name") from error
    except PermissionError as error:
        raise ImageFileError(f"{name}: permission denied; check who may read and write it") from error
    except MemoryError as error:
        raise ImageFileError(
            f"{name}: needs more memory than this machine has left; use a smaller image"
        ) from error
    except OSError as error:
        # Pillow says with an OSError without a reason of the system that a file is damaged.
        reason = f" ({error.strerror})" if error.strerror else ""
        raise ImageFileError(f"{name}: {failure}{reason}") from error
    except Exception as error:
        raise ImageFileError(f"{name}: {failure}") from error


def refuse_what_is_no_file(path: Path) -> None:
    """Opening a pipe would wait for a writer for ever."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ImageFileError("is a directory; name one image file")
    if not stat.S_ISREG(mode):
        raise ImageFileError("is not a regular file; name one image file")


def check_vacant(directory: Path) -> None:
    """Refuses a directory that could not be made, or holds anything already."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ImageFileError("is there already; name a new directory for the slices")
    _check_parent(directory)


def check_place(path: Path) -> None:
    """Refuses a file that could not be written because of what is there, or is not."""
    if path.is_dir():
        raise ImageFileError("is a directory; name a file in it")
    if path.exists() and not path.is_file():
        raise ImageFileError("is not a regular file; name another")
    _check_parent(path)


def _check_parent(path: Path) -> None:
    """Refuses a place whose directory is not there, or may not be written to."""
    # The directory that is written to, where the file is a link.
    directory = path.resolve().parent
    if not directory.is_dir():
        raise ImageFileError("lies in a directory that does not exist; make it first")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ImageFileError("lies in a directory that may not be written to; choose another")
