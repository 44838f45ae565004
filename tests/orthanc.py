"""Orthanc as an independent anonymizer, in a network of its own: it listens to everybody.

This file is also the program that talks to it there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

_BASE = "http://127.0.0.1:8042"
_PATIENCE = 30.0
LOOPBACK_ONLY = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
"""Before a command: it sees no network but its own loopback interface."""


def anonymized(program: Path, source: Path, target: Path) -> None:
    """What Orthanc makes of every file of a directory, under the same names in another."""
    command = [*LOOPBACK_ONLY, sys.executable, __file__, program, source, target]
    subprocess.run(command, check=True, timeout=4 * _PATIENCE)


def main() -> None:
    program, source, target = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as place:
        settings = Path(place) / "orthanc.json"
        own = {"Name": "judge", "StorageDirectory": f"{place}/files", "IndexDirectory": f"{place}/index"}
        settings.write_text(
            json.dumps({**own, "DicomServerEnabled": False, "HttpPort": 8042, "RemoteAccessAllowed": False})
        )
        judge = subprocess.Popen(
            [program, settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=place
        )
        try:
            _wait()
            for path in sorted(source.iterdir()):
                known = json.loads(_sent("/instances", path.read_bytes()))
                (target / path.name).write_bytes(_sent(f"/instances/{known['ID']}/anonymize", b"{}"))
        finally:
            judge.terminate()
            judge.wait(_PATIENCE)


def _wait() -> None:
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            urlopen(f"{_BASE}/system", timeout=_PATIENCE).close()
            return
        except URLError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)


def _sent(path: str, content: bytes) -> bytes:
    with urlopen(Request(f"{_BASE}{path}", content, method="POST"), timeout=_PATIENCE) as answer:
        return bytes(answer.read())


if __name__ == "__main__":
    main()
