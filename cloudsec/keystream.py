"""Every secret of a job or a study, from one key by label (HKDF, RFC 5869; AES-256 in counter mode)."""

from __future__ import annotations

import os
from math import prod

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

KEY_BYTES = 32
_CONTEXT = b"cloudsec 1 "
"""Starts every derivation, so that no key of ours is one of another program or version."""


class Keystream:
    """Independent secrets by label: equal labels give equal secrets, others tell nothing of each other.

    Numbers drawn are uniform. Nothing here is ever logged or shown; `repr` names the type only.
    """

    __slots__ = ("_key", "_masks")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, this one {len(key)}")
        self._key = key
        self._masks: set[str] = set()

    @classmethod
    def fresh(cls) -> Keystream:
        """A key from the system's generator."""
        return cls(os.urandom(KEY_BYTES))

    @classmethod
    def of(cls, material: bytes) -> Keystream:
        """The master key that a caller's own secret gives: at least 32 bytes that nobody can guess."""
        if len(material) < KEY_BYTES:
            raise ValueError(f"a master key has at least {KEY_BYTES} bytes, this one {len(material)}")
        return cls(HKDF(SHA256(), KEY_BYTES, None, _CONTEXT + b"master").derive(material))

    def for_job(self) -> Keystream:
        """The keystream of one new job: this key, bound to a nonce that nobody else ever sees."""
        return Keystream(self._derived("job", salt=os.urandom(KEY_BYTES)))

    def for_study(self, name: str | None, scope: str = "") -> Keystream:
        """The keystream of one study, the same whenever it is asked for; None is the unnamed study.

        A study of the same name in another scope, such as another fleet, is another study.
        """
        # The length tells where the scope ends, and the word after it a name from none.
        study = "unnamed" if name is None else f"named {name}"
        return Keystream(self._derived(f"study {len(scope)} {scope} {study}"))

    def octets(self, label: str, count: int) -> bytes:
        """`count` secret bytes."""
        return self._drawn(f"octets {label}", count)

    def mask(self, label: str, count: int) -> bytes:
        """`count` secret bytes to hide something by, given once; ValueError if they are asked for again."""
        if label in self._masks:
            raise ValueError(
                f"the mask {label!r} was used already, and used twice it would show by how much two images "
                "differ; take the keys of another delivery, for_job()"
            )
        self._masks.add(label)
        return self._drawn(f"octets {label}", count)

    def integers(self, label: str, bound: int, count: int) -> NDArray[np.int64]:
        """`count` uniform integers from 0 up to and without `bound`, at most 2**62."""
        if not 1 <= bound <= 2**62:
            raise ValueError("a bound must be from 1 to 2**62")
        mask = np.uint64((1 << (bound - 1).bit_length()) - 1)
        accepted = np.empty(0, np.int64)
        attempt = 0
        # A masked word is below the bound with a chance above a half; the others are thrown away.
        while len(accepted) < count:
            words = (
                np.frombuffer(self._drawn(f"integers {attempt} {label}", 8 * (2 * count + 8)), "<u8") & mask
            )
            accepted = np.concatenate([accepted, words[words < bound].astype(np.int64)])
            attempt += 1
        return accepted[:count]

    def bits(self, label: str, *shape: int) -> NDArray[np.bool_]:
        """Fair coins in an array of this shape."""
        count = prod(shape)
        drawn = np.frombuffer(self._drawn(f"bits {label}", -(-count // 8)), np.uint8)
        return np.unpackbits(drawn, count=count).astype(np.bool_).reshape(shape)

    def permutation(self, label: str, count: int) -> NDArray[np.intp]:
        """A uniformly random order of `count` things (but for a chance of count**2 / 2**65)."""
        return np.argsort(np.frombuffer(self._drawn(f"order {label}", 8 * count), "<u8"), kind="stable")

    def __repr__(self) -> str:
        return "Keystream(…)"

    def _drawn(self, label: str, count: int) -> bytes:
        # The key is this label's alone, so that the counter may start at zero.
        cipher = Cipher(algorithms.AES(self._derived(label)), modes.CTR(bytes(16)))
        return cipher.encryptor().update(bytes(count))

    def _derived(self, label: str, salt: bytes | None = None) -> bytes:
        # Names out of the system may hold what is no letter (PEP 383); an error would show the name.
        info = _CONTEXT + label.encode(errors="surrogatepass")
        return HKDF(SHA256(), KEY_BYTES, salt, info).derive(self._key)
