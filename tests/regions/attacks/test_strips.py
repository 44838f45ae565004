"""The strip join succeeds where neighbours travel together, and finds nothing where they do not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from regions import BlockGrid, Scramble, block_entropy, cut, informative, lattice
from regions.attacks import JoinScore, StripPairs, join_strips, score_pairs
from tests.windows import window_shape, window_starts

HALO = 2


def scrambled(stack: NDArray[Any], rng: np.random.Generator, room: int) -> NDArray[Any]:
    """Every block turned, flipped, negated and offset in its own way."""
    count, low, high = len(stack), int(stack.min()), int(stack.max())
    sign = rng.choice([-1, 1], count).astype(np.int64)
    shift = rng.integers(0, room, count) + np.where(sign < 0, high, -low)
    return Scramble(rng.random((count, 2)) < 0.5, rng.random(count) < 0.5, sign, shift).hide(stack, "uint32")


def received(
    image: NDArray[Any], block: int, assignment: NDArray[np.intp], seed: int = 0
) -> Iterator[tuple[NDArray[Any], NDArray[np.intp]]]:
    """What each party receives, in random order, and the places of these blocks in the grid.

    As the broker does, blocks of which no more than the halo lies in the image stay at home.
    """
    rng = np.random.default_rng(seed)
    grid = BlockGrid(image.shape, (block, block))
    starts, window = window_starts(grid, (HALO, HALO)), window_shape(grid, (HALO, HALO))
    room = 4 * (int(image.max()) - int(image.min()) + 1)
    sent = [n // block + (n % block > HALO) for n in image.shape]
    for party in range(assignment.max() + 1):
        own = np.argwhere((assignment == party)[: sent[0], : sent[1]])
        own = rng.permutation(own)
        yield scrambled(cut(image, starts[tuple(own.T)], window), rng, room), own


def assignments(image: NDArray[Any], block: int, how: str) -> NDArray[np.intp]:
    bits = block_entropy(image, block)
    ranks = np.empty(bits.size, np.intp)
    order = np.random.default_rng(1).permutation(bits.size)
    ranks[order if how == "random" else np.argsort(bits, axis=None, kind="stable")] = np.arange(bits.size)
    return (ranks * 4 // bits.size).reshape(bits.shape)


def total(image: NDArray[Any], block: int, assignment: NDArray[np.intp], **options: Any) -> JoinScore:
    """The attack of every single party, summed up."""
    shown = informative(image, block)
    # The attacker knows how wide the strips of the last windows are: 3r and what the block lacks.
    widths = {2 * HALO, 3 * HALO, *(3 * HALO + -n % block for n in image.shape)}
    scores = [
        score_pairs(join_strips(stack, HALO, widths=sorted(widths), **options), positions, shown)
        for stack, positions in received(image, block, assignment)
    ]
    to_find, found, right = (sum(getattr(s, name) for s in scores) for name in ("to_find", "found", "right"))
    hits = sum(s.recall * s.to_find for s in scores if s.recall is not None)
    return JoinScore(
        hits / to_find if to_find else None, right / found if found else None, to_find, found, right
    )


@pytest.fixture(scope="module")
def noise() -> NDArray[np.int16]:
    return np.random.default_rng(2).integers(-1000, 3000, (192, 160)).astype(np.int16)


@pytest.fixture(scope="module")
def photographs(
    open_data: Path, open_images: list[tuple[str, NDArray[Any]]]
) -> list[tuple[str, NDArray[Any]]]:
    """CT, MR, chest X-ray and mammogram; no screen shot, whose letters repeat and whose strips are flat."""
    import pydicom

    chest = pydicom.dcmread(open_data / "phi" / "cr_chest_pseudophi_0.dcm").pixel_array
    return [("cr", chest[:1024])] + [(name, image) for name, image in open_images if "us_" not in name]


@pytest.mark.parametrize("block", [16, 32])
@pytest.mark.parametrize("how", ["random", "entropy"])
def test_on_real_images_shared_halos_give_neighbours_away(
    photographs: list[tuple[str, NDArray[Any]]], block: int, how: str
) -> None:
    for name, image in photographs:
        result = total(image, block, assignments(image, block, how))
        assert result.to_find > 0, name
        assert result.recall is not None
        assert result.recall >= 0.95, (name, result)
        assert result.precision is not None
        assert result.precision >= 0.95, (name, result)


@pytest.mark.parametrize("block", [16, 32])
@pytest.mark.parametrize("period", [2, 3])
def test_on_real_images_one_provider_of_a_lattice_finds_nothing(
    open_images: list[tuple[str, NDArray[Any]]], block: int, period: int
) -> None:
    for name, image in open_images:
        counts = BlockGrid(image.shape, (block, block)).counts
        classes = lattice(counts, period)
        for axis, n in enumerate(image.shape):
            if period == 2 and n % block:  # as the broker: a shifted window meets its own class
                classes[(slice(None),) * axis + (-1,)] = -1
        result = total(image, block, classes)
        assert (result.to_find, result.recall, result.right) == (0, None, 0), name
        # What the attack names all the same is letters of a screen shot, and single pixels on black.
        assert result.found <= (30 if "us_" in name else 2), (name, result)


@pytest.mark.parametrize("monotone", [False, True])
def test_the_scrambles_of_single_blocks_do_not_hide_what_they_share(
    noise: NDArray[np.int16], monotone: bool
) -> None:
    everything = total(noise, 16, np.zeros((12, 10), np.intp), monotone=monotone)
    assert everything == JoinScore(1.0, 1.0, 12 * 9 + 11 * 10, 12 * 9 + 11 * 10, 12 * 9 + 11 * 10)


def test_ranks_survive_monotone_tables_and_differences_do_not(noise: NDArray[np.int16]) -> None:
    rng = np.random.default_rng(0)
    ((stack, positions),) = received(noise, 16, np.zeros((12, 10), np.intp))
    tables = np.cumsum(rng.integers(1, 9, (len(stack), int(stack.max()) + 1)), axis=1)
    tabled = np.take_along_axis(tables, stack.reshape(len(stack), -1).astype(np.intp), axis=1)
    shown = informative(noise, 16)
    by_rank = score_pairs(join_strips(tabled.reshape(stack.shape), HALO, monotone=True), positions, shown)
    assert (by_rank.recall, by_rank.precision) == (1.0, 1.0)
    assert len(join_strips(tabled.reshape(stack.shape), HALO).blocks) == 0


def test_pairs_name_the_sides_and_the_width_that_are_shared() -> None:
    image = np.random.default_rng(0).integers(0, 999, (52, 52))
    grid = BlockGrid(image.shape, (16, 16))
    stack = cut(image, np.array([[14, 14], [14, 30], [30, 14]]), window_shape(grid, (2, 2)))
    pairs = join_strips(stack, 2)
    assert pairs.blocks.tolist() == [[0, 1], [0, 2]]
    assert pairs.sides.tolist() == [[1, 3], [2, 0]]
    assert pairs.widths.tolist() == [4, 4]
    turned = np.stack([stack[0], stack[1][::-1, ::-1], stack[2].T])
    assert join_strips(turned, 2).sides.tolist() == [[1, 1], [2, 3]]


def test_windows_shifted_at_the_edge_share_wider_strips() -> None:
    image = np.random.default_rng(0).integers(0, 999, (20, 42))
    starts = window_starts(BlockGrid(image.shape, (16, 16)), (2, 2)).reshape(-1, 2)
    stack = cut(image, starts[:3], (20, 20))
    assert join_strips(stack, 2).widths.tolist() == [6]
    everything = join_strips(stack, 2, widths=range(4, 20))
    assert everything.blocks.tolist() == [[0, 1], [1, 2]]
    assert everything.widths.tolist() == [6, 12]


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_strips_that_differ_in_high_bits_only_are_not_joined(bits: int) -> None:
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 2**34, (2, 20, 20))
    stack[0, :4] = stack[1, -4:] = rng.integers(0, 2**bits, (4, 20))
    assert len(join_strips(stack, 2).blocks) == 1
    stack[0, :4][rng.random((4, 20)) < 0.3] += 2**bits
    assert len(join_strips(stack, 2).blocks) == 0


def test_repeats_are_one_block_and_do_not_spoil_the_join(noise: NDArray[np.int16]) -> None:
    rng = np.random.default_rng(0)
    ((stack, positions),) = received(noise, 16, np.zeros((12, 10), np.intp))
    again = rng.integers(0, len(stack), 40)
    stack = np.concatenate([stack, scrambled(stack[again], rng, 1000)])
    pairs = join_strips(stack, HALO)
    assert pairs.blocks.max() < len(positions)
    positions = np.concatenate([positions, positions[again]])
    result = score_pairs(pairs, positions, informative(noise, 16))
    assert (result.recall, result.precision, result.found) == (1.0, 1.0, 12 * 9 + 11 * 10)


def test_flat_strips_and_strips_that_occur_more_than_twice_are_not_joined() -> None:
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 999, (5, 20, 20))
    assert len(join_strips(stack, 2).blocks) == 0
    stack[0, :4] = stack[1, -4:] = 7
    assert len(join_strips(stack, 2).blocks) == 0
    stack[0, :4] = stack[1, -4:] = rng.integers(0, 999, (4, 20))
    assert join_strips(stack, 2).blocks.tolist() == [[0, 1]]
    stack[4, :4] = stack[0, :4]
    assert len(join_strips(stack, 2).blocks) == 0


def test_blocks_without_halos_share_nothing(noise: NDArray[np.int16]) -> None:
    blocks = noise[:160].reshape(10, 16, 10, 16).swapaxes(1, 2).reshape(-1, 16, 16)
    assert len(join_strips(blocks, 0).blocks) == 0
    assert len(join_strips(blocks, 0, widths=range(1, 16)).blocks) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_blocks_to_join_are_no_error(count: int) -> None:
    pairs = join_strips(np.ones((count, 20, 20), np.int64), 2)
    assert pairs.blocks.shape == pairs.sides.shape == (0, 2)
    positions = np.zeros((count, 2), np.intp)
    assert score_pairs(pairs, positions, np.ones((2, 2), bool)) == JoinScore(None, None, 0, 0, 0)


def test_only_informative_pairs_count_for_recall_and_all_that_was_found_for_precision() -> None:
    shown = np.array([[True, True, False], [True, True, True]])
    positions = np.argwhere(np.ones((2, 3), bool))
    places = np.array([[0, 1], [1, 2], [0, 4]])
    pairs = StripPairs(places, np.zeros_like(places), np.full(3, 4))
    # Five pairs of informative neighbours, one of them found; 1 and 2 are neighbours, 0 and 4 are not.
    assert score_pairs(pairs, positions, shown) == JoinScore(1 / 5, 2 / 3, 5, 3, 2)


def test_what_the_attack_cannot_read_is_refused() -> None:
    with pytest.raises(ValueError, match="square blocks of integers"):
        join_strips(np.zeros((2, 20, 20)), 2)
    with pytest.raises(ValueError, match="square blocks of integers"):
        join_strips(np.zeros((2, 20, 21), int), 2)
    with pytest.raises(ValueError, match="does not fit"):
        join_strips(np.zeros((2, 20, 20), int), 10)
