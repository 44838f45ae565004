"""Data keys by version: wrapped in the database, in the clear here; the newest seals, all of them open."""

from __future__ import annotations

import os
from uuid import uuid4

from sqlalchemy import Connection, Engine, func, insert, select

from cloudsec.errors import VaultError
from cloudsec.keystream import KEY_BYTES
from cloudsec.vault.database import reading, writing
from cloudsec.vault.envelope import Envelope
from cloudsec.vault.sealing import Place, seal, unseal, version_of
from cloudsec.vault.tables import data_keys


class DataKeys:
    """The keys that values are sealed under.

    They are unwrapped once and kept; one that another process made since is looked up when it is met.

    Raises
    ------
    VaultError
        If the envelope does not open them.
    """

    def __init__(self, engine: Engine, envelope: Envelope) -> None:
        self._engine = engine
        self._envelope = envelope
        self._known: dict[int, bytes] = {}
        with reading(engine) as connection:
            made = self.newest(connection)
        if made is None:
            with writing(engine, alone=True) as connection:
                # Another process may have been first.
                if self.newest(connection) is None:
                    self.add(connection)
        with reading(engine) as connection:
            self._load(connection)

    def newest(self, connection: Connection) -> int | None:
        """The version that seals; None in a new database."""
        version: int | None = connection.scalar(select(func.max(data_keys.c.version)))
        return version

    def add(self, connection: Connection) -> int:
        """Make a new key, which seals from now on; for a transaction that is alone."""
        version = (self.newest(connection) or 0) + 1
        id = uuid4().hex
        wrapped = self._envelope.wrapped(os.urandom(KEY_BYTES), context(version, id))
        row = {"version": version, "id": id, "envelope": self._envelope.kind, "wrapped": wrapped}
        connection.execute(insert(data_keys).values(row))
        return version

    def sealing(self, connection: Connection) -> int:
        """The version that a transaction seals under: while that lasts, nobody takes the key away."""
        version = self.newest(connection)
        assert version is not None
        if version not in self._known:
            self._load(connection)
        return version

    def sealed(self, version: int, place: Place, content: bytes) -> bytes:
        """Seal a value, in the transaction that asked for the version and will write it."""
        return seal(self._known[version], version, place, content)

    def opened(self, place: Place, sealed: bytes) -> bytes:
        """What was sealed for a place; VaultError for anything else."""
        version = version_of(place, sealed)
        if version not in self._known:
            with reading(self._engine) as connection:
                self._load(connection)
        if version not in self._known:
            raise VaultError(
                f"{place}: this was sealed under data key {version}, which the database does not have; "
                "restore the database from a backup"
            )
        return unseal(self._known[version], place, sealed)

    def rewrap(self, connection: Connection, envelope: Envelope) -> None:
        """Put all keys under another envelope; for a transaction that is alone."""
        for row in connection.execute(select(data_keys)).all():
            where = context(row.version, row.id)
            wrapped = envelope.wrapped(self._unwrapped(row.envelope, row.wrapped, where), where)
            change = data_keys.update().where(data_keys.c.version == row.version)
            connection.execute(change.values(envelope=envelope.kind, wrapped=wrapped))
        self._envelope = envelope

    def _load(self, connection: Connection) -> None:
        for row in connection.execute(select(data_keys)).all():
            if row.version not in self._known:
                where = context(row.version, row.id)
                self._known[row.version] = self._unwrapped(row.envelope, row.wrapped, where)

    def _unwrapped(self, kind: str, wrapped: bytes, where: str) -> bytes:
        if kind != self._envelope.kind:
            raise VaultError(
                f"this vault is kept under another envelope ({kind}) than the one that was named "
                f"({self._envelope.kind}); name its own: $CLOUDSEC_VAULT_KEY_FILE, "
                "$CLOUDSEC_VAULT_PASSPHRASE_FILE or $CLOUDSEC_VAULT_KMS_KEY"
            )
        return self._envelope.unwrapped(wrapped, where)


def context(version: int, id: str) -> str:
    """What a wrapped data key is bound to: its version, and an id that no other vault's has."""
    return f"data key {version} {id}"
