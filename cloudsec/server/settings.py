"""What an administrator may choose: one TOML file and CLOUDSEC_* variables over safe defaults.

All stands at the top of the file; names of files are relative to its directory::

    host = "broker.hospital.example"
    port = 8443
    tls_cert = "broker.pem"
    tls_key = "broker.key"
    database = "postgresql://cloudsec@db.hospital.example/cloudsec"
    providers_file = "providers.toml"
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from cloudsec.connections import LOOPBACK
from cloudsec.errors import shown
from cloudsec.jobs.queue import LEASE_SECONDS
from cloudsec.jobs.store import JOB_BYTES

PREFIX = "CLOUDSEC_"
_FILES = (
    "tls_cert",
    "tls_key",
    "client_ca",
    "providers_file",
    "rules_file",
    "vault_key_file",
    "vault_passphrase_file",
)

Count = Annotated[int, Ge(1)]
Seconds = Annotated[float, Gt(0)]


class Settings(BaseSettings):
    """The daemon's settings; each is a key of the file, and in capitals after CLOUDSEC_ a variable."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    host: str = "127.0.0.1"
    """Address to listen on; one that is not this machine's own needs TLS."""
    port: Annotated[int, Ge(0), Le(65535)] = 8080
    """0 takes a free one."""
    tls_cert: Path | None = None
    """The certificate to show (PEM)."""
    tls_key: Path | None = None
    """Its private key (PEM)."""
    client_ca: Path | None = None
    """Let in only who shows a certificate by these CAs (PEM)."""

    database: str | None = None
    """SQLite or PostgreSQL, by URL; else `vault.db` in $CLOUDSEC_STATE, or beside the user's key file."""
    vault_key_file: Path | None = None
    """The file of the key that seals the database; else `vault.key` beside the user's key file."""
    vault_passphrase_file: Path | None = None
    """Seal by a passphrase instead, the file's first line."""
    vault_kms_key: str | None = None
    """Seal by a key of AWS KMS instead, by its id."""

    providers_file: Path | None = None
    """Providers, each with its token and certificates; else embedded ones, and nothing leaves the machine."""
    embedded_providers: Annotated[int, Ge(1), Le(256)] = 9
    """How many there are without a file."""
    scheme: str = "auto"
    """For jobs that name none."""
    provider_seconds: Seconds = 60.0
    """Within which a provider must answer one task."""
    project: Annotated[str, MinLen(1)] = "default"
    """Whose pseudonyms jobs get that name no project."""
    rules_file: Path | None = None
    """What de-identification masks and keeps, as `cloudsec deidentify --rules` takes it."""

    workers: Count = 2
    """Jobs that this daemon has done at one time."""
    lease_seconds: Annotated[float, Ge(1)] = LEASE_SECONDS
    """After which the job of a daemon that says nothing is another's."""
    keep_days: Annotated[float, Gt(0)] = 7.0
    """After which a job that ended is removed with its result."""

    image_bytes: Count = 1 << 28
    """Largest image file."""
    job_bytes: Count = JOB_BYTES
    """Bytes of the images of one job, and of its results: they are in memory while it is done."""
    user_jobs: Count = 100
    """Jobs that have not ended, of one user."""
    user_bytes: Count = 1 << 34
    """Bytes of images and results, of one user."""
    requests_per_minute: Count = 600
    """Of one user."""
    wrong_tokens_per_minute: Count = 10
    """From one address."""

    log_level: Literal["info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together; give both")
        if self.client_ca is not None and self.tls_cert is None:
            raise ValueError("client_ca is of no use without TLS; give tls_cert and tls_key too")
        if self.host not in LOOPBACK and self.tls_cert is None:
            raise ValueError(
                f"host {self.host} can be reached from other machines, and images would travel in the clear; "
                "give tls_cert and tls_key, or listen on 127.0.0.1"
            )
        seals = (self.vault_key_file, self.vault_passphrase_file, self.vault_kms_key)
        if sum(given is not None for given in seals) > 1:
            raise ValueError("give one of vault_key_file, vault_passphrase_file and vault_kms_key")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def read_settings(path: Path | None) -> Settings:
    """The settings of a file, or the defaults; variables go before both.

    Raises
    ------
    ValueError
        For what is no such file, or a setting that there is not or that cannot be; in one line.
    """
    try:
        return Settings(**({} if path is None else _chosen(path)))
    except (ValidationError, SettingsError) as error:
        told = _described(error) if isinstance(error, ValidationError) else str(error)
        raise ValueError(f"{'the settings' if path is None else shown(path)}: {told}") from None


def _chosen(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        chosen = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{shown(path)} cannot be read: {(error.strerror or '').lower()}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{shown(path)} is no TOML file: {error}") from error
    files = {name: path.parent / chosen[name] for name in _FILES if isinstance(chosen.get(name), str)}
    return chosen | files


def _described(error: ValidationError) -> str:
    """What is wrong first, without the value: it may be a secret that stands in the wrong place."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"there is no setting {name!r}; there are: {', '.join(Settings.model_fields)}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}" if name else message
