import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from tests.certificates import Authority
from tests.postgresql import Server, postgresql

# Examples are drawn anew in every run; a machine that is slow for a moment is no failure.
settings.register_profile("cloudsec", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cloudsec")


@pytest.fixture(scope="session")
def open_data() -> Path:
    """The folder of real images that are not shipped; tests that need it skip without it."""
    default = Path(__file__).parents[2] / "shared" / "data" / "open"
    folder = Path(os.environ.get("CLOUDSEC_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip("the open test data is not here; set CLOUDSEC_TEST_DATA to its folder")
    return folder


@pytest.fixture
def synced_modes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Kinds and modes of the files and directories that were brought to the disk, as they were then."""
    modes: list[int] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        modes.append(os.fstat(descriptor).st_mode)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return modes


@pytest.fixture(scope="session")
def open_images(open_data: Path) -> list[tuple[str, NDArray[Any]]]:
    """Planes of the open data, 8- and 16-bit, with and without a sign."""
    import io
    import zipfile

    import pydicom
    from PIL import Image

    found: list[tuple[str, NDArray[Any]]] = []
    for name, every in (("ct/ct_chest_lidc0314_20x6mm.zip", 7), ("mr/mr_wrist_dcm4che_16.zip", 6)):
        with zipfile.ZipFile(open_data / name) as archive:
            for member in sorted(archive.namelist())[::every]:
                dataset = pydicom.dcmread(io.BytesIO(archive.read(member)))
                found.append((member, dataset.pixel_array))
    for name in ("phi/ct_pseudophi_2.dcm", "phi/us_grey_burnedin.dcm"):
        found.append((name, pydicom.dcmread(open_data / name).pixel_array))
    found.append(("mg", np.asarray(Image.open(open_data / "mg" / "gmic_0_R-CC.png")).astype(np.uint16)))
    return [(name, image) for name, image in found if image.ndim == 2]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The CA of the providers, and of us."""
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(scope="session")
def http_providers() -> Iterator[list[str]]:
    """URLs of nine providers that listen on the loopback interface, in threads of this process."""
    from tests.simulator import serving

    with ExitStack() as stack:
        yield [stack.enter_context(serving()) for _ in range(9)]


@pytest.fixture(scope="session")
def database_server() -> Iterator[Server]:
    """A PostgreSQL of this process's tests; they skip where it is not installed."""
    with postgresql() as server:
        yield server
