import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import Box


@st.composite
def nested(draw: st.DrawFn) -> tuple[Box, Box]:
    """A box, and one within it."""
    axes = draw(st.integers(1, 3))
    edges = [sorted(draw(st.lists(st.integers(0, 9), min_size=4, max_size=4))) for _ in range(axes)]
    outer = Box(tuple(e[0] for e in edges), tuple(e[3] for e in edges))
    return outer, Box(tuple(e[1] for e in edges), tuple(e[2] for e in edges))


@given(nested())
def test_what_lies_outside_an_inner_box_is_covered_once_and_the_inner_box_never(
    boxes: tuple[Box, Box],
) -> None:
    import numpy as np

    outer, inner = boxes
    times = np.zeros((10,) * len(outer.start), int)
    for box in (*outer.without(inner), inner):
        times[box.slices] += 1
    wanted = np.zeros_like(times)
    wanted[outer.slices] = 1
    assert (times == wanted).all()


@given(nested())
def test_widening_undoes_shrinking(boxes: tuple[Box, Box]) -> None:
    box = boxes[0]
    margin = tuple(1 for _ in box.start)
    assert box.widened(margin).shrunk(margin) == box


def test_a_box_that_stops_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot stop before it starts"):
        Box((2,), (1,))
    with pytest.raises(ValueError, match="as many starts as stops"):
        Box((2, 3), (4,))
