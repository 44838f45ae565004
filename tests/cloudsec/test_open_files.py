"""Real files of every kind through the command line; `python -m benchmarks.files` takes all there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.files import every_file, outcome


@pytest.mark.parametrize(
    "name",
    [
        "mr/mr_wrist_dcm4che_16.zip",
        "mr/emri_small.dcm",
        "us/examples_ybr_color.dcm",
        "xa/XA1_JPLL.dcm",
        "phi/ct_secondary_simpson1.dcm",
        "retina/drive_21.tif",
        "volume/ms_patient07_lesions.nii.gz",
    ],
)
def test_it_comes_out_valid_and_with_the_pixels_of_the_unsplit_operation(
    open_data: Path, tmp_path: Path, name: str
) -> None:
    (source,) = (path for found, path in every_file(open_data, tmp_path / "in") if found == name)
    result = outcome(name, source, "gaussian", tmp_path)
    assert not result.text.startswith("refused"), result.text
    assert not result.wrong


@pytest.mark.parametrize("name", ["volume/phantom_prostate.nrrd", "retina/drive_21_vessels.gif"])
def test_what_is_not_read_is_refused_and_leaves_nothing(open_data: Path, tmp_path: Path, name: str) -> None:
    result = outcome(name, open_data / name, "gaussian", tmp_path)
    assert result.text.startswith("refused: is not an image that is read")
    assert not result.wrong
