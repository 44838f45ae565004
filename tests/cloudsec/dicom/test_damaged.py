"""Thousands of damaged files: none crashes the reader, holds it up or takes memory without end."""

from __future__ import annotations

import pytest

from benchmarks.fuzz import COUNT, print_fuzz


@pytest.mark.slow
def test_ten_thousand_damaged_files_end_in_an_image_or_a_refusal(capfd: pytest.CaptureFixture[str]) -> None:
    assert print_fuzz(COUNT), capfd.readouterr().out
