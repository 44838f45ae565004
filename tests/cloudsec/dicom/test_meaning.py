"""Slope, intercept and window tell what the grey levels of a result mean."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from pydicom import Dataset, uid

from tests.dicom_files import (
    PLANE,
    dataset_of,
    derived,
    row,
)


def test_levels_of_an_operations_own_are_in_no_unit() -> None:
    mask = (PLANE > 0).astype(np.uint8)
    written = derived(dataset_of(PLANE, WindowCenter=40, WindowWidth=400), mask, gain=None)
    assert (written.RescaleSlope, written.RescaleIntercept, written.RescaleType) == (1, 0, "US")
    assert (written.WindowCenter, written.WindowWidth) == (1, 2)
    assert (written.pixel_array == mask).all()
    plain = derived(dataset_of(PLANE, RescaleSlope=None, RescaleIntercept=None), mask, gain=None)
    assert "RescaleType" not in plain
    assert "RescaleSlope" not in plain


def test_an_intercept_gains_a_fraction_where_the_operation_does() -> None:
    written = derived(dataset_of(PLANE), PLANE // 4, gain=Fraction(1, 4))
    assert (written.RescaleSlope, written.RescaleIntercept) == (2, -256)


def test_tables_that_are_typed_by_the_sign_of_the_pixels_go_when_it_changes() -> None:
    dataset = dataset_of(np.zeros((1, 2), np.uint16), WindowCenter=1, WindowWidth=2)
    dataset.RealWorldValueMappingSequence = [Dataset()]
    assert "RealWorldValueMappingSequence" in derived(dataset, row(np.uint16, 5, 5))
    written = derived(dataset, row(np.int32, -5, 5))
    assert "RealWorldValueMappingSequence" not in written
    assert (written.WindowCenter, written.WindowWidth) == (1, 2)


@pytest.mark.parametrize(
    ("slope", "gain", "sign", "expected"),
    [
        (2, 1, -1, (2, -1024)),
        (2, 0, -1, (2, 0)),
        (2, 3, -1, (2, -3072)),
        (-2, 0, -1, (-2, 0)),
        (2, 0, 1, (2, 0)),
        (-2, 0, 1, (2, 0)),
    ],
)
def test_slope_and_intercept_follow_the_operation(
    slope: int, gain: int, sign: int, expected: tuple[int, int]
) -> None:
    written = derived(dataset_of(PLANE, RescaleSlope=slope), PLANE, gain, sign)
    assert (written.RescaleSlope, written.RescaleIntercept) == expected
    assert not str(written.RescaleIntercept).startswith("-0")


def test_an_image_without_rescale_is_given_none() -> None:
    bare = dataset_of(PLANE, RescaleSlope=None, RescaleIntercept=None)
    assert "RescaleSlope" not in derived(bare, PLANE, 0, -1)


def test_the_window_is_kept_where_grey_levels_keep_their_meaning() -> None:
    written = derived(dataset_of(PLANE, WindowCenter=[40, 50], WindowWidth=[80, 90]), PLANE)
    assert (written.WindowCenter, written.WindowWidth) == ([40, 50], [80, 90])


def test_the_window_spans_the_result_where_grey_levels_mean_something_else() -> None:
    lookup = Dataset()
    lookup.LUTDescriptor, lookup.LUTData = [2, 0, 16], [0, 1]
    dataset = dataset_of(PLANE, WindowCenter=[4, 5], WindowWidth=[8, 9], VOILUTFunction="SIGMOID")
    dataset.VOILUTSequence = [lookup]
    dataset.VOILUTSequence[0]["LUTDescriptor"].VR = "US"
    dataset.VOILUTSequence[0]["LUTData"].VR = "US"
    written = derived(dataset, PLANE, 0, -1)
    lowest, highest = 2 * PLANE.min(), 2 * PLANE.max()
    assert written.WindowWidth == highest - lowest + 1
    assert written.WindowCenter - 0.5 - (written.WindowWidth - 1) / 2 == lowest
    assert "VOILUTSequence" not in written
    assert "VOILUTFunction" not in written


def test_the_window_of_a_result_does_not_see_padding() -> None:
    dataset = dataset_of(PLANE, PixelPaddingValue=-700, WindowCenter=1, WindowWidth=1, RescaleSlope=1)
    written = derived(dataset, np.where(PLANE == -700, 9999, 5).astype(np.int32), 0, -1)
    assert (written.WindowCenter, written.WindowWidth) == (5.5, 1)


def enhanced(*slopes: int) -> Dataset:
    """An image of one frame for each slope, which stands in the groups of frames, with a window."""
    groups = []
    for slope in slopes:
        group, rescale, window = Dataset(), Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = slope, -1024, "HU"
        window.WindowCenter, window.WindowWidth = 40, 400
        group.PixelValueTransformationSequence, group.FrameVOILUTSequence = [rescale], [window]
        groups.append(group)
    return dataset_of(
        PLANE,
        SOPClassUID=uid.EnhancedCTImageStorage,
        RescaleSlope=None,
        RescaleIntercept=None,
        NumberOfFrames=len(slopes),
        PixelData=PLANE.tobytes() * len(slopes),
        SharedFunctionalGroupsSequence=[Dataset()],
        PerFrameFunctionalGroupsSequence=groups,
    )


def test_frames_have_their_own_slopes_and_intercepts() -> None:
    frames = np.stack([PLANE, PLANE])
    written = derived(enhanced(1, -3), frames, gain=2)
    rescales = [
        group.PixelValueTransformationSequence[0] for group in written.PerFrameFunctionalGroupsSequence
    ]
    assert [(each.RescaleSlope, each.RescaleIntercept) for each in rescales] == [(1, -2048), (-3, -2048)]
    # Of frames with several scales no one window holds.
    assert "FrameVOILUTSequence" not in written.SharedFunctionalGroupsSequence[0]


def test_one_window_spans_all_frames_of_one_scale() -> None:
    frames = np.stack([PLANE, PLANE * 2])
    written = derived(enhanced(2, 2), frames, gain=0)
    (window,) = written.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence
    assert window.WindowWidth == 2 * (int(frames.max()) - int(frames.min())) + 1
    assert not any("FrameVOILUTSequence" in group for group in written.PerFrameFunctionalGroupsSequence)
    kept = derived(enhanced(2, 2), frames).PerFrameFunctionalGroupsSequence
    assert [group.FrameVOILUTSequence[0].WindowCenter for group in kept] == [40, 40]
