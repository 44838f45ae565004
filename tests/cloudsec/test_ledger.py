"""What was handed out is written down before it is: the record of a study, around real jobs."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import providers
from cloudsec.errors import VaultError
from cloudsec.exposure import Exposure
from cloudsec.key_file import state_directory
from cloudsec.keystream import Keystream
from cloudsec.ledger import Ledger
from cloudsec.result import Result
from cloudsec.schemes import HOME, SCHEMES, Job, Plan
from cloudsec.study import Study, StudyGrid
from cloudsec.study_file import StudyFile
from providers import handle
from tests.in_blocks import Broker
from tests.planning import job_of, names, noise
from tests.racers import run_at_once
from tests.simulator import Simulated, fail

IMAGE = noise(100, 110)
PLAN = {"block": 8}
KEY = bytes(range(32))


def records() -> list[Path]:
    return sorted(state_directory().glob("*.sealed"))


def study_of(key: bytes, name: str | None = None, fleet: str = "") -> Study:
    """What stands in a study's record."""
    keys = Keystream.of(key).for_study(name, fleet)
    record = StudyFile(keys, state_directory()).read()
    assert record is not None
    return Study.decoded(record)


def clouds(count: int, behaviour: Callable[[bytes], bytes] = handle) -> list[Simulated]:
    return [Simulated(name, behaviour) for name in names(count)]


def process(fleet: Any, key: bytes = KEY, image: Any = IMAGE, **options: Any) -> Result:
    study = options.pop("study", None)
    with Broker(fleet, key=key, plan=options.pop("plan", PLAN), tolerate=0, **options) as broker:
        return broker.process(image, "median", study=study)


def test_the_record_is_there_before_the_first_byte_is_sent() -> None:
    seen: list[StudyGrid] = []

    def look(request: bytes) -> bytes:
        seen.extend(study_of(KEY).grids)
        return handle(request)

    process(clouds(4, look))
    assert len(seen) >= 4
    assert {grid.seats for grid in seen} == {study_of(KEY).grids[0].seats}
    # So is the halo under which blocks travel.
    assert {grid.halo for grid in seen} == {(1, 1)}


def test_what_stand_ins_are_about_to_be_given_is_recorded_before_they_are_asked() -> None:
    fleet = clouds(9)
    plan: dict[str, Any] = {"block": 8, "regions": 7}
    process(fleet, plan=plan)
    (grid,) = study_of(KEY).grids
    assert grid.lent == {}
    seen: dict[str, int] = {}
    tasks: dict[str, int] = {}

    def looking(name: str) -> Callable[[bytes], bytes]:
        def look(request: bytes) -> bytes:
            tasks[name] = tasks.get(name, 0) + 1
            if tasks[name] > 1:
                (now,) = study_of(KEY).grids
                seen[name] = int(now.lent[name].sum())
            return handle(request)

        return look

    (lost,) = grid.seats[0]
    fleet = [Simulated(name, fail if name == lost else looking(name)) for name in names(9)]
    result = process(fleet, plan=plan)
    assert (result.image == providers.apply(IMAGE, "median")).all()
    (loss,) = result.report.losses
    assert loss.provider == lost
    assert loss.at_stand_ins == seen
    assert len(seen) > 1
    (after,) = study_of(KEY).grids
    for name, blocks in after.lent.items():
        own = next(label for label, seat in enumerate(grid.seats) if name in seat)
        assert (blocks <= ((grid.classes == 0) & (grid.stand_ins == own))).all()
    # A second loss of the same provider gives them nothing new, and writes nothing.
    content = records()[0].read_bytes()
    process([Simulated(name, fail if name == lost else handle) for name in names(9)], plan=plan)
    assert records()[0].read_bytes() == content


def test_blocks_that_go_to_stand_ins_at_once_are_recorded_before_the_first_byte() -> None:
    process(clouds(7))
    (grid,) = study_of(KEY).grids
    lost = grid.seats[0][0]
    seen: list[int] = []

    def look(request: bytes) -> bytes:
        seen.append(sum(int(blocks.sum()) for blocks in study_of(KEY).grids[0].lent.values()))
        return handle(request)

    result = process([Simulated(name, look) for name in names(7) if name != lost])
    (loss,) = result.report.losses
    assert set(seen) == {sum(loss.at_stand_ins.values())}


