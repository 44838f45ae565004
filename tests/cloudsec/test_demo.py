from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cloudsec.cli import main
from cloudsec.demo.pictures import assignment_map, grey, sheet


def test_the_demonstration_shows_no_difference_and_writes_its_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--out", str(tmp_path / "new" / "demo")]) == 0
    printed = capsys.readouterr().out
    for operation in ("gaussian sigma=2", "median size=5"):
        (row,) = [line for line in printed.splitlines() if line.startswith(operation)]
        assert row.split()[-7] == "0"
    names = {path.name for path in (tmp_path / "new" / "demo").iterdir()}
    per_operation = {"result", "difference", *(f"provider-{i}" for i in range(1, 5))}
    wanted = {f"{name}-{what}.png" for name in ("gaussian", "median") for what in per_operation}
    assert names == {"original.png", "blocks.png"} | wanted
    for name in ("gaussian", "median"):
        assert not np.asarray(Image.open(tmp_path / "new" / "demo" / f"{name}-difference.png")).any()


def test_grey_maps_the_limits_to_black_and_white() -> None:
    assert grey(np.array([[-5, 0, 5, 10]]), -5, 5).tolist() == [[0, 128, 255, 255]]
    assert grey(np.array([[7]]), 7, 7).tolist() == [[0]]


def test_a_map_tints_blocks_by_their_provider_and_darkens_those_at_home() -> None:
    picture = np.full((4, 6), 255, np.uint8)
    coloured = assignment_map(picture, np.array([[0, 1, -1], [0, 1, -1]]), 2)
    assert coloured.shape == (4, 6, 3)
    assert (coloured[:, 0:2] == coloured[0, 0]).all()
    assert (coloured[0, 0] != coloured[0, 2]).any()
    assert coloured[0, 4].max() <= 40


def test_a_sheet_holds_every_block_at_full_contrast() -> None:
    stack = np.stack([np.arange(9).reshape(3, 3) + 100 * i for i in range(5)])
    drawn = sheet(stack)
    assert drawn.shape == (2 * 5, 3 * 5)
    assert (drawn == 255).sum() == 5
