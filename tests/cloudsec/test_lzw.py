"""What crashes the decoder of LZW is refused before, and nothing that is whole."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cloudsec.errors import ImageFileError
from cloudsec.files import read_image
from cloudsec.lzw import begins_with_literals


def packed(*codes: int) -> bytes:
    bits = "".join(f"{code:09b}" for code in codes) or "0"
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


@given(st.integers(0, 2**32), st.integers(0, 60_000), st.sampled_from([2, 16, 256]))
@settings(max_examples=60)
def test_what_an_encoder_wrote_passes(seed: int, count: int, levels: int) -> None:
    content = np.random.default_rng(seed).integers(0, levels, count, np.uint8).tobytes()
    assert begins_with_literals(imagecodecs.lzw_encode(content))


def test_what_another_encoder_wrote_is_read_exactly(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.tif", compression="tiff_lzw")
    assert (read_image(tmp_path / "in.tif").pixels == pixels).all()


@pytest.mark.parametrize(
    ("codes", "right"),
    [
        ((256, 7, 258, 257), True),
        ((256, 257), True),
        ((256, 256, 7, 257), True),
        ((256,), True),
        ((), False),
        ((7, 258, 257), False),
        ((256, 258, 257), False),
        ((256, 464, 258, 259), False),
        ((256, 7, 258, 256, 300, 258), False),
        ((256, 7, 257, 256, 300), True),
    ],
)
def test_every_table_begins_with_a_literal(codes: tuple[int, ...], right: bool) -> None:
    assert begins_with_literals(packed(*codes)) is right


def test_a_table_that_is_cleared_late_is_judged_too() -> None:
    content = np.random.default_rng(0).integers(0, 256, 9000, np.uint8).tobytes()
    code = imagecodecs.lzw_encode(content)
    assert begins_with_literals(code)
    # The first code of the second table, after 254, 512, 1024 and 2048 codes or so.
    bits = "".join(f"{byte:08b}" for byte in code)
    wrong = [
        int(f"{bits[:place]}{464:09b}{bits[place + 9 :]}", 2).to_bytes(len(code), "big")
        for place in range(9 + 9 * 254 + 10 * 512 + 11 * 1024 + 12 * 2040, len(bits) - 9)
        if bits[place - 12 : place] == f"{256:012b}"
    ]
    assert any(not begins_with_literals(each) for each in wrong)


@pytest.mark.parametrize("order", [1, 2])
def test_a_tiff_that_would_crash_the_decoder_is_refused(tmp_path: Path, order: int) -> None:
    code = packed(256, 464, 258, 259, 260, 261, 262, 259, 117)
    plane = np.zeros((6, 4), np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", plane, compression="lzw", photometric="minisblack", metadata=None)
    content = bytearray((tmp_path / "in.tif").read_bytes())
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as tiff:
        page = tiff.pages.first
        offset, count = page.dataoffsets[0], page.tags["StripByteCounts"]
        content += code if order == 1 else bytes(int(f"{byte:08b}"[::-1], 2) for byte in code)
        content[count.offset + 8 : count.offset + 10] = len(code).to_bytes(2, "little")
        place = page.tags["StripOffsets"].offset + 8
        content[place : place + 4] = (len(content) - len(code)).to_bytes(4, "little")
    assert offset
    (tmp_path / "in.tif").write_bytes(bytes(content))
    with pytest.raises(ImageFileError, match="damaged or cut short"):
        read_image(tmp_path / "in.tif")
