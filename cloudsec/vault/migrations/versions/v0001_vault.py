"""Keys, secrets, records of studies, and who the patients of projects are."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.String(64)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "data_keys",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", _ID, nullable=False, unique=True),
        sa.Column("envelope", sa.String(32), nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "secrets",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "study_records",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("content", sa.LargeBinary),
    )
    op.create_table(
        "projects",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("name", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "patients",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("project", _ID, sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
        sa.Column("known_as", _ID, nullable=False, unique=True),
        sa.Column("pseudonym", _ID, nullable=False, unique=True),
        sa.Column("identity", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_patients_project", "patients", ["project"])
    op.create_table(
        "uids",
        sa.Column("patient", _ID, sa.ForeignKey("patients.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("replacement", _ID, primary_key=True),
        sa.Column("pair", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_uids_replacement", "uids", ["replacement"])
    op.create_table(
        "manifests",
        sa.Column("instance", _ID, primary_key=True),
        sa.Column("mark", _ID, primary_key=True),
        sa.Column("patient", _ID, sa.ForeignKey("patients.id", ondelete="CASCADE"), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_manifests_patient", "manifests", ["patient"])
