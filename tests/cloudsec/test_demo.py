from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cloudsec.cli import main


def test_the_demonstration_shows_no_difference_and_writes_its_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--out", str(tmp_path / "new" / "demo")]) == 0
    printed = capsys.readouterr().out
    for operation in ("gaussian sigma=2", "median size=5"):
        (row,) = [line for line in printed.splitlines() if line.startswith(operation)]
        assert row.split()[-7] == "0"
    names = {path.name for path in (tmp_path / "new" / "demo").iterdir()}
    per_operation = ("result.png", "difference.png", "report.html")
    wanted = {f"{name}-{what}" for name in ("gaussian", "median") for what in per_operation}
    assert names == {"original.png", "blocks.png", *(f"provider-{i}.png" for i in range(1, 5))} | wanted
    for name in ("gaussian", "median"):
        assert not np.asarray(Image.open(tmp_path / "new" / "demo" / f"{name}-difference.png")).any()
