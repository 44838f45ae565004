"""Key and records of a benchmark's own: it neither reads nor leaves any of the user's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def own_state() -> Iterator[None]:
    """Brokers of this process keep their key and their records in a folder that ends with this."""
    with TemporaryDirectory() as place:
        os.environ["CLOUDSEC_KEY_FILE"] = str(Path(place) / "key")
        os.environ["CLOUDSEC_STATE"] = place
        yield
