from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudsec.vault import KeyFile, Vault, open_vault


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that is not there yet, or is empty, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/vault.db"
    url: str = request.getfixturevalue("database_server").database()
    return url


@pytest.fixture
def key(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "settings" / "vault.key")


@pytest.fixture
def vault(url: str, key: KeyFile) -> Iterator[Vault]:
    with open_vault(url, key) as vault:
        yield vault


@pytest.fixture
def again(url: str, key: KeyFile) -> Callable[[], Vault]:
    """Opens the vault as another process would."""
    return lambda: open_vault(url, key)
