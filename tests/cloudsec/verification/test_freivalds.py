"""Freivalds' check: right answers of linear maps pass, no wrong one does, and the odds are as stated."""

from math import prod, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.lies import TAMPERINGS
from cloudsec.keystream import Keystream
from cloudsec.verification import contraction
from cloudsec.verification.freivalds import COLUMNS, PRIMES, Tag, tag
from providers.kernel import Kernel, nested
from providers.stencil import Stencil, core
from providers.testing import images

KEYS = Keystream(bytes(range(32)))
SEEDS = st.integers(0, 2**32)


@st.composite
def maps(draw: st.DrawFn, axes: int) -> Stencil | Kernel:
    """Linear maps with weights of few and of many bits."""
    random = np.random.default_rng(draw(SEEDS))
    sides = [draw(st.sampled_from([1, 3, 5])) for _ in range(axes)]
    largest = 2 ** draw(st.sampled_from([1, 4, 9]))
    if draw(st.booleans()):
        return Stencil(tuple(tuple(random.integers(1, largest + 1, side).tolist()) for side in sides))
    weights = random.integers(-largest, largest + 1, sides)
    return Kernel(nested(weights), 7)


@st.composite
def padded_stacks(draw: st.DrawFn, part: Stencil | Kernel) -> NDArray[Any]:
    core = st.tuples(st.integers(1, 3), *(st.integers(1, 9) for _ in part.halo))
    return draw(
        images(core.map(lambda n: (n[0], *(a + 2 * h for a, h in zip(n[1:], part.halo, strict=True)))))
    )


PARTS = st.sampled_from([2, 2, 3]).flatmap(maps)


@given(PARTS, st.data())
def test_right_answers_are_always_accepted(part: Stencil | Kernel, data: st.DataObject) -> None:
    stack = data.draw(padded_stacks(part))
    assert tag(part, stack, KEYS, "right").holds(part.run(stack)).all()


@given(PARTS, st.integers(-(2**9), 2**9), st.integers(-(2**9), 2**9), st.data())
def test_sums_of_pixels_and_answers_are_judged_by_how_often_they_go_in(
    part: Stencil | Kernel, own: int, times: int, data: st.DataObject
) -> None:
    stack = data.draw(padded_stacks(part))
    ends = int(stack.min()), int(stack.max())
    # What int64 does not hold is refused.
    assume(
        sum(max(map(abs, each)) * abs(by) for each, by in ((ends, own), (part.bounds(*ends), times))) < 2**62
    )
    judge = tag(part, stack, KEYS, "shares", shares=(own, times))
    right = own * core(stack, part.halo).astype(np.int64) + times * part.run(stack)
    assert judge.holds(right).all()
    assert not judge.holds(right + 1).any()


@pytest.mark.parametrize("least", [-3, 0, 3])
@pytest.mark.parametrize("dtype", ["int32", "int64", ">i8"])
def test_a_multiple_of_the_prime_leads_out_of_the_range_at_either_end(least: int, dtype: str) -> None:
    part = Stencil(((1, 4, 6, 4, 1),) * 2)
    stack = np.random.default_rng(0).integers(least, 256, (1, 12, 13))
    stack[0, 5, 5] = least
    judge, right = tag(part, stack, KEYS, "multiples"), part.run(stack).astype(dtype)
    assert judge.holds(right).all()
    for times in (-2, -1, 1, 2):
        claimed = right.copy()
        claimed[0, 3, 4] += times * PRIMES[0]
        assert not judge.holds(claimed).any()


@given(PARTS, st.data())
def test_wrong_answers_never_are_and_the_regions_that_are_wrong_are_told(
    part: Stencil | Kernel, data: st.DataObject
) -> None:
    stack, other = data.draw(padded_stacks(part)), data.draw(padded_stacks(part))
    right, random = part.run(stack), np.random.default_rng(data.draw(SEEDS))
    judge = tag(part, stack, KEYS, "wrong")
    for tampered in TAMPERINGS.values():
        region = random.integers(len(right))
        claimed = right.copy()
        claimed[region] = tampered(right[region], part.run(other)[0], random)
        expected = (claimed == right).reshape(len(right), -1).all(axis=1)
        assert (judge.holds(claimed) == expected).all()


