"""Broadcasts: created, read, cancelled, and processed in chunks (docs/architecture.md#broadcasts)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from pydantic import TypeAdapter
from uuid_utils.compat import uuid7

from chassis.database import idempotency
from chassis.database.database import Database, Transaction
from chassis.database.idempotency import IdempotencyKey
from chassis.database.notifications import notify
from chassis.database.read_cache import ReadCache
from chassis.database.read_routing import Reads
from chassis.messaging.outbox import Outbox
from chassis.telemetry.tracing import current_traceparent
from contracts.vocabulary import EventType
from event_service.adapters import broadcast_chunks, broadcasts, events
from event_service.adapters.broadcasts import Position
from event_service.adapters.partitions import Partitions
from event_service.domain.broadcast_times import (
    PreviewRow,
    preview_rows,
    slots_of,
    targets_of,
    texts_of,
    zones_of,
)
from event_service.domain.broadcasts import Broadcast, BroadcastStatus, NewBroadcast
from event_service.domain.errors import BroadcastNotFoundError, BroadcastStateError, ImpossibleTimeError
from event_service.domain.event_defaults import check_message, check_messages, lateness, resolve_priority
from event_service.domain.time_resolution import check_reachable, near_enough
from event_service.domain.type_rules import Rulebook

log = structlog.get_logger(__name__)

TYPE = EventType.NOTIFICATION
CHANNEL = "broadcasts"
"""Wakes the process that works on broadcasts."""
CANCELLED = "broadcast cancelled"
IDLE_SECONDS = 5.0
FULL_SECONDS = 0.5
"""Pause while the outbox holds so much that the bus would be flooded."""
COUNT_SECONDS = 2.0
"""How long counts are kept for others who ask: they are those of up to a million rows."""

Counts = dict[str, int]
_COUNTS = TypeAdapter(Counts)


async def create_broadcast(
    database: Database, rules: Rulebook, new: NewBroadcast, key: IdempotencyKey | None
) -> Broadcast:
    """Accept a broadcast; its events are made from then on. Under a key that has created one, that one is returned.

    Raises:
        ImpossibleTimeError, PriorityTooLowError, InvalidTemplateError, ExpiryBeforeGraceError
        IdempotencyKeyReusedError: the key came with another request.
    """
    async with database.transaction() as tx:
        broadcast_id = uuid7()
        claimed = await idempotency.claim(tx, key, broadcast_id)
        if claimed == broadcast_id:
            await broadcasts.insert(tx, _accepted(rules, broadcast_id, new, await events.current_time(tx)))
            await notify(tx, CHANNEL)
        return _found(await broadcasts.find(tx, claimed), claimed)


def _accepted(rules: Rulebook, broadcast_id: UUID, new: NewBroadcast, now: datetime) -> Broadcast:
    own = rules[TYPE]
    allowed = lateness(own, new.grace, new.expiry)
    priority = resolve_priority(TYPE, new.priority)
    if new.message is not None:
        check_message(TYPE, new.message)
    local = new.at is not None and new.at.tzinfo is None
    broadcast = Broadcast(
        id=broadcast_id,
        status=BroadcastStatus.SCHEDULING,
        audience=new.audience,
        wall=new.at if local else None,
        instant=None if local else new.at or now,
        priority=priority,
        message=own.message if new.message is None else new.message,
        payload=new.payload,
        gap=new.gap,
        overlap=new.overlap,
        grace=allowed.grace,
        expiry=allowed.expiry,
        traceparent=current_traceparent(),
        created_at=now,
        updated_at=now,
        window=new.window,
        ignores_window=new.ignores_window,
        spread=new.spread,
        messages=check_messages(TYPE, new.messages) if new.messages or new.message is not None else own.messages,
    )
    if broadcast.wall is not None:
        near_enough(broadcast.wall, now)
    targets = targets_of(rules, broadcast).values()
    if not targets:
        raise ImpossibleTimeError(f"none of the zones has {broadcast.occurrence}: clocks are changed then")
    check_reachable(max(targets), grace=allowed.grace, now=now)
    return broadcast


async def get_broadcast(reads: Reads, cache: ReadCache, broadcast_id: UUID) -> tuple[Broadcast, Counts]:
    """A broadcast, and its events by their status. Raises BroadcastNotFoundError."""
    broadcast = _found(await reads.find(lambda reader: broadcasts.find(reader, broadcast_id)), broadcast_id)

    async def count() -> Counts:
        async with reads.open() as reader:
            return await broadcasts.counts(reader, broadcast_id)

    if reads.fresh:
        return broadcast, await count()
    return broadcast, await cache.read(f"broadcast:{broadcast_id}", _COUNTS, count, ttl_seconds=COUNT_SECONDS)


async def preview_broadcast(
    database: Database, reads: Reads, rules: Rulebook, new: NewBroadcast
) -> Sequence[PreviewRow]:
    """When a broadcast would be sent to whom, by zone and in the order of time; nothing is made.

    Raises what :func:`create_broadcast` refuses it with.
    """
    async with database.read() as connection:
        broadcast = _accepted(rules, uuid7(), new, await events.read_time(connection))
    async with reads.open() as reader:
        counted = await broadcast_chunks.count_audience(reader, zones_of(new.audience), new.audience.tags)
    return preview_rows(rules, broadcast, counted)


async def list_broadcasts(reads: Reads, *, before: Position | None, limit: int) -> Sequence[Broadcast]:
    """Newest first; ``before`` is where the page before ended."""
    async with reads.open() as reader:
        return await broadcasts.newest(reader, before, limit)


async def cancel_broadcast(database: Database, broadcast_id: UUID) -> Broadcast:
    """Make no more events, and cancel those that wait; claimed and ended events are unchanged.

    Raises:
        BroadcastNotFoundError
        BroadcastStateError: it is cancelled already, or nothing of it waits any more.
    """
    async with database.transaction() as tx:
        broadcast = _found(await broadcasts.lock(tx, broadcast_id), broadcast_id)
        if broadcast.status in (BroadcastStatus.CANCELLING, BroadcastStatus.CANCELLED):
            raise BroadcastStateError(f"broadcast {broadcast_id} is {broadcast.status} already")
        if broadcast.status is BroadcastStatus.SCHEDULED and not await broadcasts.any_waiting(tx, broadcast_id):
            raise BroadcastStateError(f"broadcast {broadcast_id} is SCHEDULED and none of its events waits any more")
        await broadcasts.set_status(tx, broadcast_id, BroadcastStatus.CANCELLING)
        await notify(tx, CHANNEL)
        return _found(await broadcasts.find(tx, broadcast_id), broadcast_id)


class Broadcaster:
    """A step of a loop: one chunk of one broadcast, in one transaction. Safe in many processes, each on another one.

    Whatever ends a step undoes its chunk whole, and the next begins where the last that was committed ended.
    """

    def __init__(
        self, database: Database, outbox: Outbox, rules: Rulebook, partitions: Partitions, *, chunk: int
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._rules = rules
        self._partitions = partitions
        self._chunk = chunk

    async def step(self) -> float:
        if not await self._outbox.has_room(self._database):
            return FULL_SECONDS
        await self._partitions.cover()
        async with self._database.transaction() as tx:
            broadcast = await broadcasts.take(tx)
            if broadcast is None:
                return IDLE_SECONDS
            now = await events.current_time(tx)
            if broadcast.status is BroadcastStatus.SCHEDULING:
                await self._schedule(tx, broadcast, now)
            elif not await self._cancel(tx, broadcast, now):
                return FULL_SECONDS
            self._outbox.appended_in(tx)
        return 0.0

    async def _schedule(self, tx: Transaction, broadcast: Broadcast, now: datetime) -> None:
        apart = await broadcast_chunks.differences(tx, broadcast, limit=self._chunk)
        slots = slots_of(self._rules, broadcast, apart.windows)
        texts = texts_of(broadcast, apart.locales)
        zones = zones_of(broadcast.audience)
        made = await broadcast_chunks.schedule(tx, broadcast, zones, slots, texts, now, limit=self._chunk)
        done = made.looked_at < self._chunk
        await broadcasts.progress(
            tx,
            broadcast.id,
            recipients=made.matched,
            scheduled=made.made,
            after=made.last or broadcast.after_user_id,
            status=BroadcastStatus.SCHEDULED if done else BroadcastStatus.SCHEDULING,
        )
        if done:
            log.info("broadcast scheduled", broadcast=str(broadcast.id), events=broadcast.scheduled + made.made)

    async def _cancel(self, tx: Transaction, broadcast: Broadcast, now: datetime) -> bool:
        """False if other transactions hold the remaining events for a moment."""
        cancelled = await broadcast_chunks.cancel(tx, broadcast, now, CANCELLED, limit=self._chunk)
        if not cancelled and await broadcasts.any_waiting(tx, broadcast.id):
            return False
        done = cancelled < self._chunk and not await broadcasts.any_waiting(tx, broadcast.id)
        await broadcasts.set_status(tx, broadcast.id, BroadcastStatus.CANCELLED if done else BroadcastStatus.CANCELLING)
        return True


def _found(broadcast: Broadcast | None, broadcast_id: UUID) -> Broadcast:
    if broadcast is None:
        raise BroadcastNotFoundError(f"there is no broadcast {broadcast_id}")
    return broadcast
