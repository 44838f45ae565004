"""NIfTI by nibabel's own files: volumes and times in our order of axes, headers given back, bombs refused."""

from __future__ import annotations

import gzip
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import providers
from cloudsec.cli import main
from cloudsec.files import checked_form, read_image, write_image
from cloudsec.formats import MAX_PIXELS, check_format
from cloudsec.image_file import ImageFile
from providers.image import FLOAT_DTYPES, IMAGE_DTYPES
from tests.image_files import EDITS, Pixels, attempt, damaged, little_memory, refusal

AFFINE = np.array([[-2.0, 0.1, 0, 9], [0.1, 1.5, 0, -7], [0, 0, 3.0, 5], [0, 0, 0, 1]])
VOLUME = np.random.default_rng(0).integers(0, 200, (7, 6, 5), np.uint8)
"""As NIfTI has it: columns, rows, planes."""


def write(path: Path, voxels: Pixels, version: int = 1, **fields: Any) -> Any:
    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    image = kind(voxels, AFFINE, dtype=voxels.dtype)
    image.set_sform(AFFINE, code=4)
    image.set_qform(AFFINE, code=2)
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    header = image.header.copy()
    for name, value in fields.items():
        header[name] = value
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    content = header.binaryblock + content[len(header.binaryblock) :]
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return header


def give_back(path: Path, result: Pixels, image: ImageFile, gain: Any = 1, sign: int = -1) -> Any:
    write_image(path, result, image, description="CloudSec: a test", offset_gain=gain, negation_sign=sign)
    return nibabel.load(path)


def stored(image: Any) -> Pixels:
    return np.asarray(image.dataobj.get_unscaled())


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["in.nii", "in.nii.gz"])
@pytest.mark.parametrize("dtype", [*IMAGE_DTYPES, *FLOAT_DTYPES])
def test_a_volume_is_read_plane_by_plane_and_given_back(
    tmp_path: Path, name: str, dtype: str, version: int
) -> None:
    header = write(tmp_path / name, VOLUME.astype(dtype), version)
    image = read_image(tmp_path / name)
    assert image.pixels.dtype == dtype
    assert image.count == 1
    assert (image.pixels[3, 4, 2], image.pixels.shape) == (VOLUME[2, 4, 3], (5, 6, 7))
    back = give_back(tmp_path / f"out{name[2:]}", image.pixels, image)
    assert np.array_equal(stored(back), VOLUME)
    assert (back.affine == nibabel.load(tmp_path / name).affine).all()
    changed = {key for key in header if header[key].tobytes() != back.header[key].tobytes()}
    assert changed == {"descrip"}


@pytest.mark.parametrize(
    ("shape", "frames"),
    [
        ((7, 6), (1, 6, 7)),
        ((7, 6, 1), (1, 6, 7)),
        ((7, 6, 5, 1, 1), (1, 5, 6, 7)),
        ((7, 6, 5, 2), (2, 5, 6, 7)),
        ((7, 6, 1, 3), (3, 6, 7)),
    ],
)
def test_times_are_images_of_their_own_and_axes_of_length_one_are_none(
    tmp_path: Path, shape: tuple[int, ...], frames: tuple[int, ...]
) -> None:
    voxels = np.random.default_rng(0).integers(0, 9, shape, np.int16)
    write(tmp_path / "in.nii", voxels)
    image = read_image(tmp_path / "in.nii")
    assert image.frames.shape == frames
    assert (image.frames[-1, ..., 2, 3] == voxels.reshape(*shape[:2], -1)[3, 2, -1]).any()
    back = give_back(tmp_path / "out.nii", image.together(iter(image.frames)), image)
    assert back.shape == nibabel.load(tmp_path / "in.nii").shape
    assert np.array_equal(stored(back), voxels)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_order_of_bytes_is_the_source_s(tmp_path: Path, order: str) -> None:
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_shape(VOLUME.shape)
    header.set_data_dtype(np.int16)
    header["vox_offset"] = 352
    voxels = VOLUME.astype(f"{order}i2")
    (tmp_path / "in.nii").write_bytes(header.binaryblock + bytes(4) + voxels.tobytes(order="F"))
    image = read_image(tmp_path / "in.nii")
    assert image.pixels.dtype.isnative
    back = give_back(tmp_path / "out.nii", image.pixels.astype(np.int32) * 1000, image)
    assert back.header.endianness == order
    assert np.array_equal(stored(back), VOLUME.astype(np.int32) * 1000)


