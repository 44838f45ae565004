from pathlib import Path

import numpy as np
import pytest

from tests.commands import IMAGE


@pytest.fixture
def source(tmp_path: Path) -> Path:
    np.save(tmp_path / "in.npy", IMAGE)
    return tmp_path / "in.npy"
