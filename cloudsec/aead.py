"""AES-256-GCM with a random nonce in front: bytes that open whole and in their context, or not at all."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
OVERHEAD = _NONCE_BYTES + 16
"""Bytes of nonce and tag, by which what is encrypted is longer than its content."""


def encrypted(key: bytes, content: bytes, context: bytes) -> bytes:
    """Nonce, encrypted content and tag, bound to a context, which is not in it.

    Nonces are random, so that a key is good for 2**32 contents (NIST SP 800-38D, 8.3).
    """
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, context)


def decrypted(key: bytes, hidden: bytes, context: bytes) -> bytes | None:
    """What was encrypted under this key in this context; None for anything else."""
    try:
        return AESGCM(key).decrypt(hidden[:_NONCE_BYTES], hidden[_NONCE_BYTES:], context)
    except (InvalidTag, ValueError):
        return None
