"""How a command ends: its status, and the one line that it says."""

import numpy as np
import pytest

from cloudsec.cli import main

IMAGE = np.random.default_rng(0).integers(0, 4096, (200, 210), np.uint16)


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error, with nothing on standard output."""
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    assert "Traceback" not in error
    return error


def status(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as ended:
        assert isinstance(ended.code, int)
        return ended.code
