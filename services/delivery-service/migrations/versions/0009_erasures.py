"""Erasures of deleted users."""

from chassis.database.migrations import execute_script
from chassis.database.schema import CREATE_V4

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    execute_script(CREATE_V4)
