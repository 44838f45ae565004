"""`cloudsec vault`: what is done with the vault by hand."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers.__main__ import OneLineParser


def add_commands(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    """The words of these commands."""
    vault = commands.add_parser("vault", help="the database of identities: its keys, and single patients")
    vault.epilog = (
        "The database is $CLOUDSEC_DATABASE, else vault.db among the records; it is opened by "
        "$CLOUDSEC_VAULT_KEY_FILE, $CLOUDSEC_VAULT_PASSPHRASE_FILE or $CLOUDSEC_VAULT_KMS_KEY, else "
        "vault.key beside the user's key file."
    )
    actions = vault.add_subparsers(metavar="ACTION", required=True)

    anew = actions.add_parser("rotate", help="seal everything under a new key; others may go on meanwhile")
    anew.set_defaults(run=rotate)

    under = actions.add_parser("rewrap", help="put the keys under another envelope")
    named = under.add_mutually_exclusive_group(required=True)
    named.add_argument("--key-file", type=Path, metavar="FILE", help="made if there is none")
    named.add_argument("--passphrase-file", type=Path, metavar="FILE", help="holds one line")
    named.add_argument("--kms-key", metavar="ID", help="of AWS KMS")
    under.set_defaults(run=rewrap)

    everything = actions.add_parser("export", help="print all that is known of a patient, as JSON")
    everything.add_argument("patient", metavar="PATIENT_ID")
    everything.set_defaults(run=export)

    forgetting = actions.add_parser(
        "erase", help="forget a patient: identity, UIDs, manifests, jobs and images"
    )
    forgetting.add_argument("patient", metavar="PATIENT_ID")
    forgetting.set_defaults(run=erase)


def rotate(_: argparse.Namespace) -> int:
    """Seal everything under a new key."""
    from cloudsec.vault import rotate
    from cloudsec.vault.settings import user_vault

    with user_vault(new=False) as vault:
        print(f"{rotate(vault)} values are sealed under a new key; the old one is destroyed.")
    return 0


def rewrap(options: argparse.Namespace) -> int:
    """Put the keys under another envelope, which has to be named from then on."""
    from cloudsec.vault import rewrap
    from cloudsec.vault.settings import envelope, user_vault

    other = envelope(options.key_file, options.passphrase_file, options.kms_key)
    with user_vault(new=False) as vault:
        rewrap(vault, other)
    variable = {
        "key file": f"CLOUDSEC_VAULT_KEY_FILE={_place(options.key_file)}",
        "passphrase": f"CLOUDSEC_VAULT_PASSPHRASE_FILE={_place(options.passphrase_file)}",
        "AWS KMS": f"CLOUDSEC_VAULT_KMS_KEY={options.kms_key}",
    }[other.kind]
    print(f"The vault is under another envelope now; set {variable} and start its daemons anew.")
    return 0


def _place(path: Path | None) -> Path | None:
    """A file as it is found from any directory."""
    return path and path.resolve()


def export(options: argparse.Namespace) -> int:
    """Print all that is known of a patient, of each project that knows them."""
    from cloudsec.errors import VaultError
    from cloudsec.vault.settings import user_vault

    with user_vault(new=False) as vault:
        known = [project.export(options.patient) for project in vault.projects()]
    found = [each for each in known if each is not None]
    if not found:
        raise VaultError("no project knows this patient; give the PatientID as it stands in the images")
    print(json.dumps(found, indent=2))
    return 0


def erase(options: argparse.Namespace) -> int:
    """Forget a patient, in all projects."""
    from cloudsec.errors import VaultError
    from cloudsec.vault.settings import user_vault

    with user_vault(new=False) as vault:
        erased = [project.name for project in vault.projects() if project.erase(options.patient)]
        kept = vault.engine.dialect.name == "postgresql"
    if not erased:
        raise VaultError("no project knows this patient; give the PatientID as it stands in the images")
    print(f"The patient is forgotten in {len(erased)} {'project' if len(erased) == 1 else 'projects'}.")
    if kept:
        print("PostgreSQL keeps dead rows until VACUUM; then `cloudsec vault rotate` destroys their key.")
    return 0
