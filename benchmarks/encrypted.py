"""What ciphertexts cost: encrypting, filtering and decrypting, in seconds per megapixel, on one core.

    python -m benchmarks.encrypted

The scheme's own code with one provider; the best of a few counts. Seconds are those of an image of so many
rows and columns, by its pixels: a small one has more halo than a large one. A key, with tables of powers of
its base, is made once for a job, and its seconds are not in the others. phe is what the literature uses,
SEAL (by tenseal) what others take for BFV: their rows are there if they are installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.cost import seconds
from cloudsec.forecast import LANE_COSTS, Forecast
from cloudsec.keystream import Keystream
from cloudsec.paillier import PaillierKey
from cloudsec.schemes import Job, LinearScheme
from cloudsec.schemes.bfv import BFV
from cloudsec.schemes.paillier import PAILLIER
from providers import Filter, make_operation
from providers.boxes import filter_box, region_around
from providers.service import computed
from providers.stencil import Stencil
from providers.wire import decode_task, encode_task
from regions import Box

SIDE, WIDE_SIDE, NAIVE_SIDE = 512, 128, 8
ROUNDS = 3
TARGETS = {
    "paillier": {"protect": 2.5, "of a pool": 0.2, "provider": 0.7, "recover": 24.0},
    "bfv": {"protect": 0.4, "provider": 0.1, "recover": 0.15},
}
"""Seconds per megapixel with many pixels in a ciphertext, for the binomial on 8 bits."""
STEPS = ("protect", "of a pool", "provider", "recover")

T = TypeVar("T")


def job_of(operation: Filter, bits: int, side: int, **choices: Any) -> Job:
    dtype = np.uint8 if bits == 8 else np.uint16
    image = np.random.default_rng(0).integers(0, 1 << bits, (1, side, side), dtype)
    resolved = operation.resolved(2, dtype)
    return Job(image, resolved, ("cloud",), {"cloud": 0}, 0, choices, 0, Forecast((LANE_COSTS,)))


def ours(job: Job, scheme: LinearScheme[Any]) -> dict[str, float]:
    """Seconds of each step for the whole image, and bytes; SystemExit if the result is not right."""
    dealing, keys = scheme.plan(job), Keystream.fresh()
    (slab,) = dealing.slabs
    taken = {"key": seconds(lambda: dealing.key)}
    protect = partial(scheme.protect, job, dealing, 0, keys)
    requests = [encode_task(each.task) for each in protect()]

    def provide() -> dict[int, NDArray[Any]]:
        # To read a task is work too, where a seed stands for it.
        return {number: computed(decode_task(request)) for number, request in enumerate(requests)}

    answers = provide()
    recover = partial(scheme.recovered, job, dealing, answers)
    found = scheme.finished(job, dealing, recover(), dealing.regions_of(job, slab))[0, 0]
    if not np.array_equal(found, filter_box(job.planes[0], job.operation, Box((0, 0), job.shape))):
        raise SystemExit(f"{job.operation}: what is recovered is not what the filter answers")
    steps = {"protect": protect, "provider": provide, "recover": recover}
    taken |= {name: min(seconds(work) for _ in range(ROUNDS)) for name, work in steps.items()}
    if isinstance(dealing.key, PaillierKey):
        pooled = []
        for _ in range(ROUNDS):
            dealing.key.prepare(dealing.tiling.pixels(job.halo))
            pooled.append(seconds(protect))
        taken["of a pool"] = min(pooled)
    return taken | {
        "up": sum(map(len, requests)),
        "down": sum(answer.nbytes for answer in answers.values()),
    }


def seal(job: Job) -> dict[str, float]:
    """The same tiles as one writes it with SEAL by tenseal, which keeps ciphertexts to itself: no bytes."""
    import tenseal.sealapi as api

    dealing = BFV.plan(job)
    (pixels,), tiling = dealing.regions_of(job, dealing.slabs[0]), dealing.tiling
    tiles = tiling.cut(pixels, job.halo)[0]
    parameters = api.EncryptionParameters(api.SCHEME_TYPE.BFV)
    parameters.set_poly_modulus_degree(2048)
    parameters.set_coeff_modulus(api.CoeffModulus.Create(2048, [54]))
    parameters.set_plain_modulus(65537)
    context = api.SEALContext(parameters, True, api.SEC_LEVEL_TYPE.TC128)
    taken, secret = {}, api.KeyGenerator(context).secret_key()
    encryptor, decryptor = api.Encryptor(context, secret), api.Decryptor(context, secret)
    encoder, evaluator = api.BatchEncoder(context), api.Evaluator(context)
    taken["key"] = seconds(lambda: api.KeyGenerator(context).secret_key())
    (part,) = job.operation.parts
    assert isinstance(part, Stencil)

    def encrypted(values: NDArray[Any]) -> Any:
        plain, cipher = api.Plaintext(), api.Ciphertext(context)
        encoder.encode(values.tolist(), plain)
        encryptor.encrypt_symmetric(plain, cipher)
        return cipher

    def line(weights: Sequence[int], ciphers: Sequence[Any]) -> list[Any]:
        found = []
        for start in range(len(ciphers) - len(weights) + 1):
            # By additions alone, of all weights together bit by bit.
            total: list[Any] = []
            for bit in reversed(range(max(weights).bit_length())):
                own = [ciphers[start + i] for i, weight in enumerate(weights) if weight >> bit & 1]
                answer = api.Ciphertext(context)
                evaluator.add_many(own + 2 * total, answer)
                total = [answer]
            found += total
        return found

    def decrypted(cipher: Any) -> list[int]:
        plain = api.Plaintext()
        decryptor.decrypt(cipher, plain)
        decoded: list[int] = encoder.decode_uint64(plain)
        return decoded

    def timed(name: str, work: Callable[[], T]) -> T:
        started = perf_counter()
        answer = work()
        taken[name] = perf_counter() - started
        return answer

    def filtered(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
        down = [line(part.weights[0], column) for column in zip(*rows, strict=True)]
        return [line(part.weights[1], row) for row in zip(*down, strict=True)]

    sent = timed("protect", lambda: [[encrypted(values) for values in row] for row in tiles])
    answered = timed("provider", lambda: filtered(sent))
    found = timed("recover", lambda: [[decrypted(cipher) for cipher in row] for row in answered])
    if not np.array_equal(
        np.array(found)[..., : tiling.count], part.run(tiles.transpose(2, 0, 1)).transpose(1, 2, 0)
    ):
        raise SystemExit("SEAL: what is recovered is not what the filter answers")
    return taken


def phe(job: Job) -> dict[str, float]:
    """The same as one writes it with phe: a pixel in each ciphertext."""
    from phe import paillier

    started = perf_counter()
    public, private = paillier.generate_paillier_keypair(n_length=2048)
    taken = {"key": perf_counter() - started}
    region = region_around(job.planes[0], job.operation, Box((0, 0), job.shape)).tolist()
    (part,) = job.operation.parts
    assert isinstance(part, Stencil)

    def line(weights: Sequence[int], pixels: Sequence[Any]) -> list[Any]:
        starts = range(len(pixels) - len(weights) + 1)
        return [sum(w * pixels[start + i] for i, w in enumerate(weights)) for start in starts]

    def filtered(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
        down = [line(part.weights[0], column) for column in zip(*rows, strict=True)]
        return [line(part.weights[1], row) for row in zip(*down, strict=True)]

    def timed(name: str, work: Callable[[], T]) -> T:
        started = perf_counter()
        answer = work()
        taken[name] = perf_counter() - started
        return answer

    sent = timed("protect", lambda: [[public.encrypt(pixel) for pixel in row] for row in region])
    answered = timed("provider", lambda: filtered(sent))
    found = timed("recover", lambda: [[private.decrypt(number) for number in row] for row in answered])
    if found != filtered(region):
        raise SystemExit("phe: what is recovered is not what the filter answers")
    octets = 512
    return taken | {"up": octets * sum(map(len, sent)), "down": octets * sum(map(len, answered))}


def print_row(name: str, job: Job, taken: dict[str, float], goals: dict[str, float]) -> None:
    pixels = job.planes.size
    cells = []
    for step in STEPS:
        goal = f" (≤ {goals[step]:g})" if step in goals else ""
        cells.append(f"{taken[step] / pixels * 1e6:.3g}{goal}" if step in taken else "-")
    octets = f"{taken['up'] / pixels:.1f} / {taken['down'] / pixels:.1f}" if "up" in taken else "-"
    print(
        f"{name:<34}{job.shape[0]:>5}{taken['key']:>8.2f}"
        + "".join(f"{cell:>16}" for cell in cells)
        + f"{octets:>16}"
    )


def print_encrypted() -> None:
    """Print a row for each way, on the binomial and on a wider filter."""
    print("Seconds per megapixel; in brackets the target. Bytes per pixel up and down.\n")
    head = f"{'':<34}{'side':>5}{'key s':>8}" + "".join(f"{step:>16}" for step in STEPS) + f"{'bytes':>16}"
    print(head + "\n" + "-" * len(head))
    binomial, gaussian = make_operation("binomial", size=5), make_operation("gaussian", sigma=2.0)
    for scheme, side in ((PAILLIER, WIDE_SIDE), (BFV, SIDE)):
        job = job_of(binomial, 8, SIDE)
        print_row(f"binomial 5x5, 8 bits: {scheme.name}", job, ours(job, scheme), TARGETS[scheme.name])
        job = job_of(gaussian, 12, side)
        print_row(f"gaussian sigma=2, 12 bits: {scheme.name}", job, ours(job, scheme), {})
    naive = job_of(binomial, 8, NAIVE_SIDE, packing=False)
    print_row("binomial 5x5, 8 bits: one pixel", naive, ours(naive, PAILLIER), {})
    others = (("phe", "phe", phe, naive), ("SEAL", "tenseal", seal, job_of(binomial, 8, SIDE)))
    for name, package, run, job in others:
        if find_spec(package):
            print_row(f"binomial 5x5, 8 bits: {name}", job, run(job), {})
        else:
            print(f"{package} is not installed (pip install {package}): no row of it")


if __name__ == "__main__":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print_encrypted()
