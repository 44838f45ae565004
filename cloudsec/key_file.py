"""The master key outlives every process: made once, and refused where anybody else could have it."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from cloudsec.atomic import create_private, make_directory, open_regular
from cloudsec.errors import VaultError, shown
from cloudsec.keystream import KEY_BYTES, Keystream

_CONTENT = re.compile(rb"cloudsec-key-1 ([0-9a-f]{%d})\n" % (2 * KEY_BYTES))
_LONGEST_READ = 1024
"""Bytes: more than any version will need, so that a large file is not read to be told from a key."""
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
    path = _user_key_file() if key is None else Path(key)
    try:
        return _read(path)
    except FileNotFoundError:
        _make(path)
    try:
        return _read(path)
    except FileNotFoundError as error:
        raise VaultError(f"{shown(path)}: this key file is a link to nothing; {_RESTORE}") from error


def state_directory() -> Path:
    """Where the studies' records lie: `$CLOUDSEC_STATE`, else beside the user's key file."""
    named = os.environ.get("CLOUDSEC_STATE")
    return Path(named) if named else _user_key_file().parent


def _user_key_file() -> Path:
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


def _read(path: Path) -> Keystream:
    try:
        with open_regular(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LONGEST_READ)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise VaultError(
            f"{shown(path)}: this key file cannot be read ({error.strerror}); {_RESTORE}"
        ) from error
    if mode & (stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH):
        raise VaultError(
            f"{shown(path)}: others than its owner can read or write this key file; "
            "if nobody else has used it, take that from them with `chmod 600`"
        )
    match = _CONTENT.fullmatch(content)
    if match is None:
        raise VaultError(f"{shown(path)}: this is no whole key file of this version of CloudSec; {_RESTORE}")
    return Keystream.of(bytes.fromhex(match[1].decode()))


def _make(path: Path) -> None:
    content = f"cloudsec-key-1 {os.urandom(KEY_BYTES).hex()}\n".encode()
    try:
        make_directory(path.parent)
        with suppress(FileExistsError):
            create_private(path, content)
    except OSError as error:
        raise VaultError(
            f"{shown(path)}: no key file can be made there ({error.strerror}); "
            "name one in $CLOUDSEC_KEY_FILE that can be written"
        ) from error
