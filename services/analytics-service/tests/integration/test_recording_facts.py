"""At-least-once in, exact counts out: on a real database and a real bus."""

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text
from uuid_utils.compat import uuid7

from analytics_service.adapters import rollups, timelines
from analytics_service.application.facts import record
from analytics_service.application.retention import RetentionSweep
from analytics_service.domain.facts import Fact, Kind, Measure
from analytics_service.main import SERVICE, consumer
from analytics_service.settings import Settings
from chassis import provisioning
from chassis.database import Database
from chassis.lifecycle import Role
from chassis.messaging.publisher import Outgoing
from chassis.runtime import Runtime, open_runtime
from contracts import (
    Bus,
    Contact,
    DeadLetteredItem,
    EventCompletedItem,
    EventType,
    Item,
    MessageType,
    Priority,
    UserItem,
    encode_envelope,
    encode_item,
    message_attributes,
)
from local_stack.testkit import eventually

Running = Callable[[Sequence[Role]], AbstractAsyncContextManager[None]]
NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def _facts(count: int, kind: Kind = Kind.COMPLETED, **more: Any) -> list[Fact]:
    values: dict[str, Any] = {"event_type": "BIRTHDAY", "latencies": ((Measure.END_TO_END, 0.2),), **more}
    return [
        Fact(uuid7(), kind, NOW, "event-service", event_id=uuid4(), priority=index % 4, **values)
        for index in range(count)
    ]


async def _totals(database: Database) -> dict[Kind, int]:
    totals: dict[Kind, int] = {}
    async with database.read() as connection:
        for each in await rollups.counts_since(connection, LONG_AGO):
            totals[each.kind] = totals.get(each.kind, 0) + each.count
    return totals


async def _latencies(database: Database) -> int:
    async with database.read() as connection:
        return sum(each.count for each in await rollups.latencies_since(connection, LONG_AGO))


async def _scalar(database: Database, statement: str) -> Any:
    async with database.read() as connection:
        return (await connection.execute(text(statement))).scalar_one()


def _completed(count: int) -> list[EventCompletedItem]:
    return [
        EventCompletedItem(
            item_id=uuid7(),
            event_id=uuid4(),
            user_id=uuid4(),
            event_type=EventType.BIRTHDAY,
            priority=Priority.CRITICAL,
            occurrence="2026",
            attempt=1,
            target_timestamp_utc=NOW,
            target_timezone="Europe/Berlin",
            occurred_at=NOW,
            finished_at=NOW,
            late=False,
            lateness_seconds=0.2,
        )
        for _ in range(count)
    ]


def _messages(type: MessageType, items: Sequence[Item], size: int) -> Iterator[Outgoing]:
    for start in range(0, len(items), size):
        encoded = [encode_item(item) for item in items[start : start + size]]
        yield Outgoing(encode_envelope(type, encoded, uuid4(), NOW), message_attributes(type))


async def _publish(runtime: Runtime[Settings], messages: Sequence[Outgoing], bus: Bus = Bus.DOMAIN) -> None:
    assert not any(await runtime.publisher.publish(runtime.topology.topic(bus).name, messages))


async def test_a_duplicate_is_counted_once(runtime: Runtime[Settings]) -> None:
    facts = _facts(10)
    await record(runtime.database, [*facts, *facts[:5]])
    await record(runtime.database, facts[5:] + _facts(1))
    await record(runtime.database, facts)
    assert await _totals(runtime.database) == {Kind.COMPLETED: 11}
    assert await _latencies(runtime.database) == 11
    assert await _scalar(runtime.database, "SELECT count(*) FROM event_timeline") == 11


async def test_what_comes_out_of_order_is_told_in_order_and_counted_in_its_own_minute(
    runtime: Runtime[Settings],
) -> None:
    event_id = uuid4()

    def fact(kind: Kind, minute: int) -> Fact:
        return Fact(uuid7(), kind, NOW + timedelta(minutes=minute), "event-service", event_id, "REMINDER", 2)

    await record(runtime.database, [fact(Kind.COMPLETED, 3)])
    await record(runtime.database, [fact(Kind.PUBLISHED, 2), fact(Kind.SCHEDULED, 0)])
    async with runtime.database.read() as connection:
        entries = await timelines.read(connection, event_id)
    assert [entry.kind for entry in entries] == [Kind.SCHEDULED, Kind.PUBLISHED, Kind.COMPLETED]
    assert await _scalar(runtime.database, "SELECT count(DISTINCT minute) FROM counts_per_minute") == 3


async def test_two_writers_with_overlapping_batches_count_exactly(
    runtime: Runtime[Settings], settings: Settings
) -> None:
    facts = _facts(600, latencies=tuple((measure, 0.01 * 3**index) for index, measure in enumerate(Measure)))
    async with open_runtime(settings, name="another") as another:

        async def write(database: Database, seed: int) -> None:
            shuffled = random.Random(seed).sample(facts, k=len(facts))
            for start in range(0, len(facts), 40):
                await record(database, shuffled[start : start + 40])

        await asyncio.gather(*(write(each.database, seed) for seed, each in enumerate((runtime, another) * 2)))
    assert await _totals(runtime.database) == {Kind.COMPLETED: 600}
    assert await _latencies(runtime.database) == 600 * len(Measure)


