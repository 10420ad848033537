"""Alembic's entry; the chassis does the work."""

from chassis.database.migrations import run_environment

run_environment()
