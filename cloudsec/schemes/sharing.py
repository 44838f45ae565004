"""Secrets as shares: few tell nothing, enough tell all, through any linear map. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count, islice
from math import factorial, gcd, prod
from typing import Literal, Self, TypeAlias

import numpy as np

from cloudsec.combinations import combinations
from providers.residues import FIELDS, RINGS, Residues

Row: TypeAlias = tuple[int, ...]
Kind: TypeAlias = Literal["ring", "field"]


@dataclass(frozen=True)
class Sharing:
    """Who holds what: every party's share is a whole-numbered sum of the secrets and of random shares.

    The random shares are those of the first `privacy` parties, uniform and independent, and nothing else. Any
    `privacy` parties hold uniform noise, whatever the secrets; any `quorum` of them give the secrets.
    A linear map of residues may be applied to all shares: what is recovered then is the map of the secrets.

    Attributes
    ----------
    parties : int
        Numbered from 0.
    privacy : int
        How many colluding parties learn nothing.
    secrets : int
        Secrets that ride in one share, each as long as the share.
    modulus : int
        Of all residues.
    rows : tuple of tuple of int
        For each party, the weights of the secrets and of the random shares in its own.
    """

    parties: int
    privacy: int
    secrets: int
    modulus: int
    rows: tuple[Row, ...] = field(repr=False)

    @classmethod
    def additive(cls, parties: int, modulus: int) -> Self:
        """One secret, the sum of all shares; all parties are needed. Any modulus will do."""
        if parties < 2:
            raise ValueError("additive sharing needs at least 2 parties")
        privacy = parties - 1
        last = (1,) + (-1,) * privacy
        return cls(parties, privacy, 1, modulus, (*_unit_rows(1, privacy), last))

    @classmethod
    def polynomial(cls, parties: int, privacy: int, secrets: int, modulus: int) -> Self:
        """Shamir's scheme (1979), for several secrets that of Franklin and Yung (1992).

        A polynomial of degree ``d = secrets + privacy - 1`` has the secrets as its values at 0, 1, …; party 0
        holds d! times its leading coefficient (the value at infinity, but for a factor), the next ones up to
        `privacy` its values at the next whole numbers, and the others those around all these: -1, the next
        one above, -2, … Points side by side make weights whole and small.

        Raises
        ------
        ValueError
            For numbers that do not fit together, and for a modulus in which two points differ by what has
            no inverse: primes that are large enough will do, powers of two will not.
        """
        if privacy < 1 or secrets < 1 or parties < privacy + secrets:
            raise ValueError(
                f"to share {secrets} secrets so that {privacy} parties learn nothing takes at least 1 of "
                f"each, and {privacy + secrets} parties; these are {parties}"
            )
        base = range(secrets + privacy - 1)
        around = (point for step in count(1) for point in (-step, base.stop - 1 + step))
        others = list(islice(around, parties - privacy))
        points = sorted([*base, *others])
        if gcd(factorial(points[-1] - points[0]), modulus) != 1:
            raise ValueError(
                f"{parties} parties and {secrets} secrets need a field with a point for each; modulo "
                f"{modulus} some differ by what has no inverse: use one of {', '.join(map(str, FIELDS))}"
            )
        rows = []
        for point in others:
            values = [_lagrange(base, at, point) for at in base]
            leading = prod(point - at for at in base) // factorial(len(base))
            rows.append((*values[:secrets], leading, *values[secrets:]))
        return cls(parties, privacy, secrets, modulus, (*_unit_rows(secrets, privacy), *rows))

    @property
    def quorum(self) -> int:
        """How many answers give the secrets."""
        return self.secrets + self.privacy

    def dealt(
        self, secrets: Residues | Sequence[Residues], random: Residues | Sequence[Residues]
    ) -> Residues:
        """Shares of the parties that hold no random ones, in their order.

        Parameters
        ----------
        secrets : (secrets, …) ndarray of residues, or as many arrays
        random : (privacy, …) ndarray of residues, or as many arrays
            Shares of the first parties: uniform, independent, and never used before. Expanded from seeds
            they hide the secrets from whoever cannot break AES, out of the system's generator from everybody.

        Returns
        -------
        (parties - privacy, …) ndarray of residues
        """
        self._expect("secrets", secrets, self.secrets)
        self._expect("random shares", random, self.privacy)
        return combinations(self.rows[self.privacy :], [*secrets, *random], self.modulus)

    def recovered(self, answers: Mapping[int, Residues]) -> Residues:
        """What the map that was applied to all shares makes of the secrets.

        Parameters
        ----------
        answers : dict of int to ndarray of residues
            By party, at least a `quorum`; the first ones are used.

        Returns
        -------
        (secrets, …) ndarray of residues

        Raises
        ------
        ValueError
            If the answers are too few, or of a party that there is not.
        """
        chosen = self._chosen(answers)
        inverse = _inverse(tuple(self.rows[party] for party in chosen), self.modulus)
        shares = [answers[party] for party in chosen]
        return combinations(inverse[: self.secrets], shares, self.modulus)

    def agree(self, answers: Mapping[int, Residues]) -> bool:
        """Whether all answers beyond a quorum are those that the quorum's imply.

        Of a quorum alone nothing can be said, and it agrees.
        """
        chosen = self._chosen(answers)
        inverse = _inverse(tuple(self.rows[party] for party in chosen), self.modulus)
        shares = [answers[party] for party in chosen]
        others = sorted(answers.keys() - set(chosen))
        columns = list(zip(*inverse, strict=True))
        implied = [
            [sum(a * b for a, b in zip(self.rows[party], column, strict=True)) for column in columns]
            for party in others
        ]
        return not others or np.array_equal(
            combinations(implied, shares, self.modulus), [answers[party] for party in others]
        )

    def _chosen(self, answers: Mapping[int, Residues]) -> list[int]:
        if answers.keys() - set(range(self.parties)):
            raise ValueError(f"there are answers of parties that are none of the {self.parties}")
        if len(answers) < self.quorum:
            raise ValueError(
                f"{len(answers)} answers are too few: {self.quorum} of {self.parties} parties must answer"
            )
        return sorted(answers)[: self.quorum]

    def _expect(self, what: str, given: Residues | Sequence[Residues], number: int) -> None:
        if len(given) != number:
            raise ValueError(f"this sharing takes {number} {what}, not {len(given)}")


def modulus_for(low: int, high: int, kind: Kind) -> int:
    """The smallest modulus, of a ring or of a field, in which answers from `low` to `high` stay apart.

    >>> modulus_for(0, 255 * 256, "ring"), modulus_for(0, 255 * 256, "field"), modulus_for(-1, 65520, "field")
    (65536, 65521, 2147483647)
    """
    for modulus in RINGS if kind == "ring" else FIELDS:
        if high - low < modulus:
            return modulus
    raise ValueError(
        f"answers from {low} to {high} stay apart in no {kind} that there is; use a smaller kernel, or an "
        "image of fewer bits"
    )


def _unit_rows(secrets: int, privacy: int) -> tuple[Row, ...]:
    """Each of the first parties holds a random share alone."""
    return tuple(
        tuple(int(column == secrets + party) for column in range(secrets + privacy))
        for party in range(privacy)
    )


def _lagrange(base: Sequence[int], at: int, point: int) -> int:
    """The weight of the value `at` one of consecutive whole numbers, in that at a point: a whole number."""
    others = [other for other in base if other != at]
    return prod(point - other for other in others) // prod(at - other for other in others)


@lru_cache(256)
def _inverse(rows: tuple[Row, ...], modulus: int) -> tuple[Row, ...]:
    """The inverse of a matrix of residues (Gauss and Jordan)."""
    size = len(rows)
    matrix = [[*row, *(int(i == j) for j in range(size))] for i, row in enumerate(rows)]
    for column in range(size):
        pivot = next(i for i in range(column, size) if gcd(matrix[i][column], modulus) == 1)
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        factor = pow(matrix[column][column], -1, modulus)
        matrix[column] = [factor * value % modulus for value in matrix[column]]
        for i in range(size):
            if i != column and (multiple := matrix[i][column]):
                pairs = zip(matrix[i], matrix[column], strict=True)
                matrix[i] = [(value - multiple * above) % modulus for value, above in pairs]
    return tuple(tuple(row[size:]) for row in matrix)
