"""The life of a job: one table of every move that there is. Decisions only: no clock, no database."""

from __future__ import annotations

from enum import StrEnum

from cloudsec.errors import CloudsecError


class State(StrEnum):
    """Where a job stands."""

    RECEIVING = "receiving"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Move(StrEnum):
    """What can happen to a job."""

    START = "start"
    """All images are there."""
    CLAIM = "claim"
    """A worker takes it under a lease."""
    GIVE_BACK = "give back"
    """The worker stops before it is done; no attempt is lost."""
    LOSE = "lose"
    """The lease ran out, and the job has attempts left."""
    FINISH = "finish"
    FAIL = "fail"
    """It cannot be done, or its lease ran out as often as is allowed."""
    CANCEL = "cancel"


TABLE: dict[tuple[State, Move], State] = {
    (State.RECEIVING, Move.START): State.QUEUED,
    (State.RECEIVING, Move.CANCEL): State.CANCELLED,
    (State.QUEUED, Move.CLAIM): State.RUNNING,
    (State.QUEUED, Move.CANCEL): State.CANCELLED,
    (State.RUNNING, Move.GIVE_BACK): State.QUEUED,
    (State.RUNNING, Move.LOSE): State.QUEUED,
    (State.RUNNING, Move.FINISH): State.DONE,
    (State.RUNNING, Move.FAIL): State.FAILED,
    (State.RUNNING, Move.CANCEL): State.CANCELLED,
}
"""Whatever is not here cannot happen."""

ENDS = frozenset(state for state in State if not any(state is begin for begin, _ in TABLE))
"""A job that is there stays there."""


class WrongState(CloudsecError):
    """A move that the table does not have; the message says where the job stands, and the way out."""


def after(state: State, move: Move) -> State:
    """Where a move leads.

    >>> after(State.RUNNING, Move.FINISH)
    <State.DONE: 'done'>

    Raises
    ------
    WrongState
    """
    try:
        return TABLE[state, move]
    except KeyError:
        able = " or ".join(begin for begin, each in TABLE if each is move)
        raise WrongState(f"the job is {state}; to {move} it, it must be {able}") from None
