"""A PostgreSQL of our own: on a socket in a directory, for as long as the tests of a process run."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

from tests.peers import peer

_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{place}'
max_connections = 200
# Nothing here outlives the tests.
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 16MB
"""


class Server:
    """A server that runs; every database that it makes is empty."""

    def __init__(self, place: Path, owner: list[str]) -> None:
        self.place = place
        self._owner = owner

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as whom the server belongs to."""
        # What it prints goes to a file: a server that it starts would keep a pipe open.
        with open(self.place / "output", "a") as output:
            subprocess.run(
                [*self._owner, str(peer(program, f"/usr/lib/postgresql/*/bin/{program}")), *arguments],
                cwd=self.place,
                stdout=output,
                stderr=output,
                check=True,
                timeout=120,
            )

    def database(self) -> str:
        """The URL of a new database."""
        name = f"vault_{uuid4().hex}"
        with psycopg.connect(f"host={self.place} user=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        return f"postgresql+psycopg://postgres@/{name}?host={self.place}"


@contextmanager
def postgresql() -> Iterator[Server]:
    """A server; it refuses to run as root, and then belongs to Debian's user for it."""
    # A socket's name has a hundred letters at the most, and pytest's directories are closed to others.
    place = Path(tempfile.mkdtemp(prefix="cloudsec-postgresql-"))
    owner = []
    if os.geteuid() == 0:
        owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        shutil.chown(place, "postgres", "postgres")
    server = Server(place, owner)
    try:
        data = place / "data"
        server.run("initdb", "-D", str(data), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        with open(data / "postgresql.conf", "a") as settings:
            settings.write(_SETTINGS.format(place=place))
        server.run("pg_ctl", "-D", str(data), "-w", "-l", str(place / "log"), "start")
        try:
            yield server
        finally:
            # By the number in the server's own file.
            server.run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(place)