@pytest.mark.parametrize("studies", [[None] * 8, ["knee"] * 8])
def test_threads_that_race_for_a_fresh_study_all_use_one_assignment(studies: list[str | None]) -> None:
    barrier = threading.Barrier(len(studies))
    results: list[Result] = []
    # Each of them sees another image, of which the areas and with them the halo policy could differ.
    images = [np.roll(IMAGE, number, axis=0) for number in range(len(studies))]
    held: list[dict[str, list[int]]] = [{} for _ in studies]

    def race(number: int) -> None:
        with Broker(clouds(6), key=KEY, plan=PLAN) as broker:
            barrier.wait(20)
            results.append(broker.process(images[number], "median", study=studies[number]))
        for party, name in enumerate(names(6)):
            held[number][name] = np.flatnonzero(results[-1].report.exposure.owners == party).tolist()

    racers = [threading.Thread(target=race, args=(number,)) for number in range(len(studies))]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(30)
    assert len(results) == len(studies)
    assert len(records()) == 1
    (grid,) = study_of(KEY, studies[0]).grids
    for result in results:
        plan = result.report.exposure.plan
        assert plan.study is not None
        (used,) = plan.study.grids
        assert used.seats == grid.seats
        assert (used.classes == grid.classes).all()


def test_processes_with_other_lists_that_race_for_a_fresh_study_all_use_one_assignment(
    tmp_path: Path,
) -> None:
    imports = (
        "import sys, json, numpy as np\n"
        "from cloudsec.ledger import Ledger\nfrom cloudsec.schemes import SCHEMES\n"
        "from cloudsec.study_file import StudyFile\nfrom pathlib import Path\n"
        "from tests.planning import KEYS, job_of, noise"
    )
    program = """
ledger = Ledger(SCHEMES["ga-es"], KEYS, StudyFile(KEYS, Path(sys.argv[1])))
# Everyone knows another four of twelve providers; whoever is first, the others follow.
listed = [f"cloud-{number}" for number in map(int, sys.argv[2:])]
plan = ledger.planned(job_of(noise(100, 110), "median", listed, plan={"block": 8}))
print(json.dumps([plan.study.grids[0].classes.tolist(), [seat[0] for seat in plan.study.grids[0].seats]]))
"""
    lists = [[str(tmp_path), *map(str, range(first, first + 4))] for first in (0, 4, 8)] * 2
    printed = run_at_once(imports, program, lists)
    assert len(set(printed)) == 1
    assert len(list(tmp_path.glob("*.sealed"))) == 1


def test_a_study_that_does_not_change_is_not_written_again() -> None:
    process(clouds(4))
    (record,) = records()
    before = record.read_bytes(), record.stat().st_ino, record.stat().st_mtime_ns
    process(clouds(4))
    process(clouds(4)[::-1], image=IMAGE[::-1])
    with Broker(clouds(4), key=KEY, tolerate=0) as broker:
        broker.process(IMAGE, "median", size=(1, 3))
    assert (record.read_bytes(), record.stat().st_ino, record.stat().st_mtime_ns) == before
    # A wider halo is new, and so is another shape.
    with Broker(clouds(4), key=KEY, tolerate=0) as broker:
        broker.process(IMAGE, "median", size=(1, 5))
    assert record.read_bytes() != before[0]
    assert study_of(KEY).grids[0].halo == (1, 2)
    process(clouds(4), image=IMAGE[:90])
    assert [grid.shape for grid in study_of(KEY).grids] == [(100, 110), (90, 110)]


def test_an_image_that_is_computed_at_home_leaves_no_record() -> None:
    process(clouds(4), image=IMAGE[:10])
    assert records() == []
    with Broker(4, scheme="unprotected") as broker:
        broker.process(IMAGE, "median")
    assert not state_directory().exists()


