"""What blocks show, from sums, is what a look at the blocks themselves says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regions import block_content, block_entropy, correlation
from regions.content import LEVELS, MOST_PIXELS

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, LEVELS, (60, 84)).astype(np.uint8)
COLOUR = RNG.integers(0, LEVELS, (60, 84, 3)).astype(np.uint8)


def tiles(image: np.ndarray, side: int) -> list[np.ndarray]:
    return [
        image[top : top + side, left : left + side]
        for top in range(0, image.shape[0], side)
        for left in range(0, image.shape[1], side)
    ]


@pytest.mark.parametrize("side", [6, 7, 12])
def test_entropy_and_detail_are_those_of_the_blocks(side: int) -> None:
    content = block_content(IMAGE, side)
    sizes = [tile.size for tile in tiles(IMAGE, side)]
    assert content.entropy.ravel() == pytest.approx(block_entropy(IMAGE, side).ravel() * sizes)
    squares = [
        (np.diff(tile.astype(int), axis=0) ** 2).sum() + (np.diff(tile.astype(int), axis=1) ** 2).sum()
        for tile in tiles(IMAGE, side)
    ]
    assert content.detail.ravel().tolist() == squares


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_what_a_class_shows_is_what_its_blocks_show_together(seed: int, count: int) -> None:
    content = block_content(IMAGE, 12)
    classes = np.random.default_rng(seed).integers(-1, count, content.entropy.shape)
    found = content.correlation(classes, count), content.change_rate(classes, count)
    for label in range(count):
        own = [tile for tile, held in zip(tiles(IMAGE, 12), classes.ravel() == label, strict=True) if held]
        if not own:
            assert (found[0][label], found[1][label]) == (1, 1)
            continue
        shares = np.bincount(np.stack(own).ravel()) / np.stack(own).size
        assert found[0][label] == pytest.approx(correlation(np.stack(own)).mean)
        assert found[1][label] == pytest.approx(1 - (shares**2).sum())


def test_blocks_of_blocks_show_what_they_hold_but_for_the_seams() -> None:
    fine, coarse = block_content(COLOUR, 6, channel_axis=-1), block_content(COLOUR, 12, channel_axis=-1)
    added = fine.coarser(2)
    assert added.levels.tolist() == coarse.levels.tolist()
    assert added.entropy.tolist() == coarse.entropy.tolist()
    assert (added.pairs < coarse.pairs).all()
    assert fine.coarser(1).moments.tolist() == fine.moments.tolist()
    uneven = block_content(IMAGE[:30, :30], 12).coarser(2)
    assert uneven.entropy.shape == (2, 2)
    assert uneven.levels.sum() == 900


def test_components_of_colour_add_up() -> None:
    content = block_content(COLOUR, 12, channel_axis=-1)
    parts = [block_content(COLOUR[..., c], 12) for c in range(3)]
    assert content.entropy == pytest.approx(sum(part.entropy for part in parts))
    assert content.detail == pytest.approx(sum(part.detail for part in parts))


def test_every_second_pixel_stands_for_a_large_image() -> None:
    side = int(MOST_PIXELS**0.5) * 3 // 2 // 64 * 64
    large = np.add.outer(np.arange(side), np.arange(side)).astype(np.uint16)
    content, thinned = block_content(large, 64), block_content(large[::2, ::2], 32)
    assert content.levels.tolist() == thinned.levels.tolist()
    assert content.moments.tolist() == thinned.moments.tolist()
    # A side that two does not divide is looked at in full.
    assert block_content(large, 63).levels.sum() == large.size


@pytest.mark.parametrize("image", [IMAGE.astype(float), COLOUR, IMAGE[:0], IMAGE[0]])
def test_what_is_not_one_plane_of_integers_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="one plane of integers"):
        block_content(image, 6)
