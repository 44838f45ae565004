"""Where blocks lie, for every number of classes, block size and shape."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloudsec.schemes.layout import Layout
from regions import NO_CLASS, Box

BLOCKS = st.sampled_from([8, 9, 16, 32])
RINGS = st.sampled_from([(0, 0), (1, 2), (2, 2)])
EVEN = 1 / 3
"""A wish for every block and class, where which it is does not matter."""


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """A layout that an image may be sent in: long or short, with whole last blocks or a few pixels of one."""
    classes, block = draw(st.integers(2, 16)), draw(BLOCKS)
    whole = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    rest = draw(st.tuples(st.integers(0, block - 1), st.integers(0, block - 1)))
    shape = (whole[0] * block + rest[0], whole[1] * block + rest[1])
    found = Layout(shape, block, classes)
    if not found.holds_each_class:
        # Long enough on both axes for the widest lattice and margin.
        found = Layout((shape[0] + 3 * block, shape[1] + 3 * block), block, classes)
    assert found.holds_each_class
    return found


def coloured(layout: Layout) -> NDArray[np.intp]:
    blocks = int(np.prod(layout.counts))
    return layout.coloured(np.full((blocks, layout.classes), EVEN))


def sent(layout: Layout) -> NDArray[np.bool_]:
    """Blocks that may go out, whatever class they find."""
    kept = layout.kept((0, 0))
    return np.asarray((kept[..., 2:] > kept[..., :2]).all(axis=-1))


def counted(shape: tuple[int, int], boxes: Any) -> NDArray[np.intp]:
    """In how many boxes each pixel lies."""
    count = np.zeros(shape, np.intp)
    for top, left, bottom, right in np.asarray(boxes).reshape(-1, 4):
        assert 0 <= top <= bottom <= shape[0]
        assert 0 <= left <= right <= shape[1]
        count[top:bottom, left:right] += 1
    return count


def edges(boxes: tuple[Box, ...]) -> list[tuple[int, ...]]:
    return [(*box.start, *box.stop) for box in boxes]


@given(layouts(), RINGS)
def test_what_is_kept_the_gaps_and_what_lies_outside_tile_the_image(
    layout: Layout, ring: tuple[int, int]
) -> None:
    inner = layout.answered(ring)
    kept = counted(layout.shape, layout.kept(ring))
    gaps = counted(layout.shape, edges(layout.gaps(ring)))
    outside = counted(layout.shape, edges(Box.of(layout.shape).without(inner)))
    assert kept.max() == 1
    assert (kept + (gaps > 0) + outside == 1).all()
    # `answered` is no larger than it must be.
    assert all(part.any() for part in (kept[inner.slices][[0, -1]], kept[inner.slices][:, [0, -1]].T))
    bounds = np.argwhere(kept)
    assert (tuple(bounds.min(axis=0)), tuple(bounds.max(axis=0) + 1)) == (inner.start, inner.stop)


@given(layouts(), RINGS)
def test_what_is_kept_of_a_block_lies_in_what_is_answered_to_it(
    layout: Layout, ring: tuple[int, int]
) -> None:
    kept, cores = layout.kept(ring)[sent(layout)], layout.core_starts[sent(layout)]
    assert (kept[:, :2] >= cores + ring).all()
    assert (kept[:, 2:] <= cores + layout.block - ring).all()
    # Nothing is cut off a block that was not shifted onto another.
    alone = ~np.isin(np.arange(len(cores)), meeting(cores, cores + layout.block))
    assert (kept[alone] == np.concatenate([cores + ring, cores + layout.block - ring], axis=1)[alone]).all()


def meeting(starts: NDArray[np.intp], stops: NDArray[np.intp]) -> NDArray[np.intp]:
    """Boxes that share pixels with another."""
    shared = np.all((starts[:, None] < stops) & (starts < stops[:, None]), axis=-1)
    np.fill_diagonal(shared, val=False)
    return np.flatnonzero(np.asarray(shared, bool).any(axis=1))


@given(layouts())
@example(Layout((18, 26), 9, 4))
def test_windows_of_one_class_never_touch_under_the_widest_halo(layout: Layout) -> None:
    classes, halo = coloured(layout), (layout.margin,) * 2
    assert layout.margin == (layout.block // 4 if layout.classes >= 4 else 0)
    windows = layout.windows(halo)
    for label in range(layout.classes):
        starts, stops = np.split(windows[classes == label], 2, axis=1)
        if layout.separates:
            # Edges that touch could be matched like a jigsaw's, and so could corners.
            stops = stops + 1
        assert not meeting(starts, stops).size


@given(layouts())
def test_under_two_or_three_classes_no_block_shares_a_pixel_with_any_other(layout: Layout) -> None:
    narrow = Layout(layout.shape, layout.block, 2 + layout.classes % 2)
    assert not narrow.separates
    starts, stops = np.split(narrow.windows((0, 0))[sent(narrow)], 2, axis=1)
    assert not meeting(starts, stops).size
    classes = coloured(narrow)
    assert (classes[sent(narrow)] != NO_CLASS).all()
    for down, right in ((0, 1), (1, 0)):
        one, other = classes[: len(classes) - down, : classes.shape[1] - right], classes[down:, right:]
        assert not ((one == other) & (one != NO_CLASS)).any()


@given(layouts(), st.data())
def test_windows_lie_around_the_same_places_whatever_the_halo(layout: Layout, data: st.DataObject) -> None:
    widths = st.integers(0, layout.margin)
    one, other = (layout.windows(data.draw(st.tuples(widths, widths))) for _ in range(2))
    assert (one[..., :2] + one[..., 2:] == other[..., :2] + other[..., 2:]).all()
    # The ring too: what is answered of a block is cut off evenly, at the image's edge as elsewhere.
    assert (layout.windows((0, 0))[..., :2] == layout.core_starts).all()


@given(layouts(), st.data())
def test_no_window_reaches_beyond_the_image_and_all_are_of_one_shape(
    layout: Layout, data: st.DataObject
) -> None:
    halo = data.draw(st.tuples(st.integers(0, layout.margin), st.integers(0, layout.margin)))
    windows = layout.windows(halo)
    assert windows.min() >= 0
    assert (windows[..., 2:] <= layout.shape).all()
    assert (windows[..., 2:] - windows[..., :2] == layout.block + 2 * np.array(halo)).all()


@given(layouts())
def test_a_class_is_given_to_every_block_that_goes_out_but_for_some_at_the_edge(layout: Layout) -> None:
    classes, out = coloured(layout), sent(layout)
    assert classes.min() >= NO_CLASS
    assert classes.max() < layout.classes
    assert (classes[~out] == NO_CLASS).all()
    without = np.argwhere(out & (classes == NO_CLASS))
    if layout.classes in (2, 3, 4, 9):
        assert not without.size
    elif min(layout.counts) > 3:
        last = np.array(layout.counts) - 1
        assert (without == last).any(axis=1).all()


@pytest.mark.parametrize("classes", [2, 3, 4, 9, 5, 16])
def test_a_grid_that_the_blocks_fill_has_all_classes_about_equally_often(classes: int) -> None:
    found = np.bincount(coloured(Layout((288, 288), 16, classes)).ravel())
    assert len(found) == classes
    assert found.max() - found.min() <= 2


@pytest.mark.parametrize(
    ("classes", "rest", "goes_out"),
    [(4, 1, True), (4, 16, True), (9, 4, False), (9, 5, True), (5, 4, False), (5, 5, True)]
    + [(2, 16, False), (3, 16, False), (16, 0, False)],
)
def test_a_last_block_goes_out_if_it_keeps_clear_of_the_last_of_its_class(
    classes: int, rest: int, goes_out: bool
) -> None:
    # Blocks of 17 have a margin of 4: four margins are less than a block here.
    layout = Layout((17 * 6 + rest, 17 * 6), 17, classes)
    assert sent(layout)[6:].all() == (goes_out or not rest)
    assert len(sent(layout)) == 6 + bool(rest)


@pytest.mark.parametrize(
    ("shape", "classes", "fits"),
    [((16, 16), 2, True), ((15, 16), 2, False), ((32, 32), 4, True), ((31, 99), 4, False)]
    + [((48, 48), 9, True), ((99, 47), 9, False), ((24, 24), 5, True), ((23, 99), 5, False)],
)
def test_an_image_holds_each_class_from_a_period_or_a_block_and_its_margins_on(
    shape: tuple[int, int], classes: int, fits: bool
) -> None:
    assert Layout(shape, 16, classes).holds_each_class == fits


@given(layouts())
def test_without_a_ring_there_is_no_gap_between_blocks(layout: Layout) -> None:
    assert layout.gaps((0, 0)) == ()


def test_a_ring_leaves_strips_of_twice_its_width_between_blocks() -> None:
    # Between blocks of 8 without a margin, those at the image's edge too.
    strips = Layout((32, 24), 8, 3).gaps((1, 2))
    rows = [(low, 2, low + 2, 22) for low in (7, 15, 23)]
    columns = [(1, low, 31, low + 4) for low in (6, 14)]
    assert edges(strips) == rows + columns


@given(layouts())
def test_the_lines_of_the_grid_divide_what_is_kept(layout: Layout) -> None:
    assume(layout.classes != 4)
    kept = layout.kept((0, 0))[sent(layout)]
    for axis, length in enumerate(layout.shape):
        # Within a margin of the image's edge a line may lie beyond a block.
        lines = np.clip(np.unique(kept[:, [axis, axis + 2]]), layout.margin, length - layout.margin)
        inner = lines[(lines > layout.margin) & (lines < length - layout.margin)]
        assert not (inner % layout.block).any()


@given(st.integers(7, 40), st.integers(8, 33), st.integers(0, 32))
def test_four_classes_leave_no_block_at_home_for_want_of_room(count: int, block: int, rest: int) -> None:
    length = count * block + rest % block
    layout = Layout((length, length), block, 4)
    along = layout.core_starts[:, 0, 0]
    assert (along[0], along[-1]) == (layout.margin, length - layout.margin - block)
    assert sent(layout).all()
    # Every other one has the same class: a gap is left between their windows under the widest halo.
    assert (along[2:] - along[:-2] > block + 2 * layout.margin).all()
    # What is shifted is spread so that no three blocks overlap in a row.
    overlaps = along[:-1] + block - along[1:]
    assert not ((overlaps[1:] > 0) & (overlaps[:-1] > 0))[1:].any()
