"""State change and message leave together, and nothing is lost on the way."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from opentelemetry.trace import NonRecordingSpan, use_span
from sqlalchemy import text
from uuid_utils.compat import uuid7

from chassis.core.settings import BusSettings
from chassis.database.clock import ManualClock
from chassis.database.database import Database
from chassis.messaging import outbox, provisioning
from chassis.messaging.bus import Bus
from chassis.messaging.outbox import Outbox, PublishError, Relay
from chassis.messaging.publisher import Publisher
from chassis.telemetry import tracing
from contracts import (
    MAX_MESSAGE_BYTES,
    Contact,
    ContractError,
    DeadLetteredItem,
    Item,
    MessageType,
    Topology,
    UserDeletedItem,
    UserItem,
)
from local_stack import ports
from local_stack.emulator import Emulator
from testkit import eventually

QUEUE = "bday-analytics"
NOW = datetime(2027, 2, 28, 9, tzinfo=UTC)


def _deleted(count: int) -> list[tuple[MessageType, Item]]:
    return [
        (MessageType.USER_DELETED, UserDeletedItem(item_id=uuid7(), user_id=uuid4(), version=2)) for _ in range(count)
    ]


def _large(size: int) -> tuple[MessageType, Item]:
    item = UserItem(
        item_id=uuid7(),
        user_id=uuid4(),
        version=1,
        first_name="Ada",
        last_name="Lovelace",
        date_of_birth=datetime(1990, 12, 10, tzinfo=UTC).date(),
        timezone="Europe/London",
        delivery_time=time(9),
        anniversaries=[],
        tags=["x" * size],
        contact=Contact(),
    )
    return MessageType.USER_CREATED, item


async def _append(db: Database, items: Sequence[tuple[MessageType, Item]], box: Outbox | None = None) -> None:
    async with db.transaction() as tx:
        await (box or Outbox()).append(tx, items)


async def _unsent(db: Database) -> int:
    async with db.read() as connection:
        count: int = (await connection.execute(text("SELECT count(*) FROM outbox WHERE sent_at IS NULL"))).scalar_one()
    return count


def _relay(db: Database, bus: Bus) -> Relay:
    return Relay(db, Publisher(bus), bus.topology, ManualClock(NOW), poll_seconds=7.0)


def _ids(items: Sequence[tuple[MessageType, Item]]) -> list[str]:
    return [str(item.item_id) for _, item in items]


def _received_ids(messages: Sequence[dict[str, Any]]) -> list[list[str]]:
    return [[item["itemId"] for item in json.loads(message["Body"])["data"]["items"]] for message in messages]


async def test_items_leave_with_the_transaction_and_wake_the_relay_after_it(db: Database) -> None:
    box = Outbox()
    with pytest.raises(KeyError):
        async with db.transaction() as tx:
            await box.append(tx, _deleted(1))
            raise KeyError
    assert not box.appended.is_set()
    assert await _unsent(db) == 0
    async with db.transaction() as tx:
        await box.append(tx, _deleted(2))
        assert not box.appended.is_set()
    assert box.appended.is_set()
    assert await _unsent(db) == 2


async def test_an_item_that_fits_no_message_is_refused_in_its_transaction(db: Database) -> None:
    with pytest.raises(ContractError, match="bytes"):
        await _append(db, [*_deleted(1), _large(MAX_MESSAGE_BYTES)])
    assert await _unsent(db) == 0


async def test_rows_of_one_type_are_packed_up_to_a_hundred_in_their_order(
    db: Database, bus: Bus, receive_all: Any
) -> None:
    items = _deleted(250)
    await _append(db, items)
    assert await _relay(db, bus).step() == 7.0
    packed = _received_ids(await receive_all(QUEUE, 3))
    order = _ids(items)
    assert sorted(map(len, packed)) == [50, 100, 100]
    assert sorted(packed, key=lambda ids: order.index(ids[0])) == [order[:100], order[100:200], order[200:]]
    assert await _unsent(db) == 0


async def test_a_message_stays_under_its_size_limit(db: Database, bus: Bus, receive_all: Any) -> None:
    items = [_large(90_000) for _ in range(5)]
    await _append(db, items)
    await _relay(db, bus).step()
    messages = await receive_all(QUEUE, 3)
    assert sorted(map(len, _received_ids(messages))) == [1, 2, 2]
    assert all(len(message["Body"].encode()) <= MAX_MESSAGE_BYTES for message in messages)


async def test_types_are_not_mixed_and_attributes_name_them(db: Database, bus: Bus, receive_all: Any) -> None:
    await _append(db, [_large(1), *_deleted(2), _large(1)])
    await _relay(db, bus).step()
    messages = await receive_all(QUEUE, 2)
    assert {(m["MessageAttributes"]["eventType"]["StringValue"], len(_received_ids([m])[0])) for m in messages} == {
        ("UserCreated", 2),
        ("UserDeleted", 2),
    }
    for message in messages:
        body = json.loads(message["Body"])
        assert body["type"] == message["MessageAttributes"]["eventType"]["StringValue"]
        assert body["time"] == "2027-02-28T09:00:00Z"


async def test_nothing_is_lost_while_the_bus_is_unreachable(
    db: Database, settings: BusSettings, topology: Topology, receive_all: Any
) -> None:
    port = ports.free_port()
    here = settings.model_copy(update={"aws_endpoint_url": f"http://{ports.LOOPBACK}:{port}"})
    items = _deleted(3)
    await _append(db, items)
    emulator = Emulator(port)
    async with Bus(here, topology) as bus:
        relay = _relay(db, bus)
        with pytest.raises(PublishError, match="Could not connect"):
            await relay.step()
        assert await _unsent(db) == 3
        await asyncio.to_thread(emulator.start)
        try:
            await provisioning.apply(bus)
            await relay.step()
            assert await _unsent(db) == 0
            url = await bus.queue_url(QUEUE)
            answer = await eventually(lambda: bus.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1))
            assert _received_ids([dict(answer["Messages"][0])]) == [_ids(items)]
        finally:
            await asyncio.to_thread(emulator.kill)


async def test_only_what_the_bus_accepted_is_marked_and_the_rest_is_tried_again(
    db: Database, bus: Bus, receive_all: Any
) -> None:
    arn = bus.topic_arn("bday-dlq-events")
    await bus.sns.delete_topic(TopicArn=arn)
    refused = DeadLetteredItem(
        item_id=uuid7(),
        dead_letter_id=uuid4(),
        reason="poison",
        detail=None,
        event_id=None,
        user_id=None,
        event_type=None,
        priority=None,
        endpoint_id=None,
        attempts=0,
        occurred_at=NOW,
    )
    accepted = _deleted(2)
    await _append(db, [(MessageType.DEAD_LETTERED, refused), *accepted])
    relay = _relay(db, bus)
    with pytest.raises(PublishError, match="NotFound"):
        await relay.step()
    assert await _unsent(db) == 1
    assert _received_ids(await receive_all(QUEUE, 1)) == [_ids(accepted)]
    await provisioning.apply(bus)
    await relay.step()
    assert await _unsent(db) == 0
    assert await receive_all(QUEUE, 0) == []


async def test_replay_sends_kept_items_again(db: Database, bus: Bus, receive_all: Any) -> None:
    items = _deleted(3)
    await _append(db, items)
    relay = _relay(db, bus)
    await relay.step()
    first = _received_ids(await receive_all(QUEUE, 1))
    assert await outbox.replay(db) == 3
    await relay.step()
    assert _received_ids(await receive_all(QUEUE, 1)) == first == [_ids(items)]


async def test_two_relays_do_not_send_twice_and_the_second_takes_over(db: Database, bus: Bus, receive_all: Any) -> None:
    items = _deleted(300)
    await _append(db, items)
    first, second = _relay(db, bus), _relay(db, bus)
    await asyncio.gather(first.step(), second.step())
    await first.step()
    await second.step()
    sent = [item_id for ids in _received_ids(await receive_all(QUEUE, 3)) for item_id in ids]
    assert sorted(sent) == sorted(_ids(items))
    await asyncio.gather(first.stop(), second.stop())
    more = _deleted(1)
    await _append(db, more)
    await second.step()
    assert _received_ids(await receive_all(QUEUE, 1)) == [_ids(more)]


async def test_an_item_travels_with_the_trace_in_which_it_came_about(db: Database, bus: Bus, receive_all: Any) -> None:
    mine = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    own = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    context = tracing.parse(mine)
    assert context is not None
    (type, bare), (_, traced) = _deleted(2)
    with use_span(NonRecordingSpan(context)):
        await _append(db, [(type, bare), (type, traced.model_copy(update={"traceparent": own}))])
    await _relay(db, bus).step()
    (message,) = await receive_all(QUEUE, 1)
    assert [item.get("traceparent") for item in json.loads(message["Body"])["data"]["items"]] == [mine, own]


async def test_old_sent_items_are_deleted_and_unsent_ones_never(db: Database) -> None:
    await _append(db, _deleted(3))
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE outbox SET created_at = now() - interval '9 days'"))
        await tx.execute(
            text("UPDATE outbox SET sent_at = now() - interval '2 days' WHERE id = (SELECT min(id) FROM outbox)")
        )
        await tx.execute(text("UPDATE outbox SET sent_at = now() WHERE id = (SELECT max(id) FROM outbox)"))
        await tx.execute(outbox.SWEEP, {"seconds": 86_400.0})
        assert (await tx.execute(text("SELECT count(*) FROM outbox"))).scalar_one() == 2
    assert await _unsent(db) == 1


async def test_thousands_of_items_are_copied_as_they_would_be_inserted(db: Database) -> None:
    items = [*_deleted(outbox.COPY_FROM), _large(10)]
    mine = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    context = tracing.parse(mine)
    assert context is not None
    with use_span(NonRecordingSpan(context)):
        few, many = _deleted(1), outbox.encode(items)
        await _append(db, few)
    async with db.transaction() as tx:
        # Nothing else was done in this transaction: it must have begun nevertheless.
        await Outbox().append_encoded(tx, many)
    async with db.read() as connection:
        rows = (await connection.execute(text("SELECT * FROM outbox ORDER BY id"))).all()
    assert [str(row.item_id) for row in rows] == _ids([*few, *items])
    assert [row.type for row in rows[-2:]] == ["UserDeleted", "UserCreated"]
    assert {row.dataversion for row in rows} == {"1.0"}
    assert {row.traceparent for row in rows} == {json.loads(row.item)["traceparent"] for row in rows} == {mine}
    assert all(row.sent_at is None and row.created_at is not None for row in rows)


async def test_copied_items_leave_with_their_transaction(db: Database) -> None:
    box = Outbox()
    with pytest.raises(KeyError):
        async with db.transaction() as tx:
            await box.append(tx, _deleted(outbox.COPY_FROM))
            raise KeyError
    assert await _unsent(db) == 0
    assert not box.appended.is_set()


async def test_there_is_room_until_as_many_wait_as_may(db: Database) -> None:
    box = Outbox(backlog_limit=3)
    await _append(db, _deleted(2))
    assert await box.has_room(db)
    await _append(db, _deleted(1))
    assert not await box.has_room(db)
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE outbox SET sent_at = clock_timestamp() WHERE id = (SELECT min(id) FROM outbox)"))
    assert await box.has_room(db)


async def _append_unknown(db: Database, count: int) -> None:
    """Rows of a newer version of the code, which was rolled back."""
    async with db.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO outbox (item_id, type, dataversion, item)"
                " SELECT gen_random_uuid(), CASE n % 2 WHEN 0 THEN 'UserTeleported' ELSE 'UserDeleted' END, '9.0', '{}'"
                " FROM generate_series(1, :count) AS n"
            ),
            {"count": count},
        )


@pytest.mark.parametrize("count", [1, 2_500])
async def test_rows_of_unknown_types_are_skipped_and_the_others_are_sent_at_once(
    db: Database, bus: Bus, receive_all: Any, count: int
) -> None:
    await _append_unknown(db, count)
    items = _deleted(2)
    await _append(db, items)
    assert await _relay(db, bus).step() == 7.0
    assert _received_ids(await receive_all(QUEUE, 1)) == [_ids(items)]
    assert await _unsent(db) == count
    assert await Outbox(backlog_limit=1).has_room(db)


async def test_message_refused_by_the_bus_is_skipped_and_delays_no_other(
    db: Database, bus: Bus, receive_all: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = _deleted(12), _deleted(3)
    marked = {str(item.item_id) for _, item in bad[:1]}
    publish = bus.sns.publish_batch
    calls = 0

    async def refusing(**request: Any) -> Any:
        nonlocal calls
        calls += 1
        if any(mark in entry["Message"] for entry in request["PublishBatchRequestEntries"] for mark in marked):
            refusal = {"Error": {"Code": "InvalidParameter", "Message": "Invalid parameter: Message"}}
            raise ClientError(refusal, "PublishBatch")  # type: ignore[arg-type]  # the rest of an answer is not read
        return await publish(**request)

    # The emulator takes whatever it is sent; SNS refuses a whole batch for a character of one of its messages.
    monkeypatch.setattr(bus.sns, "publish_batch", refusing)
    await _append(db, bad)
    relay = _relay(db, bus)
    await relay.step()
    await relay.step()
    assert await _unsent(db) == 1
    await _append(db, good)
    await relay.step()
    assert await _unsent(db) == 1
    received = await receive_all(QUEUE, 1)
    assert sorted(each for ids in _received_ids(received) for each in ids) == sorted([*_ids(bad[1:]), *_ids(good)])
    before = calls
    await relay.step()
    assert calls == before  # it is not tried again for a second or two
