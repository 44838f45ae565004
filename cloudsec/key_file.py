"""The master key outlives every process: made once, and refused where anybody else could have it."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cloudsec.atomic import create_private, make_directory, open_regular
from cloudsec.errors import VaultError, shown
from cloudsec.keystream import KEY_BYTES, Keystream

_CONTENT = re.compile(rb"cloudsec-key-1 ([0-9a-f]{%d})\n" % (2 * KEY_BYTES))
_LONGEST_READ = 1024
"""Bytes: more than any version will need, so that a large file is not read to be told from a key."""
OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH
"""What nobody but its owner may have of a file with secrets."""
_RESTORE = (
    "restore it from a backup; with another key, providers may get other positions of every study's images"
)


def master_key(key: bytes | str | Path | None) -> Keystream:
    """The key that every study's secrets come from.

    Parameters
    ----------
    key : bytes, str, Path or None
        At least 32 secret bytes; or the name of a key file, which is made if it does not exist; or None for
        the user's key file: `$CLOUDSEC_KEY_FILE`, else `cloudsec/key` in `$XDG_CONFIG_HOME` or `~/.config`.

    Raises
    ------
    ValueError
        If the bytes are too few.
    VaultError
        If the key file cannot be made or read, or others can read or write it.
    """
    if isinstance(key, bytes):
        return Keystream.of(key)
    path = user_key_file() if key is None else Path(key)
    return StoredKey(path, _RESTORE, "$CLOUDSEC_KEY_FILE").made()


@dataclass(frozen=True)
class StoredKey:
    """A key in a file that is its owner's alone.

    Attributes
    ----------
    path : Path
    lost : str
        What to do where it is lost or damaged, and what that means.
    variable : str
        In which variable of the environment another can be named.
    """

    path: Path
    lost: str
    variable: str

    @property
    def place(self) -> str:
        """The file's name, for a message."""
        return shown(self.path)

    def made(self) -> Keystream:
        """The key, which is made if there is no such file yet; VaultError if it cannot be made or read."""
        try:
            return self.read()
        except FileNotFoundError:
            self._make()
        try:
            return self.read()
        except FileNotFoundError as error:
            raise VaultError(f"{self.place}: this key file is a link to nothing; {self.lost}") from error

    def read(self) -> Keystream:
        """The key; FileNotFoundError if there is no such file, VaultError if others can read or write it."""
        try:
            content = read_private(self.path, _LONGEST_READ)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise VaultError(
                f"{self.place}: this key file cannot be read ({error.strerror}); {self.lost}"
            ) from error
        match = _CONTENT.fullmatch(content)
        if match is None:
            raise VaultError(
                f"{self.place}: this is no whole key file of this version of CloudSec; {self.lost}"
            )
        return Keystream.of(bytes.fromhex(match[1].decode()))

    def _make(self) -> None:
        content = f"cloudsec-key-1 {os.urandom(KEY_BYTES).hex()}\n".encode()
        try:
            make_directory(self.path.parent)
            with suppress(FileExistsError):
                create_private(self.path, content)
        except OSError as error:
            raise VaultError(
                f"{self.place}: no key file can be made there ({error.strerror}); "
                f"name one in {self.variable} that can be written"
            ) from error


def read_private(path: Path, longest: int) -> bytes:
    """The first bytes of a file; OSError if it cannot be read, VaultError if others can read or write it."""
    with open_regular(path) as file:
        mode = os.fstat(file.fileno()).st_mode
        content = file.read(longest)
    if mode & OTHERS:
        raise VaultError(
            f"{shown(path)}: others than its owner can read or write this file; "
            "if nobody else has used it, take that from them with `chmod 600`"
        )
    return content


def state_directory() -> Path:
    """Where the studies' records lie: `$CLOUDSEC_STATE`, else beside the user's key file."""
    named = os.environ.get("CLOUDSEC_STATE")
    return Path(named) if named else user_key_file().parent


def user_key_file() -> Path:
    """The name of the user's key file: `$CLOUDSEC_KEY_FILE`, else among the user's settings."""
    named = os.environ.get("CLOUDSEC_KEY_FILE")
    if named:
        return Path(named)
    # The XDG specification has relative paths ignored; they would name another key in every directory.
    settings = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if not settings.is_absolute():
        try:
            settings = Path.home() / ".config"
        except RuntimeError as error:
            raise VaultError(
                "there is no home directory to keep a key file in; name a key file in $CLOUDSEC_KEY_FILE"
            ) from error
    return settings / "cloudsec" / "key"
