"""DICOM jobs: nothing of the header outside the vault, and the patient back for the clinician who asked."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from sqlalchemy import select

import providers
from cloudsec.jobs import Kind, Role
from cloudsec.vault import job_tables
from tests.daemons import Served, npy, served
from tests.dicom_files import CT, US, dataset_of, file_of

SECRETS = ("Karenina", "ID-70411923", "19570318", "1.2.826.0.1.7041", "Sainte-Anne")


def slice_of(number: int = 0, patient: str = "ID-70411923", **changes: object) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 4000, (40, 44)).astype(np.int16)
    values = {
        "PatientName": "Karenina^Anna",
        "PatientID": patient,
        "PatientBirthDate": "19570318",
        "StudyInstanceUID": "1.2.826.0.1.7041",
        "SeriesInstanceUID": "1.2.826.0.1.7041.1",
        "SOPInstanceUID": f"1.2.826.0.1.7041.1.{number}",
        "InstitutionName": "Hopital Sainte-Anne",
        "ImagePositionPatient": [0, 0, 5 * number],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    }
    return file_of(dataset_of(pixels, **values | changes))


def read(content: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(content))


@pytest.fixture(scope="module")
def done(daemon: Served) -> str:
    """A clinician's job on one slice, which is done."""
    client = daemon.client(Role.CLINICIAN)
    job = client.submit(slice_of())
    assert client.ended(job)["state"] == "done"
    return job


def test_a_result_is_de_identified_and_for_its_clinician_it_has_the_patient_again(
    daemon: Served, done: str
) -> None:
    client = daemon.client(Role.CLINICIAN)
    plain = client.ask("GET", f"/v1/jobs/{done}/result").content
    assert not any(secret.encode() in plain for secret in SECRETS)
    assert read(plain).PatientIdentityRemoved == "YES"
    known = read(client.ask("GET", f"/v1/jobs/{done}/result", params={"identity": "restored"}).content)
    assert (known.PatientName, known.PatientID) == ("Karenina^Anna", "ID-70411923")
    assert known.StudyInstanceUID == "1.2.826.0.1.7041"
    expected = providers.apply(read(slice_of()).pixel_array, "gaussian", sigma=2.0)
    for content in (plain, client.ask("GET", f"/v1/jobs/{done}/result?identity=restored").content):
        assert np.array_equal(read(content).pixel_array, expected)


def test_neither_log_nor_metrics_nor_database_hold_anything_of_the_header(daemon: Served, done: str) -> None:
    path = daemon.daemon.vault.engine.url.database
    assert path
    with open(path, "rb") as file:
        database = file.read()
    told = daemon.client(Role.ADMIN).ask("GET", "/metrics").text
    for secret in SECRETS:
        assert secret.encode() not in database
        assert secret not in daemon.log.getvalue()
        assert secret not in told
    assert done in daemon.log.getvalue()
    assert done not in told


def test_what_is_processed_and_kept_is_the_de_identified_image(daemon: Served) -> None:
    client, store = daemon.client(Role.SERVICE), daemon.daemon.store
    job = client.submit(slice_of(), start=False)
    kept = b"".join(store.content(job, Kind.IMAGE, 0)[1])
    assert not any(secret.encode() in kept for secret in SECRETS)
    client.ask("POST", f"/v1/jobs/{job}/cancel")


def test_slices_of_one_patient_are_a_volume_and_those_of_two_are_refused(daemon: Served) -> None:
    client = daemon.client(Role.CLINICIAN)
    job = client.submit(*(slice_of(number) for number in range(4)))
    view = client.ended(job)
    assert (view["state"], view["results"], view["message"]) == ("done", 4, None)
    job = client.submit(slice_of(0), start=False)
    # One that was somebody else's before, and one that was nobody's.
    for number in (1, 7):
        other = client.ask("PUT", f"/v1/jobs/{job}/images/1", data=slice_of(number, patient="ID-2"))
        assert (other.status_code, other.json()["code"]) == (422, "refused")
    assert client.ask("GET", f"/v1/jobs/{job}").json()["images"] == 1


