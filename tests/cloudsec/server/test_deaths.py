"""Daemons that are killed lose no job, do none twice, and end each once."""

from pathlib import Path

import pytest

from benchmarks.daemon import killed


def check(place: Path, database: str, count: int, *, second: bool) -> None:
    life = killed(place, database, count=count, second=second)
    assert life.ends == {("done",): count}
    assert life.wrong == 0
    # One was under way.
    assert life.lost >= 1


def test_of_two_daemons_on_one_postgresql_one_may_be_killed(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    check(tmp_path, request.getfixturevalue("database_server").database(), 12, second=True)


def test_a_daemon_on_sqlite_may_be_killed_and_started_again(tmp_path: Path) -> None:
    check(tmp_path, f"sqlite:///{tmp_path}/vault.db", 12, second=False)


@pytest.mark.slow
def test_of_200_jobs_each_ends_once_though_one_of_two_daemons_on_postgresql_is_killed(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    check(tmp_path, request.getfixturevalue("database_server").database(), 200, second=True)


@pytest.mark.slow
def test_of_200_jobs_each_ends_once_though_the_daemon_on_sqlite_is_killed(tmp_path: Path) -> None:
    check(tmp_path, f"sqlite:///{tmp_path}/vault.db", 200, second=False)
