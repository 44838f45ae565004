"""Ten thousand lies of providers, under every scheme: whether one of them came into a result.

    python -m benchmarks.tampering [COUNT]

Small images go through the whole broker, with some of the providers lying, each in its own way. A lie is
caught if the liar is named. One that is not may have changed what is not kept of its answer (pixels of other
blocks, multiples of 2^16 where the result has 16 bits, the mask or the error of a ciphertext): then the
result is still right. What is left was accepted, and there must be none.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cloudsec
import providers
from benchmarks.lies import TAMPERINGS, Liar, of_ciphertexts, of_residues
from benchmarks.state import own_state
from cloudsec.endpoints import Endpoint, LocalEndpoint
from providers import Filter, make_operation

COUNT = 10_000
KEY = bytes(range(32))
COLLUDING = 0.25
"""Of jobs: those in which all liars lie in the same way, so that shares may agree with one another."""
COSTLY_EVERY = 8
"""Of so many rounds, ciphertexts take part in one."""

LINEAR: dict[str, Filter] = {
    "gaussian": make_operation("gaussian", sigma=0.5, truncate=2.0),
    "binomial": make_operation("binomial", size=3, mode="constant", cval=7),
    "mean": make_operation("mean", size=2, mode="nearest"),
    "laplacian": make_operation("laplacian"),
    "unsharp": make_operation("unsharp", radius=0.3, amount=1.5),
    "sobel": make_operation("sobel"),
    "contrast": make_operation("contrast", factor=-2.5, pivot=100),
    "brightness": make_operation("brightness", offset=-40),
}
COUNTED: dict[str, Filter] = {"equalize_hist": make_operation("equalize_hist")}
SHARED = LINEAR | {"gabor_bank": make_operation("gabor_bank", frequencies=0.5, orientations=2, n_stds=1)}
IN_STEPS = {name: LINEAR[name] for name in ("binomial", "laplacian", "sobel")}
"""Of floats that are multiples of the step, shares lead to the unsplit answers themselves."""
WHOLE: dict[str, Filter] = {
    "operator": make_operation(
        "operator",
        matrix=np.random.default_rng(1).integers(-99, 99, (12, 16 * 24)),
        output_shape=(4, 3),
        divisor=3,
    ),
    "dct": make_operation("dct"),
    "rescale": make_operation("rescale", scale=3),
    "backprojection": make_operation("backprojection"),
}
OTHERS: dict[str, Filter] = {
    "convolve": make_operation("convolve", weights=[[1, 0, -2], [3, 0, 1]]),
    "median": make_operation("median", size=3, mode="mirror"),
    "percentile": make_operation("percentile", size=(2, 3), percentile=20),
    "minimum": make_operation("minimum", size=4),
    "maximum": make_operation("maximum"),
    "window": make_operation("window", center=128, width=200),
    "threshold": make_operation("threshold", value=100),
    "invert": make_operation("invert"),
}
OPERATIONS = SHARED | COUNTED | OTHERS | WHOLE
PLANAR = {"convolve", "percentile"}
STEP = 2.0**-6


def _images() -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(0)
    return {
        "8 bits": random.integers(0, 256, (56, 61), np.uint8),
        "12 bits": random.integers(0, 4096, (56, 61), np.uint16),
        "colour": random.integers(0, 256, (56, 61, 3), np.uint8),
        "volume": random.integers(-2000, 3000, (4, 56, 61), np.int16),
        "31 bits": random.integers(0, 2**31, (20, 23), np.int32),
        "small": random.integers(0, 256, (20, 23), np.uint8),
        "flat": np.full((20, 23), 9, np.uint8),
        "plane": random.integers(0, 4096, (16, 24), np.uint16),
        "planes": random.integers(-2000, 3000, (3, 16, 24), np.int16),
        "floats": random.integers(-3000, 3000, (20, 23)).astype(np.float32) * np.float32(STEP),
        "wide floats": random.integers(-3000, 3000, (56, 61)) * STEP,
    }


IMAGES = _images()
GREY, BLOCKS = ("8 bits", "12 bits"), ("8 bits", "12 bits", "colour", "volume")
SMALL = ("small", "8 bits", "12 bits", "colour", "volume", "31 bits", "flat")
PLANES, FLOATS = ("plane", "planes"), ("floats", "wide floats")


@dataclass(frozen=True)
class Setting:
    """A scheme with so many providers, and the operations, images and kinds of lies that it is tried on."""

    scheme: str
    providers: int
    operations: Mapping[str, Filter]
    images: tuple[str, ...]
    kinds: tuple[str, ...]
    plan: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.scheme, str(self.providers), *map(str, self.plan.values())])

    @property
    def costly(self) -> bool:
        return self.scheme == "paillier"


_PLAIN, _RING, _FIELD, _CIPHERTEXTS = (
    tuple(lies) for lies in (TAMPERINGS, of_residues(2**16), of_residues(65521), of_ciphertexts(3 * 5))
)
SETTINGS = (
    Setting("additive", 3, SHARED | COUNTED, SMALL, _RING),
    Setting("shamir", 3, SHARED | COUNTED, SMALL, _FIELD),
    Setting("shamir", 4, SHARED, SMALL, _FIELD, {"seeds": False}),
    Setting("packed", 5, SHARED, SMALL, _FIELD),
    Setting("paillier", 4, LINEAR, ("small", "flat"), _CIPHERTEXTS),
    Setting("bfv", 3, SHARED | COUNTED, SMALL, _RING),
    Setting("additive", 2, WHOLE, PLANES, _RING),
    Setting("shamir", 5, WHOLE, PLANES, _FIELD),
    Setting("additive", 3, IN_STEPS, FLOATS, _RING, {"step": STEP}),
    Setting("shamir", 3, IN_STEPS, FLOATS, _FIELD, {"step": STEP}),
    Setting("packed", 5, IN_STEPS, FLOATS, _FIELD, {"step": STEP}),
    Setting("bfv", 3, IN_STEPS, FLOATS, _RING, {"step": STEP}),
    Setting("ga-es", 4, LINEAR | OTHERS, BLOCKS, _PLAIN, {"block": 8}),
    Setting("ga-es", 9, LINEAR | OTHERS, BLOCKS, _PLAIN, {"block": 8}),
    Setting("ga-es", 2, LINEAR | OTHERS, BLOCKS, _PLAIN, {"block": 16}),
    Setting("ga-es-2018", 3, LINEAR | OTHERS, (*GREY, "colour"), _PLAIN, {"block": 8}),
    Setting("unprotected", 3, LINEAR | COUNTED | OTHERS, (*BLOCKS, "flat"), _PLAIN),
)


@dataclass(frozen=True)
class Told:
    """What became of one job's lies: how many, of whom liars were named, and what else must not be."""

    setting: Setting
    what: str
    kinds: tuple[str, ...]
    named: tuple[bool, ...]
    exact: bool
    slandered: frozenset[str]

    @property
    def accepted(self) -> tuple[str, ...]:
        """Kinds of the lies that made a result wrong."""
        return tuple(
            kind for kind, named in zip(self.kinds, self.named, strict=True) if not (named or self.exact)
        )


