"""`cloudsec deidentify` and `reidentify`: whole trees, what is set aside, and what the vault gives back."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from cloudsec.cli import main
from cloudsec.deidentify_commands import CLEANED, RETAINED
from cloudsec.dicom import profile
from cloudsec.dicom.rules import Rules
from tests.dicom_files import PLANE, US, dataset_of, file_of

SLICE = {
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "StudyDate": "20200103",
    "PatientBirthDate": "19500505",
}


MASK = '[[mask]]\nmatch = { Modality = "CT" }\nrectangles = [{'


def run(*words: object) -> int:
    return main([str(word) for word in words])


def slices(folder: Path, count: int = 3, **changes: object) -> Path:
    """A directory of a series, below it another directory, of a patient who is in all names."""
    (folder / "Doe_Jane").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        values = {
            "SOPInstanceUID": f"1.2.3.4.{number + 1}",
            "ImagePositionPatient": [0, 0, 2 * number],
            "PatientID": "4711",
            **SLICE,
            **changes,
        }
        place = folder / "Doe_Jane" if number == 0 else folder
        (place / f"Doe-{number}.dcm").write_bytes(file_of(dataset_of(PLANE + number, **values)))
    return folder


def read_all(folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


def test_a_tree_comes_out_as_one_series_of_nobody_and_is_given_back(tmp_path: Path) -> None:
    source = slices(tmp_path / "in")
    assert run("deidentify", source, tmp_path / "out", "--retain", "modified-dates") == 0
    made = read_all(tmp_path / "out")
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == [f"{n:06d}.dcm" for n in (1, 2, 3)]
    assert len({each.SeriesInstanceUID for each in made}) == len({each.PatientID for each in made}) == 1
    assert len({each.SOPInstanceUID for each in made}) == 3
    assert all(b"Doe" not in path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert run("reidentify", tmp_path / "out", tmp_path / "back") == 0
    before = sorted(
        (pydicom.dcmread(path) for path in source.rglob("*.dcm")), key=lambda each: each.SOPInstanceUID
    )
    after = sorted(read_all(tmp_path / "back"), key=lambda each: each.SOPInstanceUID)
    assert before == after


def test_what_was_de_identified_in_several_ways_is_given_back_from_each(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = slices(tmp_path / "in", 1, InstitutionName="Charite") / "Doe_Jane" / "Doe-0.dcm"
    for name, more in (("less", ()), ("more", ("--retain", "institution-identity"))):
        assert run("deidentify", source, tmp_path / name, *more) == 0
    for name in ("less", "more"):
        assert run("reidentify", tmp_path / name, tmp_path / f"{name}-back") == 0
        assert pydicom.dcmread(tmp_path / f"{name}-back") == pydicom.dcmread(source)
    # Without its mark nobody knows which it was.
    made = pydicom.dcmread(tmp_path / "less")
    del made.DeidentificationMethod
    made.save_as(tmp_path / "unmarked")
    capfd.readouterr()
    assert run("reidentify", tmp_path / "unmarked", tmp_path / "back") == 1
    assert "in several ways" in capfd.readouterr().err


def test_what_came_de_identified_is_given_back_so_and_tells_no_uid_that_others_had(tmp_path: Path) -> None:
    source = slices(tmp_path / "in", 1) / "Doe_Jane" / "Doe-0.dcm"
    assert run("deidentify", source, tmp_path / "once") == 0
    assert run("deidentify", tmp_path / "once", tmp_path / "twice") == 0
    assert run("reidentify", tmp_path / "twice", tmp_path / "back") == 0
    assert pydicom.dcmread(tmp_path / "back") == pydicom.dcmread(tmp_path / "once")


def test_an_image_of_somebody_who_was_erased_is_not_taken_for_what_it_says_it_came_from(
    tmp_path: Path,
) -> None:
    source = slices(tmp_path / "in", 1) / "Doe_Jane" / "Doe-0.dcm"
    assert run("deidentify", source, tmp_path / "less") == 0
    made = pydicom.dcmread(tmp_path / "less")
    made.SourceImageSequence = [Dataset()]
    made.SourceImageSequence[0].ReferencedSOPInstanceUID = made.SOPInstanceUID
    made.SOPInstanceUID, made.PatientID = "2.25.1", "SOMEBODY"
    made.DeidentificationMethod = [*made.DeidentificationMethod[:-1], f"manifest {'0' * 32}"]
    made.save_as(tmp_path / "other")
    assert run("reidentify", tmp_path / "other", tmp_path / "back") == 1


def test_what_was_computed_from_de_identified_slices_is_given_its_patient(tmp_path: Path) -> None:
    source = slices(tmp_path / "in")
    assert run("deidentify", source, tmp_path / "out") == 0
    for sent, name in ((tmp_path / "out", "once"), (tmp_path / "once", "twice")):
        assert run("process", sent, tmp_path / name, "-o", "invert") == 0
        assert run("reidentify", tmp_path / name, tmp_path / f"{name}-back") == 0
        derived, back = read_all(tmp_path / name), read_all(tmp_path / f"{name}-back")
        for one, other in zip(derived, back, strict=True):
            assert (other.PatientName, other.PatientID, other.PatientBirthDate) == (
                "Doe^Jane",
                "4711",
                "19500505",
            )
            assert (other.StudyInstanceUID, other.SOPInstanceUID) == ("1.2.3", one.SOPInstanceUID)
            assert np.array_equal(one.pixel_array, other.pixel_array)
            assert "PatientIdentityRemoved" not in other
            assert other.ImageType[0] == "DERIVED"
    assert read_all(tmp_path / "once-back")[0].StudyDate == "20200103"


def test_what_belongs_to_nobody_for_certain_is_set_aside_and_the_rest_is_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = slices(tmp_path / "in")
    for name, changes in {
        "others.dcm": {"StudyInstanceUID": "1.9", "SOPInstanceUID": "1.9.1", "PatientID": "1"},
        "others2.dcm": {"StudyInstanceUID": "1.9", "SOPInstanceUID": "1.9.2", "PatientID": "2"},
        "echo.dcm": {"SOPClassUID": US, "SOPInstanceUID": "1.9.3", "PatientID": "4711"},
        "twice.dcm": {"SOPInstanceUID": "1.2.3.4.2", "PatientID": "4711"},
        "DICOMDIR": {"SOPInstanceUID": "1.9.4", "DirectoryRecordSequence": [pydicom.Dataset()]},
    }.items():
        (source / name).write_bytes(file_of(dataset_of(PLANE, **changes)))
    (source / "notes.txt").write_text("of Jane Doe")
    assert run("deidentify", source, tmp_path / "out") == 1
    told = capfd.readouterr().err
    aside = ["several Patient IDs", "often show a name", "same instance", "DICOMDIR", "is no DICOM file"]
    for reason in [*aside, "6 set aside"]:
        assert reason in told
    assert len(list((tmp_path / "out").iterdir())) == 3


@pytest.mark.parametrize("options", [(), ("--retain", "uids")])
def test_a_study_that_the_vault_knows_as_another_patients_is_set_aside(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name, patient, study in (("first", "1", "1.9"), ("second", "2", "1.9"), ("third", "2", "1.8")):
        changes = {"PatientID": patient, "StudyInstanceUID": study, "SOPInstanceUID": f"{study}.{patient}"}
        (source / name).write_bytes(file_of(dataset_of(PLANE, **changes)))
    assert run("deidentify", source / "first", tmp_path / "one", *options) == 0
    assert run("deidentify", source / "second", tmp_path / "two", *options) == 1
    assert "another patient's" in capfd.readouterr().err
    assert not (tmp_path / "two").exists()
    (source / "first").unlink()
    assert run("deidentify", source, tmp_path / "out", *options) == 1
    assert "1 set aside" in capfd.readouterr().err
    (made,) = read_all(tmp_path / "out")
    assert "1.8" in (made.StudyInstanceUID, pydicom.dcmread(source / "third").StudyInstanceUID)


def test_where_nothing_can_be_written_nothing_appears(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("of nobody")
    assert run("deidentify", tmp_path / "in", tmp_path / "out") == 1
    assert run("deidentify", tmp_path / "in" / "notes.txt", tmp_path / "out.dcm") == 1
    assert run("reidentify", tmp_path / "in", tmp_path / "out") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("command", ["deidentify", "reidentify"])
def test_of_all_files_that_are_set_aside_the_reasons_are_told(
    command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("deidentify", slices(tmp_path / "in"), tmp_path / "out") == 0
    (tmp_path / "other").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "other" / name).write_text("of nobody")
    assert run(command, tmp_path / "other", tmp_path / "nothing") == 1
    told = capfd.readouterr().err
    assert all(f"{name}: is no DICOM file" in told for name in ("a.txt", "b.txt"))
    assert "holds no file" in told.splitlines()[-1]


def test_projects_know_nothing_of_each_other(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = slices(tmp_path / "in", 1) / "Doe_Jane" / "Doe-0.dcm"
    names = set()
    for project in ("one", "two"):
        assert run("deidentify", source, tmp_path / project, "--project", project) == 0
        made = pydicom.dcmread(tmp_path / project)
        names |= {made.PatientID, made.SOPInstanceUID, made.StudyInstanceUID}
    assert len(names) == 6
    assert run("reidentify", tmp_path / "one", tmp_path / "back", "--project", "two") == 1
    assert "is no image of the project 'two'" in capfd.readouterr().err
    assert run("reidentify", tmp_path / "one", tmp_path / "back", "--project", "tow") == 1
    assert "no patient of a project 'tow'; give one of its projects with --project: 'one', 'two'" in (
        capfd.readouterr().err
    )


def test_given_pseudonyms_are_taken_and_conflicts_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, given = slices(tmp_path / "in"), tmp_path / "given.csv"
    given.write_text("PatientID,pseudonym\n4711,TRIAL-7\n")
    assert run("deidentify", source, tmp_path / "out", "--pseudonyms", given) == 0
    assert {each.PatientID for each in read_all(tmp_path / "out")} == {"TRIAL-7"}
    given.write_text("4711,TRIAL-8\n")
    assert run("deidentify", source, tmp_path / "again", "--pseudonyms", given) == 1
    assert "another pseudonym" in capfd.readouterr().err
    given.write_text("4711,TRIAL-8\n4711,TRIAL-9\n")
    assert run("deidentify", source, tmp_path / "again", "--pseudonyms", given) == 1
    assert "line 2" in capfd.readouterr().err
    given.write_text("4711\n")
    assert run("deidentify", source, tmp_path / "again", "--pseudonyms", given) == 1
    assert not (tmp_path / "again").exists()


def test_a_list_as_a_spreadsheet_writes_it_is_taken_or_told_how_to_be_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, given = slices(tmp_path / "in"), tmp_path / "given.csv"
    for content, sentence in {
        "PatientID,pseudonym\r\nMÜLLER,A\r\n".encode("latin-1"): "save it as CSV in UTF-8",
        "4711,A".encode("utf-16"): "save it as CSV in UTF-8",
        b"4711;A\n": "with a comma between, in line 1",
    }.items():
        given.write_bytes(content)
        assert run("deidentify", source, tmp_path / "out", "--pseudonyms", given) == 1
        assert sentence in capfd.readouterr().err
    given.write_bytes("\ufeffPatientID,pseudonym\r\nMÜLLER,A\r\n4711,B\r\n".encode())
    assert run("deidentify", source, tmp_path / "out", "--pseudonyms", given) == 0


def test_rules_keep_mask_and_are_refused_where_they_are_wrong(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, rules = slices(tmp_path / "in", SeriesDescription="knee"), tmp_path / "rules.toml"
    rules.write_text(
        'keep = ["SeriesDescription"]\n[[mask]]\nmatch = { Modality = "CT", Rows = 5 }\n'
        "rectangles = [{ left = 1, top = 0, width = 2, height = 2 }]\n"
    )
    words = ("--clean", "descriptors", "--rules", rules)
    assert run("deidentify", source, tmp_path / "out", *words) == 0
    for made in read_all(tmp_path / "out"):
        assert made.SeriesDescription == "knee"
        assert (made.pixel_array[:2, 1:3] == made.pixel_array.min()).all()
    # A file of rules may be all that there is to say.
    rules.write_text('clean = ["descriptors"]\n' + rules.read_text())
    assert run("deidentify", source, tmp_path / "same", "--rules", rules) == 0
    assert [(tmp_path / "out" / f"00000{n}.dcm").read_bytes() for n in (1, 2, 3)] == [
        (tmp_path / "same" / f"00000{n}.dcm").read_bytes() for n in (1, 2, 3)
    ]
    for wrong, sentence in {
        'keep = ["Rows"]': "no attribute of the confidentiality profile",
        "keep = 5": "not of the form",
        "[[mask]]\nmatch = {}\nrectangles = []": "which images it is for",
        'keep = "SeriesDescription"': "keep is a list of names",
        f"{MASK} left = 0, top = 0, width = 59.9, height = 6 }}]": "not of the form",
        f'{MASK} left = "a", top = 0, width = 9, height = 6 }}]': "not of the form",
        '[[safe_private]]\ncreator = "A"\ngroup = "x"\nelements = ["0c"]': "not of the form",
        'masks = ["x"]': "is no rule",
        'retain = ["names"]': "is no option to retain",
        'clean = "descriptors"': "not of the form",
        "keep": "no file of rules in TOML: Expected '=' after a key in a key/value pair (at end of document)",
    }.items():
        rules.write_text(wrong)
        assert run("deidentify", source, tmp_path / "again", *words) in (1, 2)
        assert sentence in capfd.readouterr().err


def test_the_rules_in_the_readme_are_rules() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (example,) = re.findall(r"```toml\n(retain = .*?)```", readme, re.DOTALL)
    rules = Rules.of(tomllib.loads(example))
    assert rules.profile().options == {"modified-dates", "safe-private", "descriptors"}
    assert len(rules.masks) == 1


def test_the_options_of_the_command_are_those_of_the_profile() -> None:
    assert tuple(profile.RETAINED) == RETAINED
    assert tuple(profile.CLEANED) == CLEANED


def test_a_file_of_wrong_rules_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = slices(tmp_path / "in")
    (tmp_path / "rules.toml").write_text("kepp = []")
    assert run("deidentify", source, tmp_path / "out", "--rules", tmp_path / "rules.toml") == 2
    assert "rules.toml: 'kepp' is no rule" in capsys.readouterr().err


def test_an_option_of_the_standard_takes_no_file_for_another_one(tmp_path: Path) -> None:
    source = slices(tmp_path / "in")
    words = ("--retain", "uids", "--retain", "device-identity", "--clean", "graphics")
    assert run("deidentify", *words, source, tmp_path / "out") == 0
    assert {each.SOPInstanceUID for each in read_all(tmp_path / "out")} == {f"1.2.3.4.{n}" for n in (1, 2, 3)}


def test_a_link_to_a_directory_is_set_aside_and_not_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, other = slices(tmp_path / "in"), slices(tmp_path / "other")
    (source / "more").symlink_to(other)
    assert run("deidentify", source, tmp_path / "out") == 1
    assert len(read_all(tmp_path / "out")) == 3
    assert f"{source / 'more'}: is a directory" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["deidentify", "reidentify"])
def test_a_project_without_a_name_is_none(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, slices(tmp_path / "in"), tmp_path / "out", "--project", "") == 2
    assert "--project has no name" in capsys.readouterr().err
