"""What the demonstration compares: schemes beside each other on one image. Results in, figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloudsec.demo.samples import Sample
from cloudsec.exposure import Exposure
from cloudsec.result import Result
from cloudsec.wording import share

HEADS = ("exact", "seconds", "planning", "A_1", "A_2", "A_2 touch", "gradient", "at home")
LEGEND = (
    "Exact: every pixel is that of the unsplit filter. Seconds: of a second run, planning included; by then "
    "processes are warm, their speeds known, and the study of ga-es has its plan. "
    "A_1, A_2: the largest piece of the image that one provider, or two that collude, could join by the "
    "pixels that blocks share; A_2 touch: wherever blocks touch, which is what counts where the broker keeps "
    "the ring between blocks. ga-es is to withstand as many as tolerate says, and is measured by A_1 or A_2; "
    "the others are to withstand nobody. "
    "Gradient: the largest share of edges and texture that one provider was sent. At home: of the pixels."
)
"""What the columns are."""


@dataclass(frozen=True)
class Setting:
    """A scheme as the demonstration uses it: its options, and its name among the others."""

    scheme: str
    label: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """As files are named by it."""
        return self.label.replace(", ", "-").replace(" ", "-").replace("=", "-")


@dataclass(frozen=True, eq=False)
class Shown:
    """One job of the demonstration, and whether it gave what the unsplit operation gives."""

    setting: Setting
    result: Result
    exact: bool

    @property
    def figures(self) -> tuple[str, ...]:
        """Under HEADS."""
        report = self.result.report
        leakage = report.leakage
        return (
            "yes" if self.exact else "NO",
            f"{report.timings['total']:.3f}",
            f"{report.timings['plan']:.3f}",
            *(share(area) for area in leakage["assembled_area"][:2]),
            share(leakage["adjacent_area"][1]),
            share(leakage["worst_gradient_share"]),
            share(report.home["pixel_share"]),
        )


@dataclass(frozen=True, eq=False)
class Comparison:
    """One image under all settings, beside the same operation unsplit on this machine."""

    sample: Sample
    reference: NDArray[np.generic] = field(repr=False)
    reference_seconds: float
    shown: tuple[Shown, ...]

    @property
    def searched_block(self) -> int:
        """Side in pixels of the blocks whose entropy a search went by."""
        exposures = (each.result.report.exposure for each in self.shown)
        plans = (exposure.plan for exposure in exposures if isinstance(exposure, Exposure))
        return next(plan.block for plan in plans if plan.thresholds is not None and plan.block)

    @property
    def headline(self) -> str:
        """The image, and what the operation takes without a detour."""
        size = " × ".join(map(str, self.sample.pixels.shape))
        unsplit = f"unsplit at home {self.reference_seconds:.3f} s"
        return f"{self.sample.title}, {size} {self.sample.pixels.dtype}; {unsplit}"


def equal(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    """Whether two images are the same, bit for bit."""
    return one.dtype == other.dtype and np.array_equal(one, other)


def table(compared: Sequence[Comparison]) -> str:
    """The demonstration's figures as a table to read in a terminal."""
    labels = [each.setting.label for comparison in compared for each in comparison.shown]
    first = max(map(len, labels))
    lines = [" " * first + "".join(f"{head:>10}" for head in HEADS)]
    for comparison in compared:
        lines += ["", comparison.headline]
        lines += [
            f"{each.setting.label:<{first}}" + "".join(f"{figure:>10}" for figure in each.figures)
            for each in comparison.shown
        ]
    return "\n".join(lines)
