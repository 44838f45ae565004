"""What may stand where a file is expected, and is none."""

import os
from pathlib import Path

import pytest

made_odd = pytest.mark.parametrize(
    "make",
    [
        Path.mkdir,
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("/dev/null"),
        lambda path: path.symlink_to(path.with_name("nowhere")),
        lambda path: path.symlink_to(path),
    ],
    ids=["directory", "pipe", "endless device", "empty device", "link to nothing", "link to itself"],
)
"""A test for each, which is given what makes it at a path."""
