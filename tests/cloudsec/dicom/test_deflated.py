"""A deflated file is read like any other, and no further than it claims."""

from __future__ import annotations

import zlib
from io import BytesIO

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pydicom import uid

from cloudsec.dicom.deflated import inflated
from tests.dicom_files import PLANE, dataset_of, derived, file_of, little_memory, read, refusal

DEFLATED = uid.DeflatedExplicitVRLittleEndian
FILE = file_of(dataset_of(PLANE), DEFLATED)


def with_stream(stream: bytes) -> bytes:
    """The file with another deflated stream behind its meta information."""
    meta = 144 + int.from_bytes(FILE[140:144], "little")
    return FILE[:meta] + stream


def deflated(*parts: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return b"".join(compressor.compress(part) for part in parts) + compressor.flush()


PLAIN = file_of(dataset_of(PLANE))
BODY = PLAIN[144 + int.from_bytes(PLAIN[140:144], "little") :]


@given(st.binary(max_size=300), st.integers(0, 400))
def test_no_more_is_inflated_than_the_limit(content: bytes, limit: int) -> None:
    assert inflated(BytesIO(deflated(content)), limit) == content[:limit]


def test_its_pixels_are_those_of_the_plain_file_and_the_result_is_plain() -> None:
    assert np.array_equal(read(FILE).pixels, PLANE)
    assert np.array_equal(read(with_stream(deflated(BODY))).pixels, PLANE)
    written = derived(dataset_of(PLANE), PLANE, syntax=DEFLATED)
    assert written.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian


def test_a_bomb_is_not_inflated() -> None:
    bomb = [bytes(1 << 20)] * 200
    with little_memory():
        refusal(with_stream(deflated(*bomb)))
        assert np.array_equal(read(with_stream(deflated(BODY, *bomb))).pixels, PLANE)


def test_a_stream_that_is_cut_short_or_damaged_is_refused() -> None:
    stream = deflated(BODY)
    assert "fetch it again" in refusal(with_stream(stream[:-10]))
    assert "fetch it again" in refusal(with_stream(b"\xff" * 40))
