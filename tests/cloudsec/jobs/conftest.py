from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudsec.jobs import Claim, JobQueue, JobStore, Quota
from cloudsec.vault import KeyFile, Vault, open_vault

QUOTA = Quota(jobs=1000, bytes=1 << 30)


@pytest.fixture(params=["sqlite", "postgresql"])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vault]:
    """A vault in an empty database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/vault.db"
    else:
        url = request.getfixturevalue("database_server").database()
    with open_vault(url, KeyFile(tmp_path / "vault.key")) as vault:
        yield vault


@pytest.fixture
def store(vault: Vault) -> JobStore:
    return JobStore(vault)


@pytest.fixture
def queued(store: JobStore) -> Callable[..., str]:
    """Makes a job of one image that waits for a worker; its id."""

    def make(user: str = "somebody", image: bytes = b"image") -> str:
        job = store.create(user, b"{}", QUOTA)
        store.keep(job.id, 0, image)
        return store.start(job.id).id

    return make


def claimed(queue: JobQueue, owner: str = "one") -> Claim:
    claim = queue.claim(owner)
    assert claim is not None
    return claim
