"""What is sealed for a place opens there, as it was, and nowhere else."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, update

from cloudsec import VaultError
from cloudsec.vault import Place, Vault
from cloudsec.vault.sealing import prefix, seal, unseal
from cloudsec.vault.tables import METADATA, place, sealed_columns
from tests.vaults import check, fill, rows

KEY = bytes(range(32))
words = st.lists(st.text(max_size=3), min_size=3, max_size=5)


@given(words, st.binary(max_size=100), st.integers(0, 2**32 - 1))
def test_what_is_sealed_for_a_place_opens_there(place: list[str], content: bytes, version: int) -> None:
    where = Place(place[0], place[1], tuple(place[2:]))
    sealed = seal(KEY, version, where, content)
    assert sealed.startswith(prefix(version))
    assert unseal(KEY, where, sealed) == content


@given(words, words)
def test_no_two_places_are_one(first: list[str], second: list[str]) -> None:
    places = [Place(each[0], each[1], tuple(each[2:])) for each in (first, second)]
    assert (places[0].encoded() == places[1].encoded()) == (places[0] == places[1])


def test_every_flipped_bit_of_every_sealed_column_is_refused(vault: Vault) -> None:
    fill(vault)
    for column in sealed_columns():
        row = rows(vault, column)[0]
        where, sealed = place(column, row), row[column.name]
        assert vault.opened(where, sealed)
        for bit in range(8 * len(sealed)):
            flipped = bytearray(sealed)
            flipped[bit // 8] ^= 1 << bit % 8
            with pytest.raises(VaultError):
                vault.opened(where, bytes(flipped))
        for wrong in (b"", sealed[:-1], sealed[1:], sealed + b"\0", sealed[:30], sealed * 2):
            with pytest.raises(VaultError, match="restore the database from a backup"):
                vault.opened(where, wrong)


def test_a_value_opens_in_no_other_row_column_table_or_project(vault: Vault) -> None:
    fill(vault)
    fill(vault, "PID-0815", "CS-OTHER")
    fill(vault, project="hip trial")
    places = {
        place(column, row): row[column.name] for column in sealed_columns() for row in rows(vault, column)
    }
    assert len({(where.table, where.column) for where in places}) == len(list(sealed_columns()))
    for one, other in permutations(places, 2):
        with pytest.raises(VaultError, match="damaged, or belongs elsewhere"):
            vault.opened(other, places[one])


def test_whatever_a_value_is_bound_to_cannot_be_changed(vault: Vault) -> None:
    fill(vault)
    for column in sealed_columns():
        row = rows(vault, column)[0]
        for name in column.type.bound:
            with pytest.raises(VaultError, match="belongs elsewhere"):
                vault.opened(place(column, {**row, name: "5f"}), row[column.name])
            # Where there may be none, that there is one is bound too.
            with pytest.raises(VaultError, match="lacks its|belongs elsewhere"):
                vault.opened(place(column, {**row, name: None}), row[column.name])


@pytest.mark.parametrize("column", list(sealed_columns()), ids=str)
def test_a_damaged_row_is_refused_by_whoever_asks_for_it(vault: Vault, column: Column[Any]) -> None:
    fill(vault)
    for row in rows(vault, column):
        damaged = bytearray(row[column.name])
        damaged[-1] ^= 1
        with vault.writing() as writing:
            this = column.table.c[column.table.primary_key.columns[0].name]
            change = update(column.table).where(this == row[this.name]).values({column: bytes(damaged)})
            writing.connection.execute(change)
    with pytest.raises(VaultError, match="restore the database from a backup") as caught:
        check(vault)
        vault.projects()
    assert str(column) in str(caught.value)


def test_what_tells_a_row_and_whose_it_is_is_bound_to_its_values() -> None:
    for column in sealed_columns():
        bound = set(column.type.bound)
        keys = {key.name for key in column.table.primary_key.columns}
        owners = {key.parent.name for key in column.table.foreign_keys}
        assert keys | owners <= bound


def test_whatever_belongs_to_a_patient_goes_with_them() -> None:
    for table in METADATA.sorted_tables:
        for key in table.foreign_keys:
            assert key.ondelete == "CASCADE"


def test_a_column_that_is_not_declared_to_be_sealed_is_no_place() -> None:
    with pytest.raises(ValueError, match="give it the type Sealed"):
        place(METADATA.tables["patients"].c.id, {"id": "5f"})
