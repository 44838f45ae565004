"""A series is jobs of one study, done one at a time."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import providers
from cloudsec import IncompatibleScheme, ProviderFailed
from cloudsec.key_file import state_directory
from tests.in_blocks import Broker
from tests.planning import names, noise
from tests.simulator import Simulated, fail

KEY = bytes(range(32))
SLICES = [noise(128, 128) // (1 + number) for number in range(3)]


class Slice(np.ndarray[Any, np.dtype[np.uint8]]):
    """An array that can be watched."""


def test_every_result_is_exact_and_all_are_of_one_study() -> None:
    with Broker(4, key=KEY) as broker:
        results = list(broker.map(iter(SLICES), "median", size=3, study="knee"))
    for image, result in zip(SLICES, results, strict=True):
        assert (result.image == providers.apply(image, "median", size=3)).all()
    assert [result.report.plan["reused"] for result in results] == [False, True, True]
    assert len(list(state_directory().glob("*.sealed"))) == 1


def test_an_image_is_taken_only_when_its_result_is_asked_for_and_none_is_kept() -> None:
    taken: list[weakref.ref[Slice]] = []

    def slices() -> Iterator[NDArray[np.uint8]]:
        for image in SLICES:
            watched = image.copy().view(Slice)
            taken.append(weakref.ref(watched))
            yield watched
            del watched

    with Broker(4, key=KEY) as broker:
        results = broker.map(slices(), "median", size=3)
        assert not taken
        for number in range(1, 4):
            held = weakref.ref(next(results))
            assert len(taken) == number
            gc.collect()
            assert held() is None
            assert all(image() is None for image in taken[:-1])


def test_a_wrong_operation_or_study_is_refused_before_an_image_is_taken() -> None:
    with Broker(4, key=KEY) as broker:
        with pytest.raises(ValueError, match="unknown operation"):
            broker.map(iter(SLICES), "polish")
        with pytest.raises(ValueError, match="study must be a name"):
            broker.map(iter(SLICES), "median", study="")


def test_an_error_says_which_image_and_stays_what_it_is() -> None:
    with Broker(4, key=KEY) as broker:
        results = broker.map([SLICES[0], SLICES[1].astype(np.float16)], "median", size=3)
        next(results)
        with pytest.raises(ValueError, match=r"^image 2 of the series: .*float16"):
            next(results)
        with pytest.raises(IncompatibleScheme, match="^image 1 of the series: "):
            next(Broker(4, key=KEY, plan={"block": 8}).map(SLICES, "median", size=11))
    broken = [Simulated(name, fail) for name in names(4)]
    results = Broker(broken, key=KEY, on_loss="fail").map(SLICES, "median", size=3)
    with pytest.raises(ProviderFailed, match="^image 1 of the series: .*cloud-"):
        next(results)
