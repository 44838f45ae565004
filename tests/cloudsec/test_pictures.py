import numpy as np
import pytest

from cloudsec.pictures import (
    MOST_BLOCKS,
    View,
    assignment_map,
    excerpt,
    grey,
    owner_map,
    sheet,
    thinned,
)


def test_grey_maps_the_limits_to_black_and_white() -> None:
    assert grey(np.array([[-5, 0, 5, 10]]), -5, 5).tolist() == [[0, 128, 255, 255]]
    assert grey(np.array([[7]]), 7, 7).tolist() == [[0]]


def test_a_map_tints_blocks_by_their_provider_and_darkens_those_at_home() -> None:
    picture = np.full((4, 6), 255, np.uint8)
    owners = owner_map((4, 6), np.array([[0, 0, 4, 2], [0, 2, 4, 4]]), np.array([0, 1]))
    coloured = assignment_map(picture, owners)
    assert coloured.shape == (4, 6, 3)
    assert (coloured[:, 0:2] == coloured[0, 0]).all()
    assert (coloured[0, 0] != coloured[0, 2]).any()
    assert coloured[0, 4].max() <= 40


def test_a_map_over_colours_is_tinted_by_their_mean() -> None:
    grey_picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    grey_picture[:] = grey_picture.mean(axis=2, keepdims=True)
    owners = np.zeros((4, 4), int)
    wanted = assignment_map(grey_picture[..., 0], owners)
    assert (assignment_map(grey_picture, owners) == wanted).all()


def test_pixels_that_nobody_answers_are_at_home() -> None:
    owners = owner_map((3, 4), np.array([[0, 0, 2, 2], [0, 3, 3, 4]]), np.array([5, -1]))
    assert owners.tolist() == [[5, 5, -1, -1], [5, 5, -1, -1], [-1] * 4]


def test_what_is_thinned_keeps_every_so_many_pixels_and_its_colours() -> None:
    pixels = np.arange(7 * 5 * 3).reshape(7, 5, 3)
    assert np.array_equal(thinned(pixels, 4), pixels[::2, ::2])
    assert np.array_equal(thinned(pixels, 7), pixels)


def test_a_sheet_holds_every_block_at_full_contrast() -> None:
    stack = np.stack([np.arange(9).reshape(3, 3) + 100 * i for i in range(5)])
    drawn = sheet(stack)
    assert drawn.shape == (2 * 5, 3 * 5)
    assert (drawn == 255).sum() == 5


def test_an_excerpt_is_a_whole_stack_that_is_small() -> None:
    stack = np.arange(5 * 7 * 4).reshape(5, 7, 4)
    assert np.array_equal(excerpt(stack, 100), stack)


def test_an_excerpt_is_bounded_in_blocks_and_in_pixels() -> None:
    many = np.zeros((1820, 3, 3), np.uint16)
    assert excerpt(many, 1000).shape == (MOST_BLOCKS, 3, 3)
    assert excerpt(many, 10).shape == (11, 3, 3)
    for shape in ((1, 3000, 200), (7, 200, 3000), (2, 1, 100_000), (3, 101, 101)):
        drawn = excerpt(np.zeros(shape, np.uint16), 100)
        assert len(drawn) >= 1
        assert drawn.size <= 100 * 100


def test_of_a_block_that_is_too_long_every_so_many_pixels_stay_in_both_directions() -> None:
    slab = np.arange(30 * 20).reshape(1, 30, 20)
    assert np.array_equal(excerpt(slab, 10), slab[:, ::3, ::3])


def test_a_view_is_a_stack_of_blocks_of_integers() -> None:
    assert "stack" not in repr(View("cloud", np.zeros((0, 4, 4), np.uint16)))
    for stack in (np.zeros((4, 4), np.uint16), np.zeros((1, 4, 0), np.uint16), np.zeros((1, 4, 4))):
        with pytest.raises(ValueError, match="a view is a stack of blocks of integers"):
            View("cloud", stack)