@pytest.mark.parametrize(
    ("gain", "sign", "scale", "window"),
    [
        (1, -1, (-2.0, -1024.0), (-5.0, 90.0)),
        (Fraction(3, 2), -1, (-2.0, -1536.0), (0.0, 0.0)),
        (0, 1, (2.0, 0.0), (0.0, 0.0)),
        (None, -1, (1.0, 0.0), (0.0, 0.0)),
    ],
)
def test_slope_and_intercept_change_as_what_values_mean_does(
    tmp_path: Path, gain: Any, sign: int, scale: tuple[float, float], window: tuple[float, float]
) -> None:
    fields = {"scl_slope": -2, "scl_inter": -1024, "cal_min": -5, "cal_max": 90}
    write(tmp_path / "in.nii", VOLUME.astype(np.int16), **fields)
    image = read_image(tmp_path / "in.nii")
    assert np.array_equal(image.pixels, VOLUME.T)
    header = give_back(tmp_path / "out.nii", image.pixels.astype(np.int32), image, gain, sign).header
    raw = nibabel.Nifti1Header((tmp_path / "out.nii").read_bytes()[:348])
    assert (raw["scl_slope"], raw["scl_inter"]) == scale
    assert (header["cal_min"], header["cal_max"]) == window


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_a_file_without_scale_gets_none(tmp_path: Path, slope: float) -> None:
    write(tmp_path / "in.nii", VOLUME, scl_slope=slope, scl_inter=7)
    image = read_image(tmp_path / "in.nii")
    give_back(tmp_path / "out.nii", image.pixels, image, 0, 1)
    raw = nibabel.Nifti1Header((tmp_path / "out.nii").read_bytes()[:348])
    assert np.array_equal(raw["scl_slope"], slope, equal_nan=True)


def test_rescaled_output_is_the_operation_on_rescaled_input(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(0, 4096, (40, 40, 6), np.int16)
    write(tmp_path / "in.nii", voxels, scl_slope=0.5, scl_inter=-1024)
    for operation, words in (
        ("convolve", ["-p", "weights=[[[0,0,0],[0,2,0],[0,0,0]]]"]),
        ("sobel", []),
        ("gaussian", []),
    ):
        out = tmp_path / f"{operation}.nii"
        assert main(["process", str(tmp_path / "in.nii"), str(out), "-o", operation, *words]) == 0
        parameters = {"weights": [[[0, 0, 0], [0, 2, 0], [0, 0, 0]]]} if words else {}
        real = np.ascontiguousarray((voxels * 0.5 - 1024).T)
        wanted = providers.apply(real, operation, **parameters)
        assert np.abs(nibabel.load(out).get_fdata().T - wanted).max() <= 0.5


def test_extensions_and_intents_of_values_stay_behind_and_other_intents_do_not(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOLUME, AFFINE)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Doe^Jane"))
    image.header.set_intent("t test", (9,), name="Doe")
    nibabel.save(image, tmp_path / "in.nii")
    result = read_image(tmp_path / "in.nii")
    back = give_back(tmp_path / "out.nii", result.pixels, result)
    assert b"Doe" not in (tmp_path / "out.nii").read_bytes()
    assert not back.header.extensions
    assert back.header.get_intent() == ("none", (), "")
    assert np.array_equal(stored(back), VOLUME)
    image.header.set_intent("estimate")
    nibabel.save(image, tmp_path / "in.nii")
    result = read_image(tmp_path / "in.nii")
    assert give_back(tmp_path / "out.nii", result.pixels, result).header.get_intent()[0] == "estimate"


@pytest.mark.parametrize("version", [1, 2])
def test_no_text_of_a_header_comes_back(tmp_path: Path, version: int) -> None:
    texts = ("descrip", "aux_file", "intent_name")
    texts += ("data_type", "db_name") if version == 1 else ("unused_str",)
    write(tmp_path / "in.nii", VOLUME, version, **dict.fromkeys(texts, b"Doe^Jane"))
    assert (tmp_path / "in.nii").read_bytes().count(b"Doe^Jane") == len(texts)
    result = read_image(tmp_path / "in.nii")
    back = give_back(tmp_path / "out.nii", result.pixels, result)
    assert b"Doe" not in (tmp_path / "out.nii").read_bytes()
    assert np.array_equal(stored(back), VOLUME)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"datatype": 32, "bitpix": 64}, "holds COMPLEX64 values"),
        ({"datatype": 128, "bitpix": 24}, "holds RGB24 values"),
        ({"datatype": 1024, "bitpix": 64}, "holds INT64 values"),
        ({"datatype": 99}, "holds type 99 values"),
        ({"dim": [5, 7, 6, 5, 1, 3, 1, 1]}, "other components"),
        ({"dim": [1, 210, 1, 1, 1, 1, 1, 1]}, "of the shape (210,)"),
        ({"dim": [3, 7, 0, 5, 1, 1, 1, 1]}, "of the shape (7, 0, 5)"),
        ({"dim": [9, 7, 6, 5, 1, 1, 1, 1]}, "of the shape ()"),
        ({"dim": [3, 7, 6, 6, 1, 1, 1, 1]}, "claims 252 bytes of pixels but holds fewer"),
        ({"dim": [3, 7, 6, 4, 1, 1, 1, 1]}, "holds more than the 168 bytes"),
        ({"dim": [3, 32000, 32000, 32000, 1, 1, 1, 1]}, f"at most {MAX_PIXELS}"),
        ({"vox_offset": 3}, "begin nowhere"),
        ({"vox_offset": np.nan}, "begin nowhere"),
        ({"vox_offset": 1e12}, "begin nowhere"),
        ({"scl_slope": 1, "scl_inter": np.inf}, "scl_inter is no number"),
        ({"magic": b"ni1"}, "in another file"),
    ],
)
@pytest.mark.parametrize("name", ["in.nii", "in.nii.gz"])
def test_what_is_not_read_is_named(tmp_path: Path, name: str, fields: dict[str, Any], says: str) -> None:
    write(tmp_path / name, VOLUME, **fields)
    assert says in refusal(tmp_path / name)


