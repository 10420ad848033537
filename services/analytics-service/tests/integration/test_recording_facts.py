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
from sqlalchemy import CursorResult, Executable, text
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from analytics_service.adapters import rollups, timelines
from analytics_service.application.erasures import erase
from analytics_service.application.facts import record
from analytics_service.application.retention import RetentionSweep
from analytics_service.domain.facts import EndpointResult, Fact, Kind, Measure
from analytics_service.domain.grains import Grain, cover
from analytics_service.domain.series import Range, endpoint_summaries
from analytics_service.main import SERVICE
from analytics_service.roles import consumer
from analytics_service.settings import Settings
from chassis.core.lifecycle import Role
from chassis.database.database import Database, Parameters
from chassis.messaging import erasures, provisioning
from chassis.messaging.erasures import Eraser
from chassis.messaging.publisher import Outgoing
from chassis.service.runtime import Runtime, open_runtime
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
from testkit import eventually

Running = Callable[[Sequence[Role]], AbstractAsyncContextManager[None]]
NOW = datetime.now(UTC).replace(microsecond=0)
EVER = cover(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def _facts(count: int, kind: Kind = Kind.COMPLETED, **more: Any) -> list[Fact]:
    values: dict[str, Any] = {"event_type": "BIRTHDAY", "latencies": ((Measure.END_TO_END, 0.2),), **more}
    return [
        Fact(uuid7(), kind, NOW, "event-service", event_id=uuid4(), priority=index % 4, **values)
        for index in range(count)
    ]


async def _totals(database: Database) -> dict[Kind, int]:
    totals: dict[Kind, int] = {}
    async with database.read() as connection:
        for each in await rollups.counts(connection, EVER):
            totals[each.kind] = totals.get(each.kind, 0) + each.count
    return totals


async def _latencies(database: Database) -> int:
    async with database.read() as connection:
        return sum(each.count for each in await rollups.latencies(connection, EVER))


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


async def test_unordered_facts_are_sorted_and_counted_in_their_own_minute(
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
    assert await _scalar(runtime.database, "SELECT count(*) FROM counts WHERE grain = 'minute'") == 3


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
            await eventually(drained)
        # Stopped: every received message has been handled.
    assert await _totals(runtime.database) == {Kind.COMPLETED: 200}
    assert await _scalar(runtime.database, "SELECT count(*) FROM inbox") == 200


async def test_poison_message_ends_in_the_dead_letter_table_and_the_queue_continues(
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
    assert await _scalar(runtime.database, "SELECT start FROM counts WHERE grain = 'minute'") == NOW.replace(second=0)
    for table in ("counts", "engagement", "event_timeline", "dead_letter_alerts", "inbox", "dead_letters"):
        everything = await _scalar(
            runtime.database,
            f"SELECT coalesce(string_agg(CAST(t AS text), ' '), '') FROM {table} AS t",  # noqa: S608
        )
        assert "Lovelace" not in everything
        assert str(user.user_id) not in everything


async def test_rows_past_their_retention_are_deleted_and_others_stay(runtime: Runtime[Settings]) -> None:
    database = runtime.database
    old = [replace(fact, at=NOW - timedelta(days=40)) for fact in _facts(3, Kind.DEAD_LETTERED)]
    await record(database, [*_facts(2), *old])
    sweep = RetentionSweep(database, rollup_days=dict.fromkeys(Grain, 31), timeline_days=31)
    assert await sweep.step() > 0
    assert await _totals(database) == {Kind.COMPLETED: 2}
    assert await _latencies(database) == 2
    assert await _scalar(database, "SELECT count(*) FROM event_timeline") == 2
    assert await _scalar(database, "SELECT count(*) FROM dead_letter_alerts") == 0


async def test_minutes_hours_and_days_say_the_same(runtime: Runtime[Settings]) -> None:
    facts = [replace(fact, at=NOW - timedelta(minutes=40 * index)) for index, fact in enumerate(_facts(80))]
    await record(runtime.database, facts)
    sums = "SELECT array_agg(total ORDER BY grain) FROM (SELECT grain, sum(count) AS total FROM {} GROUP BY grain) AS t"
    assert await _scalar(runtime.database, sums.format("counts")) == [80, 80, 80]
    assert await _scalar(runtime.database, sums.format("latencies")) == [80, 80, 80]
    async with runtime.database.read() as connection:
        for hours in (1, 7, 30):
            since = NOW - timedelta(hours=hours)
            counted = sum(each.count for each in await rollups.counts(connection, cover(since, NOW)))
            assert counted == sum(Grain.MINUTE.floor(since) <= fact.at < Grain.MINUTE.ceil(NOW) for fact in facts)


async def test_results_add_up_by_endpoint_in_whatever_batches_they_come(runtime: Runtime[Settings]) -> None:
    healthy, broken = uuid4(), uuid4()
    results = (
        EndpointResult(healthy, "webhook", "succeeded", 1, 0.1),
        EndpointResult(broken, "webhook", "exhausted", 3, 2.0),
        EndpointResult(broken, "webhook", "cancelled", 0, None),
    )
    for _ in range(3):
        await record(runtime.database, _facts(2, Kind.DELIVERY_FAILED, latencies=(), endpoints=results))
    async with runtime.database.read() as connection:
        summaries = endpoint_summaries(await rollups.results(connection, EVER, None))
        (alone,) = endpoint_summaries(await rollups.results(connection, EVER, healthy))
    assert [(each.endpoint_id, each.results, each.attempts, each.latency.count) for each in summaries] == [
        (broken, {"exhausted": 6, "cancelled": 6}, 18, 6),
        (healthy, {"succeeded": 6}, 6, 6),
    ]
    assert (alone.success_rate, summaries[0].success_rate) == (1.0, 0.0)


async def test_engagement_counts_by_user_and_a_deleted_user_is_erased(runtime: Runtime[Settings]) -> None:
    ada, grace = uuid4(), uuid4()
    later = NOW + timedelta(minutes=1)
    (completed,), (failed,), (published,) = (
        _facts(1, kind, user_id=ada) for kind in (Kind.COMPLETED, Kind.FAILED, Kind.PUBLISHED)
    )
    await record(runtime.database, [completed, published, *_facts(2, user_id=grace)])
    await record(runtime.database, [replace(failed, at=later), completed])
    rows = "SELECT array_agg(delivered || '/' || failed || '@' || (last_at = '{}') ORDER BY failed) FROM engagement"
    assert await _scalar(runtime.database, rows.format(later)) == ["2/0@false", "1/1@true"]
    await record(runtime.database, [Fact(uuid7(), Kind.USER_DELETED, NOW, "user-service", user_id=ada)])
    assert await _scalar(runtime.database, "SELECT user_id FROM engagement") == grace


async def test_an_event_that_ends_after_its_users_deletion_does_not_bring_engagement_back(
    runtime: Runtime[Settings],
) -> None:
    ada, grace = uuid4(), uuid4()
    await record(runtime.database, _facts(1, user_id=ada))
    await record(runtime.database, [Fact(uuid7(), Kind.USER_DELETED, NOW, "user-service", user_id=ada)])
    await record(runtime.database, [*_facts(1, user_id=ada), *_facts(1, user_id=grace)])
    assert await _scalar(runtime.database, "SELECT array_agg(user_id) FROM engagement") == [grace]


async def test_an_erasure_is_reported_and_takes_what_a_concurrent_end_had_added(runtime: Runtime[Settings]) -> None:
    ada = uuid4()
    await record(runtime.database, _facts(1, user_id=ada))
    async with runtime.database.transaction() as tx:
        await erasures.request(tx, [ada])
    report = MessageType.ANALYTICS_DATA_ERASED
    await Eraser(runtime.database, runtime.outbox, erase, report=report, every_seconds=60).step()
    assert await _scalar(runtime.database, "SELECT count(*) FROM engagement") == 0
    assert await _scalar(runtime.database, "SELECT count(*) FROM outbox WHERE type = 'AnalyticsDataErased'") == 1


async def test_engagement_by_tag_is_exact_however_often_and_in_whatever_order_facts_come(
    runtime: Runtime[Settings],
) -> None:
    vip = [*_facts(3, tags=("vip", "berlin")), *_facts(1, Kind.MISSED, tags=("vip",)), *_facts(2, Kind.FAILED)]
    ends = [replace(fact, at=NOW - timedelta(minutes=index)) for index, fact in enumerate(vip)]
    published = _facts(4, Kind.PUBLISHED, tags=("vip",))

    async def write(seed: int) -> None:
        shuffled = random.Random(seed).sample([*ends, *published], k=10)
        for start in range(0, 10, 3):
            await record(runtime.database, shuffled[start : start + 3])

    await asyncio.gather(*map(write, range(4)))
    rows = "SELECT array_agg(tag || ' ' || delivered || '/' || failed || ' ' || (last_at = '{}') ORDER BY tag)"
    found = await _scalar(runtime.database, f"{rows.format(NOW)} FROM tag_engagement")
    assert found == ["berlin 3/0 true", "vip 3/1 true"]


async def test_ranges_are_read_by_the_key_however_much_there_is(runtime: Runtime[Settings]) -> None:
    fill = (
        "INSERT INTO counts SELECT 'minute', s, k, t, p, 5 FROM generate_series(now() - interval '10 days', now(),"
        " interval '1 minute') AS s, unnest(ARRAY['completed', 'failed']) AS k, unnest(ARRAY['BIRTHDAY', 'REMINDER'])"
        " AS t, generate_series(0, 3) AS p"
    )
    async with runtime.database.transaction() as tx:
        await tx.execute(text(fill))
        await tx.execute(text("ANALYZE counts"))
    series = Range.of(Grain.MINUTE, NOW - timedelta(hours=2), NOW)
    async with runtime.database.read() as connection:
        reader = _Explaining(connection)
        await rollups.count_series(reader, series, [Kind.COMPLETED], by_type=False, by_priority=False)
        await rollups.counts(reader, cover(NOW - timedelta(hours=2), NOW))
    assert len(reader.plans) == 2
    for plan in reader.plans:
        assert "Index" in plan
        assert "Seq Scan" not in plan


class _Explaining:
    """Has each statement explained before it is executed."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.plans: list[str] = []

    async def execute(self, statement: Executable, parameters: Parameters = None, /) -> CursorResult[Any]:
        plan = await self._connection.execute(text(f"EXPLAIN {statement}"), parameters)
        self.plans.append("\n".join(plan.scalars()))
        return await self._connection.execute(statement, parameters)


async def test_relay_deletes_old_inbox_ids(runtime: Runtime[Settings], running: Running) -> None:
    assert SERVICE.role_names == ["api", "consumer", "alerter", "relay"]
    await provisioning.apply(runtime.bus)
    await record(runtime.database, _facts(2))
    async with runtime.database.transaction() as tx:
        await tx.execute(text("UPDATE inbox SET received_at = now() - interval '31 days'"))

    async def forgotten() -> bool:
        return bool(await _scalar(runtime.database, "SELECT count(*) = 0 FROM inbox"))

    async with running(runtime.relay()):
        await eventually(forgotten)
