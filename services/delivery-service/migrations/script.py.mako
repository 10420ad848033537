"""${message}"""

from chassis.database.migrations import execute_script

revision = "${up_revision}"
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    execute_script("")
