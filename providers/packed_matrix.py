"""A sparse matrix of integers as text, so that it travels among an operation's parameters.

Base64 of zlib of: the number of rows and of columns; of each row how many weights are not zero; of each
weight how many columns after the one before it, and its value; all of them 64 bits, little-endian.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MOST_TEXT = 900_000
"""Characters of a matrix: with all else they fit into the header of a task."""
_MOST_BYTES = 1 << 26
"""Bytes that a text may stand for, however well it was compressed."""
LARGEST_WEIGHT = 2**53
_LARGEST_SIDE = 2**31 - 1


def packed(given: Any) -> str:
    """The text of a matrix: of scipy.sparse, or what can be made one. ValueError names what is accepted."""
    from scipy.sparse import csr_array, issparse

    try:
        matrix = csr_array(given if issparse(given) else np.atleast_2d(np.asarray(given)))
    except (ValueError, TypeError) as error:
        raise ValueError("must be a matrix of scipy.sparse, or rows of equally many whole numbers") from error
    weights = matrix.data
    if weights.dtype.kind not in "biuf" or not (np.isfinite(weights) & (np.rint(weights) == weights)).all():
        raise ValueError(
            "must hold whole numbers; multiply it by a power of two, round it with numpy.rint, and give that "
            "power as divisor"
        )
    if matrix.nnz and not -LARGEST_WEIGHT < int(weights.min()) <= int(weights.max()) < LARGEST_WEIGHT:
        raise ValueError("must hold whole numbers between -2**53 and 2**53")
    matrix = csr_array(matrix.astype(np.int64))
    # Of a matrix that is the caller's, nothing is changed.
    matrix = matrix.copy()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    counts = np.diff(matrix.indptr).astype("<i8")
    columns = matrix.indices.astype("<i8")
    steps = np.diff(columns, prepend=0)
    first = matrix.indptr[:-1][counts > 0]
    steps[first] = columns[first]
    numbers = (np.array(matrix.shape, "<i8"), counts, steps, matrix.data.astype("<i8"))
    # What is so large is refused before it is compressed, which takes its time.
    fits = sum(each.nbytes for each in numbers) <= _MOST_BYTES
    octets = zlib.compress(b"".join(each.tobytes() for each in numbers)) if fits else b""
    text = base64.b64encode(octets).decode()
    if not fits or len(text) > MOST_TEXT:
        raise ValueError(
            f"has {matrix.nnz} weights that are not zero and needs more than the {MOST_TEXT} characters that "
            "travel with a task, so use several operators of fewer rows, or an operation that makes its "
            "matrix from parameters at the provider, as backprojection does"
        )
    return text


@lru_cache(8)
def unpacked(text: str) -> csr_array:
    """The matrix that a text stands for; ValueError if there is none."""
    from scipy.sparse import csr_array

    numbers = _numbers(text)
    rows, columns = (int(side) for side in numbers[:2]) if len(numbers) >= 2 else (0, 0)
    if not 1 <= rows <= min(len(numbers) - 2, _LARGEST_SIDE) or not 1 <= columns <= _LARGEST_SIDE:
        raise ValueError("a matrix has at least one row and one column")
    counts, entries = numbers[2 : 2 + rows], numbers[2 + rows :]
    nonzeros = len(entries) // 2
    if counts.min() < 0 or counts.max() > nonzeros or int(counts.sum()) != nonzeros or len(entries) % 2:
        raise ValueError("a matrix has as many weights as its rows say")
    steps, weights = entries[:nonzeros], entries[nonzeros:]
    if nonzeros:
        if steps.min() < 0 or steps.max() >= columns:
            raise ValueError(f"a matrix of {columns} columns has no weights beside them")
        if not -LARGEST_WEIGHT < int(weights.min()) <= int(weights.max()) < LARGEST_WEIGHT:
            raise ValueError("weights lie between -2**53 and 2**53")
    ends = np.concatenate([[0], np.cumsum(counts)])
    places = np.concatenate([[0], np.cumsum(steps)])
    indices = places[1:] - np.repeat(places[ends[:-1]], counts)
    if nonzeros and indices.max() >= columns:
        raise ValueError(f"a matrix of {columns} columns has no weights beside them")
    return csr_array((weights, indices.astype(np.int32), ends.astype(np.int32)), shape=(rows, columns))


def _numbers(text: str) -> NDArray[np.int64]:
    try:
        stream = zlib.decompressobj()
        octets = stream.decompress(base64.b64decode(text.encode("ascii"), validate=True), _MOST_BYTES)
    except (UnicodeEncodeError, binascii.Error, zlib.error) as error:
        raise ValueError("this text stands for no matrix") from error
    if not stream.eof or stream.unconsumed_tail or len(octets) % 8:
        raise ValueError("this text stands for no matrix")
    return np.frombuffer(octets, "<i8").astype(np.int64)
