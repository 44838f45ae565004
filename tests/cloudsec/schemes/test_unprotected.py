import numpy as np
import pytest

import cloudsec
import providers
from cloudsec.schemes import unprotected
from providers import service


def test_large_slabs_are_sent_in_several_tasks_to_the_same_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (101, 90), np.uint8)
    monkeypatch.setattr(unprotected, "SLAB_BYTES", 900)
    result = cloudsec.process(image, "gaussian", providers=3, scheme="unprotected")
    assert (result.image == providers.apply(image, "gaussian")).all()
    assert [provider.tasks for provider in result.report.providers] == [4, 4, 4]


def test_slabs_are_no_more_work_than_a_provider_does(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (101, 90), np.uint8)
    # Exactly eight rows with their halos: one pixel of halo less in the sum, and a provider refuses.
    limit = 25 * (90 + 4) * (8 + 4)
    monkeypatch.setattr(unprotected, "MAX_WORK", limit)
    monkeypatch.setattr(service, "MAX_WORK", limit)
    result = cloudsec.process(image, "median", size=5, providers=1, scheme="unprotected")
    assert (result.image == providers.apply(image, "median", size=5)).all()
    assert result.report.providers[0].tasks == 13


def test_more_providers_than_rows_leave_some_idle() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 90), np.uint8)
    result = cloudsec.process(image, "mean", providers=5, scheme="unprotected")
    assert (result.image == providers.apply(image, "mean")).all()
    assert sorted(provider.tasks for provider in result.report.providers) == [0, 0, 1, 1, 1]
    assert result.report.plan["regions"] == 3


def test_what_a_provider_received_is_its_slab_and_the_halo() -> None:
    image = np.zeros((100, 90), np.uint8)
    report = cloudsec.process(image, "median", providers=4, scheme="unprotected", size=5).report
    assert [round(p.received_share, 6) for p in report.providers] == [0.27, 0.29, 0.29, 0.27]