def test_an_image_that_is_no_slice_among_slices_is_told_by_its_number(daemon: Served) -> None:
    client = daemon.client(Role.CLINICIAN)
    view = client.ended(client.submit(*[npy(np.zeros((40, 44), np.uint8))] * 2))
    assert view["state"] == "failed"
    assert view["message"].startswith("image 0: is no DICOM file")
    view = client.ended(client.submit(*(slice_of(number) for number in (0, 1, 3))))
    assert view["message"].startswith("the images: holds no volume")
    assert "image 1" in view["message"]


def test_an_image_that_may_show_a_name_is_refused_unless_it_is_accepted(daemon: Served) -> None:
    client = daemon.client(Role.SERVICE)
    content = slice_of(SOPClassUID=US, Modality="US")
    job = client.submit(start=False)
    answer = client.ask("PUT", f"/v1/jobs/{job}/images/0", data=content)
    assert (answer.status_code, answer.json()["code"]) == (422, "refused")
    assert "often show a name in their pixels" in answer.json()["message"]
    assert not any(secret in answer.text for secret in SECRETS)
    with daemon.daemon.vault.reading() as base:
        table = job_tables.parts
        assert base.execute(select(table).where(table.c.job == job)).all() == []
    assert client.submit(content, start=False, burned_in="accept")


def test_who_is_erased_is_erased_with_all_of_their_jobs(daemon: Served) -> None:
    client = daemon.client(Role.CLINICIAN)
    job = client.submit(slice_of(9, "ID-99", StudyInstanceUID="1.2.9"), study="Karenina, left knee")
    assert client.ended(job)["state"] == "done"
    project = daemon.daemon.vault.project("default")
    told = project.export("ID-99")
    assert told is not None
    assert [each["request"]["study"] for each in told["jobs"]] == ["Karenina, left knee"]
    assert {each["kind"] for each in told["job_parts"]} == {"result", "report"}
    assert project.erase("ID-99")
    assert client.ask("GET", f"/v1/jobs/{job}").status_code == 404
    with daemon.daemon.vault.reading() as base:
        for table, mine in (
            (job_tables.jobs, job_tables.jobs.c.id == job),
            (job_tables.parts, job_tables.parts.c.job == job),
            (job_tables.pieces, job_tables.pieces.c.part.startswith(job)),
        ):
            assert base.execute(select(table).where(mine)).all() == []


def test_who_sends_another_image_of_the_same_uid_changes_no_result_of_anybody_else(daemon: Served) -> None:
    owner, other = daemon.client(Role.CLINICIAN), daemon.client(Role.SERVICE)
    job = owner.submit(slice_of(5))
    assert owner.ended(job)["state"] == "done"
    other.submit(slice_of(5, PatientName="Oblonsky^Bertram", InstitutionName="Elsewhere"), start=False)
    restored = owner.ask("GET", f"/v1/jobs/{job}/result", params={"identity": "restored"}).content
    assert (read(restored).PatientName, read(restored).SOPClassUID) == ("Karenina^Anna", CT)
    assert "Elsewhere" not in str(read(restored))


def test_what_the_rules_keep_is_kept_and_what_they_mask_is_blackened(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        'retain = ["institution-identity"]\nkeep = ["StudyDescription"]\nclean = ["descriptors"]\n'
        "[[mask]]\nmatch = { Modality = 'US' }\n"
        "rectangles = [{ left = 0, top = 0, width = 44, height = 8 }]\n"
    )
    letters = slice_of(SOPClassUID=US, Modality="US", StudyDescription="left knee")
    with served(tmp_path, rules_file=rules) as masking:
        job = masking.client(Role.SERVICE).submit(letters, start=False)
        kept = read(b"".join(masking.daemon.store.content(job, Kind.IMAGE, 0)[1]))
    assert (kept.InstitutionName, kept.StudyDescription) == ("Hopital Sainte-Anne", "left knee")
    assert np.ptp(kept.pixel_array[:8]) == 0
    assert np.ptp(kept.pixel_array[8:]) > 0
