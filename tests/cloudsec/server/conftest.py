from collections.abc import Iterator

import pytest

from tests.daemons import Served, served


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for the tests of a module."""
    with served(tmp_path_factory.mktemp("daemon"), wrong_tokens_per_minute=1000) as running:
        yield running
