"""Images from their projections: filtered back-projection, as the first scanners did it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import pi
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike, NDArray

from providers.fixed_point import DIRECTION_BITS, Rows, fixed_point_projection
from providers.operation import derived, wider_signed
from providers.operations.plane import PlaneFilter
from providers.plane_map import MOST_NONZEROS, PlaneMap, Sides, Step, sparse

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_ONE = 1 << DIRECTION_BITS


@dataclass(frozen=True, kw_only=True)
class Backprojection(PlaneFilter):
    """Filtered back-projection of a sinogram, as ``skimage.transform.iradon`` with the ramp filter.

    The sinogram has a row for each detector and a column for each angle, equally spaced over 180 degrees
    from 0 on; the axis of rotation is at row ``detectors // 2``. The answer has as many rows and columns as
    there are detectors, in the next wider signed dtype, and is zero outside the circle that all projections
    saw.

    The ramp is that of skimage (Kak and Slaney 1988, equation 61), and projections are interpolated linearly.
    Weights are rounded to integers: answers deviate from the real-valued ones by at most 1 on 8-bit
    sinograms, and on others by at most 2⁻¹⁰ of the dtype's range; where that cannot be had it is refused.
    """

    name: ClassVar[str] = "backprojection"

    # The broker takes cosines and sines and rounds them: another machine's may differ in their last bit.
    directions: Rows = derived(())
    bits: tuple[int, ...] = derived(())

    def __post_init__(self) -> None:
        super().__post_init__()
        flat = [number for direction in self.directions for number in direction]
        if not all(type(number) is int and abs(number) <= _ONE for number in flat) or any(
            len(direction) != 2 for direction in self.directions
        ):
            raise ValueError(f"backprojection: a direction is two whole numbers up to 2**{DIRECTION_BITS}")
        if len(self.bits) not in (0, 2) or not all(
            type(count) is int and 1 <= count < DIRECTION_BITS for count in self.bits
        ):
            raise ValueError(f"backprojection: weights have a fraction of up to {DIRECTION_BITS - 1} bits")
        if self.sides and len(self.directions) != self.sides[1]:
            raise ValueError("backprojection: there is a direction for every column")

    def of_planes(self, sides: Sides, dtype: DTypeLike) -> Self:
        directions, bits = _in_integers(*sides, np.dtype(dtype))
        exact = replace(self, directions=directions, bits=bits, sides=sides)
        return super(Backprojection, exact).of_planes(sides, dtype)

    @property
    def units(self) -> int:
        return max(1, len(self.directions)) << sum(self.bits)

    @property
    def after(self) -> Sides:
        detectors, _ = self.plane
        return detectors, detectors

    @property
    def map(self) -> PlaneMap:
        detectors, _ = self.plane
        if not self.bits:
            raise ValueError("backprojection is not resolved yet: it has no weights")
        return _chain(detectors, self.directions, self.bits)

    def result_dtype(self, dtype: DTypeLike) -> np.dtype[Any]:
        return wider_signed(dtype)


@lru_cache(64)
def _in_integers(detectors: int, angles: int, dtype: np.dtype[Any]) -> tuple[Rows, tuple[int, int]]:
    """Directions, and how many bits weights have: the search would be done again for every image."""
    turns = np.deg2rad(np.linspace(0, 180, angles, endpoint=False))
    rounded = np.rint(np.stack([np.cos(turns), np.sin(turns)], axis=1) * _ONE).astype(np.int64)
    taps = _ramp(np.arange(-detectors, detectors + 1))
    return tuple(map(tuple, rounded.tolist())), fixed_point_projection(taps, angles, detectors, dtype)


@lru_cache(2)
def _chain(detectors: int, directions: Rows, bits: tuple[int, ...]) -> PlaneMap:
    """The ramp along the detectors, and then what every pixel takes of each projection."""
    # Before memory is taken for any of it.
    nonzeros = round(pi / 2 * detectors**2 * len(directions))
    if nonzeros > MOST_NONZEROS:
        raise ValueError(
            f"backprojection: {detectors} detectors and {len(directions)} angles make {nonzeros} weights, "
            f"and up to {MOST_NONZEROS} are held in memory; use fewer angles, or fewer detectors"
        )
    # The circle of an even number reaches one place beyond the last detector.
    sides, filtered = (detectors, len(directions)), (detectors // 2 * 2 + 1, len(directions))
    steps = (
        Step(_ramps(detectors, filtered[0], bits[0]), "rows", sides, filtered),
        Step(_projected(detectors, directions, bits[1]), "plane", filtered, (detectors, detectors)),
    )
    return PlaneMap(steps)


def _ramp(distance: NDArray[np.int64]) -> NDArray[np.float64]:
    """The ramp filter times half of pi, by which the mean of projections is an image's level."""
    odd = distance % 2 != 0
    squares = np.where(odd, distance, 1) ** 2
    return np.where(distance == 0, np.pi / 4, np.where(odd, -1 / (np.pi * squares), 0))


def _ramps(detectors: int, places: int, bits: int) -> csr_array:
    distances = np.arange(1 - detectors, places)
    weights = np.rint(_ramp(distances) * 2.0**bits).astype(np.int64)
    rows, columns = np.nonzero(sliding_window_view(weights, detectors)[:, ::-1])
    return sparse(rows, columns, weights[rows - columns + detectors - 1], (places, detectors))


def _projected(detectors: int, directions: Rows, bits: int) -> csr_array:
    """Each pixel's two neighbours in every projection, by whole numbers, as all machines find them."""
    from scipy.sparse import csr_array

    centre, count = detectors // 2, len(directions)
    across = np.arange(detectors) - centre
    inside = across[:, None] ** 2 + across**2 <= centre**2
    down, right = (place - centre for place in np.nonzero(inside))
    columns = np.empty((len(down), count, 2), np.int32)
    weights = np.empty((len(down), count, 2), np.int64)
    half, shift, last = 1 << (DIRECTION_BITS - bits - 1), DIRECTION_BITS - bits, 2 * centre
    for angle, (cosine, sine) in enumerate(directions):
        place = right * cosine - down * sine + centre * _ONE
        below = place >> DIRECTION_BITS
        above = ((place & (_ONE - 1)) + half) >> shift
        columns[:, angle, 0] = below.clip(0, last) * count + angle
        columns[:, angle, 1] = (below + 1).clip(0, last) * count + angle
        weights[:, angle, 0] = (1 << bits) - above
        weights[:, angle, 1] = above
    ends = np.zeros(detectors**2 + 1, np.int32)
    np.cumsum(2 * count * inside.ravel(), out=ends[1:])
    shape = detectors**2, (last + 1) * count
    return csr_array((weights.reshape(-1), columns.reshape(-1), ends), shape=shape, copy=False)
