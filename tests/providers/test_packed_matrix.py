"""Matrices as text: what comes out is what went in, and what is none is refused."""

import base64
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array, csc_matrix, csr_array

from providers import packed_matrix
from providers.packed_matrix import packed, unpacked


@given(st.integers(1, 9), st.integers(1, 9), st.floats(0, 1), st.integers(0, 2**32))
def test_a_matrix_comes_back_as_it_was(rows: int, columns: int, density: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    matrix = random.integers(-(2**52), 2**52, (rows, columns)) * (random.random((rows, columns)) < density)
    text = packed(matrix)
    assert (unpacked(text).toarray() == matrix).all()
    for other in (csc_matrix(matrix), csr_array(matrix), coo_array(matrix), matrix.astype(float)):
        assert packed(other) == text


def test_weights_in_one_place_are_added_up_and_the_given_matrix_stays_as_it_was() -> None:
    matrix = csr_array(([1, 2, -3], [1, 1, 0], [0, 3]), shape=(1, 2))
    assert (unpacked(packed(matrix)).toarray() == [[-3, 3]]).all()
    assert matrix.nnz == 3


@pytest.mark.parametrize(
    ("given_matrix", "says"),
    [
        ([[0.5, 1]], "whole numbers; multiply it by a power of two"),
        ([[np.nan, 1]], "whole numbers"),
        ([[1j, 1]], "whole numbers"),
        ([[2.0**53]], r"between -2\*\*53 and 2\*\*53"),
        ([[1, 2], [3]], "rows of equally many"),
        ("none", "whole numbers|rows of equally many"),
        (None, "whole numbers|rows of equally many"),
    ],
)
def test_what_is_no_matrix_of_integers_is_refused_with_the_way_out(given_matrix: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        packed(given_matrix)


def test_a_matrix_with_more_than_a_task_holds_is_refused_with_the_way_out() -> None:
    large = np.random.default_rng(0).integers(-(2**40), 2**40, (400, 500))
    with pytest.raises(ValueError, match="900000 .*use several operators"):
        packed(large)


def text_of(*numbers: int) -> str:
    return base64.b64encode(zlib.compress(np.array(numbers, "<i8").tobytes())).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no base64!",
        "ä",
        base64.b64encode(b"no zlib").decode(),
        text_of(),
        text_of(0, 1),
        text_of(1, 0, 0),
        text_of(2, 1, 0),
        text_of(2**40, 1, 0),
        text_of(1, 2, 1),
        text_of(1, 2, -1, 0),
        text_of(1, 2, 1, 2, 7),
        text_of(1, 2, 2, 1, 1, 7, 7),
        text_of(1, 2, 1, -1, 7),
        text_of(1, 2, 1, 0, 2**60),
        text_of(2, 2, 2**62, 2**62, 0, 1),
        base64.b64encode(zlib.compress(bytes(64))[:-2]).decode(),
        base64.b64encode(zlib.compress(bytes(7))).decode(),
    ],
)
def test_a_text_that_stands_for_no_matrix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="matrix|weights"):
        unpacked(text)


def test_a_small_text_that_stands_for_very_many_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_matrix, "_MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="no matrix"):
        unpacked(text_of(1, 2, *[0] * 10_000))
