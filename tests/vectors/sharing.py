"""Writes sharing.json beside itself, from the definitions alone: Python's integers and nothing of ours.

    python tests/vectors/sharing.py

Additive: the shares add up to the secret. Polynomial: of degree d = k + t - 1; secrets are its values at
0 … k - 1, the share of party 0 is d! times its leading coefficient, those of 1 … t - 1 are its values at
k … k + t - 2, those of the others at -1, k + t - 1, -2, k + t, … A seed is a key of AES-128; the counter's
blocks from zero on, encrypted, are little-endian words, of which as many low bits count as p - 1 has, and
in place of those that are p or more come, in order, later words that are less.
"""

import hashlib
import json
import random
from itertools import count, product
from math import factorial
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

MODULI = [2**16, 2**32, 2**64, 65521, 2**31 - 1, 2**61 - 1]
generator = random.Random(20261121)  # numbers of examples, which hide nothing


def polynomial(parties, privacy, secrets, p, values, noise):
    """Shares of all parties."""
    degree = secrets + privacy - 1
    first, *rest = noise
    leading = first * pow(factorial(degree), -1, p)
    known = dict(enumerate([*values, *rest]))
    # Without its leading term the polynomial goes through what is known less that term.
    lower = {x: (y - leading * x**degree) % p for x, y in known.items()}

    def at(x):
        total = leading * x**degree
        for i, y in lower.items():
            term = y
            for j in lower:
                if j != i:
                    term = term * (x - j) * pow(i - j, -1, p) % p
            total += term
        return total % p

    points, low, high = [], -1, secrets + privacy - 1
    while len(points) < parties - privacy:
        points += [low, high]
        low, high = low - 1, high + 1
    return [*noise, *(at(x) for x in points[: parties - privacy])]


def additive(parties, modulus, values, noise):
    return [*noise, (values[0] - sum(noise)) % modulus]


def mapped(rows, weights, m):
    columns = zip(*rows, strict=True)
    return [sum(w * value for w, value in zip(weights, column, strict=True)) % m for column in columns]


def sharings():
    cases = [("additive", n, n - 1, 1, m) for n in (2, 3, 5) for m in MODULI]
    cases += [
        ("polynomial", n, t, k, p)
        for n, t, k in [(3, 1, 1), (5, 2, 1), (7, 3, 1), (3, 1, 2), (5, 1, 4), (6, 2, 3), (9, 3, 4)]
        for p in MODULI[3:]
    ]
    for kind, n, t, k, m in cases:
        # Columns are pixels: the ends of the range, and some between.
        pixels = [
            [generator.choice([0, 1, m - 1, generator.randrange(m)]) for _ in range(k)] for _ in range(6)
        ]
        noises = [[generator.randrange(m) for _ in range(t)] for _ in pixels]
        deal = additive if kind == "additive" else None
        shares = [
            deal(n, m, values, noise) if deal else polynomial(n, t, k, m, values, noise)
            for values, noise in zip(pixels, noises, strict=True)
        ]
        weights = [generator.randrange(-9, 10) for _ in pixels]

        yield {
            "kind": kind, "parties": n, "privacy": t, "secrets": k, "modulus": m,
            "values": pixels, "noise": noises, "shares": shares,
            "weights": weights, "answers": mapped(shares, weights, m),
            "recovered": mapped(pixels, weights, m),
        }  # fmt: skip


def maps():
    """A kernel over a window, modulo each modulus."""
    for modulus in MODULI:
        for bits in (3, 20, 45):
            rows, columns = 3, 5
            kernel = [[generator.randrange(-(2**bits), 2**bits) for _ in range(columns)] for _ in range(rows)]
            size = rows + 2, columns + 1
            window = [
                [generator.choice([0, modulus - 1, generator.randrange(modulus)]) for _ in range(size[1])]
                for _ in range(size[0])
            ]
            answer = [
                [
                    sum(kernel[i][j] * window[y + i][x + j] for i, j in product(range(rows), range(columns)))
                    % modulus
                    for x in range(size[1] - columns + 1)
                ]
                for y in range(size[0] - rows + 1)
            ]
            yield {"modulus": modulus, "kernel": kernel, "window": window, "answer": answer}


def words(seed, size, bits):
    encryptor = Cipher(algorithms.AES(seed), modes.ECB()).encryptor()
    for block in count():
        octets = encryptor.update(block.to_bytes(16, "big"))
        for start in range(0, 16, size):
            yield int.from_bytes(octets[start : start + size], "little") % 2**bits


def expansions(number=20_000):
    for modulus in MODULI:
        seed = generator.randbytes(16)
        bits = (modulus - 1).bit_length()
        size = -(-bits // 8)
        stream = words(seed, size, bits)
        drawn = [next(stream) for _ in range(number)]
        refused = [i for i, word in enumerate(drawn) if word >= modulus]
        for i in refused:
            word = next(stream)
            while word >= modulus:
                word = next(stream)
            drawn[i] = word
        digest = hashlib.sha256(b"".join(word.to_bytes(size, "little") for word in drawn)).hexdigest()
        yield {
            "modulus": modulus, "seed": seed.hex(), "count": number, "refused": len(refused),
            "first": drawn[:4], "sha256": digest,
        }  # fmt: skip


if __name__ == "__main__":
    found = {"sharings": list(sharings()), "maps": list(maps()), "expansions": list(expansions())}
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, separators=(",", ":")) + "\n")
