from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import Scramble, Symmetries, cut
from regions import scramble as module

IDENTITY = Symmetries(flips=(True, True), quarter_turns=True, offset_gain=1, negation_sign=-1)


def scrambles(count: int, shift: st.SearchStrategy[int]) -> st.SearchStrategy[Scramble]:
    def lists(elements: st.SearchStrategy[object]) -> st.SearchStrategy[list[object]]:
        return st.lists(elements, min_size=count, max_size=count)

    return st.builds(
        lambda flips, swaps, sign, offset: Scramble(
            np.array(flips), np.array(swaps), np.array(sign, np.int64), np.array(offset, np.int64)
        ),
        lists(st.tuples(st.booleans(), st.booleans())),
        lists(st.booleans()),
        lists(st.sampled_from([-1, 1])),
        lists(shift),
    )


@given(scrambles(5, st.integers(300, 40_000)), st.sampled_from(["uint16", "uint32", "int64"]))
def test_revealing_undoes_hiding_for_the_operation_that_does_nothing(scramble: Scramble, dtype: str) -> None:
    stack = np.random.default_rng(0).integers(-300, 300, (5, 6, 6)).astype(np.int16)
    hidden = scramble.hide(stack, dtype)
    assert hidden.dtype == dtype
    assert (scramble.reveal(hidden, IDENTITY) == stack).all()


@given(
    scrambles(5, st.integers(300, 40_000)),
    st.sampled_from(["int8", "int16", "int32", "int64"]),
    st.sampled_from(["uint16", "uint32", "int64"]),
    st.sampled_from([1, module.AT_ONCE]),
)
def test_windows_hidden_where_they_lie_are_the_hidden_stack_of_them(
    scramble: Scramble, pixels: str, dtype: str, at_once: int
) -> None:
    planes = np.random.default_rng(0).integers(-100, 100, (2, 12, 13)).astype(pixels)
    starts = np.array([[0, 0, 0], [1, 6, 7], [0, 3, 4], [0, 3, 4], [1, 0, 7]])
    stack = cut(planes, starts, (1, 6, 6))[:, 0]
    before = planes.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "AT_ONCE", at_once)
        hidden = scramble.hide_windows(planes, starts, (6, 6), dtype)
    assert (hidden == scramble.hide(stack, dtype)).all()
    assert (planes == before).all()


@given(
    scrambles(5, st.integers(300, 40_000)),
    st.sampled_from(["uint16", "uint32", "int64"]),
    st.sampled_from(["int8", "int16", "int32"]),
    st.sampled_from([1, module.AT_ONCE]),
)
def test_of_answers_revealed_where_they_belong_the_part_that_is_kept_is_written_and_nothing_else(
    scramble: Scramble, wire: str, dtype: str, at_once: int
) -> None:
    stack = np.random.default_rng(0).integers(-128, 128, (5, 6, 6)).astype(np.int16)
    hidden = scramble.hide(stack, wire)
    before = hidden.copy()
    whole = np.s_[0:6, 0:6]
    kept = [whole, whole, whole, np.s_[2:6, 0:5], np.s_[0:1, 1:6]]
    places = [
        np.s_[0, 0:6, 0:6],
        np.s_[1, 6:12, 7:13],
        np.s_[0, 6:12, 0:6],
        np.s_[0, 6:10, 6:11],
        np.s_[1, :1, 7:12],
    ]
    image = np.full((2, 12, 13), 77, dtype)
    wanted = image.copy()
    for block, place, part in zip(stack, places, kept, strict=True):
        wanted[place] = block[part]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "AT_ONCE", at_once)
        scramble.reveal_into(
            ((image[place], part) for place, part in zip(places, kept, strict=True)), hidden, IDENTITY
        )
    assert (image == wanted).all()
    assert (hidden == before).all()


@given(scrambles(5, st.integers(300, 40_000)))
def test_each_block_holds_its_own_pixels_turned_and_changed(scramble: Scramble) -> None:
    stack = np.random.default_rng(0).integers(-300, 300, (5, 6, 6)).astype(np.int16)
    for before, after, sign, shift in zip(
        stack, scramble.hide(stack, "uint16"), scramble.sign, scramble.shift, strict=True
    ):
        assert sorted((before * sign + int(shift)).ravel()) == sorted(after.ravel())


def test_all_eight_turns_and_flips_of_the_square_occur() -> None:
    kinds = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], bool)
    ones, zeros = np.ones(8, np.int64), np.zeros(8, np.int64)
    block = np.arange(9, dtype=np.uint8).reshape(3, 3)
    turned = Scramble(kinds[:, :2], kinds[:, 2], ones, zeros).hide(np.stack([block] * 8), "uint16")
    wanted = {np.rot90(flipped, k).tobytes() for flipped in (block, block.T) for k in range(4)}
    assert {piece.astype(np.uint8).tobytes() for piece in turned} == wanted


def test_an_answer_whose_facts_are_unknown_is_not_revealed() -> None:
    one = np.ones(1, np.int64)
    shifted = Scramble(np.zeros((1, 2), bool), np.zeros(1, bool), one, one)
    negated = Scramble(np.zeros((1, 2), bool), np.zeros(1, bool), -one, 0 * one)
    answer = np.zeros((1, 2, 2), np.int64)
    with pytest.raises(ValueError, match="offset"):
        shifted.reveal(answer, Symmetries(flips=(True, True)))
    with pytest.raises(ValueError, match="negation"):
        negated.reveal(answer, Symmetries(flips=(True, True), offset_gain=0))


@given(scrambles(5, st.integers(300, 40_000)))
def test_an_offset_that_moves_answers_by_fractions_is_undone_on_unrounded_ones(scramble: Scramble) -> None:
    # Half of every pixel, in units of which four make a grey level.
    facts, scale = Symmetries((True, True), True, Fraction(1, 2), -1), 4
    stack = np.random.default_rng(0).integers(-300, 300, (5, 6, 6))
    answer = scramble.hide(stack, "int64").astype(np.int64) * 2
    assert (scramble.reveal(answer, facts, scale) == stack * 2).all()
    with pytest.raises(ValueError, match="reveal unrounded ones"):
        scramble.reveal(answer // scale, facts)


def test_a_scramble_never_shows_itself() -> None:
    one = np.ones(1, np.int64)
    assert "12345" not in repr(Scramble(np.zeros((1, 2), bool), np.zeros(1, bool), one, 12345 * one))


def test_a_scramble_that_does_not_fit_together_is_refused() -> None:
    one, flips, swaps = np.ones(1, np.int64), np.zeros((1, 2), bool), np.zeros(1, bool)
    with pytest.raises(ValueError, match="for every block"):
        Scramble(flips, swaps, one, np.ones(2, np.int64))
    with pytest.raises(ValueError, match="1 or -1"):
        Scramble(flips, swaps, 7 * one, one)
