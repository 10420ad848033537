"""Erasures of deleted users, and what the services report of them."""

from chassis.database.migrations import execute_script
from chassis.database.schema import CREATE_V4

revision = "0007"
down_revision = "0006"

CREATE = """
CREATE TABLE erasure_reports (
    user_id   uuid NOT NULL REFERENCES erasures ON DELETE CASCADE,
    service   text NOT NULL,
    erased_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, service)
);
"""


def upgrade() -> None:
    execute_script(CREATE_V4 + CREATE)
