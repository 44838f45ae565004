"""Processes that do one thing at the same time."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

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
