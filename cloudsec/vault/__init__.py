"""Who the patients are stays in a database that tells nothing to whoever steals it."""

from cloudsec.vault.envelope import Envelope, KeyFile, Kms, Passphrase
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
    "Sealed",
    "Vault",
    "Writing",
    "open_vault",
]
