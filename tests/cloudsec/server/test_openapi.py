"""The daemon's HTTP API is what it says of itself, for every role and for nobody."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import strategies as st
from schemathesis.checks import positive_data_acceptance

from cloudsec.formats import FIGURES, FORMATS
from cloudsec.jobs import Role
from cloudsec.server.app import create_app
from cloudsec.server.requests import Form
from providers.transfer import OCTETS
from tests.daemons import npy, served
from tests.openapi import check_api

IMAGE = npy(np.zeros((8, 8), np.uint8))


@pytest.mark.parametrize("role", [None, Role.ADMIN, Role.SERVICE])
def test_the_daemon_answers_as_it_describes_and_tells_nothing_of_its_inside(
    tmp_path: Path, role: Role | None
) -> None:
    unlimited = ("requests_per_minute", "wrong_tokens_per_minute", "user_jobs")
    with served(tmp_path, **dict.fromkeys(unlimited, 1_000_000)) as running:
        client = None if role is None else running.client(role)
        token = "" if client is None or client.token is None else client.token
        answers = check_api(
            create_app(running.daemon),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            examples=3,
            secrets=(token.split("-")[2],) if token else (),
            bodies={OCTETS: st.sampled_from([IMAGE, b"", b"nonsense"])},
            # Which operations, users and jobs there are, no schema can say.
            excluded=(positive_data_acceptance,),
        )
    statuses = {status for _, status in answers}
    assert not {status for status in statuses if status >= 500}
    assert 401 in statuses
    assert {404, 405} <= statuses or role is None


def test_a_result_may_be_asked_for_in_every_format_that_is_written() -> None:
    assert set(get_args(Form)) == {*FORMATS, FIGURES}
