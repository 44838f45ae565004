"""Slices are ordered by their positions, and what is wrong with their geometry is named."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from cloudsec.dicom import Series, ordered_series
from cloudsec.errors import DicomError, ImageFileError
from cloudsec.slices import folder_at, read_series
from tests.dicom_files import PLANE, dataset_of, file_of

OBLIQUE = [0.8, 0.6, 0.0, 0.0, 0.0, -1.0]


def stack(
    positions: list[Any], directions: list[float] | None = None, **changes: Any
) -> list[tuple[str, Dataset]]:
    """Slices whose names are their places in the list."""
    return [
        (
            f"s{number}",
            dataset_of(
                PLANE,
                ImagePositionPatient=list(place),
                ImageOrientationPatient=directions or [1, 0, 0, 0, 1, 0],
                **changes,
            ),
        )
        for number, place in enumerate(positions)
    ]


def along(*heights: float) -> list[tuple[float, float, float]]:
    return [(1.0, 2.0, height) for height in heights]


def refusal(slices: list[tuple[str, Dataset]]) -> str:
    with pytest.raises(DicomError) as caught:
        ordered_series(slices)
    return str(caught.value)


@given(st.permutations(range(7)))
def test_any_order_of_files_is_put_in_the_order_of_positions(order: list[int]) -> None:
    slices = stack(along(*(2.5 * number for number in range(7))))
    names = tuple(name for name, _ in slices)
    assert ordered_series([slices[each] for each in order]) == Series(names, 2.5, ())


def test_the_order_is_along_the_normal_whatever_the_direction() -> None:
    normal = np.cross(OBLIQUE[:3], OBLIQUE[3:])
    slices = stack([tuple(np.round(normal * 3 * k, 6)) for k in (2, 0, 1)], OBLIQUE)
    series = ordered_series(slices)
    assert series.names == ("s1", "s2", "s0")
    assert series.step == pytest.approx(3)
    assert not series.irregularities


def test_missing_slices_are_counted_and_named() -> None:
    series = ordered_series(stack(along(0, 2, 4, 10, 12)))
    assert series.irregularities == ("slices are missing between s2 and s3: 2, of 2.000 mm each",)


def test_one_slice_of_four_that_is_missing_is_found() -> None:
    series = ordered_series(stack(along(0, 4, 6)))
    assert series.irregularities == ("slices are missing between s0 and s1: 1, of 2.000 mm each",)


def test_uneven_steps_are_named() -> None:
    series = ordered_series(stack(along(0, 2, 4, 6.5, 8.5)))
    assert series.irregularities == ("s2 and s3 are 2.500 mm apart, and most slices 2.000 mm",)


def test_a_tilt_is_named_with_its_angle() -> None:
    series = ordered_series(stack([(0, 0.577 * height, height) for height in range(4)]))
    assert series.irregularities == (
        "the slices are shifted against each other, as by a gantry tilted by 30.0 degrees",
    )


def test_a_header_that_gives_another_step_is_not_believed() -> None:
    series = ordered_series(stack(along(0, 6, 12), SpacingBetweenSlices=1.0))
    assert series.step == 6
    assert not series.irregularities
    assert series.remarks == ("the header says 1 mm between slices, and their positions 6.000 mm",)


def test_one_slice_is_a_series_without_a_step() -> None:
    series = ordered_series(stack(along(5)))
    assert (series.names, series.irregularities) == (("s0",), ())
    assert np.isnan(series.step)


def test_slices_at_one_position_have_no_order() -> None:
    assert refusal(stack(along(0, 2, 2, 4))) == "s1 and s2 lie at the same position; take one of them away"


@pytest.mark.parametrize("keyword", ["SeriesInstanceUID", "Rows", "PixelSpacing"])
def test_slices_that_differ_are_no_series(keyword: str) -> None:
    slices = stack(along(0, 2, 4))
    setattr(slices[1][1], keyword, {"SeriesInstanceUID": "1.2.9", "Rows": 9, "PixelSpacing": [1, 1]}[keyword])
    assert keyword in refusal(slices)


def test_slices_that_are_not_parallel_are_no_series() -> None:
    slices = stack(along(0, 2)) + stack(along(4), OBLIQUE)
    assert "not parallel" in refusal(slices)


@pytest.mark.parametrize("place", [None, [], [1, 2], "1\\2"])
def test_a_slice_without_a_position_has_no_place(place: Any) -> None:
    slices = stack(along(0, 2))
    slices[1][1].ImagePositionPatient = place
    assert (
        refusal(slices) == "s1 gives no ImagePositionPatient, so that its place among the slices is unknown"
    )


def test_a_directory_is_read_whole_or_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match="no slices"):
        read_series(folder_at(tmp_path))
    for name, dataset in stack(along(4, 2)):
        (tmp_path / name).write_bytes(file_of(dataset))
    (tmp_path / ".hidden").touch()
    (tmp_path / "DICOMDIR").touch()
    assert read_series(folder_at(tmp_path)).names == ("s1", "s0")
    (tmp_path / "notes.txt").write_text("a note")
    with pytest.raises(ImageFileError, match=r"notes\.txt: is no DICOM"):
        read_series(folder_at(tmp_path))


def test_a_real_series_has_the_step_of_its_positions_not_that_of_its_header(
    open_data: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(open_data / "ct" / "ct_chest_lidc0314_20x6mm.zip") as archive:
        archive.extractall(tmp_path)
    series = read_series(folder_at(tmp_path))
    assert (len(series.names), series.step, series.irregularities) == (20, 6.0, ())