DAMAGES: dict[str, Callable[[bytes, StudyFile], bytes]] = {
    "a byte changed": lambda sealed, _: sealed[:-1] + bytes([sealed[-1] ^ 1]),
    "cut off": lambda sealed, _: sealed[:40],
    "empty": lambda _, __: b"",
    "sealed, but no study": lambda _, file: file._sealed(b"{}"),
    "sealed, but of another version": lambda _, file: file._sealed(b'{"version": 2, "grids": []}'),
    "sealed, but with a wrong field": lambda _, file: file._sealed(
        (file.read() or b"").replace(b'"halo": [1, 1]', b'"halo": [1]')
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_of_a_study_with_a_damaged_record_nothing_is_sent(damage: str) -> None:
    process(clouds(4), study="knee")
    (record,) = records()
    file = StudyFile(Keystream.of(KEY).for_study("knee", ""), state_directory())
    assert file.path == record
    damaged = DAMAGES[damage](record.read_bytes(), file)
    record.write_bytes(damaged)
    fleet = clouds(4)
    for image in (IMAGE, IMAGE[:90], IMAGE[:10]):
        with pytest.raises(VaultError, match=r"study-.*restore it from a backup"):
            process(fleet, study="knee", image=image)
    assert not any(cloud.requests for cloud in fleet)
    assert record.read_bytes() == damaged
    # Other studies are not touched by it.
    process(fleet, study="hip")


def test_embedded_fleets_of_other_sizes_are_studies_of_their_own() -> None:
    for count in (4, 9, 4):
        process(count)
    assert len(records()) == 2
    for count in (4, 9):
        (grid,) = study_of(KEY, None, f"{count} embedded").grids
        assert grid.members == {f"embedded-{number + 1}" for number in range(count)}


def test_images_without_a_name_share_one_study_and_named_ones_have_their_own() -> None:
    fleet = clouds(4)
    for number in range(3):
        process(fleet, image=np.roll(IMAGE, number))
    assert len(records()) == 1
    assert len(study_of(KEY).grids) == 1
    process(fleet, study="knee")
    process(fleet, study="hip")
    process(fleet, study="hip")
    assert len(records()) == 3
    process(fleet, key=os.urandom(32))
    assert len(records()) == 4


def ledger_at(place: Path) -> Ledger:
    keys = Keystream(KEY)
    return Ledger(SCHEMES["ga-es"], keys, StudyFile(keys, place))


def sent(plan: Plan, count: int) -> Any:
    """What each party is sent if nobody is lost."""
    return plan.owners == np.arange(count)[:, None]


def job_for(count: int = 4, **options: Any) -> Job:
    return job_of(IMAGE, "median", options.pop("listed", count), plan=options.pop("plan", PLAN), **options)


def test_what_cannot_be_written_down_is_not_lent_but_computed_at_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise VaultError("no room")

    fleet = clouds(9)
    plan: dict[str, Any] = {"block": 8, "regions": 7}
    process(fleet, plan=plan)
    monkeypatch.setattr(Ledger, "lend", full)
    asked = {cloud.name: len(cloud.requests) for cloud in fleet}
    busy = next(name for name, count in asked.items() if count)
    fleet[names(9).index(busy)].behaviour = fail
    result = process(fleet, plan=plan)
    assert (result.image == providers.apply(IMAGE, "median")).all()
    (loss,) = result.report.losses
    assert (loss.provider, loss.at_stand_ins) == (busy, {})
    assert loss.reason.endswith("; its stand-ins were not asked, because no room")
    assert loss.at_home == loss.blocks


def holds_over_study(ledger: Ledger, job: Job, plan: Plan, received: NDArray[np.bool_]) -> bool:
    """What the report of a job would say, with the record as it is now."""
    record = ledger.record.read()
    study = Study() if record is None else Study.decoded(record)
    return Exposure(job, replace(plan, study=study), ledger.scheme, plan.owners, (received,)).over_study


def test_the_figures_of_a_first_and_of_an_equal_job_hold_over_the_study(tmp_path: Path) -> None:
    ledger, job = ledger_at(tmp_path), job_for()
    for _ in range(2):
        plan = ledger.planned(job)
        assert holds_over_study(ledger, job, plan, sent(plan, 4))


def test_a_job_with_a_narrower_halo_or_the_ring_does_not_speak_for_one_with_a_wider(tmp_path: Path) -> None:
    ledger = ledger_at(tmp_path)
    wide, narrow = job_for(size=5), job_for(size=(3, 5))
    ring = job_for(plan=PLAN | {"halo": "ring"})
    plans = [ledger.planned(job) for job in (ring, narrow, wide)]
    covered = [
        holds_over_study(ledger, job, plan, sent(plan, 4))
        for job, plan in zip((ring, narrow, wide), plans, strict=True)
    ]
    assert covered == [False, False, True]


def test_where_blocks_stayed_at_home_that_were_sent_before_the_figures_do_not_hold(tmp_path: Path) -> None:
    ledger, job = ledger_at(tmp_path), job_for()
    plan = ledger.planned(job)
    received = sent(plan, 4)
    received[plan.owners[0], 0] = False
    assert not holds_over_study(ledger, job, plan, received)


def test_a_second_grid_is_not_covered_whether_of_the_shape_or_of_another(tmp_path: Path) -> None:
    crops, job = ledger_at(tmp_path / "crops"), job_for()
    plan = crops.planned(job)
    assert holds_over_study(crops, job, plan, sent(plan, 4))
    crops.planned(replace(job, planes=job.planes[:, :90]))
    assert not holds_over_study(crops, job, plan, sent(plan, 4))
    ledger = ledger_at(tmp_path / "blocks")
    plan = ledger.planned(job)
    second = job_for(plan={"block": 9})
    other = ledger.planned(second)
    assert not holds_over_study(ledger, job, plan, sent(plan, 4))
    assert not holds_over_study(ledger, second, other, sent(other, 4))


def test_an_image_that_was_never_sent_is_covered(tmp_path: Path) -> None:
    ledger = ledger_at(tmp_path)
    job = job_of(IMAGE[:10], "median", 4)
    plan = ledger.planned(job)
    assert holds_over_study(ledger, job, plan, sent(plan, 4))


def test_what_a_stand_in_once_got_is_covered_only_where_it_gets_it_again(tmp_path: Path) -> None:
    ledger, job = ledger_at(tmp_path), job_for(7)
    plan = ledger.planned(job)
    moved = np.flatnonzero((plan.owners == 0) & (plan.stand_ins != HOME))
    received = sent(plan, 7)
    # Lost after it was sent everything: what it had and what the stand-ins get are in the figures.
    lent = {name: plan.places[moved[plan.stand_ins[moved] == p]] for p, name in enumerate(names(7))}
    ledger.lend(job, plan, {name: places for name, places in lent.items() if len(places)})
    received[plan.stand_ins[moved], moved] = True
    assert holds_over_study(ledger, job, plan, received)
    # The next job, without a loss, gives them less.
    again = ledger.planned(job)
    assert not holds_over_study(ledger, job, again, sent(again, 7))
    # And so does one in which one of them is not even named.
    listed = [name for name in names(7) if name != next(n for n in lent if len(lent[n]))]
    without = job_for(listed=listed)
    plan = ledger.planned(without)
    assert not holds_over_study(ledger, without, plan, sent(plan, 6))


def test_what_one_held_who_is_gone_is_not_covered_by_several_stand_ins_together(tmp_path: Path) -> None:
    # Of sixteen classes every block has a stand-in, so that all blocks are sent again.
    ledger, job = ledger_at(tmp_path), job_for(16)
    ledger.planned(job)
    gone = job_for(16, present=names(16)[1:])
    plan = ledger.planned(gone)
    assert (plan.owners != HOME).all()
    assert len(np.unique(plan.owners)) == 15
    # It and one stand-in hold more now than any two that were asked in this job.
    assert not holds_over_study(ledger, gone, plan, sent(plan, 16))
    # A newcomer who takes the whole class is as good as who is gone.
    fresh = ledger_at(tmp_path / "other")
    fresh.planned(job)
    replaced = job_for(listed=[*names(16)[1:], "new"])
    plan = fresh.planned(replaced)
    assert holds_over_study(fresh, replaced, plan, sent(plan, 16))


def test_nothing_is_written_where_nothing_is_lent(tmp_path: Path) -> None:
    ledger, job = ledger_at(tmp_path), job_for()
    plan = ledger.planned(job)
    content = ledger.record.path.read_bytes()
    ledger.lend(job, plan, {})
    assert ledger.record.path.read_bytes() == content


def test_lending_of_a_study_that_is_gone_is_refused(tmp_path: Path) -> None:
    ledger, job = ledger_at(tmp_path), job_for(7)
    plan = ledger.planned(job)
    ledger.record.path.unlink()
    with pytest.raises(VaultError, match="was changed while a job ran"):
        ledger.lend(job, plan, {"cloud-1": plan.places[:1]})


def test_a_ledger_shows_no_key() -> None:
    assert "Keystream" not in repr(ledger_at(Path("somewhere")))
