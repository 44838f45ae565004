"""Measurements: what is answered is no image but figures, which of parts come to those of the whole."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from providers.operation import parameter
from providers.operations.pointwise import FARTHEST, PointFilter
from providers.stencil import Answers, answers_in

Value: TypeAlias = dict[str, Any]

AT_ONCE = 1 << 20
"""Pixels that are measured at one time, so that sums of 43 bits stay within int64."""
MOST_BINS = 1 << 20
_LOW_BITS = 31


@dataclass(frozen=True, kw_only=True)
class Measurement(PointFilter):
    """A filter that leaves pixels as they are, and what is then read off them.

    Counting a pixel is less work than hiding it: a scheme that hides grey levels by offsets computes
    measurements at home, like all pointwise operations.
    """

    def run(self, stack: NDArray[np.generic]) -> Answers:
        return stack.astype(answers_in(stack.dtype), copy=False)

    @abstractmethod
    def measured(self, pixels: NDArray[np.generic]) -> Value:
        """The value of all pixels of an array, of any shape."""

    @abstractmethod
    def merged(self, values: Sequence[Mapping[str, Any]]) -> Value:
        """The value of several arrays together, from that of each; exact for integers.

        ValueError if they are of measurements that cannot be merged.
        """

    def concluded(
        self, planes: NDArray[np.generic], image: NDArray[np.generic], channel_axis: int | None
    ) -> Value:
        """What users get of colour components ``(C, M, N)``: of a colour image a list for each figure."""
        each = [self.measured(plane) for plane in planes]
        return each[0] if channel_axis is None else {key: [value[key] for value in each] for key in each[0]}


@dataclass(frozen=True, kw_only=True)
class Statistics(Measurement):
    """Count, extremes, sums and moments, by the names of scipy.ndimage; variances are the population's.

    Of integers everything is exact: sums are integers of any size, mean, variance and standard deviation the
    nearest floats. Of floats they are as exact as sums in float64.
    """

    name: ClassVar[str] = "statistics"

    def measured(self, pixels: NDArray[np.generic]) -> Value:
        return self.merged([_moments(part) for part in _parts(pixels)])

    def merged(self, values: Sequence[Mapping[str, Any]]) -> Value:
        if not values:
            raise ValueError("statistics: there are no values to merge; give at least one")
        count = sum(value["count"] for value in values)
        exact = all(isinstance(value["sum"], int) for value in values)
        total, squares = ((sum if exact else fsum)(value[key] for value in values) for key in _SUMS)
        mean = total / count
        if exact:
            variance = (count * squares - total * total) / count**2
        else:
            # From squares alone, whatever is far from zero beside its spread would cancel out.
            about = [value["variance"] + (value["mean"] - mean) ** 2 for value in values]
            variance = fsum(value["count"] * each for value, each in zip(values, about, strict=True)) / count
        return {
            "count": count,
            "minimum": min(value["minimum"] for value in values),
            "maximum": max(value["maximum"] for value in values),
            "sum": total,
            "sum_of_squares": squares,
            "mean": mean,
            "variance": variance,
            "standard_deviation": sqrt(variance),
        }


@dataclass(frozen=True, kw_only=True)
class Histogram(Measurement):
    """How many pixels lie in each of equal bins, as ``numpy.histogram``: ``counts`` and ``edges``.

    A bin holds its lower edge and not its upper one, but for the last, which holds both. Values outside are
    not counted.

    Parameters
    ----------
    bins : int
    min, max : float or None
        Where the first bin begins and the last ends, in stored units; None: the least and the
        greatest pixel of the image. Histograms of several images merge if these are given.
    """

    name: ClassVar[str] = "histogram"

    bins: int = parameter(256, "number of bins")
    min: float | None = parameter(None, "lower edge of the first bin; None: the least pixel")
    max: float | None = parameter(None, "upper edge of the last bin; None: the greatest pixel")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self._integer("bins", self.bins) <= MOST_BINS:
            raise ValueError(f"histogram: bins must be from 1 to {MOST_BINS}, not {self.bins}")
        for name in ("min", "max"):
            given = getattr(self, name)
            if given is not None:
                self._set(name, self._number(name, given, -FARTHEST, FARTHEST))
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"histogram: min must be below max, and {self.min:g} is not below {self.max:g}")

    def measured(self, pixels: NDArray[np.generic]) -> Value:
        low = float(pixels.min()) if self.min is None else self.min
        high = float(pixels.max()) if self.max is None else self.max
        if low > high:
            raise ValueError(
                f"histogram: the image's pixels all lie beyond what was given, which makes bins from {low:g} "
                f"to {high:g}; give min and max"
            )
        try:
            edges = np.histogram_bin_edges(pixels[:0], self.bins, (low, high))
        except ValueError as error:
            raise ValueError(
                f"histogram: {self.bins} bins from {low:g} to {high:g} are narrower than floats can tell "
                "apart; give min and max that are farther from one another, or fewer bins"
            ) from error
        counts = np.zeros(self.bins, np.int64)
        for part in _parts(pixels):
            counts += np.histogram(part, self.bins, (low, high))[0]
        return {"counts": counts, "edges": edges}

    def merged(self, values: Sequence[Mapping[str, Any]]) -> Value:
        if not values or any(not np.array_equal(value["edges"], values[0]["edges"]) for value in values):
            raise ValueError("histogram: values merge if their bins are the same; give min and max for all")
        return {"counts": sum(value["counts"] for value in values), "edges": values[0]["edges"]}


_SUMS = ("sum", "sum_of_squares")


def _parts(pixels: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    """All pixels, some at a time, in one axis."""
    flat = pixels.reshape(-1)
    for first in range(0, flat.size, AT_ONCE):
        yield flat[first : first + AT_ONCE]


def _moments(part: NDArray[np.generic]) -> Value:
    """The statistics of a few pixels, as far as merging needs them."""
    extremes = {"count": part.size, "minimum": part.min().item(), "maximum": part.max().item()}
    if part.dtype.kind == "f":
        reals = part.astype(np.float64)
        moments = {"mean": float(reals.mean()), "variance": float(reals.var())}
        return extremes | moments | {"sum": float(reals.sum()), "sum_of_squares": float(reals @ reals)}
    integers = part.astype(np.int64)
    squares = integers * integers
    # Squares of int32 take all of int64: their halves are added up.
    high, low = squares >> _LOW_BITS, squares & ((1 << _LOW_BITS) - 1)
    total = (int(high.sum()) << _LOW_BITS) + int(low.sum())
    return extremes | {"sum": int(integers.sum()), "sum_of_squares": total}
