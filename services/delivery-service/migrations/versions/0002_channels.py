"""A delivery keeps its channel, which its endpoint may take along when it is deleted."""

from chassis.database.migrations import execute_script

revision = "0002"
down_revision = "0001"

# Null for an event without a matching endpoint, and for earlier rows. It comes from the endpoint, which has the
# check: one here would read the whole table under a lock.
# Operational events need a webhook or Slack endpoint; an e-mail or text message goes to an event's user: such a
# subscription was accepted, and no notification was sent.
CHANNELS = """
ALTER TABLE deliveries ADD COLUMN channel text;
UPDATE endpoints SET operational_events = NULL, version = version + 1
WHERE kind IN ('email', 'sms') AND operational_events IS NOT NULL;
"""


def upgrade() -> None:
    execute_script(CHANNELS)
