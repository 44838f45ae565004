"""How a row is found by what it does not say."""

from __future__ import annotations

import hmac

from cloudsec.keystream import KEY_BYTES, Keystream


def keyed_hash(keys: Keystream, kind: str, value: str) -> str:
    """HMAC-SHA-256 of a value of some kind, in hexadecimal digits.

    Who has not the keys cannot even test a guess.
    """
    return hmac.new(keys.octets(f"lookup of {kind}", KEY_BYTES), value.encode(), "sha256").hexdigest()
