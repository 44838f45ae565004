"""Writes bfv.json beside itself, from the definitions alone: Python's integers and nothing of ours.

    python tests/vectors/bfv.py

A ciphertext of the polynomial m is a pair (b, a) modulo q = 2**bits and X**n + 1, with a uniform and
b = m + e - a * s; its phase is b + a * s. Products are by the definition, term by term. Numbers are
hexadecimal; of the phases only every 64th coefficient is kept. Masks are SHAKE-128 of their number, so that
they need not be written out.
"""

import hashlib
import json
import random
from pathlib import Path

generator = random.Random(20261122)  # an example's key, which hides nothing


def mask(number, bits, n):
    octets = hashlib.shake_128(f"mask {number}".encode()).digest(bits // 8 * n)
    return [int.from_bytes(octets[i * bits // 8 : (i + 1) * bits // 8], "little") for i in range(n)]


def product(a, s, q):
    n = len(a)
    total = [0] * n
    for i, sign in enumerate(s):
        if sign == 0:
            continue
        for j, value in enumerate(a):
            # X**n is -1.
            if i + j < n:
                total[i + j] += sign * value
            else:
                total[i + j - n] -= sign * value
    return [value % q for value in total]


def ring(bits, n):
    q = 1 << bits
    secret = [generator.randrange(-1, 2) for _ in range(n)]
    messages = [[generator.randrange(q) for _ in range(0, n, 64)] for _ in range(2)]
    bodies = []
    for number, message in enumerate(messages):
        hidden = product(mask(number, bits, n), secret, q)
        # Without errors, so that a phase is the message.
        bodies.append([(value - hidden[64 * i]) % q for i, value in enumerate(message)])
    return {
        "bits": bits,
        "degree": n,
        "secret": "".join("-0+"[value + 1] for value in secret),
        "messages": [[f"{value:x}" for value in row] for row in messages],
        "bodies": [[f"{value:x}" for value in row] for row in bodies],
    }


if __name__ == "__main__":
    vectors = [ring(32, 2048), ring(64, 4096)]
    Path(__file__).with_suffix(".json").write_text(json.dumps(vectors, indent=1) + "\n")