@cache
def _right(operation: str, image: str) -> NDArray[Any]:
    axis = -1 if image == "colour" else None
    return np.asarray(providers.apply(IMAGES[image], OPERATIONS[operation], channel_axis=axis))


def _equal(found: NDArray[Any] | None, wanted: NDArray[Any]) -> bool:
    return found is not None and found.dtype == wanted.dtype and np.array_equal(found, wanted)


class Tampering:
    """Jobs with liars, drawn at random; what a provider answered before is what it may replay."""

    def __init__(self, seed: int, *, verify: bool = True) -> None:
        self._random, self._verify = np.random.default_rng(seed), verify
        self._before: dict[tuple[str, int, str], NDArray[Any] | None] = {}

    def round(self, settings: tuple[Setting, ...]) -> Iterator[Told]:
        """Jobs in which every operation and every kind of lie of each setting takes part."""
        for setting in settings:
            names = self._random.permutation(list(setting.operations)).tolist()
            for number in range(max(len(names), len(setting.kinds))):
                kind = setting.kinds[number % len(setting.kinds)]
                yield self.job(setting, names[number % len(names)], kind)

    def job(self, setting: Setting, operation: str, kind: str) -> Told:
        """One job in which some lie: one of them in the given way, others in any, or all alike."""
        image = str(self._random.choice([each for each in setting.images if self._takes(operation, each)]))
        fleet: list[Endpoint] = [LocalEndpoint(f"c{number}") for number in range(setting.providers)]
        # A job with ciphertexts is dear, and gets as many liars as there are providers.
        most = setting.providers if setting.costly else int(self._random.integers(1, setting.providers + 1))
        together, seed = self._random.random() < COLLUDING, int(self._random.integers(2**32))
        liars: list[Liar] = []
        for place in self._random.permutation(setting.providers)[:most].tolist():
            chosen = kind if together or not liars else str(self._random.choice(setting.kinds))
            before = self._before.get((setting.scheme, setting.providers, f"c{place}"))
            # Of those that collude all change the same pixels, by the same.
            chance = seed if together else int(self._random.integers(2**32))
            liars.append(Liar(f"c{place}", chosen, np.random.default_rng(chance), before))
            fleet[place] = liars[-1]
        with cloudsec.Broker(
            fleet, scheme=setting.scheme, key=KEY, plan=setting.plan, seed=0, verify=self._verify
        ) as broker:
            axis = -1 if image == "colour" else None
            result = broker.process(IMAGES[image], OPERATIONS[operation], channel_axis=axis)
        self._before |= {(setting.scheme, setting.providers, liar.name): liar.before for liar in liars}
        lost = {loss.provider for loss in result.report.losses}
        lied = [liar for liar in liars if liar.lied]
        return Told(
            setting,
            f"{setting}: {operation} of {image}",
            tuple(liar.kind for liar in lied),
            tuple(liar.name in lost for liar in lied),
            _equal(result.image, _right(operation, image)),
            frozenset(lost - {liar.name for liar in lied}),
        )

    def _takes(self, operation: str, image: str) -> bool:
        if image == "31 bits":
            return operation in ("binomial", "mean", "laplacian", "sobel")
        return image != "volume" or operation not in PLANAR


