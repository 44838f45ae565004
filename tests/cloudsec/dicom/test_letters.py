"""Drawn letters are found whatever lies under them; what is none is not taken for some."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from skimage import data

from cloudsec.dicom import letters
from cloudsec.dicom.deidentified_files import deidentified_file
from cloudsec.dicom.letters import shows_letters
from cloudsec.dicom.masking import read_pixels
from cloudsec.dicom.pseudonyms import Pseudonyms
from cloudsec.errors import DicomError
from cloudsec.keystream import Keystream
from tests.cloudsec.dicom.test_deidentified_files import rules_for
from tests.dicom_files import MG, SHIPPED, dataset_of, file_of

PSEUDONYMS = Pseudonyms(Keystream(bytes(32)))
SIDE = 256
RANDOM = np.random.default_rng(7)
GRADIENT = np.add.outer(np.arange(SIDE), np.arange(SIDE)) * 4
GROUNDS = {
    "noise": RANDOM.integers(0, 3000, (SIDE, SIDE)),
    "gradient": GRADIENT,
    "black": np.zeros((SIDE, SIDE), int),
}


def written(
    words: str, *, size: int = 14, smooth: bool = False, ground: str = "noise", value: int = 4095
) -> NDArray[np.int16]:
    """One frame with words on it, as a console writes them."""
    picture = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(picture)
    draw.fontmode = "L" if smooth else "1"
    draw.text((5, 40), words, 255, font=ImageFont.load_default(size))
    share = np.asarray(picture) / 255
    return np.rint(GROUNDS[ground] * (1 - share) + value * share).astype(np.int16)[None]


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize(("size", "smooth"), [(10, False), (14, False), (24, False), (18, True), (24, True)])
def test_a_name_that_is_drawn_is_found_on_any_ground(ground: str, size: int, smooth: bool) -> None:
    assert shows_letters(written("DOE JANE 1943", size=size, smooth=smooth, ground=ground))


@pytest.mark.parametrize("value", [-1024, 1500])
def test_a_name_darker_than_all_else_or_of_a_flat_grey_is_found(value: int) -> None:
    ground = "noise" if value < 0 else "black"
    frame = written("DOE JANE 1943", size=18, ground=ground, value=value)
    frame[0, -1, -1] = 4095
    assert shows_letters(frame)


def test_a_name_in_one_frame_or_one_colour_is_found() -> None:
    frames = np.concatenate([written(""), written("DOE JANE 1943"), written("")])
    assert shows_letters(frames)
    colours = np.stack([written("", ground="black"), written("DOE JANE", ground="black", value=200)] * 2, -1)
    assert shows_letters(colours[..., :3].astype(np.uint8))


@pytest.mark.parametrize("mark", ["R", "L", "R  PA", "AP L"])
def test_marks_of_a_side_are_no_name(mark: str) -> None:
    assert not shows_letters(written(mark, size=32))


def test_noise_gradients_grids_rulers_and_shapes_are_no_letters() -> None:
    rows, columns = np.indices((SIDE, SIDE))
    smooth = ndimage.gaussian_filter(RANDOM.standard_normal((6, SIDE, SIDE)), (0, 2, 2))
    honest = [
        GRADIENT,
        np.full((SIDE, SIDE), 7),
        (rows // 16 + columns // 16) % 2,
        (rows % 16 == 0) | (columns % 16 == 0),
        (columns % 12 == 0) & (rows > 200) & (rows < 210 + 10 * (columns % 60 == 0)),
        np.hypot(rows % 32 - 16, columns % 32 - 16) < 3 + columns // 32,
        *(RANDOM.integers(0, high, (SIDE, SIDE)) for high in (2, 256, 1 << 15)),
        *(RANDOM.random((SIDE, SIDE)) < share for share in (0.1, 0.3, 0.38, 0.45, 0.6)),
        *(np.clip(each * 100, -40, 40).astype(int) for each in smooth[:3]),
        *(each > 0.1 for each in smooth[3:]),
    ]
    assert [number for number, each in enumerate(honest) if shows_letters(each.astype(np.int16)[None])] == []
    assert not shows_letters(RANDOM.standard_normal((1, SIDE, SIDE)))
    assert not shows_letters(np.full((1, 8, 8), np.nan))


def test_rows_are_looked_for_on_so_many_lines_whatever_is_in_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    bars, random = np.zeros((SIDE, SIDE), np.uint8), np.random.default_rng(1)
    for column in range(0, SIDE, 3):
        for top in range(int(random.integers(9)), SIDE - 40, 40):
            bars[top : top + int(random.integers(6, 30)), column : column + 2] = 255
    found: list[int] = []
    lines = letters._lines

    def counted(bottoms: NDArray[np.int64], heights: NDArray[np.int64], pixels: int) -> list[tuple[int, int]]:
        chosen = lines(bottoms, heights, pixels)
        found.append(len(chosen))
        assert set(chosen) <= set(zip(bottoms.tolist(), heights.tolist(), strict=True))
        return chosen

    monkeypatch.setattr(letters, "_lines", counted)
    for most in (1 << 20, 50):
        monkeypatch.setattr(letters, "_FEWEST_LINES", most)
        monkeypatch.setattr(letters, "_PIXELS_OF_LINE", SIDE * SIDE // 50)
        found.clear()
        assert not shows_letters(bars[None])
        assert (max(found) > 50) == (most > 50)


def test_photographs_and_a_real_slice_show_no_letters() -> None:
    for picture in (data.camera(), data.coins(), data.moon(), data.brick(), data.shepp_logan_phantom()):
        assert not shows_letters(np.asarray(picture)[None])
    assert not shows_letters(read_pixels(SHIPPED.read_bytes()))


def test_files_with_letters_are_refused_until_they_are_masked_or_somebody_looked() -> None:
    content = file_of(dataset_of(written("DOE JANE 1943")[0], SOPClassUID=MG, BitsStored=16))
    with pytest.raises(DicomError, match="letters stand in its pixels.*mask rule.*--burned-in accept"):
        deidentified_file(content, pseudonyms=PSEUDONYMS)
    rules = rules_for([(0, 30, SIDE, 40)], Rows=SIDE)
    assert not shows_letters(
        read_pixels(deidentified_file(content, pseudonyms=PSEUDONYMS, rules=rules).content)
    )
    elsewhere = rules_for([(0, 200, SIDE, 40)], Rows=SIDE)
    with pytest.raises(DicomError, match="letters stand in its pixels"):
        deidentified_file(content, pseudonyms=PSEUDONYMS, rules=elsewhere)
    kept = deidentified_file(content, pseudonyms=PSEUDONYMS, burned_in="accept").content
    assert np.array_equal(read_pixels(kept), read_pixels(content))


@pytest.mark.parametrize("name", ["cr_chest_pseudophi_0.dcm", "ct_pseudophi_2.dcm"])
def test_real_radiographs_and_slices_with_a_name_are_refused_by_default(open_data: Path, name: str) -> None:
    with pytest.raises(DicomError, match="letters stand in its pixels"):
        deidentified_file((open_data / "phi" / name).read_bytes(), pseudonyms=PSEUDONYMS)


@pytest.mark.parametrize(
    "name",
    ["cr/RG3_JPLL.dcm", "xa/XA1_JPLL.dcm", "mr/emri_small.dcm", "us/examples_ybr_color.dcm"]
    + [pytest.param("mg/MG1_J2KI.dcm", marks=pytest.mark.slow)],
)
def test_real_images_without_letters_show_none(open_data: Path, name: str) -> None:
    assert not shows_letters(read_pixels((open_data / name).read_bytes()))


@pytest.mark.parametrize("name", ["ct/ct_chest_lidc0314_20x6mm.zip", "mr/mr_wrist_dcm4che_16.zip"])
def test_real_series_without_letters_show_none(open_data: Path, name: str) -> None:
    with zipfile.ZipFile(BytesIO((open_data / name).read_bytes())) as archive:
        files = [archive.read(each) for each in archive.namelist() if each.lower().endswith(".dcm")]
    assert len(files) >= 16
    assert not any(shows_letters(read_pixels(each)) for each in files)
