"""Derived images as an independent judge sees them: dciodvfy finds nothing that the source had not."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid

from cloudsec.files import read_image, write_image
from tests.dicom_files import PLANE, SHIPPED, Pixels, enhanced, file_of
from tests.peers import peer


def complaints(path: Path) -> set[str]:
    answer = subprocess.run(["dciodvfy", str(path)], capture_output=True, check=False)
    text = (answer.stdout + answer.stderr).decode("utf-8", "replace")
    assert text.strip(), "dciodvfy names at least the kind of image"
    lines = {line for line in text.splitlines() if line.startswith("Error")}
    # A UID that is no UID is one complaint, wherever it stands: the result names its source by it.
    return {line.split(" in (")[0] for line in lines}


@pytest.fixture(scope="module")
def validator() -> None:
    peer("dciodvfy")


def check_with_validator(source: Path, folder: Path) -> None:
    image = read_image(source, burned_in="accept")
    before, out = complaints(source), folder / "out.dcm"
    pixels = image.pixels.astype(np.int64)
    smooth = ((pixels + np.roll(pixels, 1, 0)) // 2).astype(image.pixels.dtype)
    change = np.clip(pixels - np.roll(pixels, 1, 1), -32768, 32767).astype(np.int32)
    results: list[tuple[Pixels, int, int]] = [(smooth, 1, -1)]
    if image.channel_axis is None:
        results.append((np.abs(change).astype(np.uint32), 0, 1))
    if image.pixels.dtype != np.uint8:
        results.append((change, 0, -1))
    for result, gain, sign in results:
        write_image(out, result, image, description="CloudSec: a test", offset_gain=gain, negation_sign=sign)
        assert complaints(out) <= before
        assert np.array_equal(pydicom.dcmread(out).pixel_array, result)


def check_map_with_validator(source: Path, folder: Path) -> None:
    image = read_image(source)
    before, out = complaints(source), folder / "out.dcm"
    for dtype in (np.float32, np.float64, np.int64):
        result = image.pixels.astype(dtype) * dtype(100_003) / dtype(7)
        result = np.trunc(result).astype(dtype) if dtype is np.int64 else result
        write_image(out, result, image, description="CloudSec: a test", offset_gain=0, negation_sign=-1)
        assert complaints(out) <= before
        written = pydicom.dcmread(out)
        assert written.SOPClassUID == uid.ParametricMapStorage
        assert np.array_equal(written.pixel_array, result)
        again = folder / "again.dcm"
        mapped = read_image(out)
        write_image(again, result / 3, mapped, description="CloudSec: more", offset_gain=0, negation_sign=1)
        assert complaints(again) <= before


@pytest.mark.usefixtures("validator")
def test_parametric_maps_have_no_new_complaints(open_data: Path, tmp_path: Path) -> None:
    check_map_with_validator(SHIPPED, tmp_path)
    check_map_with_validator(open_data / "phi" / "ct_pseudophi_2.dcm", tmp_path)
    with zipfile.ZipFile(open_data / "mr" / "mr_wrist_dcm4che_16.zip") as archive:
        check_map_with_validator(Path(archive.extract(min(archive.namelist()), tmp_path)), tmp_path)


@pytest.mark.usefixtures("validator")
def test_parametric_maps_of_frames_have_no_new_complaints(tmp_path: Path) -> None:
    (tmp_path / "frames.dcm").write_bytes(file_of(enhanced(np.stack([PLANE, PLANE + 1]))))
    check_map_with_validator(tmp_path / "frames.dcm", tmp_path)


@pytest.mark.usefixtures("validator")
def test_the_shipped_slice_gives_results_without_new_complaints(tmp_path: Path) -> None:
    check_with_validator(SHIPPED, tmp_path)


@pytest.mark.usefixtures("validator")
@pytest.mark.parametrize(
    "name",
    [
        "ct/ct_chest_lidc0314_20x6mm.zip",
        "mr/mr_wrist_dcm4che_16.zip",
        "phi/ct_pseudophi_2.dcm",
        "phi/cr_chest_pseudophi_0.dcm",
        "phi/us_grey_burnedin.dcm",
        "phi/ct_secondary_simpson1.dcm",
        "cr/RG3_JPLL.dcm",
        "xa/XA1_JPLL.dcm",
        "mr/emri_small.dcm",
        "us/examples_ybr_color.dcm",
        "us/US-PAL-8-10x-echo.dcm",
    ],
)
def test_real_images_give_results_without_new_complaints(open_data: Path, tmp_path: Path, name: str) -> None:
    if name.endswith(".zip"):
        with zipfile.ZipFile(open_data / name) as archive:
            members = [archive.extract(member, tmp_path / "in") for member in sorted(archive.namelist())[::9]]
    else:
        members = [str(open_data / name)]
    for member in members:
        check_with_validator(Path(member), tmp_path)