def print_tampering(least: int) -> bool:
    """What became of so many lies or more, by kind and scheme; whether none did harm."""
    caught, right, accepted = (
        Counter[tuple[str, str]](),
        Counter[tuple[str, str]](),
        Counter[tuple[str, str]](),
    )
    jobs, wrong = 0, list[str]()
    tampering = Tampering(0)
    for number in count():
        if caught.total() + right.total() + accepted.total() >= least:
            break
        for told in tampering.round(
            tuple(each for each in SETTINGS if not each.costly or number % COSTLY_EVERY == 0)
        ):
            jobs += 1
            for kind, named in zip(told.kinds, told.named, strict=True):
                what = caught if named else right if told.exact else accepted
                what[kind, told.setting.scheme] += 1
            if not told.exact or told.slandered:
                wrong.append(f"{told.what}, {' and '.join(told.kinds)}")
    schemes = tuple(dict.fromkeys(each.scheme for each in SETTINGS))
    kinds = tuple(dict.fromkeys(kind for each in SETTINGS for kind in each.kinds))
    print("Of each kind of lie, liars that were named + lies that left the result right, and after ! those")
    print(f"that were accepted.\n\n{'':<14}" + "".join(f"{scheme:>13}" for scheme in schemes))
    print("-" * (14 + 13 * len(schemes)))
    for kind in kinds:
        cells = []
        for scheme in schemes:
            at = kind, scheme
            shown = f"{caught[at]}+{right[at]}" + (f"!{accepted[at]}" if accepted[at] else "")
            cells.append(f"{shown if caught[at] + right[at] + accepted[at] else '':>13}")
        print(f"{kind:<14}" + "".join(cells))
    total = caught.total() + right.total() + accepted.total()
    print(
        f"\n{total} lies in {jobs} jobs: {caught.total()} liars named, {right.total()} results right all the "
        f"same, {accepted.total()} accepted."
    )
    print("\n".join(["Wrong results, or honest providers named:", *wrong]) if wrong else "All results exact.")
    return not wrong


if __name__ == "__main__":
    with own_state():
        sys.exit(0 if print_tampering(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT) else 1)
