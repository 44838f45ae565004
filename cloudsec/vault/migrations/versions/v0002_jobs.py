"""Users of the daemon, their jobs, and what these consist of."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.String(64)
_PART = sa.String(96)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "users",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("jobs", sa.Integer),
        sa.Column("bytes", sa.BigInteger),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("user", _ID, nullable=False),
        sa.Column("patient", _ID, sa.ForeignKey("patients.id", ondelete="CASCADE")),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("changed", sa.Float, nullable=False),
        sa.Column("owner", _ID),
        sa.Column("lease", sa.Float),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("losses", sa.Integer, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("code", sa.String(32)),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("failure", sa.LargeBinary),
    )
    op.create_index("ix_jobs_user", "jobs", ["user"])
    op.create_index("ix_jobs_patient", "jobs", ["patient"])
    op.create_index("jobs_to_claim", "jobs", ["state", "created"])
    op.create_table(
        "job_parts",
        sa.Column("id", _PART, primary_key=True),
        sa.Column("job", _ID, sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("job", "kind", "number"),
    )
    op.create_index("ix_job_parts_job", "job_parts", ["job"])
    op.create_table(
        "job_pieces",
        sa.Column("part", _PART, sa.ForeignKey("job_parts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "job_moves",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("job", _ID, nullable=False),
        sa.Column("move", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("owner", _ID),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("ix_job_moves_job", "job_moves", ["job"])
