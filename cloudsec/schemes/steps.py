"""Pixels that are floats as whole multiples of a step, so that what is made for integers carries them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloudsec.errors import IncompatibleScheme
from cloudsec.schemes.base import Job
from providers import Filter
from providers.image import LARGEST_FLOAT
from providers.operations.linear import LinearFilter

MOST_STEPS = 2.0**61
"""Of a pixel's magnitude: more than every modulus holds, and still an int64."""


def chosen_step(job: Job, scheme: str) -> float | None:
    """Grey levels of the step that the plan fixes for an image of floats; None for one of integers.

    Raises
    ------
    ValueError
        For a step that is no positive number, for one that would do nothing, and for one that leaves nothing.
    IncompatibleScheme
        For floats without a step, those that have too many, and operations that nobody bounds the error of.
    """
    given, floats = job.choices.get("step"), job.planes.dtype.kind == "f"
    if given is None:
        if not floats:
            return None
        raise IncompatibleScheme(
            f"scheme {scheme!r} carries floats as whole multiples of a step only; fix one that is fine "
            "enough for you, such as plan={'step': 2**-10}, on the command line --step, or use scheme 'ga-es'"
        )
    if not floats:
        raise ValueError(
            f"plan: step is for images of floats, and this one is of {job.planes.dtype}; leave it out"
        )
    if not _is_step(given):
        raise ValueError(f"plan: step must be a positive number of grey levels up to 2**96, not {given!r}")
    number = float(given)
    if not job.operation.float_gain:
        raise IncompatibleScheme(
            f"scheme {scheme!r} cannot say how far steps move answers of {job.operation.name!r}; leave "
            "'step' out of the plan, and use scheme 'ga-es'"
        )
    largest = float(np.abs(ends(job)).max())
    if largest >= MOST_STEPS * number:
        raise IncompatibleScheme(
            f"scheme {scheme!r} cannot carry pixels up to {largest:g} in steps of {number:g}; use larger "
            "steps, or scheme 'ga-es'"
        )
    if largest and number > 2 * largest:
        raise ValueError(
            f"plan: in steps of {number:g} all pixels up to {largest:g} would be zero; use smaller steps"
        )
    return number


def with_weights_for_steps(operation: Filter, dtype: np.dtype[Any]) -> Filter:
    """A resolved operation on floats with the weights that it has on int16, where there are such.

    Those for floats have 48 bits on each axis, which no modulus holds beside the pixels'; these move an
    answer by no more than half a step, if pixels have 16 bits.
    """
    if dtype.kind != "f" or not isinstance(operation, LinearFilter):
        return operation
    try:
        return operation.resolved(len(operation.halo), np.int16)
    except ValueError:
        # Of these weights there is no coarser form.
        return operation


def greatest_error(job: Job, step: float) -> float:
    """By how many grey levels an answer can be off because pixels, and weights to match, were rounded.

    Each pixel moves by half a step at most, and an answer by as much times the weights' magnitudes, which are
    the operation's `float_gain`: of a root of squares too, for it is no more than the sum. Weights move it by
    their own distance from those for floats, times the largest pixel.
    """
    own, operation = step / 2 * (job.operation.float_gain or 0.0), job.operation
    if not isinstance(operation, LinearFilter):
        return own
    fine = operation.resolved(len(operation.halo), job.planes.dtype)
    impulse = np.zeros((1, *(4 * reach + 1 for reach in operation.halo)))
    impulse[(0, *(2 * reach for reach in operation.halo))] = 1
    moved = np.abs(operation.run(impulse) / operation.units - fine.run(impulse) / fine.units).sum()
    return own + float(np.abs(ends(job)).max() * moved)


def in_steps(values: NDArray[np.floating[Any]], step: float) -> NDArray[np.int64]:
    """The nearest whole numbers of steps, halves to even."""
    return np.rint(values.astype(np.float64) / step).astype(np.int64)


def ends(job: Job) -> NDArray[Any]:
    """The least and the greatest of all pixels, and what lies beyond a constant border."""
    beyond = [job.operation.cval] if job.operation.mode == "constant" else []
    return np.array([job.planes.min().item(), job.planes.max().item(), *beyond])


def _is_step(given: Any) -> bool:
    numbers = (int, float, np.integer, np.floating)
    return isinstance(given, numbers) and not isinstance(given, bool) and bool(0 < given <= LARGEST_FLOAT)