def test_nan_is_refused(tmp_path: Path) -> None:
    voxels = VOLUME.astype(np.float32)
    voxels[1, 2, 3] = np.nan
    write(tmp_path / "in.nii.gz", voxels)
    assert "no pixel that is NaN" in refusal(tmp_path / "in.nii.gz")


def test_a_gzip_bomb_takes_no_more_memory_than_its_header_claims(tmp_path: Path) -> None:
    header = write(tmp_path / "in.nii", VOLUME)
    claimed = header.binaryblock + bytes(4) + VOLUME.tobytes(order="F")
    (tmp_path / "in.nii.gz").write_bytes(gzip.compress(claimed + bytes(200 << 20), 9))
    with little_memory():
        assert "holds more than the 210 bytes" in refusal(tmp_path / "in.nii.gz")
    (tmp_path / "zeros.gz").write_bytes(gzip.compress(bytes(200 << 20), 9))
    with little_memory():
        assert "holds no NIfTI" in refusal(tmp_path / "zeros.gz")


@pytest.mark.parametrize("name", ["in.nii", "in.nii.gz"])
def test_a_header_that_claims_much_takes_no_memory(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, VOLUME, dim=[3, 600, 600, 700, 1, 1, 1, 1])
    with little_memory():
        assert "holds fewer" in refusal(tmp_path / name)


def test_a_gzipped_file_with_another_checksum_is_damaged(tmp_path: Path) -> None:
    write(tmp_path / "in.nii.gz", VOLUME)
    content = bytearray((tmp_path / "in.nii.gz").read_bytes())
    content[-6] ^= 1
    (tmp_path / "in.nii.gz").write_bytes(content)
    assert "damaged" in refusal(tmp_path / "in.nii.gz")


@given(EDITS, st.integers(0, 10**6), st.sampled_from(["in.nii", "in.nii.gz"]))
@settings(max_examples=150)
def test_damaged_files_give_an_image_or_one_line(edits: list[tuple[int, int]], cut: int, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path, VOLUME)
        path.write_bytes(damaged(path.read_bytes(), edits, cut))
        pixels, line = attempt(path)
        assert "\n" not in line
        assert pixels is None or pixels.ndim in (2, 3, 4)


def test_what_cannot_hold_it_is_refused_beforehand(tmp_path: Path) -> None:
    write(tmp_path / "in.nii", np.zeros((7, 6, 5, 2), np.uint8))
    image = read_image(tmp_path / "in.nii")
    for name, says in (
        ("out.png", "several frames or planes"),
        ("out.tif", "several volumes"),
        ("out.dcm", "DICOM only if the input is"),
    ):
        with pytest.raises(Exception, match=says):
            check_format(checked_form(tmp_path / name, slices=False), image)
    for name in ("out.npy", "out.nii", "OUT.NII.GZ"):
        check_format(checked_form(tmp_path / name, slices=False), image)


def test_times_and_planes_go_through_the_command_line(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(0, 4096, (40, 36, 4, 2), np.uint16)
    write(tmp_path / "in.nii.gz", voxels)
    words = ["-o", "sobel", "--providers", "4", "--block", "8"]
    for more, name in (([], "volumes.nii.gz"), (["--one-by-one"], "planes.nii.gz")):
        assert main(["process", str(tmp_path / "in.nii.gz"), str(tmp_path / name), *words, *more]) == 0
    ours = np.ascontiguousarray(voxels.T)
    volumes, planes = (stored(nibabel.load(tmp_path / f"{name}.nii.gz")).T for name in ("volumes", "planes"))
    for time, volume in enumerate(ours):
        assert np.array_equal(volumes[time], providers.apply(volume, "sobel"))
        for place, plane in enumerate(volume):
            assert np.array_equal(planes[time, place], providers.apply(plane, "sobel"))
