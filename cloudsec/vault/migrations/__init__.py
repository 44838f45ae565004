"""The history of the database's tables, by alembic; it is run when a vault is opened."""
