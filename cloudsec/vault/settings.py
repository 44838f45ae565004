"""Which database holds the vault, and what opens it: as named, or as the environment says, or the user's."""

from __future__ import annotations

import os
from pathlib import Path

from cloudsec.errors import VaultError, shown
from cloudsec.key_file import read_private, state_directory, user_key_file
from cloudsec.vault.envelope import Envelope, KeyFile, Kms, Passphrase
from cloudsec.vault.vault import Vault, open_vault

_LONGEST_PASSPHRASE = 4096
"""Bytes that are read of a passphrase's file."""


def user_vault(
    database: str | None = None,
    *,
    key_file: Path | None = None,
    passphrase_file: Path | None = None,
    kms_key: str | None = None,
    new: bool = True,
) -> Vault:
    """Open the vault of whoever runs this; what is None is as `$CLOUDSEC_…` says, or the default.

    Parameters
    ----------
    database : str, optional
        Its URL; else `$CLOUDSEC_DATABASE`, else SQLite in `vault.db` of the state directory.
    key_file, passphrase_file : Path, optional
    kms_key : str, optional
        See `envelope`.
    new : bool
        Whether one is made where none is: what only asks a vault would take an empty one for an answer.

    Raises
    ------
    ValueError
        If several envelopes are named, or the URL names no database.
    VaultError
        If the vault cannot be opened, or is not there.
    """
    url = database or os.environ.get("CLOUDSEC_DATABASE") or f"sqlite:///{state_directory() / 'vault.db'}"
    return open_vault(url, envelope(key_file, passphrase_file, kms_key), new=new)


def envelope(
    key_file: Path | None = None, passphrase_file: Path | None = None, kms_key: str | None = None
) -> Envelope:
    """The envelope that is named here, else in the environment, else `vault.key` beside the user's key file.

    The variables are `$CLOUDSEC_VAULT_KEY_FILE`, `$CLOUDSEC_VAULT_PASSPHRASE_FILE` and
    `$CLOUDSEC_VAULT_KMS_KEY`.

    Raises
    ------
    ValueError
        If several are named, or a passphrase is too short.
    VaultError
        If a passphrase cannot be read, or others can read it.
    """
    if not (key_file or passphrase_file or kms_key):
        key_file = _path_in("CLOUDSEC_VAULT_KEY_FILE")
        passphrase_file = _path_in("CLOUDSEC_VAULT_PASSPHRASE_FILE")
        kms_key = os.environ.get("CLOUDSEC_VAULT_KMS_KEY")
    if sum(map(bool, (key_file, passphrase_file, kms_key))) > 1:
        raise ValueError("a vault has one envelope: name a key file, a passphrase's file or a key of AWS KMS")
    if kms_key:
        return Kms(kms_key)
    if passphrase_file:
        return Passphrase(_passphrase(passphrase_file))
    return KeyFile(key_file or user_key_file().with_name("vault.key"))


def _path_in(variable: str) -> Path | None:
    named = os.environ.get(variable)
    return Path(named) if named else None


def _passphrase(path: Path) -> str:
    try:
        return read_private(path, _LONGEST_PASSPHRASE).decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise VaultError(
            f"{shown(path)}: this passphrase is no text in UTF-8; write one line of it"
        ) from error
    except OSError as error:
        raise VaultError(
            f"{shown(path)}: the passphrase cannot be read ({error.strerror}); name its file in "
            "$CLOUDSEC_VAULT_PASSPHRASE_FILE"
        ) from error
