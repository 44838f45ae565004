"""Programs of others that some tests need beside them."""

import os
import shutil
from pathlib import Path

import pytest


def peer(program: str, *elsewhere: str) -> Path:
    """Where a program lies; without it the test skips, and fails under CI, which has all of them.

    `elsewhere` are patterns of places that are not on the path; of several the last by name is taken.
    """
    found = shutil.which(program)
    if found is not None:
        return Path(found)
    places = sorted(place for pattern in elsewhere for place in Path("/").glob(pattern.lstrip("/")))
    if places:
        return places[-1]
    missing = f"{program} is missing: make system"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)
