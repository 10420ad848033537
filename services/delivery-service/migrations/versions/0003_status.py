"""The data of the service's status: queue marks, and the open dead letters by reason."""

from chassis.database.migrations import execute_script
from chassis.database.schema import CREATE_V2

revision = "0003"
down_revision = "0002"

CREATE = """
CREATE INDEX delivery_dead_letters_open ON delivery_dead_letters (reason) WHERE status = 'OPEN';
"""


def upgrade() -> None:
    execute_script(CREATE_V2 + CREATE)
