"""Images that are accepted or refused, and the planes that they are made of."""

from typing import Any

import numpy as np
import pytest

import providers
from providers.image import checked_image, image_planes, planes_image


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((4, 4), np.float16), "this one is float16"),
        (np.array([[0.0, np.nan]]), "NaN or infinite, which a filter would spread"),
        (np.array([[0, -np.inf]], np.float32), "NaN or infinite"),
        (np.array([[0.0, 1e30]]), r"must lie within 2\*\*96; these go from 0 to 1e\+30"),
        (np.zeros((4, 4), bool), "this one is bool"),
        (np.zeros((4, 4), np.int8), "must be uint8, int16, uint16, int32"),
        (np.zeros((4, 4), object), "this one is object"),
        (np.zeros(4, np.uint8), r"shape \(M, N\)"),
        (np.zeros((2, 4, 5, 6), np.uint8), r"shape \(M, N\), or \(P, M, N\) for a volume"),
        (np.zeros((2, 0, 5), np.uint8), "at least one pixel"),
        (np.zeros((0, 4), np.uint8), "at least one pixel"),
    ],
)
def test_an_image_that_is_not_accepted_is_refused_with_what_is(image: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        providers.apply(image, "median")


@pytest.mark.parametrize("count", [3, 4])
def test_a_last_axis_of_three_or_four_is_refused_with_both_readings(count: int) -> None:
    with pytest.raises(ValueError, match=r"colour \(M, N, 3\|4\)") as caught:
        providers.apply(np.zeros((4, 5, count), np.uint8), "median")
    assert "channel_axis=-1" in str(caught.value)
    assert "a volume (P, M, N) of so few columns, then put another axis last" in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "channel_axis", "says"),
    [
        ((4, 4), -1, r"must have the shape \(M, N, 3\|4\); this one has \(4, 4\)"),
        ((4, 3), -1, r"\(M, N, 3\|4\)"),
        ((3, 4, 5), -1, r"\(M, N, 3\|4\)"),
        ((4, 4, 1), -1, r"\(M, N, 3\|4\)"),
        ((4, 4, 2), 2, r"\(M, N, 3\|4\)"),
        ((2, 4, 4, 3), -1, r"\(M, N, 3\|4\)"),
        ((0, 4, 3), -1, "at least one pixel"),
        ((3, 4, 3), 0, "channel_axis must be -1 or 2, the last axis, or None, not 0"),
        ((3, 3, 3), 1, "not 1"),
        ((3, 3, 3), -2, "not -2"),
        ((3, 3, 3), 3, "not 3"),
        ((3, 3, 3), True, "not True"),
        ((3, 3, 3), False, "not False"),
        ((3, 3, 3), np.True_, "channel_axis must be -1"),
        ((3, 3, 3), 2.0, "not 2.0"),
        ((3, 3, 3), "-1", "not '-1'"),
        ((3, 3, 3), (2,), "channel_axis must be -1"),
    ],
)
def test_a_channel_axis_that_is_not_accepted_is_refused_with_what_is(
    shape: tuple[int, ...], channel_axis: Any, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        providers.apply(np.zeros(shape, np.uint8), "median", channel_axis=channel_axis)


@pytest.mark.parametrize("axis", [-1, 2, np.int64(-1), np.uint8(2)])
@pytest.mark.parametrize("count", [3, 4])
def test_colour_is_accepted_on_the_last_axis_however_it_is_counted(axis: Any, count: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 5, count), np.uint8)
    wanted = providers.apply(image, "mean", channel_axis=-1)
    assert wanted.shape == image.shape
    assert (providers.apply(image, "mean", channel_axis=axis) == wanted).all()


@pytest.mark.parametrize(("shape", "axis"), [((6, 8), None), ((6, 8, 3), -1), ((6, 8, 4), 2)])
def test_a_good_image_is_neither_copied_nor_changed(shape: tuple[int, ...], axis: int | None) -> None:
    image = np.zeros(shape, np.int16)
    assert checked_image(image, axis) is image
    for view in (image[::-2, ::3], np.asfortranarray(image)):
        assert np.shares_memory(checked_image(view, axis), view)
    foreign = np.arange(image.size).reshape(shape).astype(">i2")
    native = checked_image(foreign, axis)
    assert native.dtype.isnative
    assert (native == foreign).all()


@pytest.mark.parametrize(
    ("shape", "axis", "count"), [((6, 8), None, 1), ((6, 8, 3), -1, 3), ((6, 8, 4), 2, 4)]
)
def test_planes_are_a_view_and_make_the_image_again(
    shape: tuple[int, ...], axis: int | None, count: int
) -> None:
    image = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    planes = image_planes(image, axis)
    assert planes.shape == (count, 6, 8)
    assert np.shares_memory(planes, image)
    for component in range(count):
        assert (planes[component] == (image if axis is None else image[..., component])).all()
    for order in (planes, np.ascontiguousarray(planes), np.asfortranarray(planes)):
        again = planes_image(order, axis)
        assert again.flags.c_contiguous
        assert (again == image).all()
