"""How the jobs of a broker are to be carried out, as users say it: checked before anything else happens."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cloudsec.errors import IncompatibleScheme
from cloudsec.schemes import SCHEMES, Job, LinearScheme, ProtectionScheme
from cloudsec.schemes.base import refuse_whole_planes
from cloudsec.schemes.paillier import PAILLIER

AUTO = "auto"
"""Stands for the strongest scheme that carries an operation exactly with the providers that there are."""
LONGEST_SECONDS = 1e6
"""Of a time-out: within what every clock and every wait of the system can tell."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What users choose, as `cloudsec.Broker` explains it. ValueError names what is accepted."""

    scheme: str
    tolerate: int | None
    verify: Literal["sample"] | bool
    plan: Mapping[str, Any] | None
    on_loss: Literal["home", "fail"]
    seed: int | None
    timeout: float
    token: str | None = field(repr=False)
    ca: str | Path | None
    progress: Callable[[int, int], None] | None

    def __post_init__(self) -> None:
        if isinstance(self.plan, Mapping):
            # What the caller changes later changes nothing here.
            object.__setattr__(self, "plan", dict(self.plan))
        if not isinstance(self.scheme, str) or self.scheme not in (AUTO, *SCHEMES):
            raise ValueError(f"unknown scheme {self.scheme!r}; there are: {', '.join((AUTO, *SCHEMES))}")
        numeric = isinstance(self.timeout, (int, float)) and not isinstance(self.timeout, bool)
        if not numeric or not 0 < self.timeout < LONGEST_SECONDS:
            raise ValueError(f"timeout must be a positive number of seconds, not {self.timeout!r}")
        if self.plan is not None and not isinstance(self.plan, Mapping):
            raise ValueError(f"plan must be a dict such as {{'block': 48}}, not {self.plan!r}")
        if self.token is not None and not isinstance(self.token, str):
            raise ValueError("token must be a string")
        if self.ca is not None and not isinstance(self.ca, (str, Path)):
            raise ValueError("ca must be the name of a file, or None")
        if self.progress is not None and not callable(self.progress):
            raise ValueError("progress must be a function of two numbers")
        if not isinstance(self.verify, bool) and self.verify != "sample":
            raise ValueError(f"verify must be True, 'sample' or False, not {self.verify!r}")
        if self.on_loss not in ("home", "fail"):
            raise ValueError(f"on_loss must be 'home' or 'fail', not {self.on_loss!r}")
        if self.seed is not None and (_whole(self.seed) is None or self.seed < 0):
            raise ValueError(f"seed must be a whole number from 0, or None, not {self.seed!r}")
        if self.tolerate is not None and (_whole(self.tolerate) is None or self.tolerate < 0):
            raise ValueError(f"tolerate must be a number of providers, not {self.tolerate!r}")
        if self.tolerate and not self.protects:
            raise ValueError(
                f"scheme {self.scheme!r} withstands nobody, not even tolerate={self.tolerate}; use scheme "
                f"{AUTO!r}"
            )

    @property
    def candidates(self) -> tuple[ProtectionScheme | LinearScheme[Any], ...]:
        """The schemes of which the first that carries a job is taken, the strongest first.

        Not `paillier`, which is a yardstick: a lost provider must not make a job of seconds one of hours.
        """
        if self.scheme != AUTO:
            return (SCHEMES[self.scheme],)
        return tuple(
            scheme for scheme in SCHEMES.values() if scheme.assurance != "none" and scheme is not PAILLIER
        )

    def scheme_for(self, job: Job) -> tuple[ProtectionScheme | LinearScheme[Any], str | None]:
        """The scheme that carries a job, and, where there was a choice, why it is this one.

        Raises
        ------
        ValueError
            If there is no scheme with all that the plan fixes; IncompatibleScheme if none of those that have
            it carries the job. What is left to the last scheme is refused by that.
        """
        first, *others = self.candidates
        if not others:
            return first, None
        offering = [each for each in (first, *others) if job.choices.keys() <= set(each.choices)]
        if not offering:
            schemes = "; ".join(f"{each.name}: {', '.join(each.choices)}" for each in (first, *others))
            raise ValueError(f"no scheme takes {', '.join(map(repr, job.choices))} in one plan; {schemes}")
        refusals: list[IncompatibleScheme] = []
        for scheme in offering:
            try:
                if isinstance(scheme, LinearScheme):
                    scheme.plan(job)
                else:
                    refuse_whole_planes(job, scheme.name)
            except IncompatibleScheme as error:
                refusals.append(error)
                continue
            return scheme, _why(scheme.name, job, refusals, first.choices)
        raise refusals[0]

    @property
    def protects(self) -> bool:
        """Whether providers are to learn less than the image."""
        return self.candidates[0].assurance != "none"

    @property
    def remembers(self) -> bool:
        """Whether a study may keep places in images, which a key has to hide."""
        return any(scheme.assurance == "heuristic" for scheme in self.candidates)

    def colluders(self, providers: int) -> int:
        """How many of so many providers to withstand; ValueError if that is all of them."""
        if self.tolerate is None:
            return int(self.protects)
        if self.tolerate >= providers:
            raise ValueError(
                f"tolerate must be less than the number of providers, {providers}, not {self.tolerate}: all "
                "of them together hold everything"
            )
        return operator.index(self.tolerate)

    def search_seed(self) -> int:
        """The seed, or one from the system's generator."""
        return int.from_bytes(os.urandom(8)) if self.seed is None else operator.index(self.seed)


def _why(taken: str, job: Job, refusals: Sequence[IncompatibleScheme], offered: Sequence[str]) -> str:
    """Why a scheme was taken: what the first was refused for, or what only others offer; else its rank."""
    if refusals:
        return f"auto took {taken!r}: {refusals[0].cause}"
    if elsewhere := [repr(choice) for choice in job.choices if choice not in offered]:
        return f"auto took {taken!r}, because the plan fixes {' and '.join(elsewhere)}"
    floats = f" on floats in steps of {job.choices['step']:g}" if "step" in job.choices else ""
    carries = f"carries {job.operation.name!r}{floats} with these providers"
    return f"auto took {taken!r}, the strongest scheme that {carries}"


def _whole(value: object) -> int | None:
    """A whole number, or None for anything else."""
    try:
        return None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None
