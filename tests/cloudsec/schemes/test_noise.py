"""Shares of any tolerated coalition beside uniform noise, by tests that find a weak generator."""

import random
from collections.abc import Callable
from itertools import combinations
from math import atanh, prod, sqrt
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, norm
from skimage import data

from cloudsec.schemes.sharing import Sharing
from providers.residues import FIELDS, RINGS, expanded, reduced

ALPHA = 1e-9
"""How often a test may fail on true noise; keys are fixed, so that it never does."""
BINS = 16
SHARINGS = [
    Sharing.additive(2, RINGS[0]),
    Sharing.additive(3, RINGS[2]),
    Sharing.additive(2, FIELDS[0]),
    Sharing.polynomial(3, 1, 1, FIELDS[0]),
    Sharing.polynomial(5, 2, 1, FIELDS[0]),
    Sharing.polynomial(3, 1, 1, FIELDS[2]),
    Sharing.polynomial(3, 1, 2, FIELDS[0]),
    Sharing.polynomial(6, 2, 2, FIELDS[1]),
    Sharing.polynomial(5, 1, 4, FIELDS[0]),
]


def binned(values: NDArray[Any], modulus: int) -> NDArray[np.int64]:
    """Residues in `BINS` parts of their range."""
    return (values.astype(np.float64) * (BINS / modulus)).astype(np.int64).clip(0, BINS - 1).ravel()


def unlike_uniform(shares: list[NDArray[Any]], modulus: int) -> bool:
    """Chi-square of all parts of the range together, and of the lowest bits."""
    joint = sum(binned(share, modulus) * BINS**i for i, share in enumerate(shares))
    lowest = sum(
        (share.astype(np.uint64) % BINS).astype(np.int64).ravel() * BINS**i for i, share in enumerate(shares)
    )
    cells = BINS ** len(shares)
    for seen in (joint, lowest):
        counts = np.bincount(seen, minlength=cells)
        expected = len(seen) / cells
        if ((counts - expected) ** 2 / expected).sum() > chi2.isf(ALPHA, cells - 1):
            return True
    return False


def correlated(share: NDArray[Any], image: NDArray[Any]) -> bool:
    """Fisher's z of the correlation of a share with the image."""
    correlation = np.corrcoef(share.ravel().astype(np.float64), image.ravel().astype(np.float64))[0, 1]
    return bool(abs(atanh(correlation)) * sqrt(image.size - 3) > norm.isf(ALPHA / 2))


def informative(shares: list[NDArray[Any]], image: NDArray[Any], modulus: int) -> bool:
    """Mutual information of the shares together and the image, as likelihood ratio (G-test)."""
    joint = sum(binned(share, modulus) * BINS**i for i, share in enumerate(shares))
    levels = np.searchsorted(np.quantile(image, np.linspace(0, 1, 9)[1:-1]), image.ravel(), side="right")
    cells = BINS ** len(shares)
    table = np.bincount(joint * 8 + levels, minlength=cells * 8).reshape(cells, 8).astype(np.float64)
    table = table[:, table.any(axis=0)]
    rows, columns = table.sum(axis=1, keepdims=True), table.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = table * np.log(table * image.size / (rows * columns))
    freedom = (int((rows > 0).sum()) - 1) * (table.shape[1] - 1)
    return bool(2 * np.nansum(terms) > chi2.isf(ALPHA, max(1, freedom)))


Generator = Callable[[int, tuple[int, ...]], NDArray[Any]]


def found(sharing: Sharing, generator: Generator) -> set[str]:
    """Which tests tell the shares of some tolerated coalition from noise."""
    image = data.camera()[::2, ::2].astype(np.uint8)
    pieces = np.stack(np.split(image, sharing.secrets))
    secrets = reduced(pieces, sharing.modulus)
    masks = generator(sharing.modulus, (sharing.privacy, *pieces.shape[1:]))
    shares = np.concatenate([masks, sharing.dealt(secrets, masks)])
    signs = set()
    for coalition in combinations(range(sharing.parties), sharing.privacy):
        held = [shares[party] for party in coalition]
        if unlike_uniform(held, sharing.modulus):
            signs.add("chi-square")
        for piece in pieces:
            if any(correlated(share, piece) for share in held):
                signs.add("correlation")
            if informative(held, piece, sharing.modulus):
                signs.add("mutual information")
    return signs


@pytest.mark.parametrize("sharing", SHARINGS, ids=str)
def test_no_tolerated_coalition_can_tell_its_shares_from_noise(sharing: Sharing) -> None:
    assert not found(sharing, lambda modulus, shape: expanded(b"a key of 128 bit", modulus, shape))


@pytest.mark.parametrize("sharing", SHARINGS, ids=str)
def test_the_same_tests_find_coefficients_from_0_to_100(sharing: Sharing) -> None:
    weak = random.Random(0)

    def generator(modulus: int, shape: tuple[int, ...]) -> NDArray[Any]:
        drawn = [weak.randint(0, 100) for _ in range(prod(shape))]
        return reduced(np.array(drawn).reshape(shape), modulus)

    assert found(sharing, generator) == {"chi-square", "correlation", "mutual information"}
