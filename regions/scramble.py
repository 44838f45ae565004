"""Scrambles of blocks that an operation carries exactly: turns, flips, sign and offset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike, NDArray

from regions.grid import alike

AT_ONCE = 64
"""Blocks that are worked on at once, so that what was just written is still in a processor's cache."""


@dataclass(frozen=True, slots=True)
class Symmetries:
    """What an operation f promises about its unrounded answers; unknown means no.

    Attributes
    ----------
    flips : tuple of bool
        Per axis: flipping the pixels flips the answer.
    quarter_turns : bool
        Exchanging the last two axes of the pixels exchanges those of the answer.
    offset_gain : int, Fraction or None
        ``f(x + c) = f(x) + offset_gain * c`` in grey levels of the answer.
    negation_sign : {1, -1, None}
        ``f(-x) = negation_sign * f(x)``.
    """

    flips: tuple[bool, ...]
    quarter_turns: bool = False
    offset_gain: int | Fraction | None = None
    negation_sign: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scramble:
    """One exactly invertible change per block of a stack.

    Block i becomes ``sign[i] * block + shift[i]``, flipped along the axes of ``flips[i]``, and its
    last two axes exchanged where ``swaps[i]``: on a plane these are the eight turns and flips of the
    square (D4).

    Attributes
    ----------
    flips : (n, ndim) ndarray of bool
    swaps : (n,) ndarray of bool
    sign : (n,) ndarray of int64, each 1 or -1
    shift : (n,) ndarray of int64
    """

    flips: NDArray[np.bool_] = field(repr=False)
    swaps: NDArray[np.bool_] = field(repr=False)
    sign: NDArray[np.int64] = field(repr=False)
    shift: NDArray[np.int64] = field(repr=False)

    def __post_init__(self) -> None:
        if not len(self.flips) == len(self.swaps) == len(self.sign) == len(self.shift):
            raise ValueError("a scramble needs flips, swaps, sign and shift for every block")
        if (np.abs(self.sign) != 1).any():
            raise ValueError("the sign of a scramble is 1 or -1")

    def hide(self, stack: NDArray[np.generic], dtype: DTypeLike) -> NDArray[np.generic]:
        """The scrambled blocks, ``(n, S, T)`` → ``(n, S, T)``, in a dtype that must hold their values."""
        starts = np.zeros((len(stack), stack.ndim), np.intp)
        starts[:, 0] = np.arange(len(stack))
        return self.hide_windows(stack, starts, stack.shape[1:], dtype)

    def hide_windows(
        self,
        planes: NDArray[np.generic],
        starts: NDArray[np.intp],
        window: tuple[int, ...],
        dtype: DTypeLike,
    ) -> NDArray[np.generic]:
        """Windows of an image as scrambled blocks, each straight into its place in the stack.

        The arithmetic is modulo the width of `dtype` and therefore right whatever the dtype of the image,
        as long as the scrambled values themselves fit. Floats stay floats, of the image's dtype.

        Parameters
        ----------
        planes : (C, M, N) or (C, P, M, N) ndarray
            Colour components, or a volume.
        starts : (n, 3) or (n, 4) ndarray
            Component, first plane of a volume, first row and first column of each window.
        window : tuple of int
        dtype : of the stack

        Returns
        -------
        (n, *window) ndarray
        """
        hidden: NDArray[np.generic] = np.empty((len(starts), *window), dtype)
        slots = hidden.view(_modular(hidden.dtype, hidden.dtype.itemsize))
        kinds, unturned = self._unturned(slots)
        shift = self.shift.astype(slots.dtype).reshape(-1, *(1,) * len(window))
        views = sliding_window_view(planes, window, axis=tuple(range(1, planes.ndim)))
        for same in alike(np.column_stack([kinds, self.sign])):
            kind, sign = kinds[same[0]], self.sign[same[0]]
            for some in np.split(same, range(AT_ONCE, len(same), AT_ONCE)):
                # A copy that turns is fast, arithmetic in one run is; arithmetic on turned pixels is neither.
                blocks = views[tuple(starts[some].T)].astype(slots.dtype, copy=False)
                if sign < 0:
                    np.subtract(shift[some], blocks, out=blocks)
                else:
                    blocks += shift[some]
                unturned[kind][some] = blocks
        return hidden

    def reveal(
        self, answers: NDArray[np.generic], symmetries: Symmetries, scale: int = 1
    ) -> NDArray[np.int64 | np.float64]:
        """The answers to the blocks as they were, from the answers to the scrambled blocks.

        Raises ValueError where the facts do not say how an answer changed.

        Parameters
        ----------
        answers : (n, ...) ndarray
        symmetries : Symmetries
            The facts of the operation that was run.
        scale : int
            How many units of the answers make one grey level (1 once they are rounded).
        """
        revealed: NDArray[Any] = np.empty(
            answers.shape, np.float64 if answers.dtype.kind == "f" else np.int64
        )
        whole = (slice(None),) * (answers.ndim - 1)
        self.reveal_into(((block, whole) for block in revealed), answers, symmetries, scale)
        return revealed

    def reveal_into(
        self,
        places: Iterable[tuple[NDArray[np.generic], tuple[slice, ...]]],
        answers: NDArray[np.generic],
        symmetries: Symmetries,
        scale: int = 1,
    ) -> None:
        """Reveal answers, each or the part of it that is wanted, straight to where it belongs.

        The arithmetic is modulo the width of the wider dtype: the right values, where those fit into the
        places. `reveals_within` tells whether they do.

        Parameters
        ----------
        places : iterable of (ndarray, tuple of slice)
            Per answer, where to write, and which part of it, as the block was before it was turned.
        answers, symmetries, scale
            As of `reveal`.
        """
        targets = list(places)
        shift, negated = self._undone(symmetries, scale)
        octets = max(answers.dtype.itemsize, *(place.dtype.itemsize for place, _ in targets[:1]))
        modular = _modular(answers.dtype, octets)
        column = (-1, *(1,) * (answers.ndim - 1))
        residue = shift.astype(modular).reshape(column)
        sign = np.where(negated, -1, 1).astype(modular).reshape(column)
        room = np.empty((min(AT_ONCE, len(answers)), *answers.shape[1:]), modular)
        kinds, unturned = self._unturned(room)
        for first in range(0, len(answers), AT_ONCE):
            some = slice(first, first + AT_ONCE)
            worked = room[: len(answers[some])]
            np.subtract(answers[some], residue[some], out=worked, dtype=modular, casting="unsafe")
            worked *= sign[some]
            for number, ((place, part), kind) in enumerate(
                zip(targets[some], kinds[some].tolist(), strict=True)
            ):
                where: tuple[int | slice, ...] = (number, *part)
                place[...] = unturned[kind][where]

    def reveals_within(
        self, answers: NDArray[np.generic], symmetries: Symmetries, low: int, high: int
    ) -> bool:
        """Whether every answer, once revealed, lies from `low` to `high`; both far from int64's limits.

        `answers`, of fewer than 8 bytes each, are looked at only for their extremes.
        """
        shift, negated = self._undone(symmetries, 1)
        rows = answers.reshape(len(answers), -1)
        least, most = rows.min(axis=1).astype(np.int64) - shift, rows.max(axis=1).astype(np.int64) - shift
        bottom, top = np.where(negated, -most, least), np.where(negated, -least, most)
        return bool((bottom >= low).all() and (top <= high).all())

    def _undone(self, symmetries: Symmetries, scale: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """What the offset added to each answer, and which answers are negated after it is taken off."""
        if symmetries.offset_gain is None and self.shift.any():
            raise ValueError("the operation does not say what an offset does to its answer")
        if symmetries.negation_sign is None and (self.sign < 0).any():
            raise ValueError("the operation does not say what negation does to its answer")
        gain = Fraction(symmetries.offset_gain or 0) * scale
        if gain.denominator != 1 and self.shift.any():
            raise ValueError("an offset moves these answers by fractions; reveal unrounded ones")
        return (
            self.shift * gain.numerator,
            (self.sign < 0) & (symmetries.negation_sign == -1),
        )

    def _unturned(
        self, stack: NDArray[np.generic]
    ) -> tuple[NDArray[np.intp], dict[int, NDArray[np.generic]]]:
        """The kind of turn of each block, and for each kind the stack seen as before that turn."""
        ndim = self.flips.shape[1]
        kinds = self.flips @ (2 << np.arange(ndim)) + self.swaps
        seen = {}
        for kind in set(kinds.tolist()):
            flipped = tuple(axis + 1 for axis in range(ndim) if kind >> (axis + 1) & 1)
            seen[kind] = np.flip(stack.swapaxes(-1, -2) if kind & 1 else stack, flipped)
        return kinds, seen


def _modular(dtype: np.dtype[Any], octets: int) -> np.dtype[Any]:
    """The dtype that computes modulo the width of integers of so many bytes; floats of as many for floats."""
    return np.dtype(f"{'f' if dtype.kind == 'f' else 'u'}{octets}")
