"""A file appears whole or not at all, and lasts."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, or leave what was there; OSError where that fails, with nothing left behind."""
    # A link stays, and what it leads to is replaced.
    path = path.resolve()
    part = path.with_name(f".cloudsec-{uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            # What was private stays so.
            with suppress(FileNotFoundError):
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """The new name must outlast a power cut too; not every file system can promise that."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
