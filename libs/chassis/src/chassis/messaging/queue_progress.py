"""How far the consumers of a queue have come, which SQS itself does not report.

A mark is an instant: messages sent before it have been received by a consumer. A receive that brings messages has come
as far as the oldest of them, one that brings none as far as now. So the oldest message that waits is no older than the
mark of the consumer that has come farthest; queues are short and roughly in order (docs/architecture.md#topology).
"""

from collections.abc import Callable

from sqlalchemy import text

from chassis.database.database import Database

EVERY_SECONDS = 5.0
"""How often a process writes its mark down, and so how much too old a queue may look that is worked on."""

# A message's send time is by the clock of SQS: where it is ahead of ours, the mark is no later than now.
_ADVANCE = text(
    "INSERT INTO queue_marks AS m (queue, reached_at) VALUES (:queue,"
    " least(clock_timestamp(), to_timestamp(CAST(:reached AS float8))))"
    " ON CONFLICT (queue) DO UPDATE SET reached_at = greatest(m.reached_at, excluded.reached_at)"
)


class ProgressRecorder:
    """Writes down how far this process has come with a queue. A step of a loop.

    ``reached`` gives the mark in epoch seconds, None before the first receive.
    """

    def __init__(self, database: Database, queue: str, reached: Callable[[], float | None]) -> None:
        self._database = database
        self._queue = queue
        self._reached = reached
        self._written: float | None = None

    async def step(self) -> float:
        reached = self._reached()
        if reached is not None and reached != self._written:
            async with self._database.transaction() as tx:
                await tx.execute(_ADVANCE, {"queue": self._queue, "reached": reached})
            self._written = reached
        return EVERY_SECONDS
