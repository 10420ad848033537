"""event-service's use cases on a database of a test's own, at instants of the test's choosing."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self
from unittest.mock import patch
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from uuid_utils.compat import uuid7

import chassis.service.runtime
from chassis.database.clock import ClockMap, write_clock_map
from chassis.messaging.bus import Bus, QueueCounts
from chassis.messaging.domain import ReceivedItem
from chassis.service.runtime import Runtime, open_runtime
from contracts.identity import derive_id
from contracts.messages.delivery import DeliveryOutcomeItem
from contracts.messages.spec import Item, MessageType
from contracts.messages.user import Contact, UserDeletedItem, UserItem
from contracts.vocabulary import EventType, OutcomeStatus, Priority
from event_service.adapters import claims
from event_service.adapters.partitions import Partitions
from event_service.application.firing import FiringRules, fire_due
from event_service.application.outcomes import apply_outcomes
from event_service.application.recipients import apply_user_items
from event_service.domain.events import Event, Published
from event_service.domain.type_rules import Rulebook, TypeRules
from event_service.settings import Settings

GRACE = timedelta(hours=72)
RULES: Rulebook = {
    EventType.BIRTHDAY: TypeRules(GRACE, "Hey, {first_name} {last_name}!"),
    EventType.ANNIVERSARY: TypeRules(GRACE, "{full_name}: {ordinal} {label}"),
    EventType.REMINDER: TypeRules(timedelta(hours=24), "{first_name}: {label}"),
    EventType.NOTIFICATION: TypeRules(timedelta(hours=24), "News for {first_name}"),
}


class UnconnectedBus(Bus):
    """Has no clients: making them takes most of the time that opening a runtime does."""

    async def __aenter__(self) -> Self:
        return self

    async def counts(self, queue_name: str) -> QueueCounts:
        raise ConnectionError(f"no bus to ask for {queue_name}")


@asynccontextmanager
async def open_without_bus(settings: Settings) -> AsyncIterator[Runtime[Settings]]:
    """A runtime for tests that need no bus."""
    with patch.object(chassis.service.runtime, "Bus", UnconnectedBus):
        async with open_runtime(settings, name="event-service") as opened:
            yield opened


@dataclass
class FakeBus:
    """A bus of due events in memory. It refuses the events named in ``refused`` and has ``space`` left.

    For those in ``silent`` it gives no answer, whether or not it accepts them (``accepts_silently``).
    """

    published: list[Event] = field(default_factory=list)
    refused: set[UUID] = field(default_factory=set)
    space: int = 1000
    traceparent: str | None = None
    silent: set[UUID] = field(default_factory=set)
    accepts_silently: bool = True
    deadlines: list[float] = field(default_factory=list)

    async def publish(self, events: Sequence[Event], now: datetime, deadline: float) -> list[Published]:
        self.deadlines.append(deadline)
        lost = set() if self.accepts_silently else self.silent
        self.published.extend(event for event in events if event.id not in self.refused | lost)
        return [self._answer(event.id) for event in events]

    def _answer(self, event_id: UUID) -> Published:
        if event_id in self.refused:
            return Published("no", self.traceparent)
        return Published("silence" if event_id in self.silent else None, self.traceparent, event_id in self.silent)

    async def room(self, priority: int) -> int:
        return self.space


@dataclass
class Scenario:
    runtime: Runtime[Settings]
    bus: FakeBus = field(default_factory=FakeBus)
    rules: Rulebook = field(default_factory=lambda: RULES)
    firing: FiringRules = field(
        default_factory=lambda: FiringRules(batch=500, lease_seconds=60, outcome_seconds=7200, types=RULES)
    )

    # -- the clock ----------------------------------------------------------------------------------------------------

    async def at(self, instant: str) -> datetime:
        """Let the clock stand still at an instant, with the partitions that it needs."""
        now = datetime.fromisoformat(instant).astimezone(UTC)
        async with self.runtime.database.transaction() as tx:
            await write_clock_map(tx, ClockMap(real_anchor=now, simulated_anchor=now, speed=0))
        await self.runtime.clock.refresh()
        await Partitions(self.runtime.database, self.runtime.clock).cover()
        return now

    async def runs_from(self, instant: str) -> None:
        """Let the clock run at the speed of real time from an instant, with the partitions that it needs."""
        begin = await self.at(instant)
        async with self.runtime.database.transaction() as tx:
            await tx.execute(text("UPDATE clock_map SET speed = 1, real_anchor = clock_timestamp()"))
        await self.runtime.clock.refresh()
        assert self.runtime.clock.now() >= begin

    # -- users --------------------------------------------------------------------------------------------------------

    @staticmethod
    def user(user_id: UUID | None = None, version: int = 1, **changes: Any) -> UserItem:
        """Ada in New York, born on 23 November, greeted at nine."""
        values: dict[str, Any] = {
            "first_name": "Ada",
            "last_name": "Lovelace",
            "date_of_birth": date(1990, 11, 23),
            "timezone": "America/New_York",
            "delivery_time": time(9),
            "anniversaries": [],
            "tags": ["vip"],
            "contact": Contact(email="ada@example.org", phone="+442071234567"),
        }
        return UserItem(item_id=uuid7(), user_id=user_id or uuid7(), version=version, **(values | changes))

    async def receive(self, *items: Item, type: MessageType = MessageType.USER_CREATED) -> None:
        """One batch of user items."""
        received = [
            ReceivedItem(
                MessageType.USER_DELETED if isinstance(item, UserDeletedItem) else type, item, item.traceparent
            )
            for item in items
        ]
        await apply_user_items(self.runtime.database, self.runtime.outbox, self.rules, received)

    async def delete(self, user_id: UUID, version: int = 2) -> None:
        await self.receive(UserDeletedItem(item_id=uuid7(), user_id=user_id, version=version))

    # -- firing and outcomes ------------------------------------------------------------------------------------------

    async def fire(self, priority: Priority = Priority.CRITICAL) -> int | None:
        return await fire_due(self.runtime.database, self.runtime.outbox, self.bus, self.firing, priority)

    async def claim(self, priority: Priority = Priority.CRITICAL, lease_seconds: float = 60) -> list[Event]:
        """Claim what is due, as a scheduler does that dies before it publishes."""
        claim = await claims.claim_due(
            self.runtime.database, priority=priority, limit=500, token=uuid4(), lease_seconds=lease_seconds
        )
        return [] if claim is None else list(claim.events)

    @staticmethod
    def outcome(
        event: Event, status: OutcomeStatus = OutcomeStatus.SUCCEEDED, at: datetime | None = None, **changes: Any
    ) -> DeliveryOutcomeItem:
        finished_at = at or event.target + timedelta(seconds=1)
        values: dict[str, Any] = {
            "event_id": event.id,
            "user_id": event.user_id,
            "event_type": EventType(event.event_type),
            "priority": Priority(event.priority),
            "attempt": event.attempt,
            "target_timestamp_utc": event.target,
            "status": status,
            "reason": None if status is OutcomeStatus.SUCCEEDED else "exhausted",
            "endpoints": [],
            "received_at": event.target,
            "finished_at": finished_at,
            "late": False,
            "queue_seconds": 0.1,
            "lateness_seconds": 1.0,
        }
        return DeliveryOutcomeItem(item_id=uuid7(), **(values | changes))

    async def answer(self, *outcomes: DeliveryOutcomeItem) -> None:
        """One batch of outcomes."""
        received = [
            ReceivedItem(
                MessageType.DELIVERY_SUCCEEDED
                if each.status is OutcomeStatus.SUCCEEDED
                else MessageType.DELIVERY_FAILED,
                each,
                each.traceparent,
            )
            for each in outcomes
        ]
        await apply_outcomes(self.runtime.database, self.runtime.outbox, self.rules, received)

    # -- stored state -------------------------------------------------------------------------------------------------

    async def rows(self, sql: str, **values: object) -> list[Row[Any]]:
        async with self.runtime.database.read() as connection:
            return list(await connection.execute(text(sql), values))

    async def execute(self, sql: str, **values: object) -> None:
        async with self.runtime.database.transaction() as tx:
            await tx.execute(text(sql), values)

    async def events(self, user_id: UUID) -> list[Row[Any]]:
        """The user's events, the earliest first."""
        return await self.rows(
            "SELECT * FROM events WHERE user_id = :user_id ORDER BY target_timestamp_utc", user_id=user_id
        )

    async def event(self, user_id: UUID) -> Row[Any]:
        """The user's earliest event."""
        return (await self.events(user_id))[0]

    async def schedule(self, user_id: UUID) -> Row[Any]:
        [schedule] = await self.rows("SELECT * FROM schedules WHERE user_id = :user_id", user_id=user_id)
        return schedule

    async def announced(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and item of all outbox rows, in order; deletes them."""
        rows = await self.rows("SELECT type, item FROM outbox ORDER BY id")
        await self.execute("DELETE FROM outbox")
        return [(row.type, json.loads(row.item)) for row in rows]

    async def announced_types(self) -> list[str]:
        return [type for type, _ in await self.announced()]


def event_id(user_id: UUID, year: int) -> UUID:
    """The id of a birthday, by the rule of docs/architecture.md#identity."""
    return derive_id(derive_id(user_id, "BIRTHDAY"), str(year))
