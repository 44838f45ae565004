from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cloudsec
import providers
from cloudsec.keystream import Keystream
from cloudsec.schemes import HOME, unprotected
from cloudsec.schemes.unprotected import Unprotected
from cloudsec.study import Study
from providers import service
from tests.planning import KEYS, job_of, names, noise


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


@settings(max_examples=60)
@given(
    st.integers(1, 9),
    st.integers(1, 40),
    st.sampled_from([1, 3, 4]),
    st.sets(st.integers(0, 8)),
    st.booleans(),
)
def test_every_row_is_a_piece_of_one_who_is_there_and_all_of_a_party_are_one_slab(
    count: int, height: int, components: int, gone: set[int], fewer_rows: bool
) -> None:
    listed = names(count)
    there = [name for number, name in enumerate(listed) if number not in gone]
    job = job_of(noise(components, height, 7), "mean", listed, present=there, size=5)
    plan = Unprotected().plan(job, Study(), KEYS)
    assert plan.boxes.tolist() == [[row, 0, row + 1, 7] for row in range(height)]
    assert plan.home == ()
    assert plan.study is None
    assert (plan.stand_ins == HOME).all()
    asked = [listed[owner] for owner in plan.owners] if there else []
    assert asked == sorted(asked)
    assert set(asked) <= set(there)
    sizes = [asked.count(name) for name in there]
    assert not there or max(sizes) - min(sizes) <= 1
    assert plan.regions == len(set(asked))
    # Any pieces may have to be sent: after a loss, say.
    pieces = np.flatnonzero(plan.owners != HOME)[int(fewer_rows) :: 2 if fewer_rows else 1]
    protected = Unprotected().protect(job, plan, pieces, KEYS)
    wanted = np.stack([providers.apply(plane, "mean", size=5) for plane in job.planes])
    result = np.full_like(wanted, 77)
    for sealed, own, entry in zip(protected.sealed, protected.pieces, protected.manifest, strict=True):
        assert (plan.owners[own] == sealed.party).all()
        answer = job.operation.finish(job.operation.run(sealed.task.stack), np.uint8)
        Unprotected().place(result, answer, sealed.task, entry)
    assert (result[:, pieces] == wanted[:, pieces]).all()
    untouched = np.setdiff1d(np.arange(height), pieces)
    assert (result[:, untouched] == 77).all()


def test_a_window_is_the_row_with_the_halo_that_there_is() -> None:
    job = job_of(noise(5, 9), "median", 2, size=5)
    plan = Unprotected().plan(job, Study(), KEYS)
    assert plan.windows.tolist() == [[0, 0, 3, 9], [0, 0, 4, 9], [0, 0, 5, 9], [1, 0, 5, 9], [2, 0, 5, 9]]


def test_what_is_sent_is_the_image_as_it_is_whatever_the_key() -> None:
    job = job_of(noise(3, 40, 30), "median", 2)
    plan = Unprotected().plan(job, Study(), KEYS)
    pieces = np.arange(40)
    sealed = Unprotected().protect(job, plan, pieces, Keystream.fresh()).sealed
    plain = Unprotected().plain(job, plan, pieces)
    assert [component for component, _ in plain] == [int(each.components[0]) for each in sealed]
    for (_, stack), each in zip(plain, sealed, strict=True):
        assert (stack == each.task.stack).all()
    first = sealed[0].task.stack[0]
    assert (first[1:-1, 1:-1] == job.planes[0][: len(first) - 2]).all()


@pytest.mark.parametrize(
    ("tolerate", "plan", "says"),
    [
        (1, {}, "withstands nobody; use scheme 'ga-es', or tolerate=0"),
        (0, {"block": 32}, "scheme 'unprotected' has no choice 'block' in its plan; it takes none"),
    ],
)
def test_what_slabs_do_not_offer_is_refused(tolerate: int, plan: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Unprotected().plan(job_of(noise(9, 9), "median", 2, tolerate=tolerate, plan=plan), Study(), KEYS)