async def test_two_consumers_on_the_bus_count_exactly_what_comes_more_than_once(
    runtime: Runtime[Settings], settings: Settings, running: Running
) -> None:
    await provisioning.apply(runtime.bus)
    items = _completed(200)
    packed = list(_messages(MessageType.EVENT_COMPLETED, items, 20))
    alone = list(_messages(MessageType.EVENT_COMPLETED, items[:40], 1))
    await _publish(runtime, [*packed, *alone, *packed[:5]])
    async with open_runtime(settings, name="another") as another:
        depth = runtime.topology.queue("analytics").name

        async def drained() -> bool:
            return await runtime.bus.depth(depth) == 0 and await _latencies(runtime.database) >= 200

        async with running([*consumer(runtime), *consumer(another)]):
            await eventually(drained, timeout=20)
        # Stopped: everything in hand has been handled.
    assert await _totals(runtime.database) == {Kind.COMPLETED: 200}
    assert await _scalar(runtime.database, "SELECT count(*) FROM inbox") == 200


async def test_a_poison_message_ends_in_the_dead_letter_table_and_the_queue_goes_on(
    runtime: Runtime[Settings], running: Running, client: httpx.AsyncClient
) -> None:
    await provisioning.apply(runtime.bus)
    (good,) = _messages(MessageType.EVENT_COMPLETED, _completed(1), 1)
    await _publish(runtime, [Outgoing('{"specversion": "0.3"', {"eventType": "EventCompleted"}), good])

    async def dead_letters() -> Any:
        return (await client.get("/v1/dead-letter-messages")).json()["items"]

    async with running(consumer(runtime)):
        (row,) = await eventually(dead_letters)
        await eventually(lambda: _totals(runtime.database))
    assert (row["queue"], row["reason"], row["body"]) == ("bday-analytics", "poison", '{"specversion": "0.3"')
    assert await _totals(runtime.database) == {Kind.COMPLETED: 1}


async def test_announced_dead_letters_are_kept_and_counted_once(runtime: Runtime[Settings], running: Running) -> None:
    await provisioning.apply(runtime.bus)

    def dead_letter(event_id: UUID | None) -> DeadLetteredItem:
        event_type, priority = (EventType.BIRTHDAY, Priority.CRITICAL) if event_id else (None, None)
        return DeadLetteredItem(
            item_id=uuid7(),
            dead_letter_id=uuid4(),
            reason="exhausted" if event_id else "poison",
            detail=None,
            event_id=event_id,
            user_id=None,
            event_type=event_type,
            priority=priority,
            endpoint_id=None,
            attempts=3,
            occurred_at=NOW,
        )

    items = [dead_letter(uuid4()), dead_letter(None)]
    messages = list(_messages(MessageType.DEAD_LETTERED, items, 1))
    await _publish(runtime, [*messages, messages[0]], Bus.DEAD_LETTERS)

    async def counted() -> bool:
        return await _totals(runtime.database) == {Kind.DEAD_LETTERED: 2}

    async with running(consumer(runtime)):
        await eventually(counted)
    async with runtime.database.read() as connection:
        kept = (await connection.execute(text("SELECT event_id, data->>'reason' FROM dead_letter_alerts"))).all()
    assert {tuple(row) for row in kept} == {(items[0].event_id, "exhausted"), (None, "poison")}
    assert await _scalar(runtime.database, "SELECT count(*) FROM event_timeline") == 1


async def test_users_are_counted_and_nothing_personal_is_stored(runtime: Runtime[Settings], running: Running) -> None:
    await provisioning.apply(runtime.bus)
    user = UserItem.model_validate_json(
        json.dumps(
            {
                "itemId": str(uuid7()),
                "userId": str(uuid4()),
                "version": 1,
                "firstName": "Ada",
                "lastName": "Lovelace",
                "dateOfBirth": "1990-12-10",
                "timezone": "Europe/London",
                "deliveryTime": "09:00:00",
                "anniversaries": [],
                "tags": [],
                "contact": Contact(email="ada@example.org").model_dump(),
            }
        )
    )
    await _publish(runtime, list(_messages(MessageType.USER_CREATED, [user], 1)))
    async with running(consumer(runtime)):
        assert await eventually(lambda: _totals(runtime.database)) == {Kind.USER_CREATED: 1}
    assert await _scalar(runtime.database, "SELECT minute FROM counts_per_minute") == NOW.replace(second=0)
    for table in ("counts_per_minute", "event_timeline", "dead_letter_alerts", "inbox", "dead_letters"):
        everything = await _scalar(
            runtime.database,
            f"SELECT coalesce(string_agg(CAST(t AS text), ' '), '') FROM {table} AS t",  # noqa: S608
        )
        assert "Lovelace" not in everything
        assert str(user.user_id) not in everything


async def test_what_is_past_its_retention_is_deleted_and_the_rest_stays(runtime: Runtime[Settings]) -> None:
    database = runtime.database
    old = [replace(fact, at=NOW - timedelta(days=40)) for fact in _facts(3, Kind.DEAD_LETTERED)]
    await record(database, [*_facts(2), *old])
    sweep = RetentionSweep(database, rollup_days=31, timeline_days=31)
    assert await sweep.step() > 0
    assert await _totals(database) == {Kind.COMPLETED: 2}
    assert await _latencies(database) == 2
    assert await _scalar(database, "SELECT count(*) FROM event_timeline") == 2
    assert await _scalar(database, "SELECT count(*) FROM dead_letter_alerts") == 0


async def test_the_service_has_no_relay_but_forgets_old_inbox_ids(runtime: Runtime[Settings], running: Running) -> None:
    assert SERVICE.role_names == ["api", "consumer"]
    await provisioning.apply(runtime.bus)
    await record(runtime.database, _facts(2))
    async with runtime.database.transaction() as tx:
        await tx.execute(text("UPDATE inbox SET received_at = now() - interval '31 days'"))

    async def forgotten() -> bool:
        return bool(await _scalar(runtime.database, "SELECT count(*) = 0 FROM inbox"))

    async with running(consumer(runtime)):
        await eventually(forgotten)
