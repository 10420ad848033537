"""Transactional outbox: state change and message leave together (docs/architecture.md#reliability-rules, rule 1).

A use case appends items to its transaction. The :class:`Relay` packs unsent rows of one type into messages, publishes
them in batches, and marks those that the bus accepted. One relay per database is active (a lease), so that rows need
no claim of their own; a second one waits. Consumers deduplicate items that are sent twice by ``itemId``.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog
from opentelemetry import metrics
from opentelemetry.trace import Span
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database.clock import Clock
from chassis.database.database import Database, Transaction
from chassis.database.leases import Lease
from chassis.messaging.publisher import NotAccepted, Outgoing, Publisher
from chassis.telemetry import tracing
from contracts.attributes import message_attributes
from contracts.messages.envelope import encode_envelope, encode_item, pack_items
from contracts.messages.registry import MESSAGES, find_spec
from contracts.messages.spec import Bus, Item, MessageSpec, MessageType
from contracts.topology import Topology

log = structlog.get_logger(__name__)
meter = metrics.get_meter("almanac.outbox")
_items_sent = meter.create_counter("almanac_outbox_items_sent", description="Items published from the outbox, by type")
_lag = meter.create_histogram(
    "almanac_outbox_lag", unit="s", description="Time from an item's transaction to its publication"
)

_aside = meter.create_gauge(
    "almanac_outbox_aside", description="Unsent items that others pass: of a type unknown to this version, or refused"
)

_APPEND = text(
    "INSERT INTO outbox (item_id, type, dataversion, item, traceparent)"
    " SELECT * FROM unnest("
    "CAST(:item_ids AS uuid[]), CAST(:types AS text[]), CAST(:dataversions AS text[]), CAST(:items AS text[]),"
    " CAST(:traceparents AS text[]))"
)
_UNSENT = text(
    "SELECT id, type, dataversion, item, traceparent,"
    " CAST(extract(epoch FROM clock_timestamp() - created_at) AS float8) AS age"
    " FROM outbox WHERE sent_at IS NULL AND type || '/' || dataversion = ANY(CAST(:known AS text[]))"
    " AND NOT id = ANY(CAST(:held AS bigint[])) ORDER BY id LIMIT :limit"
)
_ASIDE_UP_TO = text(
    "SELECT count(*) FROM (SELECT FROM outbox WHERE sent_at IS NULL"
    " AND NOT type || '/' || dataversion = ANY(CAST(:known AS text[])) LIMIT :limit) AS unknown"
)
_MARK = text("UPDATE outbox SET sent_at = clock_timestamp() WHERE id = ANY(CAST(:ids AS bigint[]))")
_REPLAY = text("UPDATE outbox SET sent_at = NULL WHERE sent_at IS NOT NULL")
SWEEP = text(
    "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox"
    " WHERE sent_at < clock_timestamp() - make_interval(secs => :seconds) LIMIT 10000)"
)


KNOWN_TYPES = [f"{spec.type.value}/{spec.dataversion}" for spec in MESSAGES]
"""What this version of the code can send. Rows of others were written by a newer one, before a roll-back."""
ASIDE_COUNTED = 100_000
ASIDE_SECONDS = 10.0
"""How often rows of unknown types are counted."""
HOLD_SECONDS, MAX_HOLD_SECONDS, MAX_HELD = 1.0, 300.0, 5_000
"""A row that SNS refuses is tried again after 1, 2, 4 s … 5 min, and passed by others meanwhile. 5,000 at most."""

_COPIED = ("item_id", "type", "dataversion", "item", "traceparent")
COPY_FROM = 500
"""Items from which on COPY is worth its extra round trip."""
_UNSENT_UP_TO = text(
    "SELECT count(*) FROM (SELECT FROM outbox WHERE sent_at IS NULL"
    " AND type || '/' || dataversion = ANY(CAST(:known AS text[])) LIMIT :limit) AS unsent"
)

Encoded = tuple[UUID, str, str, str, str | None]
"""An item as a row of the outbox: id, type, dataversion, JSON, traceparent."""

OutboxRow = Row[tuple[int, str, str, str, str | None, float]]


def encode(items: Iterable[tuple[MessageType, Item]]) -> list[Encoded]:
    """Encode items ahead of :meth:`Outbox.append_encoded`. One without a ``traceparent`` gets the current span's.

    Raises:
        ContractError: an item is too large for any message.
    """
    current = tracing.current_traceparent()
    encoded = []
    for type, item in items:
        if current and not item.traceparent:
            # Into the item itself: packed with others, it is all that its trace has.
            item = item.model_copy(update={"traceparent": current})
        encoded.append((item.item_id, type.value, find_spec(type).dataversion, encode_item(item), item.traceparent))
    return encoded


class Outbox:
    """Appends items, and wakes the relay of the same process once they are committed."""

    def __init__(self, *, backlog_limit: int = 50_000) -> None:
        self.appended = asyncio.Event()
        self._backlog_limit = backlog_limit

    async def append(self, tx: Transaction, items: Sequence[tuple[MessageType, Item]]) -> None:
        """Leave ``items`` in the transaction, encoded by :func:`encode`.

        Raises:
            ContractError: an item is too large for any message.
        """
        await self.append_encoded(tx, encode(items))

    async def append_encoded(self, tx: Transaction, items: Sequence[Encoded]) -> None:
        """The same for thousands of items that were encoded before the transaction began."""
        if not items:
            return
        if len(items) >= COPY_FROM:
            await tx.copy("outbox", _COPIED, items)
        else:
            ids, types, dataversions, texts, traceparents = zip(*items, strict=True)
            values = {
                "item_ids": ids, "types": types, "dataversions": dataversions, "items": texts,
                "traceparents": traceparents,
            }  # fmt: skip
            await tx.execute(_APPEND, values)
        tx.after_commit(self.appended.set)

    def appended_in(self, tx: Transaction) -> None:
        """Rows were inserted by a statement of the transaction's own: the relay is woken as by :meth:`append`."""
        tx.after_commit(self.appended.set)

    async def has_room(self, database: Database) -> bool:
        """False while the backlog is so long that bulk writers should wait."""
        async with database.read() as connection:
            values = {"limit": self._backlog_limit, "known": KNOWN_TYPES}
            unsent: int = (await connection.execute(_UNSENT_UP_TO, values)).scalar_one()
        return unsent < self._backlog_limit


