"""An HTTP API against its own description: nothing fails, nothing of the inside is told (schemathesis)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode

INTERNALS = re.compile(r"Traceback|File \"|site-packages|\.py\b|\b0x[0-9a-f]{6,}|<class |object at |Error\b")
"""What an exception or a frame of ours would look like."""
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def check_api(
    app: Any,
    *,
    headers: Mapping[str, str] | None = None,
    examples: int = 25,
    secrets: tuple[str, ...] = (),
    bodies: Mapping[str, SearchStrategy[bytes]] | None = None,
    excluded: tuple[Any, ...] = (),
) -> Counter[tuple[str, int]]:
    """Ask an ASGI application what its description allows, and what it does not; asserts all of schemathesis.

    Parameters
    ----------
    app : ASGI application
        Describes itself at ``/openapi.json``.
    headers : mapping of str to str
        Of every request, such as a token.
    examples : int
        Drawn of each operation as described, and as many of those that are not; as many again at its edges.
    secrets : tuple of str
        What no answer may hold.
    bodies : mapping of str to strategy
        Of media types that a schema says nothing of, such as bytes.
    excluded : tuple of checks
        Of schemathesis, that do not apply.

    Returns
    -------
    Counter of (operation, status)
    """
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    answers: Counter[tuple[str, int]] = Counter()
    for media_type, body in (bodies or {}).items():
        schemathesis.openapi.media_type(media_type, body)

    def ask(case: Case) -> None:
        response = case.call_and_validate(headers=dict(headers or {}), excluded_checks=list(excluded))
        answers[f"{case.method} {case.path}", response.status_code] += 1
        told = f"{response.headers}\n{response.content.decode(errors='replace')}"
        assert not INTERNALS.search(told), told
        assert not any(secret in told for secret in secrets), told

    for found in schema.get_all_operations():
        operation = found.ok()
        for case in islice(_edges(operation), examples):
            ask(case)
        for mode in MODES:
            drawn = settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )(given(case=operation.as_strategy(generation_mode=mode))(ask))
            try:
                drawn()
            except Unsatisfiable:
                # Nothing can be wrong with a request that has no parameters.
                assert mode is GenerationMode.NEGATIVE
    return answers


def _edges(operation: Any) -> Iterator[Case]:
    """Requests at the edges of what is described, and beyond: other methods, values, parameters."""
    config = operation.schema.config.generation_for(operation=operation)
    yield from operation.schema.iter_coverage_cases(
        operation, generation_modes=list(MODES), generation_config=config
    )
