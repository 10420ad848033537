"""Queue marks, which the service's status reads."""

from chassis.database.migrations import execute_script
from chassis.database.schema import CREATE_V2

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    execute_script(CREATE_V2)
