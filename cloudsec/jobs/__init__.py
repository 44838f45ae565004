"""The daemon's jobs and users, kept in the vault's database: each job ends once, whoever works on it."""

from cloudsec.jobs.job import Claim, Job, Kind, LostClaim, NoSuchJob, OtherPatient, OverQuota, Quota, Words
from cloudsec.jobs.queue import JobQueue
from cloudsec.jobs.states import ENDS, Move, State, WrongState
from cloudsec.jobs.store import JobStore
from cloudsec.jobs.users import USER_NAME, Role, User, UserError, Users

__all__ = [
    "ENDS",
    "USER_NAME",
    "Claim",
    "Job",
    "JobQueue",
    "JobStore",
    "Kind",
    "LostClaim",
    "Move",
    "NoSuchJob",
    "OtherPatient",
    "OverQuota",
    "Quota",
    "Role",
    "State",
    "User",
    "UserError",
    "Users",
    "Words",
    "WrongState",
]
