"""Writes paillier.json beside itself, from the definitions alone: Python's integers and nothing of ours.

    python tests/vectors/paillier.py

A ciphertext of m is (1 + n)**m * r**n modulo n squared, for a random r (Paillier 1999, scheme 1). The answer
to a kernel is the product of what lies in its window, each raised to its weight. Numbers are hexadecimal.
"""

import json
import random
from itertools import product
from pathlib import Path

generator = random.Random(20261121)  # an example's key, which hides nothing


def is_prime(n):
    if any(n % small == 0 for small in range(3, 1000, 2)):
        return False
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(20):
        x = pow(generator.randrange(2, n - 1), odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def prime(bits):
    while True:
        drawn = generator.getrandbits(bits) | 3 << bits - 2 | 1
        if is_prime(drawn):
            return drawn


def encrypted(message, n):
    return pow(1 + n, message % n, n * n) * pow(generator.randrange(1, n), n, n * n) % (n * n)


def answers(rows, weights, n):
    """Of a plane of ciphertexts."""
    tall, wide = len(weights), len(weights[0])
    found = []
    for top in range(len(rows) - tall + 1):
        line = []
        for left in range(len(rows[0]) - wide + 1):
            total = 1
            for i, j in product(range(tall), range(wide)):
                total = total * pow(rows[top + i][left + j], weights[i][j], n * n) % (n * n)
            line.append(total)
        found.append(line)
    return found


def written(rows):
    return [[f"{number:x}" for number in row] for row in rows]


def main():
    p, q = prime(1024), prime(1024)
    n = p * q
    messages = [[generator.randrange(-(2**2000), 2**2000) for _ in range(4)] for _ in range(5)]
    messages[0][:2] = [0, -1]
    ciphertexts = [[encrypted(message, n) for message in row] for row in messages]
    kernels = {
        "smooth": [[1, 2, 1], [2, 4, 2], [1, 2, 1]],
        "binomial": [[1], [4], [6], [4], [1]],
        "edges": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
        "taken": [[-3]],
        "large": [[1000003, -(2**40), 0]],
    }
    vectors = {
        "p": f"{p:x}",
        "q": f"{q:x}",
        "messages": [[str(message) for message in row] for row in messages],
        "ciphertexts": written(ciphertexts),
        "answers": [
            {"weights": weights, "ciphertexts": written(answers(ciphertexts, weights, n))}
            for weights in kernels.values()
        ],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
