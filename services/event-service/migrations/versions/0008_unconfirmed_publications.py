"""Until when an event whose publication got no answer stays PROCESSING (ADR 0028)."""

from chassis.database.migrations import execute_script

revision = "0008"
down_revision = "0007"

# NULL: nothing is in doubt. In real time, like leases.
CREATE = "ALTER TABLE events ADD COLUMN unconfirmed_until timestamptz;"


def upgrade() -> None:
    execute_script(CREATE)
