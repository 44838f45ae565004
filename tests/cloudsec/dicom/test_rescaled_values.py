"""Rescaled, a result is what the operation gives of the rescaled image, to rounding, outside padding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from scipy import ndimage

from cloudsec.cli import main
from tests.dicom_files import dataset_of, file_of

SLOPE, INTERCEPT, PADDING = 1, -1024, -2000
KERNELS = {
    0: [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
    1: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    2: [[0, 0.25, 0], [0.25, 1, 0.25], [0, 0.25, 0]],
}


def ct() -> np.ndarray[Any, Any]:
    """Stored values of a CT slice, from air to bone, with padding in its corners."""
    values = np.random.default_rng(3).integers(0, 2500, (288, 270)).astype(np.int16)
    values = np.rint(ndimage.gaussian_filter(values.astype(float), 1)).astype(np.int16)
    rows, columns = np.ogrid[:288, :270]
    values[(rows - 144) ** 2 + (columns - 135) ** 2 > 135**2] = PADDING
    return values


def processed(folder: Path, *words: str) -> pydicom.Dataset:
    stored = ct()
    dataset = dataset_of(
        stored, RescaleSlope=SLOPE, RescaleIntercept=INTERCEPT, RescaleType="HU", PixelPaddingValue=PADDING
    )
    (folder / "in.dcm").write_bytes(file_of(dataset))
    assert main(["process", str(folder / "in.dcm"), str(folder / "out.dcm"), "--providers", "4", *words]) == 0
    return pydicom.dcmread(folder / "out.dcm")


def rescaled(dataset: pydicom.Dataset) -> np.ndarray[Any, Any]:
    return dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)


def hounsfield() -> np.ndarray[Any, Any]:
    return ct() * float(SLOPE) + INTERCEPT


def outside_padding(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return values[ct() != PADDING]


def assert_padding_is_kept(written: pydicom.Dataset) -> None:
    assert written.PixelPaddingValue == PADDING
    assert (written.pixel_array[ct() == PADDING] == PADDING).all()


def test_smoothing(tmp_path: Path) -> None:
    written = processed(tmp_path, "-o", "gaussian", "-p", "sigma=1.5")
    expected = ndimage.gaussian_filter(hounsfield(), 1.5, truncate=4)
    # Half a level by rounding, and what fixed-point weights may add.
    assert np.abs(outside_padding(rescaled(written) - expected)).max() <= 1
    assert_padding_is_kept(written)


def test_gradient(tmp_path: Path) -> None:
    written = processed(tmp_path, "-o", "sobel")
    change = np.hypot(*(ndimage.sobel(hounsfield(), axis) for axis in (0, 1)))
    found = outside_padding(rescaled(written))
    scale = np.median(outside_padding(change)[found > 0] / found[found > 0])
    assert np.abs(found * scale - outside_padding(change)).max() <= scale
    assert written.RescaleIntercept == 0


@pytest.mark.parametrize("gain", KERNELS)
def test_kernels_of_every_gain(tmp_path: Path, gain: int) -> None:
    written = processed(tmp_path, "-o", "convolve", "-p", f"weights={KERNELS[gain]}")
    expected = ndimage.convolve(hounsfield(), np.array(KERNELS[gain], float))
    assert written.RescaleIntercept == INTERCEPT * gain
    assert np.abs(outside_padding(rescaled(written) - expected)).max() <= 0.5


def test_threshold_in_stored_units(tmp_path: Path) -> None:
    written = processed(tmp_path, "-o", "threshold", "-p", "value=1100")
    expected = hounsfield() > 1100 * SLOPE + INTERCEPT
    assert (outside_padding(rescaled(written)) == outside_padding(expected)).all()
    assert written.RescaleType == "US"


def test_window_in_stored_units(tmp_path: Path) -> None:
    written = processed(tmp_path, "-o", "window", "-p", "center=1064", "-p", "width=400")
    # DICOM's linear window (PS3.3 C.11.2.1.2.1), here of Hounsfield units about 40.
    shown = ((hounsfield() - 39.5) / 399 + 0.5) * 255
    assert np.abs(outside_padding(rescaled(written) - np.clip(shown, 0, 255))).max() <= 0.5
    assert (written.RescaleSlope, written.RescaleIntercept, written.RescaleType) == (1, 0, "US")
