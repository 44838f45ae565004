"""What sharing costs: protecting, filtering and recovering, beside the same filter on the plain image.

    python -m benchmarks.sharing

One core; every figure is the median over rounds of all rows in turn, so that they share what the machine does
meanwhile; in each round the best of a few counts, as of slabs that are worked on one after the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate

from benchmarks.cost import seconds
from cloudsec.schemes.sharing import Kind, Sharing, modulus_for
from providers import Filter, make_operation
from providers.modular import run
from providers.residues import expanded, integers, reduced
from providers.stencil import Stencil

SHAPE = (512, 512)
ROUNDS = 9
REPEATS = 5
TARGETS = {
    "additive, 2 of 2": (0.6, 1.0, 0.15),
    "Shamir, 2 of 3": (1.0, 3.6, 0.2),
    "packed, n=3, t=1, k=2": (1.5, 2.5 / 2, 1.0),
    "packed, n=5, t=1, k=4": (1.5, 2.5 / 4, 1.0),
}
"""Protecting, each provider, recovering, as ratios to the plain filter: for the binomial on 8 bits."""


@dataclass(frozen=True)
class Subject:
    """A filter, and images that fill a range."""

    operation: Filter
    bits: int

    @property
    def image(self) -> NDArray[np.generic]:
        dtype = np.uint8 if self.bits == 8 else np.uint16
        return np.random.default_rng(0).integers(0, 1 << self.bits, SHAPE, dtype)

    @property
    def stencil(self) -> Stencil:
        (part,) = self.operation.parts
        assert isinstance(part, Stencil)
        return part

    @property
    def largest(self) -> int:
        return self.stencil.scale * ((1 << self.bits) - 1)


def plain(padded: NDArray[np.generic], stencil: Stencil, largest: int) -> NDArray[np.generic]:
    """The filter as one writes it with numpy: a sum of shifted arrays for each axis, in the least words."""
    answer: NDArray[Any] = padded.astype(np.min_scalar_type(largest))
    for axis, row in enumerate(stencil.weights):
        length = answer.shape[axis] - len(row) + 1
        total = np.zeros([length if i == axis else n for i, n in enumerate(answer.shape)], answer.dtype)
        for first, weight in enumerate(row):
            shifted = answer[(slice(None),) * axis + (slice(first, first + length),)]
            total += answer.dtype.type(weight) * shifted
        answer = total
    return answer


@dataclass(frozen=True)
class Course:
    """One image under one sharing, in pieces of rows that ride together."""

    subject: Subject
    sharing: Sharing
    padded: NDArray[np.generic]

    def pieces(self) -> NDArray[np.generic]:
        (rows, _), count = SHAPE, self.sharing.secrets
        halo, height = self.subject.stencil.halo[0], rows // count
        return np.stack([self.padded[i * height : (i + 1) * height + 2 * halo] for i in range(count)])

    def protected(self) -> list[NDArray[Any]]:
        """Shares of all parties; those of the first ones travel as seeds."""
        modulus = self.sharing.modulus
        secrets = reduced(self.pieces(), modulus)
        masks = [expanded(os.urandom(16), modulus, secrets.shape[1:]) for _ in range(self.sharing.privacy)]
        return [*masks, *self.sharing.dealt(secrets, masks)]

    def filtered(self, share: NDArray[Any]) -> NDArray[Any]:
        return run(self.subject.stencil, share[None], self.sharing.modulus)[0]

    def recovered(self, answers: dict[int, NDArray[Any]]) -> NDArray[Any]:
        return self.sharing.recovered(answers)

    def check(self, wanted: NDArray[np.generic]) -> None:
        shares = self.protected()
        answers = {party: self.filtered(share) for party, share in enumerate(shares)}
        found = integers(self.recovered(answers), 0, self.subject.largest, self.sharing.modulus).reshape(
            SHAPE
        )
        if not np.array_equal(found, wanted):
            raise SystemExit(f"{self.sharing}: what is recovered is not what the filter answers")


def courses(subject: Subject, padded: NDArray[np.generic]) -> dict[str, Course]:
    def modulus(kind: Kind) -> int:
        return modulus_for(0, subject.largest, kind)

    named = {
        "additive, 2 of 2": Sharing.additive(2, modulus("ring")),
        "Shamir, 2 of 3": Sharing.polynomial(3, 1, 1, modulus("field")),
        "packed, n=3, t=1, k=2": Sharing.polynomial(3, 1, 2, modulus("field")),
        "packed, n=5, t=1, k=4": Sharing.polynomial(5, 1, 4, modulus("field")),
    }
    return {name: Course(subject, sharing, padded) for name, sharing in named.items()}


def timed(works: dict[Any, Callable[[], object]]) -> dict[Any, float]:
    """Median seconds of each over rounds of all in turn, in which the best of a few counts."""
    taken: dict[Any, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            taken[name].append(min(seconds(work) for _ in range(REPEATS)))
    return {name: median(each) for name, each in taken.items()}


def print_subject(subject: Subject) -> None:
    halo = subject.stencil.halo[0]
    padded = np.pad(subject.image, halo, mode="symmetric")
    weights = np.multiply.outer(*map(np.array, subject.stencil.weights))
    wanted = plain(padded, subject.stencil, subject.largest)
    works: dict[Any, Callable[[], object]] = {
        "plain": partial(plain, padded, subject.stencil, subject.largest),
        "scipy": partial(correlate, padded.astype(wanted.dtype), weights.astype(wanted.dtype)),
        "ours": partial(subject.operation.run, padded[None]),
    }
    found = courses(subject, padded)
    for name, course in found.items():
        course.check(wanted)
        shares = course.protected()
        answers = {party: course.filtered(share) for party, share in enumerate(shares)}
        works[name, "protect"] = course.protected
        works[name, "provider"] = partial(course.filtered, shares[-1])
        works[name, "recover"] = partial(course.recovered, answers)
    taken = timed(works)
    base, megapixels = taken["plain"], SHAPE[0] * SHAPE[1] / 1e6
    size = "x".join(str(len(row)) for row in subject.stencil.weights)
    print(f"{subject.operation} ({size}), {SHAPE[0]} x {SHAPE[1]}, {subject.bits} bits")
    print(f"plain numpy {base / megapixels:.4f} s/MP; scipy {taken['scipy'] / base:.1f} times that; ", end="")
    print(f"the operation's own run {taken['ours'] / base:.1f} times.\n")
    head = f"{'':<24}{'modulus':>10}{'protect':>16}{'each provider':>16}{'recover':>16}{'of scipy':>22}"
    print(head + "\n" + "-" * len(head))
    for name, course in found.items():
        ratios = [taken[name, step] / base for step in ("protect", "provider", "recover")]
        goals = TARGETS[name] if subject.bits == 8 else (None,) * 3
        cells = (f"{r:.2f}" + (f" (≤ {g:.3g})" if g else "") for r, g in zip(ratios, goals, strict=True))
        of_scipy = " ".join(f"{r * base / taken['scipy']:.3f}" for r in ratios)
        modulus = course.sharing.modulus
        bits = modulus.bit_length()
        written = f"2^{bits - 1}" if modulus == 1 << bits - 1 else "65521" if bits == 16 else f"2^{bits}-1"
        print(f"{name:<24}{written:>10}" + "".join(f"{cell:>16}" for cell in cells) + f"{of_scipy:>22}")


def print_sharing() -> None:
    """Print a table for each filter; ratios to the plain numpy filter of the same run, and to scipy."""
    print("Ratios to the plain filter of the same run; in brackets the target. Of several secrets in a share")
    print(
        "(packed) each provider filters its part of the image. The seed of one share is drawn and expanded.\n"
    )
    print_subject(Subject(make_operation("binomial", size=5).resolved(2, "uint8"), 8))
    print()
    print_subject(Subject(make_operation("gaussian", sigma=2.0).resolved(2, "uint16"), 12))


if __name__ == "__main__":
    # BLAS would take more cores for the operation's own run than the other rows have.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print_sharing()
