"""Twenty jobs show a provider no position that the first one did not give it: judged by what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from cloudsec import Report
from cloudsec.schemes import HOME
from providers import handle
from providers.errors import Busy
from providers.wire import encode_error
from tests import in_blocks
from tests.locating import Locator, noise
from tests.simulator import FAULTS, Behaviour, Simulated

KEY = b"a key of the tests and of nobody else"
SHAPE, OTHER = (300, 340), (256, 271)
Place = tuple[int, int]
OPERATIONS: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("mean", {"size": 1}, {}),
    ("sobel", {}, {}),
    ("median", {"size": 5}, {}),
    ("gaussian", {"sigma": 2.0}, {}),
    ("median", {"size": 3}, {"halo": "ring"}),
    ("mean", {"size": (9, 3)}, {"halo": "ring"}),
)


def busy_once() -> Behaviour:
    asked: list[bytes] = []

    def behave(request: bytes) -> bytes:
        asked.append(request)
        return encode_error(Busy("later")) if len(asked) == 1 else handle(request)

    return behave


@dataclass
class Study:
    """What every provider was really sent in a study, and what it may hold."""

    name: str | None
    seed: int = 0
    may_hold: dict[tuple[tuple[int, int], str], set[Place]] = field(default_factory=dict)
    sent: dict[tuple[tuple[int, int], str], set[Place]] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)

    def job(
        self, names: Iterable[str], number: int = 2, shape: tuple[int, int] = SHAPE, **behaviours: Behaviour
    ) -> Report:
        """One job by a broker of its own, and a check of what each provider was sent."""
        self.seed += 1
        image = noise(shape, self.seed)
        clouds = [Simulated(name, behaviours.get(name, handle)) for name in names]
        operation, parameters, plan = OPERATIONS[number]
        with in_blocks.Broker(clouds, key=KEY, plan=plan) as broker:
            report = broker.process(image, operation, study=self.name, **parameters).report
        self.note(shape, Locator(image), clouds, report)
        return report

    def note(self, shape: tuple[int, int], locator: Locator, clouds: list[Simulated], report: Report) -> None:
        plan = report.exposure.plan
        own = (plan.windows[:, :2] + plan.windows[:, 2:]).tolist()
        for party, cloud in enumerate(clouds):
            key = shape, cloud.name
            centres = locator.centres(cloud)
            if key not in self.may_hold and centres:
                planned = (plan.owners == party) | (plan.stand_ins == party)
                self.may_hold[key] = {tuple(own[piece]) for piece in np.flatnonzero(planned)}
            assert centres <= self.may_hold.get(key, set()), f"{cloud.name} was sent a position more"
            self.sent.setdefault(key, set()).update(centres)
            # The report's own book is what was sent.
            booked = np.flatnonzero(report.exposure.received[party])
            assert centres == {tuple(own[piece]) for piece in booked}
        self.reports.append(report)


@pytest.mark.parametrize(("count", "name"), [(4, "knee-17"), (9, None), (7, "knee-17"), (8, None), (3, "x")])
def test_in_twenty_jobs_no_provider_is_sent_a_position_more_than_by_the_first(
    count: int, name: str | None
) -> None:
    names = [f"cloud-{number}" for number in range(count)]
    study = Study(name)
    # Few providers only work without halos; with more of them, halos of many widths.
    numbers = (4, 5, 0) if count < 4 else tuple(range(len(OPERATIONS)))

    def operation(turn: int) -> int:
        return numbers[turn % len(numbers)]

    first_two_at_once(study, names, operation(0))
    for turn in range(3):
        study.job(names, operation(turn))
    study.job(names, operation(3), **{names[1]: busy_once()})
    study.job(reversed(names), operation(4))
    # Lost in the middle of a job; lied; absent; back.
    study.job(names, operation(5), **{names[0]: FAULTS["exception"][0]})
    study.job(names, operation(2), **{names[1]: FAULTS["wrong shape"][0], names[2]: FAULTS["nothing"][0]})
    study.job(names[1:], operation(1))
    study.job(names, operation(3))
    study.job(names[:-1], operation(2), **{names[0]: FAULTS["exception"][0]})
    # A newcomer takes the place of one that left, keeps it, and gets no other.
    study.job([*names[1:], "newcomer"], operation(0))
    study.job([*names, "newcomer"], operation(3))
    study.job([*names[:1], *names[2:], "newcomer"], operation(2))
    study.job([*names[2:], "newcomer", "another"], operation(1))
    # Of another shape: a grid of its own, with rules of its own.
    for turn in range(3):
        study.job(names[turn:], operation(turn), OTHER)
    study.job(names, operation(4), OTHER)
    study.job([*names, "newcomer", "another"], operation(2))
    assert len(study.reports) >= 20
    for shape in (SHAPE, OTHER):
        own = [study.may_hold[shape, each] for each in names]
        newcomers = [held for (at, each), held in study.may_hold.items() if at == shape and each not in names]
        # Who comes later holds what one of the first held, and no two of them the same.
        assert all(any(held <= before for before in own) for held in newcomers)
        assert len(set(map(frozenset, newcomers))) == len(newcomers)
    assert study.sent[SHAPE, "newcomer"]


def first_two_at_once(study: Study, names: list[str], number: int) -> None:
    """The first job of a study, by two brokers that start together and know nothing of each other."""
    operation, parameters, plan = OPERATIONS[number]
    images = [noise(SHAPE, 1000 + turn) for turn in range(2)]
    everyone = [[Simulated(name) for name in names] for _ in images]
    reports: list[Report | None] = [None, None]
    together = threading.Barrier(2)

    def run(turn: int) -> None:
        with in_blocks.Broker(everyone[turn], key=KEY, plan=plan) as broker:
            together.wait()
            reports[turn] = broker.process(images[turn], operation, study=study.name, **parameters).report

    threads = [threading.Thread(target=run, args=(turn,)) for turn in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for image, clouds, report in zip(images, everyone, reports, strict=True):
        assert report is not None
        study.note(SHAPE, Locator(image), clouds, report)


def test_stand_ins_are_given_only_what_they_were_planned_for() -> None:
    names = [f"cloud-{number}" for number in range(8)]
    study = Study("knee-17")
    first = study.job(names)
    for lost in names:
        report = study.job(names, **{lost: FAULTS["exception"][0]})
        assert sum(report.losses[0].at_stand_ins.values()) > 0
    for party, name in enumerate(names):
        plan = first.exposure.plan
        planned = (plan.owners == party) | (plan.stand_ins == party)
        assert len(study.sent[SHAPE, name]) <= planned.sum()
        # Each was lost once, so that some of its blocks were needed elsewhere.
        assert len(study.sent[SHAPE, name]) > (plan.owners == party).sum()
    assert (first.exposure.plan.stand_ins != HOME).mean() > 0.3


def test_a_second_grid_that_was_asked_for_is_counted() -> None:
    names = [f"cloud-{number}" for number in range(9)]
    image = noise(SHAPE)

    def over_study(**plan: int) -> bool:
        with in_blocks.Broker([Simulated(name) for name in names], key=KEY, plan=plan) as broker:
            counted = broker.process(image, "median", study="knee-17").report.leakage["over_study"]
        assert isinstance(counted, bool)
        return counted

    assert over_study()
    assert over_study()
    assert not over_study(block=16)
    assert not over_study()


def test_studies_of_other_names_and_keys_show_other_assignments() -> None:
    names = [f"cloud-{number}" for number in range(9)]
    image = noise(SHAPE)
    locator = Locator(image)
    held = []
    for key, study in ((KEY, "a"), (KEY, "b"), (KEY, None), (bytes(32), "a"), (KEY, "a")):
        clouds = [Simulated(name) for name in names]
        with in_blocks.Broker(clouds, key=key) as broker:
            broker.process(image, "median", study=study)
        held.append([frozenset(locator.centres(cloud)) for cloud in clouds])
    assert held[0] == held[-1]
    assert len(set(map(tuple, held[:4]))) == 4
