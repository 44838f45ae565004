"""Several providers as processes on this machine; none outlives whoever started it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from cloudsec.errors import Unavailable

START_SECONDS = 60.0
"""A provider answers well within this time, on a slow machine too."""
STOP_SECONDS = 10.0


class LocalProvider:
    """One provider process; a context manager that ends it."""

    def __init__(self) -> None:
        # The provider stops when its standard input closes, so that it ends with this process whatever
        # happens to it. A session of its own keeps the terminal's Ctrl-C for us; -P keeps the current
        # directory from being imported.
        command = [sys.executable, "-P", "-m", "providers", "--port", "0", "--until-stdin-closes"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self.url = ""

    def __enter__(self) -> LocalProvider:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Read the URL that it prints once it answers; Unavailable if it does not."""
        assert self._process.stdout is not None
        deadline, line = time.monotonic() + START_SECONDS, b""
        while not line.endswith(b"\n"):
            patience = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._process.stdout], [], [], patience)
            part = os.read(self._process.stdout.fileno(), 4096) if ready else b""
            if not part:
                raise Unavailable(
                    "a provider process did not start; what it says on standard error tells why"
                )
            line += part
        self.url = line.decode().strip()

    def stop(self) -> None:
        """End the process and wait for its end; safe to call twice."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@contextmanager
def local_providers(count: int) -> Iterator[tuple[LocalProvider, ...]]:
    """`count` providers, ready and listening on free ports of the loopback interface.

    They start side by side, take the bearer token of ``$CLOUDSEC_PROVIDER_TOKEN``, and are gone when
    the block ends.
    """
    if not 1 <= count <= 64:
        raise ValueError(f"between 1 and 64 providers can be started on one machine, not {count}")
    with ExitStack() as stack:
        started = [stack.enter_context(LocalProvider()) for _ in range(count)]
        for provider in started:
            provider.wait_until_ready()
        yield tuple(started)
