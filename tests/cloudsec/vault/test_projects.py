"""A project knows its patients by what stands for them outside, and forgets them altogether."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Table

from cloudsec import VaultError
from cloudsec.vault import Project, Vault, Writing, tables
from tests.vaults import INSTANCE, MANIFEST, NAME, PATIENT, PROJECT, PSEUDONYM, REPLACEMENT, UID, check, fill


def test_what_was_remembered_is_found_by_what_stands_for_it(vault: Vault, again: Callable[[], Vault]) -> None:
    fill(vault)
    check(vault)
    with again() as other:
        check(other)


def test_nothing_is_found_that_was_not_remembered(vault: Vault) -> None:
    project = vault.project(PROJECT)
    assert vault.projects() == []
    fill(vault)
    for unknown in (vault.project("hip trial"), project):
        assert unknown.identity(PATIENT) is None
        assert unknown.original_uid(UID) is None
        assert unknown.manifests(REPLACEMENT, PSEUDONYM) == []
        assert unknown.export(PSEUDONYM) is None
        assert not unknown.erase(PSEUDONYM)
    check(vault)


def test_a_patient_is_remembered_once_however_often_it_is_said(vault: Vault) -> None:
    assert fill(vault) == fill(vault)
    project = vault.project(PROJECT)
    project.remember(PATIENT, PSEUDONYM, {"PatientName": "Musterfrau^Erika", "PatientSex": "F"})
    known = project.identity(PSEUDONYM)
    assert known is not None
    assert known["identity"] == {"PatientName": "Musterfrau^Erika", "PatientSex": "F"}
    project.remember(PATIENT, PSEUDONYM, {}, manifests={(INSTANCE, PSEUDONYM): b"newer"})
    project.remember(PATIENT, PSEUDONYM, {}, manifests={(INSTANCE, "another"): b"newer"})
    # What one was is never what another was.
    assert [project.manifests(INSTANCE, mark) for mark in (PSEUDONYM, "another")] == [[MANIFEST], [b"newer"]]
    assert project.manifests(INSTANCE, "none of them") == []
    assert sorted(project.manifests(INSTANCE, "")) == sorted([MANIFEST, b"newer"])
    assert [each.name for each in vault.projects()] == [PROJECT]


def test_a_patient_has_one_pseudonym_and_a_pseudonym_one_patient(vault: Vault) -> None:
    fill(vault)
    project = vault.project(PROJECT)
    with pytest.raises(VaultError, match="has another pseudonym"):
        project.remember(PATIENT, "CS-OTHER", {})
    with pytest.raises(VaultError, match="stands for another patient"):
        project.remember("PID-0815", PSEUDONYM, {})
    with pytest.raises(VaultError, match="another patient's already"):
        fill_again = {(INSTANCE, PSEUDONYM): MANIFEST}
        project.remember("PID-0815", "CS-OTHER", {"PatientName": "Else"}, manifests=fill_again)
    # All or nothing.
    assert project.identity("CS-OTHER") is None
    check(vault)


def test_the_same_patient_in_two_projects_is_two(vault: Vault) -> None:
    rows = {fill(vault, project=project) for project in ("knee trial", "hip trial")}
    assert len(rows) == 2
    check(vault, project="hip trial")
    assert vault.project("hip trial").erase(PATIENT)
    check(vault)
    keys = [vault.project(name).keys.octets("uid", 16) for name in ("knee trial", "hip trial", "knee trial")]
    assert keys[0] == keys[2] != keys[1]


def test_a_uid_of_two_patients_outlives_one_of_them(vault: Vault) -> None:
    fill(vault)
    fill(vault, "PID-0815", "CS-OTHER")
    assert vault.project(PROJECT).erase(PATIENT)
    check(vault, "PID-0815", "CS-OTHER")


def test_an_export_holds_all_that_is_known_of_a_patient_and_of_nobody_else(vault: Vault) -> None:
    row = fill(vault)
    fill(vault, "PID-0815", "CS-OTHER")
    exported = vault.project(PROJECT).export(PATIENT)
    assert exported == json.loads(json.dumps(exported))
    assert exported is not None
    assert exported["project"] == PROJECT
    (patient,), (pair,), (manifest,) = exported["patients"], exported["uids"], exported["manifests"]
    expected = {"patient": PATIENT, "pseudonym": PSEUDONYM, "identity": {"PatientName": NAME}}
    assert patient["identity"] == expected
    assert pair["pair"] == [UID, REPLACEMENT]
    assert manifest["content"] == json.loads(MANIFEST)
    assert {each["patient"] for each in (pair, manifest)} == {row} == {patient["id"]}


def test_an_export_tells_size_and_hash_of_what_is_no_text(vault: Vault) -> None:
    vault.project(PROJECT).remember(PATIENT, PSEUDONYM, {}, manifests={(INSTANCE, "a mark"): b"\xff\0pixels"})
    exported = vault.project(PROJECT).export(PATIENT)
    assert exported is not None
    (manifest,) = exported["manifests"]
    assert manifest["content"]["bytes"] == 8
    assert len(manifest["content"]["sha256"]) == 64


def test_two_new_patients_at_once_do_not_wait_for_each_other(
    vault: Vault, again: Callable[[], Vault], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)
    refuse = Project._refuse_others

    def together(*arguments: Any) -> None:
        # On SQLite there is one at a time.
        if vault.engine.dialect.name == "postgresql":
            both.wait(20)
        refuse(*arguments)

    vault.project(PROJECT).remember("PID-1", "CS-1", {})
    monkeypatch.setattr(Project, "_refuse_others", together)

    def remember(number: int) -> None:
        with again() as other:
            study = f"2.25.{number}"
            other.project(PROJECT).remember(
                f"PID-{number}", f"CS-{number}", {}, uids={study: study}, alone={study}
            )

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(remember, (2, 3)))
    assert all(vault.project(PROJECT).identity(f"CS-{number}") for number in (1, 2, 3))


def test_who_is_erased_while_they_are_remembered_is_remembered_anew(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, left = Writing.add, [False]

    def late(writing: Writing, table: Table, row: dict[str, Any]) -> bool:
        # The row was there when this one was to be added, and is not any more.
        return left.pop() if table is tables.patients and left else add(writing, table, row)

    monkeypatch.setattr(Writing, "add", late)
    vault.project(PROJECT).remember("PID-1", "CS-1", {})
    assert not left
    assert vault.project(PROJECT).identity("CS-1") is not None
