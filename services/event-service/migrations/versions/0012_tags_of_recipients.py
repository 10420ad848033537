"""Calendar feeds of a tag find its users by an index (ADR 38)."""

from chassis.database.migrations import execute_script

revision = "0012"
down_revision = "0011"

INDEX = """
CREATE INDEX recipients_tags ON recipients USING gin (tags) WHERE NOT deleted;
"""


def upgrade() -> None:
    execute_script(INDEX)
