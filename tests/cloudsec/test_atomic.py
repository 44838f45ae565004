"""What appears whole or not at all, and who else is there meanwhile."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from cloudsec.atomic import whole_directory


def test_a_directory_that_somebody_else_made_first_is_named_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not empty") as error, whole_directory(tmp_path / "out"):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").touch()
    assert error.value.filename == str(tmp_path / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "theirs"]


def test_nothing_is_left_of_a_directory_for_which_ctrl_c_was_pressed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove, pressed = shutil.rmtree, [KeyboardInterrupt]

    def interrupted(*what: Any, **how: Any) -> None:
        if pressed:
            raise pressed.pop()
        remove(*what, **how)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt), whole_directory(tmp_path / "out") as place:
        (place / "000001.dcm").touch()
        raise KeyboardInterrupt
    assert not pressed
    assert list(tmp_path.iterdir()) == []
