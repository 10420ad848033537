"""What the service's processes use that costs money."""

from chassis.database.migrations import execute_script
from chassis.database.schema import CREATE_V3

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    execute_script(CREATE_V3)
