"""Scrambles of blocks that an operation carries exactly: turns, flips, sign and offset."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Pixel = TypeVar("Pixel", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Symmetries:
    """What an operation f promises about its unrounded answers; unknown means no.

    Attributes
    ----------
    flips : tuple of bool
        Per axis: flipping the pixels flips the answer.
    quarter_turns : bool
        Exchanging the last two axes of the pixels exchanges those of the answer.
    offset_gain : int or None
        ``f(x + c) = f(x) + offset_gain * c`` in units of the rounded answer.
    negation_sign : {1, -1, None}
        ``f(-x) = negation_sign * f(x)``.
    """

    flips: tuple[bool, ...]
    quarter_turns: bool = False
    offset_gain: int | None = None
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
        if not np.isin(self.sign, (1, -1)).all():
            raise ValueError("the sign of a scramble is 1 or -1")

    def hide(self, stack: NDArray[np.generic], dtype: DTypeLike) -> NDArray[np.generic]:
        """The scrambled blocks, ``(n, S, T)`` → ``(n, S, T)``, in a dtype that must hold their values.

        The arithmetic is modulo the width of that dtype and therefore right whatever the dtype of
        the pixels, as long as the scrambled values themselves fit.
        """
        width = np.dtype(dtype)
        modular = np.dtype(f"u{width.itemsize}")
        column = (-1, *(1,) * (stack.ndim - 1))
        turned = self._turned(stack.astype(modular), forth=True)
        turned *= self.sign.astype(modular).reshape(column)
        turned += self.shift.astype(modular).reshape(column)
        return turned.view(width)

    def reveal(
        self, answers: NDArray[np.generic], symmetries: Symmetries, scale: int = 1
    ) -> NDArray[np.int64]:
        """The answers to the blocks as they were, from the answers to the scrambled blocks.

        Raises ValueError where the facts do not say how an answer changed.

        Parameters
        ----------
        answers : (n, ...) ndarray of integers
        symmetries : Symmetries
            The facts of the operation that was run.
        scale : int
            How many units of the answers make one grey level (1 once they are rounded).
        """
        column = (-1, *(1,) * (answers.ndim - 1))
        exact = answers.astype(np.int64)
        if symmetries.offset_gain is not None:
            exact -= (self.shift * (symmetries.offset_gain * scale)).reshape(column)
        elif self.shift.any():
            raise ValueError("the operation does not say what an offset does to its answer")
        if symmetries.negation_sign == -1:
            exact *= self.sign.reshape(column)
        elif symmetries.negation_sign is None and (self.sign < 0).any():
            raise ValueError("the operation does not say what negation does to its answer")
        return self._turned(exact, forth=False)

    def _turned(self, stack: NDArray[Pixel], *, forth: bool) -> NDArray[Pixel]:
        """Flip, then exchange axes (`forth`), or undo it; grouped by kind of turn, not block by block."""
        ndim = self.flips.shape[1]
        kinds = self.flips @ (2 << np.arange(ndim)) + self.swaps
        turned = np.empty_like(stack)
        for kind in np.unique(kinds):
            chosen = np.flatnonzero(kinds == kind)
            flipped = tuple(axis + 1 for axis in range(ndim) if kind >> (axis + 1) & 1)
            blocks = stack[chosen]
            if kind & 1 and not forth:
                blocks = blocks.swapaxes(-1, -2)
            blocks = np.flip(blocks, flipped)
            if kind & 1 and forth:
                blocks = blocks.swapaxes(-1, -2)
            turned[chosen] = blocks
        return turned
