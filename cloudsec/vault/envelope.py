"""What data keys are wrapped under: a key file, a passphrase, or a key of AWS KMS that never leaves it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cloudsec.aead import decrypted, encrypted
from cloudsec.errors import VaultError
from cloudsec.key_file import StoredKey
from cloudsec.keystream import KEY_BYTES

if TYPE_CHECKING:
    from botocore.client import BaseClient

SCRYPT_LOG_COST = 17
"""2**17 blocks of 1 KiB: 128 MiB and about half a second for each guess (OWASP's first choice of scrypt)."""
FEWEST_CHARACTERS = 12
"""Of a passphrase: with fewer, the memory that a guess takes is no obstacle."""

_LARGEST_LOG_COST = 18
"""What a header may ask for, so that a changed one cannot take all memory."""
_PASSPHRASE_MARKER = b"cloudsec passphrase 1\n"
_FILE_MARKER = b"cloudsec key file 1\n"
_SALT_BYTES = 16


class Envelope(Protocol):
    """Keeps data keys from whoever has the database only."""

    @property
    def kind(self) -> str:
        """What it is, in words; stored in the clear beside what is wrapped."""

    def wrapped(self, key: bytes, context: str) -> bytes:
        """A data key, for the database; VaultError if that cannot be done."""

    def unwrapped(self, wrapped: bytes, context: str) -> bytes:
        """The data key that was wrapped in this context; VaultError for anything else."""


@dataclass(frozen=True)
class KeyFile:
    """A key in a file of its owner's alone; made when the first data key is wrapped, and never again.

    Attributes
    ----------
    path : Path
        Kept where whoever copies the database does not get it as well.
    """

    path: Path
    kind: ClassVar[str] = "key file"

    def wrapped(self, key: bytes, context: str) -> bytes:
        kept = self._stored().made()
        return _FILE_MARKER + encrypted(kept.octets("vault envelope", KEY_BYTES), key, context.encode())

    def unwrapped(self, wrapped: bytes, context: str) -> bytes:
        try:
            kept = self._stored().read()
        except FileNotFoundError as error:
            raise VaultError(
                f"{self._stored().place}: the vault's key file is not there; copy it from where the vault "
                "was made, restore it from a backup, or name its place in $CLOUDSEC_VAULT_KEY_FILE: without "
                "it nobody can open the vault"
            ) from error
        hidden = _after(_FILE_MARKER, wrapped)
        key = decrypted(kept.octets("vault envelope", KEY_BYTES), hidden, context.encode())
        if key is None:
            raise VaultError(
                f"{self._stored().place}: this key file does not open the vault; name the one that it was "
                "made with in $CLOUDSEC_VAULT_KEY_FILE"
            )
        return key

    def _stored(self) -> StoredKey:
        lost = "restore it from a backup; without it nobody can open the vault"
        return StoredKey(self.path, lost, "$CLOUDSEC_VAULT_KEY_FILE")


@dataclass(frozen=True)
class Passphrase:
    """Words that somebody keeps, stretched by scrypt (RFC 7914) with a salt for each data key."""

    text: str = field(repr=False)
    kind: ClassVar[str] = "passphrase"

    def __post_init__(self) -> None:
        if len(self.text) < FEWEST_CHARACTERS:
            raise ValueError(f"a passphrase has at least {FEWEST_CHARACTERS} characters; take a longer one")

    def wrapped(self, key: bytes, context: str) -> bytes:
        head = bytes([SCRYPT_LOG_COST]) + os.urandom(_SALT_BYTES)
        return _PASSPHRASE_MARKER + head + encrypted(self._stretched(head), key, context.encode())

    def unwrapped(self, wrapped: bytes, context: str) -> bytes:
        rest = _after(_PASSPHRASE_MARKER, wrapped)
        head, hidden = rest[: 1 + _SALT_BYTES], rest[1 + _SALT_BYTES :]
        key = None
        if hidden and 1 <= head[0] <= _LARGEST_LOG_COST:
            key = decrypted(self._stretched(head), hidden, context.encode())
        if key is None:
            raise VaultError(
                "this passphrase does not open the vault; put the one that it was made with into the file "
                "that $CLOUDSEC_VAULT_PASSPHRASE_FILE names"
            )
        return key

    def _stretched(self, head: bytes) -> bytes:
        return Scrypt(head[1:], KEY_BYTES, n=1 << head[0], r=8, p=1).derive(self.text.encode())


@dataclass(frozen=True, eq=False)
class Kms:
    """A key of AWS KMS, which wraps data keys and is never seen here.

    Attributes
    ----------
    key : str
        Its id, ARN or alias.
    client : botocore client, optional
        Of KMS; by default one with credentials and region as boto3 finds them.
    """

    key: str
    client: BaseClient | None = field(default=None, repr=False)
    kind: ClassVar[str] = "AWS KMS"

    def wrapped(self, key: bytes, context: str) -> bytes:
        with self._named() as client:
            answer = client.encrypt(KeyId=self.key, Plaintext=key, EncryptionContext={"cloudsec": context})
        wrapped: bytes = answer["CiphertextBlob"]
        return wrapped

    def unwrapped(self, wrapped: bytes, context: str) -> bytes:
        with self._named() as client:
            answer = client.decrypt(
                KeyId=self.key, CiphertextBlob=wrapped, EncryptionContext={"cloudsec": context}
            )
        key: bytes = answer["Plaintext"]
        return key

    @contextmanager
    def _named(self) -> Iterator[Any]:
        """The client; what it fails by is said with the key that was asked for."""
        try:
            import boto3
            from botocore.exceptions import BotoCoreError, ClientError
        except ModuleNotFoundError as error:
            raise VaultError(
                "a vault under AWS KMS needs boto3; install it with `pip install 'cloudsec[kms]'`"
            ) from error
        try:
            yield self.client or boto3.client("kms")
        except ClientError as error:
            reason = error.response.get("Error", {}).get("Code", "an unnamed error")
            raise VaultError(
                f"AWS KMS does not open the vault with key {self.key} ({reason}); name the key that it was "
                "made with in $CLOUDSEC_VAULT_KMS_KEY, and allow this account to use it"
            ) from error
        except BotoCoreError as error:
            raise VaultError(
                f"AWS KMS cannot be asked for key {self.key} ({type(error).__name__}); set region and "
                "credentials as for the aws command, and see that it can be reached"
            ) from error


def _after(marker: bytes, wrapped: bytes) -> bytes:
    """What stands behind a marker; nothing where another stands there."""
    return wrapped.removeprefix(marker) if wrapped.startswith(marker) else b""
