"""For every test and every example of a docstring."""

from collections.abc import Iterator
from uuid import uuid4

import pytest


@pytest.fixture(autouse=True)
def own_key_and_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test touches the user's key and records, or shares a study with another; processes inherit it."""
    # Not made, because most tests need none of it, and making one looks through all the others.
    place = tmp_path_factory.getbasetemp() / f"user-{uuid4().hex}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOUDSEC_KEY_FILE", str(place / "settings" / "key"))
        patch.setenv("CLOUDSEC_STATE", str(place / "state"))
        yield
