"""Erasures of deleted users."""

from chassis.migrations import execute_script
from chassis.schema import CREATE_V4

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    execute_script(CREATE_V4)
