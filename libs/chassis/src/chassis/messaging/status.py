"""How a service stands as a whole: asked of its database and the bus, so that each of its processes says the same."""

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy import text

from chassis.core.ttl_cache import TtlCache
from chassis.database.database import Database
from chassis.messaging.bus import BUS_ERRORS, Bus
from contracts.http.status import DatabaseStatus, OutboxStatus, QueueStatus, ServiceStatus
from contracts.topology import Queue

log = structlog.get_logger(__name__)

BUS_SECONDS = 2.0
"""How long the bus may take to answer before its queues' depths are said to be unknown."""
COUNTED = 100_000
"""The limit up to which unsent items are counted: it is the one who asks that must not make a long backlog longer."""

# numbackends is readable by every role, unlike pg_stat_activity. The whole server's, as its limit is.
_STATUS = text(
    "SELECT clock_timestamp() AS taken_at,"
    " (SELECT CAST(sum(numbackends) AS integer) FROM pg_stat_database) AS used,"
    " CAST(current_setting('max_connections') AS integer) AS max,"
    " (SELECT count(*) FROM (SELECT FROM outbox WHERE sent_at IS NULL LIMIT :counted) AS unsent) AS unsent,"
    " CAST(coalesce((SELECT extract(epoch FROM clock_timestamp() - created_at) FROM outbox WHERE sent_at IS NULL"
    "  ORDER BY id LIMIT 1), 0) AS float8) AS unsent_age,"
    " (SELECT count(*) FROM (SELECT FROM dead_letters LIMIT :counted) AS kept) AS dead_letters,"
    " (SELECT jsonb_object_agg(queue, greatest(0, extract(epoch FROM clock_timestamp() - reached_at)))"
    "  FROM queue_marks) AS ages"
)


class StatusReader:
    """The status of a service, at most a second old. ``queues`` are those that the service works on."""

    def __init__(self, database: Database, bus: Bus, queues: Sequence[Queue]) -> None:
        self._database = database
        self._bus = bus
        self._queues = queues
        self._status = TtlCache(self._ask)

    async def read(self) -> ServiceStatus:
        """Raises the database's error if it is unreachable."""
        return await self._status.read()

    async def _ask(self) -> ServiceStatus:
        counting = asyncio.create_task(self._count())
        try:
            async with self._database.read() as connection:
                row = (await connection.execute(_STATUS, {"counted": COUNTED})).one()
            counts, bus_error = await counting
        finally:
            # Reads without a waiter, because the database is unreachable or the reader has gone.
            counting.cancel()
        ages = row.ages or {}
        replica = self._database.replica
        if replica is not None:
            replica.watch()
        return ServiceStatus(
            taken_at=row.taken_at,
            database=DatabaseStatus(
                connections_used=row.used,
                connections_max=row.max,
                replica_lag_seconds=replica.lag_seconds if replica else None,
            ),
            outbox=OutboxStatus(unsent=row.unsent, oldest_age_seconds=row.unsent_age),
            queues=tuple(self._queue(queue, counts.get(queue.name), ages.get(queue.name)) for queue in self._queues),
            dead_letter_messages=row.dead_letters,
            bus_error=bus_error,
        )

    @staticmethod
    def _queue(queue: Queue, counts: tuple[int, int, int] | None, age: float | None) -> QueueStatus:
        depth, in_flight, dead = counts or (None, None, None)
        oldest = None if depth is None else 0.0 if depth == 0 else None if age is None else float(age)
        return QueueStatus(
            name=queue.name,
            priority=queue.priority,
            depth=depth,
            in_flight=in_flight,
            dead=dead,
            oldest_age_seconds=oldest,
            concurrency=queue.concurrency,
            warn_depth=queue.warn_depth,
            page_depth=queue.page_depth,
        )

    async def _count(self) -> tuple[dict[str, tuple[int, int, int]], str | None]:
        """Waiting, in flight and dead, by the queue's name; or the reason why that is not known."""
        try:
            async with asyncio.timeout(BUS_SECONDS):
                found = await asyncio.gather(*(self._count_one(queue) for queue in self._queues))
        except BUS_ERRORS as error:
            log.warning("bus does not tell its depths", error=repr(error))
            return {}, type(error).__name__
        return {queue.name: counts for queue, counts in zip(self._queues, found, strict=True)}, None

    async def _count_one(self, queue: Queue) -> tuple[int, int, int]:
        here, dead = await asyncio.gather(self._bus.counts(queue.name), self._bus.counts(queue.dead_letter_queue.name))
        return here.waiting, here.in_flight, dead.waiting + dead.in_flight
