"""The patients of one project: who they are, and what stands for them outside."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Table, delete, select, update

from cloudsec.errors import PatientConflict
from cloudsec.keystream import Keystream
from cloudsec.vault import tables
from cloudsec.vault.database import forget_deleted
from cloudsec.vault.exports import exported
from cloudsec.vault.hashing import keyed_hash

if TYPE_CHECKING:
    from cloudsec.vault.vault import Vault, Writing


@dataclass(frozen=True, eq=False)
class Project:
    """The patients of one project. Whether two projects have one in common, the database alone does not tell.

    Attributes
    ----------
    vault : Vault
    name : str
    keys : Keystream
        The project's own: what pseudonyms, UIDs and shifted dates come from.
    """

    vault: Vault
    name: str
    keys: Keystream = field(repr=False)

    def remember(
        self,
        patient: str,
        pseudonym: str,
        identity: Mapping[str, Any],
        *,
        uids: Mapping[str, str] = {},
        manifests: Mapping[tuple[str, str], bytes] = {},
        alone: Collection[str] = (),
    ) -> str:
        """Write down who a patient is, all or nothing; what is known already stays, but for newer words.

        Parameters
        ----------
        patient : str
            What tells patients apart: PatientID, with whoever issued it.
        pseudonym : str
            What stands for them outside; the same for all images of the project.
        identity : mapping
            What else is to be kept of them, ready for JSON.
        uids : mapping of str to str
            What was replaced, and by what.
        manifests : mapping of (str, str) to bytes
            By the SOP instance UID of a de-identified image, and a mark that no other content has, what was
            taken away from it.
        alone : collection of str
            Those of the replacing UIDs that are one patient's alone, as studies are.

        Returns
        -------
        str
            The patient's row in `patients`, for rows of other tables that belong to them.

        Raises
        ------
        VaultError
            If the patient has another pseudonym, or it is another's, or a manifest or a UID is.
        """
        with self.vault.writing() as writing:
            row = self._patient(writing, patient, pseudonym, dict(identity))
            for original, replacement in uids.items():
                pair = json.dumps([original, replacement]).encode()
                key = self._hash("uid", replacement)
                new = writing.add(tables.uids, {"patient": row, "replacement": key, "pair": pair})
                if new and replacement in alone:
                    self._refuse_others(writing, row, key)
            for (instance, mark), content in manifests.items():
                self._keep_manifest(writing, row, instance, mark, content)
        return row

    def identity(self, pseudonym: str) -> dict[str, Any] | None:
        """What was remembered of the patient with this pseudonym; None if there is none."""
        known = self._found(
            tables.patients, tables.patients.c.pseudonym == self._hash("pseudonym", pseudonym)
        )
        return None if known is None else json.loads(known["identity"])

    def original_uid(self, replacement: str) -> str | None:
        """The UID that was replaced by this one; None if none was."""
        known = self._found(tables.uids, tables.uids.c.replacement == self._hash("uid", replacement))
        return None if known is None else json.loads(known["pair"])[0]

    def manifests(self, instance: str, mark: str) -> list[bytes]:
        """What was taken away from the image that has this SOP instance UID now, and this mark.

        Without a mark, from all that have this UID.
        """
        mine = tables.manifests.c.instance == self._hash("instance", instance)
        with self.vault.reading() as connection:
            rows = connection.execute(select(tables.manifests).where(mine)).all()
        return [
            self.vault.opened_row(tables.manifests, row._asdict())["content"]
            for row in rows
            if not mark or row.mark == self._hash("mark", mark)
        ]

    def export(self, patient: str) -> dict[str, Any] | None:
        """All that is known of a patient, ready for JSON; None if nothing is.

        Of what is no text itself, such as a job's image, only its size and SHA-256 are told.
        """
        mine = tables.patients.c.known_as == self._hash("patient", patient)
        with self.vault.reading() as connection:
            row = connection.execute(select(tables.patients).where(mine)).one_or_none()
            if row is None:
                return None
            return {"project": self.name, **exported(self.vault, connection, tables.patients, row._asdict())}

    def erase(self, patient: str) -> bool:
        """Forget a patient, with all rows that belong to them; whether there was one.

        Of a SQLite file nothing is left of them afterwards; PostgreSQL keeps dead rows until VACUUM.

        Raises
        ------
        VaultError
            If somebody still reads an older state; try again then.
        """
        with self.vault.writing() as writing:
            mine = tables.patients.c.known_as == self._hash("patient", patient)
            found = writing.connection.execute(delete(tables.patients).where(mine)).rowcount
        forget_deleted(self.vault.engine)
        return found == 1

    @property
    def id(self) -> str:
        """The project's row."""
        return keyed_hash(self.keys, "project", self.name)

    def _hash(self, kind: str, value: str) -> str:
        return keyed_hash(self.keys, kind, value)

    def _patient(self, writing: Writing, patient: str, pseudonym: str, identity: dict[str, Any]) -> str:
        """The row of a patient, who is new or known; it is locked."""
        known_as = self._hash("patient", patient)
        bound = {"project": self.id, "known_as": known_as, "pseudonym": self._hash("pseudonym", pseudonym)}
        described = {"patient": patient, "pseudonym": pseudonym, "identity": identity}
        writing.add(tables.projects, {"id": self.id, "name": self.name.encode()})
        id = uuid4().hex
        new = {"id": id, **bound, "identity": json.dumps(described).encode()}
        mine = tables.patients.c.known_as == known_as
        locked = select(tables.patients).where(mine).with_for_update()
        theirs = select(tables.patients.c.id).where(
            tables.patients.c.pseudonym == bound["pseudonym"], tables.patients.c.known_as != known_as
        )
        row = None
        # Who was erased since the row could not be added is added anew.
        while row is None:
            if writing.add(tables.patients, new):
                return id
            row = writing.connection.execute(locked).one_or_none()
            if row is None and writing.connection.scalar(theirs) is not None:
                raise PatientConflict(
                    "this pseudonym stands for another patient of the project; give another"
                )
        if row.pseudonym != bound["pseudonym"]:
            raise PatientConflict(
                "this patient has another pseudonym in the project already; give that one, or none, or erase "
                "the patient first"
            )
        known = json.loads(self.vault.opened_row(tables.patients, row._asdict())["identity"])
        merged = {**described, "identity": {**known["identity"], **identity}}
        if merged != known:
            changed = {**row._asdict(), "identity": json.dumps(merged).encode()}
            changed = writing.sealed_row(tables.patients, changed)
            writing.connection.execute(update(tables.patients).where(mine).values(changed))
        return str(row.id)

    def _refuse_others(self, writing: Writing, patient: str, uid: str) -> None:
        """Refuse a UID that another patient has; who remembers a new one at the same time is waited for."""
        project = select(tables.projects.c.id).where(tables.projects.c.id == self.id)
        # Not the row's key: who adds a patient shares that, and two of them would wait for each other.
        writing.connection.execute(project.with_for_update(key_share=True))
        others = select(tables.uids.c.patient).where(
            tables.uids.c.replacement == uid, tables.uids.c.patient != patient
        )
        if writing.connection.execute(others.limit(1)).first() is not None:
            raise PatientConflict(
                "it, or its study, is another patient's in this project already; find out whose it is"
            )

    def _keep_manifest(
        self, writing: Writing, patient: str, instance: str, mark: str, content: bytes
    ) -> None:
        row = {"instance": self._hash("instance", instance), "mark": self._hash("mark", mark)}
        if writing.add(tables.manifests, {**row, "patient": patient, "content": content}):
            return
        there = select(tables.manifests.c.patient).filter_by(**row)
        if writing.connection.scalar(there) != patient:
            raise PatientConflict("this image is another patient's already; nothing of it was remembered")

    def _found(self, table: Table, wanted: ColumnElement[bool]) -> dict[str, Any] | None:
        with self.vault.reading() as connection:
            row = connection.execute(select(table).where(wanted).limit(1)).one_or_none()
        return None if row is None else self.vault.opened_row(table, row._asdict())
