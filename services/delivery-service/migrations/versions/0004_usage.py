"""What the service's processes use that costs money."""

from chassis.migrations import execute_script
from chassis.schema import CREATE_V3

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    execute_script(CREATE_V3)
