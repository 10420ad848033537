"""Erasures of deleted users."""

from chassis.migrations import execute_script
from chassis.schema import CREATE_V4

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    execute_script(CREATE_V4)
