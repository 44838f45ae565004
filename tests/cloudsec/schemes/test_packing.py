"""Integers side by side in one, and planes in tiles."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cloudsec.schemes.packing import Slots, Tiling, bands


@given(st.integers(1, 127), st.integers(1, 63), st.integers(0, 2**32), st.data())
def test_values_come_back_from_their_sum(count: int, width: int, seed: int, data: st.DataObject) -> None:
    low = data.draw(st.integers(1 - 2 ** min(width, 62), 0))
    high = min(low + 2**width, 2**63) - 1
    values = np.random.default_rng(seed).integers(low, high, (3, count), np.int64, endpoint=True)
    values[0], values[1] = low, high
    slots = Slots(count, width)
    sums = slots.packed(values, low)
    assert sums == [sum(int(v) << width * j for j, v in enumerate(line)) for line in values]
    assert (slots.unpacked(sums, low) == values).all()


@given(st.integers(1, 9), st.integers(2, 20), st.integers(-9, 9), st.integers(-9, 9))
def test_what_is_done_to_a_sum_is_done_to_each_value(count: int, width: int, by: int, plus: int) -> None:
    values = np.arange(count)[None]
    low = min(0, 9 * by) - 9
    slots = Slots(count, 9)
    ones = slots.packed(np.ones((1, count), np.int64), 0)[0]
    (total,) = slots.packed(values, 0)
    assert (slots.unpacked([by * total + plus * ones], low) == by * values + plus).all()


def test_a_sum_of_no_such_values_gives_values_that_pass_for_none() -> None:
    slots = Slots(3, 4)
    ((least,), (most,)) = slots.packed(np.full((1, 3), -2), -2), slots.packed(np.full((1, 3), 13), -2)
    assert slots.unpacked([least - 1, most + 1, most + 2**12, 2**2000], -2).tolist() == [[-3] * 3] * 4
    assert slots.unpacked([least, most], -2).tolist() == [[-2] * 3, [13] * 3]


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 130), st.data())
def test_tiles_cover_a_plane_and_give_it_back(
    rows: int, columns: int, most: int, data: st.DataObject
) -> None:
    least = data.draw(st.integers(1, rows))
    halo = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    tiling = Tiling.of((rows, columns), halo, most, least)
    assert tiling.count <= most
    assert tiling.sides[0] >= least
    planes = np.arange(2 * (rows + 2 * halo[0]) * (columns + 2 * halo[1]))
    planes = planes.reshape(2, rows + 2 * halo[0], -1)
    tiles = tiling.cut(planes, halo)
    assert tiles.shape == (2, tiling.sides[0] + 2 * halo[0], tiling.sides[1] + 2 * halo[1], tiling.count)
    core = tuple(slice(reach, n - reach) for reach, n in zip(halo, planes.shape[1:], strict=True))
    inner = tuple(slice(reach, n - reach) for reach, n in zip(halo, tiles.shape[1:-1], strict=True))
    assert (tiling.joined(tiles[(slice(None), *inner)], -1) == planes[(slice(None), *core)]).all()


def test_a_pixel_of_which_two_tiles_say_different_things_is_none() -> None:
    tiling = Tiling((3, 4), (0, 2), (0, 3))
    plane = np.arange(35).reshape(1, 5, 7)
    tiles = tiling.cut(plane, (0, 0))
    assert tiles.size > plane.size
    for place in np.ndindex(tiles.shape):
        wrong = tiles.copy()
        wrong[place] += 100
        joined = tiling.joined(wrong, -1)
        changed = joined != plane
        assert changed.sum() == 1
        shared = (tiles == tiles[place]).sum() > 1
        assert joined[changed][0] == (-1 if shared else tiles[place] + 100)


def test_tiles_are_as_many_as_ciphertexts_have_room_for() -> None:
    tiling = Tiling.of((512, 512), (2, 2), 127, 2)
    assert (tiling.count, tiling.sides) == (126, (57, 37))


@given(st.integers(1, 99), st.data())
def test_bands_are_of_nearly_one_size_and_leave_nothing_out(rows: int, data: st.DataObject) -> None:
    cut = bands(rows, data.draw(st.integers(1, rows)))
    assert [row for first, last in cut for row in range(first, last)] == list(range(rows))
    assert max(last - first for first, last in cut) - min(last - first for first, last in cut) <= 1
