"""The daemon's tables: users, their jobs, and what these consist of.

In the clear are random ids, states, times, sizes and users' names.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from cloudsec.vault.tables import ID, METADATA, Sealed

PART = String(96)
"""A job, a kind and a number, and what is random."""

users = Table(
    "users",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("token", String(64), nullable=False),
    Column("jobs", Integer),
    Column("bytes", BigInteger),
    Column("created", Float, nullable=False),
)
"""`token` is a hash; `jobs` and `bytes` are quotas, null where the daemon's hold."""

jobs = Table(
    "jobs",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("user", ID, nullable=False, index=True),
    Column("patient", ID, ForeignKey("patients.id", ondelete="CASCADE"), index=True),
    Column("state", String(16), nullable=False),
    Column("created", Float, nullable=False),
    Column("changed", Float, nullable=False),
    Column("owner", ID),
    Column("lease", Float),
    Column("attempt", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("code", String(32)),
    Column("request", Sealed("id", "user", "patient"), nullable=False),
    Column("failure", Sealed("id", "user", "patient")),
    Index("jobs_to_claim", "state", "created"),
)
"""`attempt` counts how often a job was claimed: with `owner` it is the fence that only the present claim
passes. `losses` counts leases that ran out, `lease` is when that happens, by the database's clock. With a
`patient` go the jobs on their images, whatever their state: also what was asked and why it failed."""

parts = Table(
    "job_parts",
    METADATA,
    Column("id", PART, primary_key=True),
    Column("job", ID, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("number", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    UniqueConstraint("job", "kind", "number"),
)
"""What a job consists of: its images, results and report. The id tells job, kind and number too, and with it
what is sealed in the pieces is bound to these."""

pieces = Table(
    "job_pieces",
    METADATA,
    Column("part", PART, ForeignKey("job_parts.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content", Sealed("part", "number"), nullable=False),
)
"""The bytes of a part, sealed piece by piece."""

moves = Table(
    "job_moves",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job", ID, nullable=False, index=True),
    Column("move", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("owner", ID),
    Column("at", Float, nullable=False),
)
"""Every move of every job, written with it and never changed: what a job's life was."""