@given(PARTS, st.data())
def test_a_tag_is_the_answer_between_its_secrets_in_unbounded_integers(
    part: Stencil | Kernel, data: st.DataObject
) -> None:
    stack = data.draw(padded_stacks(part))
    answer = contraction.as_lines(part.run(stack)).astype(object)
    for probe in tag(part, stack, KEYS, "exact")._probes:
        left, right = (vectors.astype(np.int64).astype(object) for vectors in (probe.left, probe.right))
        wanted = [left.dot(region).dot(right.T) % probe.prime for region in answer]
        assert (probe.tags == np.array(wanted)).all()


@pytest.mark.parametrize("shape", [(1, 3, 9000), (1, 9000, 3), (300, 12, 12), (1, 3, 60, 70)])
@pytest.mark.parametrize("extreme", [2**8, 2**31])
def test_large_stacks_and_the_largest_pixels_are_added_up_exactly(
    shape: tuple[int, ...], extreme: int
) -> None:
    random = np.random.default_rng(0)
    stack = random.choice(np.array([-extreme, extreme - 1]), shape)
    for part in (
        Kernel(nested(random.integers(-(2**20), 2**20, (3,) * (len(shape) - 1)))),
        Stencil(((2**9, 2**9 + 1, 7),) * (len(shape) - 1)),
    ):
        right = part.run(stack)
        judge = tag(part, stack, KEYS, "large")
        assert judge.holds(right).all()
        right[-1].flat[-1] ^= 1
        assert not judge.holds(right)[-1]


def test_parts_of_an_image_are_checked_by_themselves() -> None:
    part = Stencil(((1, 2, 1), (1, 4, 6, 4, 1)))
    padded = np.random.default_rng(0).integers(0, 2**16, (1, 42, 54), np.uint16)
    answer = part.run(padded)
    judge = tag(part, padded[:, 10:25, 7:40], KEYS, "box")
    assert judge.holds(answer[:, 10:23, 7:36]).all()
    assert not judge.holds(answer[:, 11:24, 7:36]).any()


@pytest.mark.parametrize("bits", [15, 21, 40, 61])
def test_as_many_primes_are_taken_as_span_the_proven_range(bits: int) -> None:
    part = Kernel(((2 ** (bits - 8), 0, 0),))
    pixels = np.array([[[0, 0, 0], [255, 0, 0]]], np.uint8)
    judge = tag(part, pixels, KEYS, "range")
    used = [probe.prime for probe in judge._probes]
    assert (judge.low, judge.high) == (0, 255 * 2 ** (bits - 8))
    assert prod(used[:-1]) <= judge.high < prod(used)
    right = part.run(pixels)
    for prime in used[: -1 if len(used) > 1 else None]:
        for claimed in (right + prime, right - prime, right + prod(used)):
            assert not judge.holds(claimed).any()


def test_a_range_beyond_all_primes_or_int64_is_refused() -> None:
    pixels = np.array([[[0, 2**20]]])
    for part, primes in ((Kernel(((2**50,),)), PRIMES), (Kernel(((2,),)), (3, 5))):
        with pytest.raises(ValueError, match="weights"):
            tag(part, pixels, KEYS, "refused", primes=primes)


