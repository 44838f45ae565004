"""Whole files: pixels copied or blackened, letters found, file meta in step, everything given back."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom import Dataset, uid
from pydicom.encaps import encapsulate

from cloudsec.dicom.deidentified_files import DeidentifiedFile, deidentified_file, reidentified_file
from cloudsec.dicom.elements import all_elements, values_of
from cloudsec.dicom.encoded import opened
from cloudsec.dicom.masking import read_pixels, words_in
from cloudsec.dicom.profile import Profile
from cloudsec.dicom.pseudonyms import Pseudonyms
from cloudsec.dicom.rules import Rules
from cloudsec.errors import DicomError
from cloudsec.keystream import Keystream
from tests.cloudsec.dicom.test_validity import complaints, validator  # noqa: F401
from tests.dicom_files import PLANE, SC, US, dataset_of, enhanced, file_of
from tests.peers import peer

# What real headers hold is not always of the length that it should be.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
PSEUDONYMS = Pseudonyms(Keystream(bytes(32)))
PHI = {
    "cr_chest_pseudophi_0.dcm": [(0, 0, 2140, 150)],
    "ct_pseudophi_2.dcm": [(0, 0, 240, 30)],
    "ct_secondary_simpson1.dcm": [(0, 0, 510, 10)],
    "us_grey_burnedin.dcm": [(0, 0, 1024, 24)],
}
"""Where letters of these files name somebody: left, top, width and height; in the third nowhere."""


def rules_for(rectangles: list[tuple[int, int, int, int]], **match: object) -> Rules:
    edges = ("left", "top", "width", "height")
    return Rules.of(
        {
            "mask": [
                {"match": match, "rectangles": [dict(zip(edges, each, strict=True)) for each in rectangles]}
            ]
        }
    )


def parsed(content: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(content))


def traces(dataset: Dataset) -> set[str]:
    """Names, numbers, addresses and dates of a header, as somebody would look for them."""
    found: set[str] = set()
    for element in all_elements(dataset):
        values = [value.strip(" \0") for value in values_of(element)]
        if element.VR == "PN":
            found |= {part for value in values for part in re.split(r"[\^=\s,.]+", value) if len(part) >= 3}
        elif element.VR in ("DA", "DT"):
            found |= {value[:8] for value in values if len(value) >= 8}
        elif re.search(
            "PatientID|Accession|Address|Telephone|Institution(al)?(Name|Dep)|StudyID|Serial", element.keyword
        ):
            found |= {value for value in values if len(value) >= 4}
        elif element.VR == "UI":
            found |= {
                v for v in values if not v.startswith("1.2.840.10008.") and "Class" not in element.keyword
            }
    return found


def names(word: str, text: str) -> bool:
    """Whether a text has the word in it; an image that is PRIMARY names no Mary."""
    return re.search(f"(?<!pri){re.escape(word)}", text, re.IGNORECASE) is not None


@pytest.mark.parametrize("name", PHI)
def test_no_name_number_address_or_date_comes_out_of_real_files(open_data: Path, name: str) -> None:
    content = (open_data / "phi" / name).read_bytes()
    before = parsed(content)
    rules = rules_for(PHI[name], Rows=before.Rows, Columns=before.Columns)
    made = deidentified_file(content, pseudonyms=PSEUDONYMS, rules=rules)
    words = traces(before)
    assert len(words) > 4
    header = made.content.replace(opened(made.content).pixels, b"").decode("latin-1")
    assert [word for word in words if names(word, header)] == []
    texts = [value for element in all_elements(opened(made.content).dataset) for value in values_of(element)]
    assert [word for word in words if any(names(word, text) for text in texts)] == []
    # What is said of the pixels is said of them.
    left, top, width, height = PHI[name][0]
    frames = read_pixels(made.content)
    assert len(np.unique(frames[:, top : top + height, left : left + width])) == 1
    untouched = np.s_[:, top + height :]
    assert np.array_equal(frames[untouched], read_pixels(content)[untouched])
    assert parsed(made.content).BurnedInAnnotation == "NO"


@pytest.mark.parametrize(
    "name",
    [
        "ct_pseudophi_2.dcm",
        pytest.param("cr_chest_pseudophi_0.dcm", marks=pytest.mark.slow),
        pytest.param("us_grey_burnedin.dcm", marks=pytest.mark.slow),
    ],
)
def test_letters_that_tesseract_reads_are_refused_and_gone_once_they_are_masked(
    open_data: Path, name: str
) -> None:
    peer("tesseract")
    content = (open_data / "phi" / name).read_bytes()
    assert words_in(read_pixels(content)) >= 3
    with pytest.raises(DicomError, match="tesseract reads words"):
        deidentified_file(content, pseudonyms=PSEUDONYMS, burned_in="accept", ocr=True)
    whole = parsed(content)
    rules = rules_for([(0, 0, whole.Columns, 150), (0, 150, 150, 100)], Rows=whole.Rows)
    made = deidentified_file(content, pseudonyms=PSEUDONYMS, rules=rules)
    assert words_in(read_pixels(made.content)) < words_in(read_pixels(content))


@pytest.mark.parametrize(
    "name",
    [
        *(f"phi/{name}" for name in PHI),
        "cr/RG3_JPLL.dcm",
        "xa/XA1_JPLL.dcm",
        "mg/MG1_J2KI.dcm",
        "mr/emri_small.dcm",
        "us/examples_ybr_color.dcm",
        "us/US-PAL-8-10x-echo.dcm",
        "ct/ct_chest_lidc0314_20x6mm.zip",
        "mr/mr_wrist_dcm4che_16.zip",
    ],
)
@pytest.mark.usefixtures("validator")
def test_real_files_are_as_valid_as_before_and_are_given_back(
    open_data: Path, tmp_path: Path, name: str
) -> None:
    if name.endswith(".zip"):
        with zipfile.ZipFile(open_data / name) as archive:
            content = archive.read(min(n for n in archive.namelist() if not n.endswith("/")))
    else:
        content = (open_data / name).read_bytes()
    made = deidentified_file(content, pseudonyms=PSEUDONYMS, burned_in="accept")
    (tmp_path / "in.dcm").write_bytes(content)
    (tmp_path / "out.dcm").write_bytes(made.content)
    assert complaints(tmp_path / "out.dcm") <= complaints(tmp_path / "in.dcm")
    source, out = parsed(content), parsed(made.content)
    assert len(out.PixelData) == len(source.PixelData)
    assert np.array_equal(read_pixels(made.content), read_pixels(content))
    assert out.file_meta.MediaStorageSOPInstanceUID == out.SOPInstanceUID != source.SOPInstanceUID
    assert out.file_meta.TransferSyntaxUID == source.file_meta.TransferSyntaxUID
    assert out.preamble == bytes(128)
    back = given_back(made)
    # Comments of codes stay away; the pixels are compared above.
    back.PixelData = source.PixelData
    assert back == without_group_lengths(source)


def given_back(made: DeidentifiedFile) -> Dataset:
    back = reidentified_file(made.content, made.manifest, made.identity.uids.get)
    return without_group_lengths(parsed(back))


def without_group_lengths(dataset: Dataset) -> Dataset:
    """Lengths of groups, which no writer of today gives, and bytes that fill values up."""
    for tag in [
        tag for tag in sorted(dataset.keys()) if tag.element == 0 or (tag.is_private and tag.element < 0x100)
    ]:
        del dataset[tag]
    return dataset


@pytest.mark.parametrize("sop_class", [US, SC])
def test_images_that_may_show_a_name_are_refused_unless_masked_or_accepted(sop_class: uid.UID) -> None:
    content = file_of(dataset_of(PLANE.astype(np.uint16) + 700, SOPClassUID=sop_class))
    with pytest.raises(DicomError, match="write a mask rule"):
        deidentified_file(content, pseudonyms=PSEUDONYMS)
    kept = parsed(deidentified_file(content, pseudonyms=PSEUDONYMS, burned_in="accept").content)
    assert np.array_equal(kept.pixel_array, parsed(content).pixel_array)
    assert "BurnedInAnnotation" not in kept
    rules = rules_for([(1, 0, 2, 3)], Modality="ct")
    made = parsed(deidentified_file(content, pseudonyms=PSEUDONYMS, rules=rules).content)
    assert (made.pixel_array[:3, 1:3] == parsed(content).pixel_array.min()).all()
    assert "113101" in [code.CodeValue for code in made.DeidentificationMethodCodeSequence]


@pytest.mark.parametrize(("photometric", "blackest"), [("MONOCHROME2", np.min), ("MONOCHROME1", np.max)])
def test_black_is_what_a_screen_shows_black_in_every_frame(
    photometric: str, blackest: Callable[[object], np.generic]
) -> None:
    frames = np.stack([PLANE, PLANE + 1, PLANE - 1])
    content = file_of(enhanced(frames, BitsStored=12, PhotometricInterpretation=photometric))
    made = deidentified_file(content, pseudonyms=PSEUDONYMS, rules=rules_for([(0, 0, 2, 1)], Modality="CT"))
    pixels = parsed(made.content).pixel_array
    assert (pixels[:, 0, :2] == blackest(read_pixels(content))).all()
    assert np.array_equal(pixels[:, 1:], read_pixels(content)[:, 1:])


def test_what_was_lost_in_a_code_stays_lost_when_a_mask_takes_the_code_away() -> None:
    dataset = dataset_of(np.full((16, 16), 100, np.uint8))
    dataset.PixelData = encapsulate([imagecodecs.jpeg8_encode(np.full((16, 16), 100, np.uint8))])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    rules = rules_for([(0, 0, 4, 4)], Rows=16)
    content = file_of(dataset, uid.JPEGBaseline8Bit)
    made = parsed(deidentified_file(content, pseudonyms=PSEUDONYMS, rules=rules).content)
    assert made.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert made.LossyImageCompression == "01"


def test_a_mask_for_other_images_is_refused_and_never_cut_to_fit() -> None:
    with pytest.raises(DicomError, match="beyond its 5 rows and 6 columns"):
        deidentified_file(
            file_of(dataset_of(PLANE)), pseudonyms=PSEUDONYMS, rules=rules_for([(0, 0, 7, 1)], Modality="CT")
        )


def test_a_mask_is_for_images_that_match_all_of_it() -> None:
    content = file_of(dataset_of(PLANE, SOPClassUID=US))
    rules = rules_for([(0, 0, 2, 1)], Modality="CT", Manufacturer="another")
    with pytest.raises(DicomError, match="write a mask rule"):
        deidentified_file(content, pseudonyms=PSEUDONYMS, rules=rules)


def test_an_overlay_in_the_bits_of_pixels_is_taken_out_of_them() -> None:
    plane = np.arange(30, dtype=np.uint16).reshape(5, 6)
    dataset = dataset_of(plane | 0x8000, BitsStored=12)
    dataset.add_new(0x60000010, "US", 5)
    dataset.add_new(0x60000102, "US", 15)
    made = parsed(deidentified_file(file_of(dataset), pseudonyms=PSEUDONYMS).content)
    assert np.array_equal(np.frombuffer(made.PixelData, np.uint16).reshape(5, 6), plane)
    assert 0x60000010 not in made


@pytest.mark.parametrize("keeping", [True, False])
def test_a_text_that_a_rule_keeps_stays_unless_it_names_somebody(keeping: bool) -> None:
    text = "knee, before surgery" if keeping else "knee of Jane, before surgery"
    content = file_of(dataset_of(PLANE, SeriesDescription=text, DerivationDescription=text))
    rules = Rules.of({"keep": ["SeriesDescription", "DerivationDescription"]})
    profile = Profile(frozenset(["descriptors"]), rules.keep)
    made = parsed(deidentified_file(content, pseudonyms=PSEUDONYMS, profile=profile).content)
    assert (made.SeriesDescription, made.DerivationDescription) == ((text if keeping else "Removed"),) * 2
    plain = parsed(deidentified_file(content, pseudonyms=PSEUDONYMS).content)
    assert "SeriesDescription" not in plain


def test_codes_name_the_options_that_were_taken_and_no_others() -> None:
    content = file_of(dataset_of(PLANE))
    profile = Profile(frozenset(["modified-dates", "uids"]))
    made = parsed(deidentified_file(content, pseudonyms=PSEUDONYMS, profile=profile).content)
    codes = [code.CodeValue for code in made.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113110", "113107"]
    assert (made.PatientIdentityRemoved, made.LongitudinalTemporalInformationModified) == ("YES", "MODIFIED")
    assert made.SOPInstanceUID == "1.2.3.4"


def test_safe_private_elements_stay_with_who_reserved_them_and_no_others() -> None:
    dataset = dataset_of(PLANE)
    for creator, group in (("SIEMENS MR HEADER", 0x0019), ("Somebody", 0x0021)):
        block = dataset.private_block(group, creator, create=True)
        block.add_new(0x0C, "IS", "1000")
        block.add_new(0x99, "LO", "1000")
    own = Rules.of({"safe_private": [{"creator": "Somebody", "group": "0021", "elements": ["99"]}]})
    profile = Profile(frozenset(["safe-private"]), private=own.private)
    content = file_of(dataset)
    made = parsed(deidentified_file(content, pseudonyms=PSEUDONYMS, profile=profile).content)
    private = {int(element.tag) for element in made if element.tag.is_private}
    assert private == {0x00190010, 0x0019100C, 0x00210010, 0x00211099}


def test_an_image_that_says_not_what_it_is_and_a_dicomdir_are_refused() -> None:
    with pytest.raises(DicomError, match="of what SOP class and instance"):
        instance, other = b"\x08\x00\x18\x00UI", b"\x08\x00\x17\x00UI"
        deidentified_file(file_of(dataset_of(PLANE)).replace(instance, other), pseudonyms=PSEUDONYMS)
    directory = dataset_of(PLANE, DirectoryRecordSequence=[Dataset()])
    with pytest.raises(DicomError, match="DICOMDIR"):
        deidentified_file(file_of(directory), pseudonyms=PSEUDONYMS)
