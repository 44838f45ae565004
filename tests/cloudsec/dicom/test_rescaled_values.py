"""Rescaled, a result is what the operation gives of the rescaled image, to rounding, outside padding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from scipy import ndimage

from cloudsec.cli import main
from tests.dicom_files import dataset_of, file_of

INTERCEPT = -1024
KERNELS = {
    0: [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
    1: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    2: [[0, 0.25, 0], [0.25, 1, 0.25], [0, 0.25, 0]],
}


@dataclass(frozen=True)
class Kind:
    """How a scanner stores Hounsfield units."""

    dtype: type[np.generic]
    slope: float
    padding: int

    @property
    def stored(self) -> np.ndarray[Any, Any]:
        """A slice from air to bone, with padding in its corners."""
        values = np.random.default_rng(3).integers(0, 2500, (288, 270))
        values = np.rint(ndimage.gaussian_filter(values.astype(float), 1)).astype(self.dtype)
        rows, columns = np.ogrid[:288, :270]
        values[(rows - 144) ** 2 + (columns - 135) ** 2 > 135**2] = self.padding
        return values

    @property
    def hounsfield(self) -> np.ndarray[Any, Any]:
        return self.stored.astype(float) * self.slope + INTERCEPT

    def outside_padding(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return values[self.stored != self.padding]

    def assert_padding_is_kept(self, written: pydicom.Dataset) -> None:
        assert written.PixelPaddingValue == self.padding
        assert (written.pixel_array[self.stored == self.padding] == self.padding).all()


@pytest.fixture(params=["signed", "unsigned"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(np.int16, 1, -2000) if request.param == "signed" else Kind(np.uint16, 0.5, 4095)


def processed(folder: Path, kind: Kind, *words: str) -> pydicom.Dataset:
    dataset = dataset_of(
        kind.stored,
        RescaleSlope=kind.slope,
        RescaleIntercept=INTERCEPT,
        RescaleType="HU",
        PixelPaddingValue=kind.padding,
    )
    (folder / "in.dcm").write_bytes(file_of(dataset))
    assert main(["process", str(folder / "in.dcm"), str(folder / "out.dcm"), "--providers", "4", *words]) == 0
    return pydicom.dcmread(folder / "out.dcm")


def rescaled(dataset: pydicom.Dataset) -> np.ndarray[Any, Any]:
    return dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)


def test_smoothing(tmp_path: Path, kind: Kind) -> None:
    written = processed(tmp_path, kind, "-o", "gaussian", "-p", "sigma=1.5")
    expected = ndimage.gaussian_filter(kind.hounsfield, 1.5, truncate=4)
    # Half a level by rounding, and what fixed-point weights may add.
    assert np.abs(kind.outside_padding(rescaled(written) - expected)).max() <= kind.slope
    kind.assert_padding_is_kept(written)


def test_gradient(tmp_path: Path, kind: Kind) -> None:
    written = processed(tmp_path, kind, "-o", "sobel")
    change = np.hypot(*(ndimage.sobel(kind.hounsfield, axis) for axis in (0, 1)))
    found, expected = (kind.outside_padding(each) for each in (rescaled(written), change))
    scale = np.median(expected[found > 0] / found[found > 0])
    assert np.abs(found * scale - expected).max() <= scale * kind.slope
    assert written.RescaleIntercept == 0


@pytest.mark.parametrize("gain", KERNELS)
def test_kernels_of_every_gain(tmp_path: Path, kind: Kind, gain: int) -> None:
    written = processed(tmp_path, kind, "-o", "convolve", "-p", f"weights={KERNELS[gain]}")
    expected = ndimage.convolve(kind.hounsfield, np.array(KERNELS[gain], float))
    assert written.RescaleIntercept == INTERCEPT * gain
    assert np.abs(kind.outside_padding(rescaled(written) - expected)).max() <= kind.slope / 2


def test_threshold_in_stored_units(tmp_path: Path, kind: Kind) -> None:
    written = processed(tmp_path, kind, "-o", "threshold", "-p", "value=1100")
    expected = kind.hounsfield > 1100 * kind.slope + INTERCEPT
    assert (kind.outside_padding(rescaled(written)) == kind.outside_padding(expected)).all()
    assert written.RescaleType == "US"


def test_window_in_stored_units(tmp_path: Path, kind: Kind) -> None:
    written = processed(tmp_path, kind, "-o", "window", "-p", "center=1064", "-p", "width=400")
    # DICOM's linear window (PS3.3 C.11.2.1.2.1), of stored values.
    shown = ((kind.stored.astype(float) - 1063.5) / 399 + 0.5) * 255
    assert np.abs(kind.outside_padding(rescaled(written) - np.clip(shown, 0, 255))).max() <= 0.5
    assert (written.RescaleSlope, written.RescaleIntercept, written.RescaleType) == (1, 0, "US")


def test_padding_that_the_result_cannot_hold_is_no_longer_named(tmp_path: Path, kind: Kind) -> None:
    written = processed(tmp_path, kind, "-o", "window", "-p", "center=1064", "-p", "width=400")
    assert "PixelPaddingValue" not in written
