"""Processes that do one thing at the same time, and threads that wait for each other."""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from sqlalchemy import text

from cloudsec.vault import Vault

ROOT = Path(__file__).parents[1]
_READY = "print('ready', flush=True); input()\n"


def run_at_once(imports: str, program: str, arguments: Sequence[Sequence[str]]) -> list[str]:
    """What processes print that run one program, each with its arguments, once all have their imports."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", f"{imports}\n{_READY}{program}", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in arguments
    ]
    printed = []
    try:
        for racer in racers:
            assert racer.stdout is not None
            racer.stdout.readline()
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("\n")
            racer.stdin.flush()
        for racer in racers:
            output, error = racer.communicate(timeout=60)
            assert (racer.returncode, error) == (0, "")
            printed.append(output)
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    return printed


def until_it_waits(vault: Vault, future: Future[Any]) -> None:
    """Until a thread waits for what another one holds, or is done; on SQLite it waits for its turn."""
    while vault.engine.dialect.name == "postgresql" and not future.done():
        with vault.reading() as connection:
            if connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                return
