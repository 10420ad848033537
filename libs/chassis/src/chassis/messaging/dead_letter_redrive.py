"""Puts dead letters back on their queue, as ``POST /v1/dead-letter-messages/{id}/redrive`` asks for."""

import structlog

from chassis.database.database import Database
from chassis.database.leases import Lease
from chassis.messaging import dead_letters
from chassis.messaging.bus import Bus
from contracts.attributes import MAX_ATTRIBUTES
from contracts.topology import Queue

log = structlog.get_logger(__name__)


class DeadLetterRedrive:
    """A step of a :class:`chassis.core.lifecycle.Loop` for one queue."""

    def __init__(self, database: Database, bus: Bus, queue: Queue, *, every_seconds: float) -> None:
        self._database = database
        self._bus = bus
        self._queue = queue
        self._every = every_seconds
        self._lease = Lease(database, f"redrive:{queue.name}", seconds=3 * every_seconds)

    async def step(self) -> float:
        """Put back one dead letter, if there is one to put back. Returns the pause in seconds.

        The row goes once SQS has the message. A process that dies in between sends the message twice, and consumers
        deduplicate by item.
        """
        if not await self._lease.held():
            return self._every
        letter = await dead_letters.next_redrive(self._database, self._queue.name)
        if letter is None:
            return self._every
        attributes = dict(list(letter.attributes.items())[:MAX_ATTRIBUTES])
        await self._bus.sqs.send_message(
            QueueUrl=await self._bus.queue_url(self._queue.name),
            MessageBody=letter.body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": str(value)} for name, value in attributes.items()
            },
        )
        await dead_letters.discard(self._database, letter.id)
        log.warning("dead letter put back on its queue", queue=self._queue.name, message_id=letter.message_id)
        return 0.0