async def replay(database: Database) -> int:
    """Mark all that the outbox still keeps as unsent, for a bus that has lost its queues. Returns how many rows."""
    async with database.transaction() as tx:
        return (await tx.execute(_REPLAY)).rowcount


class Relay:
    """Sends what the outbox holds. A step of a :class:`chassis.core.lifecycle.Loop`.

    Rows of a type that this version does not know, and rows that SNS refuses, are skipped and kept: others pass them.
    Within one sweep, rows of one type go together; SNS does not order anyway, and items carry versions.
    """

    SWEEP_ROWS = 2_000
    LEASE_SECONDS = 5.0

    def __init__(
        self, database: Database, publisher: Publisher, topology: Topology, clock: Clock, *, poll_seconds: float
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._topics = {bus: topology.topic(bus).name for bus in Bus}
        self._clock = clock
        self._poll = poll_seconds
        self._lease = Lease(database, "outbox-relay", seconds=self.LEASE_SECONDS)
        self._held: dict[int, _Hold] = {}
        self._count_at = 0.0

    async def step(self) -> float:
        """One sweep. Returns the seconds until the next.

        Raises:
            PublishError: the bus did not answer for some entries; what it accepted is marked, the rest stays.
        """
        if not await self._lease.held():
            return min(1.0, self.LEASE_SECONDS / 3)
        now = time.monotonic()
        async with self._database.read() as connection:
            values = {
                "limit": self.SWEEP_ROWS,
                "known": KNOWN_TYPES,
                "held": [row_id for row_id, hold in self._held.items() if hold.until > now],
            }
            rows = (await connection.execute(_UNSENT, values)).all()
            if now >= self._count_at:
                await self._count_aside(connection)
        if not rows:
            return self._poll
        by_topic: dict[str, list[_Parcel]] = {}
        for topic, parcel in self._pack(rows):
            by_topic.setdefault(topic, []).append(parcel)
        sent: list[int] = []
        errors: list[str] = []
        for topic, parcels in by_topic.items():
            for parcel, error in zip(parcels, await self._publish(topic, parcels), strict=True):
                if error is None:
                    sent.extend(parcel.row_ids)
                    _items_sent.add(len(parcel.row_ids), {"type": parcel.message.attributes["eventType"]})
                elif error.refused and len(self._held) < MAX_HELD:
                    self._hold(parcel.row_ids, error.reason)
                else:
                    errors.append(str(error))
        if sent:
            async with self._database.transaction() as tx:
                await tx.execute(_MARK, {"ids": sent})
            for row_id in sent:
                self._held.pop(row_id, None)
            _lag.record(rows[0].age + time.monotonic() - now)
        if errors:
            raise PublishError(f"{len(errors)} messages not sent, the first because: {errors[0]}")
        return 0.0 if len(rows) == self.SWEEP_ROWS else self._poll

    async def _publish(self, topic: str, parcels: Sequence["_Parcel"]) -> list[NotAccepted | None]:
        try:
            results = await self._publisher.publish(topic, [parcel.message for parcel in parcels])
        except BaseException:
            for parcel in parcels:
                parcel.span.end()
            raise
        for parcel, error in zip(parcels, results, strict=True):
            if error is not None:
                tracing.fail(parcel.span, error.reason)
            parcel.span.end()
        return results

    def _hold(self, row_ids: Sequence[int], reason: str) -> None:
        """Let others pass these rows. A message of several is sent again as messages of one: only some are at fault."""
        for row_id in row_ids:
            failures = self._held[row_id].failures + 1 if row_id in self._held else 0
            delay = min(MAX_HOLD_SECONDS, HOLD_SECONDS * 2**failures) if len(row_ids) == 1 else 0.0
            self._held[row_id] = _Hold(failures if len(row_ids) == 1 else 0, time.monotonic() + delay)
        log.warning("items refused by the bus are skipped", items=len(row_ids), first=row_ids[0], reason=reason)
        self._count_at = 0.0

    async def _count_aside(self, connection: AsyncConnection) -> None:
        unknown = await connection.execute(_ASIDE_UP_TO, {"limit": ASIDE_COUNTED, "known": KNOWN_TYPES})
        _aside.set(unknown.scalar_one(), {"reason": "unknown_type"})
        _aside.set(len(self._held), {"reason": "refused"})
        self._count_at = time.monotonic() + ASIDE_SECONDS

    async def stop(self) -> None:
        """Let another relay take over at once."""
        await self._lease.release()

    def _pack(self, rows: Sequence[OutboxRow]) -> Iterator[tuple[str, "_Parcel"]]:
        alike: dict[tuple[str, str, int], list[OutboxRow]] = {}
        for row in rows:
            # What was refused goes alone, and others go without it.
            alone = row.id if row.id in self._held else 0
            alike.setdefault((row.type, row.dataversion, alone), []).append(row)
        for (type, dataversion, _), group in alike.items():
            spec = find_spec(MessageType(type), dataversion)
            topic = self._topics[spec.bus]
            for part in pack_items([row.item for row in group]):
                yield topic, self._parcel(spec, topic, group[part])

    def _parcel(self, spec: MessageSpec, topic: str, rows: Sequence[OutboxRow]) -> "_Parcel":
        contexts = [row.traceparent for row in rows if row.traceparent]
        # One item: the publication is part of its trace. Several: it belongs to none, and links to all.
        parent = contexts[0] if len(rows) == 1 and contexts else None
        span, traceparent = tracing.start_publication(topic, parent=parent, links=contexts, count=len(rows))
        body = encode_envelope(
            spec.type,
            [row.item for row in rows],
            uuid4(),
            self._clock.now(),
            traceparent,
            dataversion=spec.dataversion,
        )
        return _Parcel(Outgoing(body, message_attributes(spec.type, traceparent)), [row.id for row in rows], span)


@dataclass(frozen=True, slots=True)
class _Hold:
    failures: int
    until: float


@dataclass(frozen=True, slots=True)
class _Parcel:
    message: Outgoing
    row_ids: list[int]
    span: Span
    """Ends once SNS has answered."""


class PublishError(RuntimeError):
    """The bus did not accept everything; the rest is tried again."""
