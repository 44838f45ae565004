"""The tables as this version of the code needs them, whichever version made the database."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from cloudsec.errors import VaultError
from cloudsec.vault.database import no_vault, reading, writing
from cloudsec.vault.tables import METADATA


def migrate(engine: Engine, *, new: bool = True) -> None:
    """Bring a database up to date; of processes that come at once one does, and the others find it done.

    One that never had any tables is refused unless it may be new.

    Raises
    ------
    VaultError
        If a newer version of the code made the database, or none did and it may not be new.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with reading(engine) as connection:
        if _is_up_to_date(connection, scripts):
            return
        if not (new or MigrationContext.configure(connection).get_current_heads()):
            raise no_vault(engine.url)
    with writing(engine, alone=True) as connection:
        if not _is_up_to_date(connection, scripts):
            # What `alembic upgrade head` does, on our connection and with no file that it would run first.
            environment = EnvironmentContext(
                config, scripts, fn=lambda revision, _: scripts._upgrade_revs("head", revision)
            )
            environment.configure(connection, target_metadata=METADATA)
            environment.run_migrations()


def _is_up_to_date(connection: Connection, scripts: ScriptDirectory) -> bool:
    found = set(MigrationContext.configure(connection).get_current_heads())
    known = {script.revision for script in scripts.walk_revisions()}
    if not found <= known:
        raise VaultError(
            f"a newer CloudSec made this database (revision {', '.join(sorted(found - known))}); install "
            "that, or restore the backup that was taken before"
        )
    return found == set(scripts.get_heads())
