"""A provider's HTTP API is what it says of itself, with a token and without, whatever is asked of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st
from schemathesis.checks import positive_data_acceptance

from providers import make_operation
from providers.http import OCTETS, Limits, create_app
from providers.wire import Task, encode_task
from tests.openapi import check_api

TOKEN = "a-token-of-this-test"
STACK = np.arange(4 * 9 * 9, dtype=np.uint16).reshape(4, 9, 9)
REQUEST = encode_task(Task("0a" * 16, make_operation("median").resolved(2, "uint16"), STACK, True))


@st.composite
def tasks(draw: st.DrawFn) -> bytes:
    """Tasks, whole and damaged, and bytes that are none."""
    if draw(st.booleans()):
        return draw(st.sampled_from([REQUEST, b"", b"nonsense", REQUEST[:-1], REQUEST * 2]))
    place = draw(st.integers(0, len(REQUEST) - 1))
    return REQUEST[:place] + draw(st.binary(min_size=1, max_size=9)) + REQUEST[place + 1 :]


@pytest.mark.parametrize(
    ("token", "shown"),
    [(None, None), (TOKEN, None), (TOKEN, "Bearer wrong"), (TOKEN, f"Bearer {TOKEN}")],
)
def test_a_provider_answers_as_it_describes_and_tells_nothing_of_its_inside(
    token: str | None, shown: str | None
) -> None:
    answers = check_api(
        create_app(Limits(token=token, tasks=1)),
        headers={} if shown is None else {"Authorization": shown},
        secrets=(TOKEN,),
        bodies={OCTETS: tasks()},
        # Which bytes are a task, no schema can say.
        excluded=(positive_data_acceptance,),
    )
    of_tasks = {status for (label, status) in answers if label == "POST /v1/tasks"}
    if token is None:
        assert of_tasks == {200, 400}
    elif shown == f"Bearer {token}":
        # Also asked without the token, for it is described that one is wanted.
        assert of_tasks == {200, 400, 401}
    else:
        assert of_tasks == {401}
    assert 405 in {status for _, status in answers}
