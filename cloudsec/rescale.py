"""What slope and intercept of stored values become of a result's: arithmetic only, of no format."""

from __future__ import annotations

from fractions import Fraction


def rescaled(
    slope: float, intercept: float, offset_gain: int | Fraction | None, negation_sign: int
) -> tuple[float, float]:
    """Slope and intercept of a result.

    An operation that adds offset_gain * c where all pixels grow by c has its intercept multiplied by that,
    one that does not see the sign of its input (a magnitude) has none, and levels of an operation's own,
    with an `offset_gain` of None, are in no unit.
    """
    if offset_gain is None:
        return 1.0, 0.0
    if negation_sign == 1:
        return abs(slope), 0.0
    # Adding zero keeps a minus zero out of the file.
    return slope, intercept * float(offset_gain) + 0.0
