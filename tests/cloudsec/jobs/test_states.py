"""The table of states, and a machine that does with one job whatever can be done, in any order."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, update

from cloudsec import client
from cloudsec.jobs import ENDS, Claim, JobQueue, JobStore, LostClaim, Move, State, WrongState
from cloudsec.jobs.queue import ATTEMPTS
from cloudsec.jobs.states import TABLE, after
from cloudsec.vault import KeyFile, Vault, open_vault
from cloudsec.vault.job_tables import jobs, moves
from tests.cloudsec.jobs.conftest import QUOTA, claimed


def test_nothing_leads_out_of_an_end_and_every_other_state_leads_to_each_end() -> None:
    assert {State.DONE, State.FAILED, State.CANCELLED} == ENDS == set(client.ENDS)
    reached = {state: {state} for state in State}
    for _ in State:
        for (begin, _move), end in TABLE.items():
            reached[begin] |= reached[end]
    assert all(reached[end] == {end} for end in ENDS)
    assert all(reached[state] >= ENDS for state in State if state not in ENDS)


def test_what_is_not_in_the_table_is_refused_with_the_state_and_the_way_out() -> None:
    for state, move in product(State, Move):
        if (state, move) in TABLE:
            assert after(state, move) is TABLE[state, move]
        else:
            with pytest.raises(WrongState, match=f"the job is {state}; to {move} it, it must be "):
                after(state, move)


def test_of_two_claims_of_one_worker_only_the_later_ends_the_job(
    vault: Vault, store: JobStore, queued: Callable[..., str]
) -> None:
    name, queue = queued(), JobQueue(vault, lease=-1.0)
    lost, held = claimed(queue), claimed(queue)
    assert lost.owner == held.owner
    assert not queue.renew(lost, 1, 2)
    for act in (
        lambda: queue.finish(lost, [b"late"], b"{}"),
        lambda: queue.fail(lost, "refused", "because"),
        lambda: queue.give_back(lost),
    ):
        with pytest.raises(LostClaim):
            act()
    queue.finish(held, [b"result"], b"{}")
    assert store.job(name).state is State.DONE


class OneJob(RuleBasedStateMachine):
    """The store beside a model: the state that the table says, and who holds the job."""

    vault: Vault

    @initialize()
    def make(self) -> None:
        self.store, self.queue = JobStore(self.vault), JobQueue(self.vault)
        # What an example before left behind would be claimed too.
        for job in self.store.jobs(limit=1000):
            if job.state not in ENDS:
                self.store.cancel(job.id)
            self.store.remove(job.id)
        self.name = self.store.create("somebody", b"{}", QUOTA).id
        self.state, self.claims, self.attempt, self.losses = State.RECEIVING, [], 0, 0
        self.here, self.late = False, False

    def _moves(self, move: Move, act: Callable[[], object]) -> None:
        try:
            self.state = after(self.state, move)
        except WrongState:
            with pytest.raises(WrongState):
                act()
        else:
            act()

    @rule()
    def send(self) -> None:
        if self.state is State.RECEIVING:
            self.store.keep(self.name, 0, b"image")
            self.here = True
        else:
            with pytest.raises(WrongState):
                self.store.keep(self.name, 0, b"image")

    @rule()
    def start(self) -> None:
        if self.state is State.RECEIVING and not self.here:
            with pytest.raises(WrongState, match="images of the job are missing"):
                self.store.start(self.name)
        else:
            self._moves(Move.START, lambda: self.store.start(self.name))

    @rule()
    def cancel(self) -> None:
        self._moves(Move.CANCEL, lambda: self.store.cancel(self.name))

    @rule(owner=st.sampled_from(["one", "two"]))
    def claim(self, owner: str) -> None:
        claim = self.queue.claim(owner)
        if self.state is State.RUNNING and self.late:
            self.losses += 1
            self.state = State.QUEUED if self.losses < ATTEMPTS else State.FAILED
        if self.state is State.QUEUED:
            self.attempt += 1
            assert claim == Claim(self.name, owner, self.attempt)
            self.claims.append(claim)
            self.state, self.late = State.RUNNING, False
        else:
            assert claim is None

    @rule()
    def let_the_lease_run_out(self) -> None:
        with self.vault.writing() as base:
            base.connection.execute(update(jobs).where(jobs.c.lease.is_not(None)).values(lease=0.0))
        self.late = self.state is State.RUNNING

    def _by(self, claim: Claim, move: Move, act: Callable[[], object]) -> None:
        if self.state is State.RUNNING and claim.attempt == self.attempt:
            act()
            self.state = after(self.state, move)
        else:
            with pytest.raises(LostClaim):
                act()

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        self._by(claim, Move.FINISH, lambda: self.queue.finish(claim, [b"result"], b"{}"))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        self._by(claim, Move.FAIL, lambda: self.queue.fail(claim, "refused", "because"))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        self._by(claim, Move.GIVE_BACK, lambda: self.queue.give_back(claim))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        mine = self.state is State.RUNNING and claim.attempt == self.attempt
        assert self.queue.renew(claim, 1, 2) == mine
        self.late = self.late and not mine

    @invariant()
    def the_store_says_what_the_table_says(self) -> None:
        job = self.store.job(self.name)
        assert (job.state, job.attempt) == (self.state, self.attempt)
        assert job.results == (self.state is State.DONE)
        if self.state in ENDS:
            assert job.images == 0

    @invariant()
    def the_journal_is_a_way_through_the_table_that_ends_once_at_the_most(self) -> None:
        with self.vault.reading() as base:
            journal = base.execute(
                select(moves.c.move, moves.c.state).where(moves.c.job == self.name).order_by(moves.c.id)
            ).all()
        state = State.RECEIVING
        for move, then in journal:
            state = after(state, Move(move))
            assert state == then
        assert state is self.state
        assert sum(then in ENDS for _, then in journal) == (self.state in ENDS)


def test_whatever_is_done_with_a_job_its_state_is_what_the_table_says(tmp_path: Path) -> None:
    often = settings(max_examples=15, stateful_step_count=20)
    with open_vault(f"sqlite:///{tmp_path}/vault.db", KeyFile(tmp_path / "vault.key")) as vault:
        run_state_machine_as_test(type("Machine", (OneJob,), {"vault": vault}), settings=often)
