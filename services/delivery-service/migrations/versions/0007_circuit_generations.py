"""A circuit knows its probe and its generation, and what attempts in a row have cost."""

from chassis.database.migrations import execute_script

revision = "0007"
down_revision = "0006"

# generation grows whenever the circuit opens or closes; attempts of an earlier one do not count. probe is the delivery
# that decides while HALF_OPEN. timeouts_in_row and lost_seconds are of the attempts since one that did not time out, or
# did not fail.
CREATE = """
ALTER TABLE circuits
    ADD COLUMN generation      integer NOT NULL DEFAULT 0,
    ADD COLUMN probe           uuid,
    ADD COLUMN timeouts_in_row integer NOT NULL DEFAULT 0,
    ADD COLUMN lost_seconds    double precision NOT NULL DEFAULT 0;
"""


def upgrade() -> None:
    execute_script(CREATE)
