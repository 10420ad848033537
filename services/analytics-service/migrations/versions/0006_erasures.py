"""Erasures of deleted users."""

from chassis.database.migrations import execute_script
from chassis.database.schema import CREATE_V4

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    execute_script(CREATE_V4)