def test_primes_are_the_largest_that_float64_has_room_for() -> None:
    below = range(2**21 - 1, min(PRIMES) - 1, -1)
    found = [n for n in below if all(n % divisor for divisor in range(2, int(sqrt(n)) + 1))]
    assert list(PRIMES) == found
    assert (max(PRIMES) // 2 + 1) * max(PRIMES) * contraction._LONGEST <= 2**53


def test_the_odds_are_stated_as_a_number() -> None:
    judge = tag(Kernel(((1,),)), np.zeros((1, 4, 4), np.uint8), KEYS, "odds")
    assert judge.odds == pytest.approx(2 * float(max(PRIMES)) ** -COLUMNS)
    assert judge.odds < 2**-82


ERRORS = {
    "one pixel": np.eye(1, 36, 20).reshape(6, 6) > 0,
    "the last pixel": np.eye(1, 36, 35).reshape(6, 6) > 0,
    "the first row": np.arange(36).reshape(6, 6) < 6,
    "all pixels": np.ones((6, 6), np.bool_),
    "a diagonal": np.eye(6, dtype=np.bool_),
}


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("wrong", ERRORS.values(), ids=list(ERRORS))
def test_with_a_tiny_prime_as_many_wrong_answers_pass_as_the_odds_say(
    wrong: NDArray[np.bool_], columns: int
) -> None:
    prime, tries = 3, 1000
    pixels = np.random.default_rng(0).integers(0, 2, (1, 6, 6))
    judges = (
        tag(Kernel(((1,),)), pixels, KEYS, f"tiny {n}", columns=columns, primes=(prime,))
        for n in range(tries)
    )
    missed = sum(bool(judge.holds(np.where(wrong, 1 - pixels, pixels)).all()) for judge in judges)
    odds, slack = 2 * prime**-columns, 5 * sqrt(tries) / 2
    assert missed <= odds * tries + slack
    if np.linalg.matrix_rank(np.where(wrong, 1 - 2 * pixels[0], 0)) == 1:
        # Either side sends the only product to zero.
        assert missed >= (odds - prime ** (-2 * columns)) * tries - slack


def test_another_label_or_key_is_another_secret_and_the_same_gives_the_same() -> None:
    def secrets(judge: Tag) -> bytes:
        return b"".join(probe.left.tobytes() + probe.right.tobytes() for probe in judge._probes)

    pixels, part = np.zeros((1, 8, 8), np.uint8), Stencil(((1, 2, 1),) * 2)
    drawn = secrets(tag(part, pixels, KEYS, "one"))
    assert drawn == secrets(tag(part, pixels, KEYS, "one"))
    assert drawn != secrets(tag(part, pixels, KEYS, "two"))
    assert drawn != secrets(tag(part, pixels, Keystream(bytes(32)), "one"))


def test_a_tag_shows_no_secret() -> None:
    shown = repr(tag(Stencil(((1,), (1,))), np.zeros((1, 8, 8), np.uint8), KEYS, "shown"))
    assert "array" not in shown
    assert "left" not in shown


def test_floats_and_other_shapes_are_refused() -> None:
    part, pixels = Stencil(((1,), (1,))), np.zeros((1, 4, 4), np.uint8)
    with pytest.raises(ValueError, match="sample"):
        tag(part, pixels.astype(np.float32), KEYS, "floats")
    judge = tag(part, pixels, KEYS, "shapes")
    for answer in (np.zeros((1, 4, 5), np.int64), np.zeros((1, 4, 4))):
        with pytest.raises(ValueError, match="unrounded"):
            judge.holds(answer)


@pytest.mark.slow
def test_of_ten_thousand_tamperings_none_is_accepted() -> None:
    random, tried = np.random.default_rng(0), 0
    while tried < 10_000:
        axes = int(random.choice([2, 2, 3]))
        sides, bits = random.choice([1, 3, 5], axes), int(random.choice([8, 16, 31]))
        weights = random.integers(-(2 ** int(random.choice([4, 12, 20]))), 2**20, sides)
        part = Kernel(nested(weights))
        window = [1, *(side + int(random.integers(2, 20)) for side in sides)]
        stack, other = random.integers(0, 2**bits, (2, *window))
        right, judge = part.run(stack), tag(part, stack, KEYS, f"slow {tried}")
        replayed = part.run(other)[0]
        assert judge.holds(right).all()
        for _ in range(10):
            for tampered in TAMPERINGS.values():
                claimed = tampered(right[0], replayed, random)[None]
                if (claimed != right).any():
                    assert not judge.holds(claimed).any()
                    tried += 1
