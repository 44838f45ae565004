"""Who the patients are stays in a database that tells nothing to whoever steals it."""

from cloudsec.vault import job_tables
from cloudsec.vault.envelope import Envelope, KeyFile, Kms, Passphrase
from cloudsec.vault.projects import Project
from cloudsec.vault.rotation import rewrap, rotate
from cloudsec.vault.sealing import Place
from cloudsec.vault.tables import METADATA, Sealed
from cloudsec.vault.vault import Vault, Writing, open_vault

__all__ = [
    "METADATA",
    "Envelope",
    "KeyFile",
    "Kms",
    "Passphrase",
    "Place",
    "Project",
    "Sealed",
    "Vault",
    "Writing",
    "job_tables",
    "open_vault",
    "rewrap",
    "rotate",
]
