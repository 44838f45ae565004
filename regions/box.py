"""Half-open n-d boxes: the pixels with start <= index < stop on every axis."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True, slots=True)
class Box:
    """The pixels with ``start <= index < stop`` on every axis.

    >>> Box((0, 0), (4, 6)).shrunk((1, 2)).shape
    (2, 2)
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.start) != len(self.stop):
            raise ValueError(f"a box needs as many starts as stops, not {self.start} and {self.stop}")
        if any(low > high for low, high in zip(self.start, self.stop, strict=True)):
            raise ValueError(f"a box cannot stop before it starts: {self.start} to {self.stop}")

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Box:
        """The box of a whole image of this shape."""
        return cls((0,) * len(shape), tuple(shape))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(high - low for low, high in zip(self.start, self.stop, strict=True))

    @property
    def size(self) -> int:
        """Number of pixels."""
        return prod(self.shape)

    @property
    def slices(self) -> tuple[slice, ...]:
        return tuple(slice(low, high) for low, high in zip(self.start, self.stop, strict=True))

    def shrunk(self, margin: tuple[int, ...]) -> Box:
        """The box without `margin` pixels at either end of each axis; ValueError where they cross."""
        return Box(
            tuple(low + m for low, m in zip(self.start, margin, strict=True)),
            tuple(high - m for high, m in zip(self.stop, margin, strict=True)),
        )

    def widened(self, margin: tuple[int, ...]) -> Box:
        """The box with `margin` pixels more at either end of each axis; it may reach outside the image."""
        return self.shrunk(tuple(-m for m in margin))

    def without(self, inner: Box) -> tuple[Box, ...]:
        """Disjoint boxes that hold every pixel of this box outside `inner`, a box within it.

        >>> [box.shape for box in Box.of((6, 6)).without(Box((1, 1), (5, 5)))]
        [(1, 6), (1, 6), (4, 1), (4, 1)]
        """
        rest: list[Box] = []
        core = self
        for axis, (low, high) in enumerate(zip(inner.start, inner.stop, strict=True)):
            below = core._cut(axis, core.start[axis], low)
            above = core._cut(axis, high, core.stop[axis])
            rest += [box for box in (below, above) if box.size]
            core = core._cut(axis, low, high)
        return tuple(rest)

    def _cut(self, axis: int, low: int, high: int) -> Box:
        start, stop = list(self.start), list(self.stop)
        start[axis], stop[axis] = low, high
        return Box(tuple(start), tuple(stop))
