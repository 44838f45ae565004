"""What a protection scheme is: it turns an image into sealed tasks and answers into the result; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cloudsec.keystream import Keystream
from providers import Filter
from providers.wire import Task
from regions import Box

HOME = -1
"""In an assignment: the broker itself."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Who computes which part of an image.

    Attributes
    ----------
    block : int or None
        Side of the blocks in pixels; None where the scheme cuts none.
    assignment : (rows, columns) ndarray of int
        Which provider, by its place in the list, gets a block, or a row of pixels where there are no
        blocks; HOME for none.
    pixel_shares : tuple of float
        Per provider, the share of the output's pixels that it computes.
    received_shares : tuple of float
        Per provider, the share of the input's pixels that it is sent, halos included.
    home : tuple of (str, Box)
        What the broker computes itself, and why.
    """

    block: int | None
    assignment: NDArray[np.intp] = field(repr=False)
    pixel_shares: tuple[float, ...]
    received_shares: tuple[float, ...]
    home: tuple[tuple[str, Box], ...]


@dataclass(frozen=True, eq=False)
class Sealed:
    """A task, and the only parties (places in the list of providers) that may ever be given it."""

    task: Task
    parties: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Protected:
    """What goes out, in the order of sending, and what stays: per task, how its answer is put back."""

    sealed: tuple[Sealed, ...]
    manifest: tuple[Any, ...] = field(repr=False)


class ProtectionScheme(Protocol):
    """How an image is cut and hidden. Pure: equal arguments and keys give equal tasks."""

    @property
    def name(self) -> str:
        """What users call the scheme."""

    @property
    def assurance(self) -> str:
        """How far it protects: "heuristic" or "none"."""

    def carries(self, operation: Filter) -> bool:
        """Whether the scheme carries the resolved operation exactly."""

    def plan(
        self, shape: tuple[int, ...], operation: Filter, parties: int, choices: Mapping[str, Any]
    ) -> Plan:
        """Who computes what; `choices` fixes what would be chosen. IncompatibleScheme or ValueError."""

    def protect(
        self, pixels: NDArray[np.generic], operation: Filter, plan: Plan, keys: Keystream
    ) -> Protected:
        """The tasks of one job, hidden under its keys."""

    def place(self, result: NDArray[np.generic], answer: NDArray[np.generic], task: Task, entry: Any) -> None:
        """Write one task's answer, made exact again, into the result; ValueError if it cannot be one.

        `entry` is what the manifest holds for the task.
        """

    def statement(self, plan: Plan, operation: Filter) -> str:
        """One plain sentence on what the providers could learn."""


def task_identity(keys: Keystream, number: int) -> str:
    """An id that tells nothing but two tasks apart."""
    return keys.octets(f"task {number}", 16).hex()


def refuse_choices(choices: Mapping[str, Any], accepted: Sequence[str], scheme: str) -> None:
    """ValueError for a choice that the scheme does not offer."""
    for unknown in choices.keys() - set(accepted):
        offer = f"it takes: {', '.join(accepted)}" if accepted else "it takes none"
        raise ValueError(f"scheme {scheme!r} has no choice {unknown!r} in its plan; {offer}")
