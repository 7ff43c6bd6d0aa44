"""The migrations of the read models, run by Alembic."""
