"""A line of the log has fields of a closed list, and of libraries and errors nothing that they quote."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from cloudsec.server.logs import FIELDS, failure, hush_libraries, make_log

NAME = "Karenina^Anna"


@contextmanager
def hushed(stream: io.StringIO) -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    with warnings.catch_warnings():
        hush_libraries(make_log("test", "info", stream))
        try:
            yield
        finally:
            root.handlers = before
            root.setLevel(level)


def test_a_field_that_is_not_on_the_list_is_not_written() -> None:
    stream = io.StringIO()
    make_log("test", "info", stream).info("job begun", job="0a", patient=NAME, path=NAME)
    line = json.loads(stream.getvalue())
    assert line.keys() <= set(FIELDS)
    assert NAME not in stream.getvalue()


def test_of_a_library_only_its_name_is_told() -> None:
    stream = io.StringIO()
    with hushed(stream):
        logging.getLogger("pydicom").warning("invalid value for VR PN: %s", NAME)
        logging.getLogger("uvicorn.error").error("failed with %s", NAME)
        warnings.warn(NAME, stacklevel=1)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["code"] for line in lines] == ["pydicom", "uvicorn.error"]
    assert NAME not in stream.getvalue()


def test_of_an_error_its_type_and_our_line_are_told() -> None:
    try:
        make_log("test", "nonsense")
    except KeyError as error:
        told = failure(error)
    assert told["error"] == "KeyError"
    assert told["where"].startswith("cloudsec/server/logs.py:")
