"""What is encrypted is AES-GCM with its nonce in front, and opens in its context only."""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from cloudsec.aead import OVERHEAD, decrypted, encrypted

KEY = bytes(range(32))


@given(st.binary(max_size=40), st.binary(max_size=8))
def test_another_program_that_has_the_key_reads_it(content: bytes, context: bytes) -> None:
    hidden = encrypted(KEY, content, context)
    assert len(hidden) == len(content) + OVERHEAD
    assert AESGCM(KEY).decrypt(hidden[:12], hidden[12:], context) == content
    assert hidden != encrypted(KEY, content, context)


@given(st.binary(max_size=40), st.binary(max_size=8), st.data())
def test_it_opens_whole_in_its_context_and_under_its_key_only(
    content: bytes, context: bytes, data: st.DataObject
) -> None:
    hidden = encrypted(KEY, content, context)
    assert decrypted(KEY, hidden, context) == content
    bit = data.draw(st.integers(0, 8 * len(hidden) - 1))
    flipped = bytearray(hidden)
    flipped[bit // 8] ^= 1 << bit % 8
    cut = hidden[: data.draw(st.integers(0, len(hidden) - 1))]
    for wrong in (bytes(flipped), cut, hidden + b"\0"):
        assert decrypted(KEY, wrong, context) is None
    assert decrypted(KEY, hidden, context + b"\0") is None
    assert decrypted(bytes(32), hidden, context) is None
