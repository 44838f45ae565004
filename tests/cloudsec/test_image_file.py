"""What a file holds: its images one after the other, and their results where the file has their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsec.image_file import ImageFile

PIXELS = np.random.default_rng(0).integers(0, 99, (2, 4, 6, 7), np.uint8)


@pytest.mark.parametrize("frame_axes", [0, 1, 2])
def test_results_of_frames_lie_where_the_frames_do(frame_axes: int) -> None:
    image = ImageFile(PIXELS, frame_axes=frame_axes)
    assert image.frames.shape == (image.count, *PIXELS.shape[frame_axes:])
    results = (np.int32(-3) * frame for frame in image.frames)
    assert np.array_equal(image.together(results), np.int32(-3) * PIXELS)


@given(st.permutations(range(4)))
def test_planes_are_filtered_as_they_lie_in_space_and_given_back_as_in_the_file(
    order: list[int],
) -> None:
    image = ImageFile(PIXELS[0], order=tuple(order))
    (volume,) = image.frames
    assert [plane.tobytes() for plane in volume] == [PIXELS[0, place].tobytes() for place in order]
    assert np.array_equal(image.together(iter(image.frames)), PIXELS[0])


def test_plane_by_plane_the_order_does_not_matter() -> None:
    image = ImageFile(PIXELS[0], order=(3, 1, 0, 2)).plane_by_plane()
    assert np.array_equal(image.frames, PIXELS[0])
    colour = ImageFile(PIXELS[..., :3], channel_axis=-1, frame_axes=1).plane_by_plane()
    assert colour.frames.shape == (2, 4, 6, 3)
