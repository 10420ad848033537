"""A message is deleted only after its effect, and nothing that a handler does loses one."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfoNotFoundError

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from chassis.database.database import Database
from chassis.messaging import consumer, dead_letters, provisioning
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import QueueConsumer, ReceivedMessage, Rejection
from chassis.messaging.domain import ReceivedItem, domain_handler
from contracts import MessageType, Queue, UserDeletedItem, encode_envelope, encode_item
from local_stack import ports
from local_stack.postgres import NOT_DURABLE, PostgresServer
from testkit import eventually


class Handler:
    """Remembers what it was given; can be held and made to refuse or reject messages."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.done: list[ReceivedMessage] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.raises_for: Callable[[ReceivedMessage], bool] = lambda message: False
        self.rejects: Callable[[ReceivedMessage], bool] = lambda message: False

    async def __call__(self, messages: Sequence[ReceivedMessage]) -> Sequence[Rejection]:
        self.batches.append([message.body for message in messages])
        await self.gate.wait()
        if any(map(self.raises_for, messages)):
            raise ValueError("cannot be applied")
        self.done.extend(messages)
        return [Rejection(message, "poison", "told to") for message in messages if self.rejects(message)]

    @property
    def bodies(self) -> list[str]:
        return sorted(message.body for message in self.done)


@pytest.fixture(autouse=True)
def short_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle receive is cut short sooner: each test would spend the whole second."""
    monkeypatch.setattr(consumer, "STOP_RECEIVING_SECONDS", 0.2)


@pytest.fixture
def queue(bus: Bus) -> Queue:
    return bus.topology.queue("analytics")


@pytest.fixture
async def brief_queue(bus: Bus, queue: Queue) -> Queue:
    """The same, but a message comes back after a second."""
    url = await bus.queue_url(queue.name)
    await bus.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    return queue


@pytest.fixture
def handler() -> Handler:
    return Handler()


async def _send(bus: Bus, queue: Queue, *bodies: str) -> None:
    for body in bodies:
        await bus.sqs.send_message(QueueUrl=await bus.queue_url(queue.name), MessageBody=body)


async def _depths(bus: Bus, name: str) -> tuple[int, int]:
    """Messages that wait, and messages in flight."""
    answer = await bus.sqs.get_queue_attributes(
        QueueUrl=await bus.queue_url(name),
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    values = answer["Attributes"]
    return int(values["ApproximateNumberOfMessages"]), int(values["ApproximateNumberOfMessagesNotVisible"])


async def _empty(bus: Bus, name: str) -> bool:
    return await _depths(bus, name) == (0, 0)


async def _nobody_waits() -> None:
    """The gate of a consumer that may always receive."""


async def _must_not_reject(rejections: Sequence[Rejection]) -> None:
    raise AssertionError(f"rejected {rejections}")


@asynccontextmanager
async def _consuming(
    bus: Bus,
    queue: Queue,
    handler: consumer.Handler,
    *,
    reject: Callable[[Sequence[Rejection]], Awaitable[None]] = _must_not_reject,
    gate: Callable[[], Awaitable[None]] = _nobody_waits,
    **numbers: int,
) -> AsyncIterator[asyncio.Event]:
    """A consumer that runs for the block, or until the event that it yields is set, and then has to drain."""
    stopping = asyncio.Event()
    role = QueueConsumer(bus, queue, handler, reject=reject, gate=gate, **numbers)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(role.run(stopping))
        try:
            yield stopping
        finally:
            stopping.set()


async def test_a_message_is_deleted_only_after_its_effect(bus: Bus, queue: Queue, handler: Handler) -> None:
    await _send(bus, queue, "a")
    handler.gate.clear()
    async with _consuming(bus, queue, handler):
        await eventually(lambda: handler.batches)
        assert sum(await _depths(bus, queue.name)) == 1
        handler.gate.set()
        await eventually(lambda: _empty(bus, queue.name))
    assert handler.bodies == ["a"]


async def test_a_handler_that_raises_leaves_its_message_to_come_back(
    bus: Bus, brief_queue: Queue, handler: Handler
) -> None:
    await _send(bus, brief_queue, "a")
    handler.raises_for = lambda message: message.receive_count == 1
    async with _consuming(bus, brief_queue, handler):
        await eventually(lambda: handler.done)
        await eventually(lambda: _empty(bus, brief_queue.name))
    assert [message.receive_count for message in handler.done] == [2]


async def test_one_bad_message_does_not_hold_up_the_others_and_ends_in_the_dead_letter_queue(
    bus: Bus, brief_queue: Queue, handler: Handler
) -> None:
    await _send(bus, brief_queue, "a", "bad", "b", "c")
    handler.raises_for = lambda message: message.body == "bad"

    async def given_up() -> bool:
        return await bus.depth(brief_queue.dead_letter_queue.name) == 1

    async with _consuming(bus, brief_queue, handler):
        await eventually(lambda: handler.bodies == ["a", "b", "c"])
        await eventually(given_up)
    assert handler.bodies == ["a", "b", "c"]
    assert await _empty(bus, brief_queue.name)
    assert handler.batches.count(["bad"]) == brief_queue.max_receive_count


async def test_a_rejected_message_is_kept_before_it_is_deleted(
    bus: Bus, queue: Queue, handler: Handler, db: Database
) -> None:
    await _send(bus, queue, "good", "bad")
    handler.rejects = lambda message: message.body != "good"
    async with _consuming(bus, queue, handler, reject=dead_letters.keeper(db, queue.name)):
        await eventually(lambda: _empty(bus, queue.name))
    (kept,) = await dead_letters.search(db, queue=queue.name, reason="poison", before=None, limit=10)
    assert (kept.body, kept.detail) == ("bad", "told to")


async def test_a_rejection_that_cannot_be_kept_leaves_the_message(
    bus: Bus, brief_queue: Queue, handler: Handler
) -> None:
    await _send(bus, brief_queue, "poison")
    handler.rejects = lambda message: True
    attempts: list[int] = []

    async def reject(rejections: Sequence[Rejection]) -> None:
        attempts.append(len(rejections))
        if len(attempts) == 1:
            raise OSError("no place to keep it")

    async with _consuming(bus, brief_queue, handler, reject=reject):
        await eventually(lambda: len(attempts) == 2)
        await eventually(lambda: _empty(bus, brief_queue.name))


async def test_a_dead_letter_is_kept_once_however_often_it_comes_back(db: Database) -> None:
    keep = dead_letters.keeper(db, "q")
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    message = ReceivedMessage("id", "body with \0", {"traceparent": parent}, "receipt", 1, 0.0)
    for _ in range(2):
        await keep([Rejection(message, "poison", "not JSON")])
    (kept,) = await dead_letters.search(db, queue=None, reason=None, before=None, limit=10)
    assert kept.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert kept.attributes == {"traceparent": parent}
    assert kept.body == "body with \\u0000"  # PostgreSQL's text has no NUL


async def test_unparsable_message_is_rejected_with_its_reason_and_the_others_are_applied(
    bus: Bus, queue: Queue
) -> None:
    rejected: list[Rejection] = []

    async def reject(rejections: Sequence[Rejection]) -> None:
        rejected.extend(rejections)

    async def apply(items: object) -> None:
        raise AssertionError(f"nothing here is an item: {items}")

    await _send(bus, queue, "{", '{"type": "Unheard"}', '{"specversion": "1.0"}')
    async with _consuming(bus, queue, domain_handler(queue.name, apply), reject=reject):
        await eventually(lambda: len(rejected) == 3)
        await eventually(lambda: _empty(bus, queue.name))
    assert {rejection.reason for rejection in rejected} == {"poison"}
    assert any("not JSON" in rejection.detail for rejection in rejected)
    assert any("Unheard" in rejection.detail for rejection in rejected)


async def test_messages_accumulate_while_a_batch_is_handled(bus: Bus, queue: Queue, handler: Handler) -> None:
    handler.gate.clear()
    async with _consuming(bus, queue, handler, handlers=1, max_batch=8):
        await _send(bus, queue, "first")
        await eventually(lambda: handler.batches)
        await _send(bus, queue, *(f"{number}" for number in range(8)))
        await eventually(lambda: _in_flight(bus, queue, 9))
        handler.gate.set()
        await eventually(lambda: len(handler.done) == 9)
    assert max(map(len, handler.batches)) > 1
    assert max(map(len, handler.batches)) <= 8


async def test_a_batch_weighs_no_more_than_it_may_unless_a_single_message_does(
    bus: Bus, queue: Queue, handler: Handler
) -> None:
    handler.gate.clear()
    async with _consuming(bus, queue, handler, handlers=1, max_batch_bytes=250):
        await _send(bus, queue, "first")
        await eventually(lambda: handler.batches)
        await _send(bus, queue, *(f"{number}" * 100 for number in range(5)), "heavy" * 100)
        await eventually(lambda: _at_least_in_flight(bus, queue, 3))
        handler.gate.set()
        await eventually(lambda: len(handler.done) == 7)
    assert all(len("".join(batch)) <= 250 for batch in handler.batches if len(batch) > 1)
    assert max(map(len, handler.batches)) == 2
    assert ["heavy" * 100] in handler.batches


async def _in_flight(bus: Bus, queue: Queue, count: int) -> bool:
    return (await _depths(bus, queue.name))[1] == count


async def _at_least_in_flight(bus: Bus, queue: Queue, count: int) -> bool:
    return (await _depths(bus, queue.name))[1] >= count


async def test_graceful_stop_handles_all_received_messages(bus: Bus, queue: Queue, handler: Handler) -> None:
    bodies = [f"{number}" for number in range(8)]
    await _send(bus, queue, *bodies)
    handler.gate.clear()
    async with _consuming(bus, queue, handler, handlers=1, max_batch=1) as stopping:
        await eventually(lambda: handler.batches)
        received = (await _depths(bus, queue.name))[1]
        stopping.set()
        handler.gate.set()
    assert received > 1
    assert len(handler.done) >= received
    assert len(set(handler.bodies)) == len(handler.bodies)
    assert sum(await _depths(bus, queue.name)) == len(bodies) - len(handler.done)


async def test_a_consumer_stops_at_once_although_it_polls_for_long(bus: Bus, queue: Queue, handler: Handler) -> None:
    loop = asyncio.get_running_loop()
    polling = asyncio.Event()

    async def gate() -> None:
        polling.set()

    async with _consuming(bus, queue, handler, gate=gate) as stopping:
        await polling.wait()
        started = loop.time()
        stopping.set()
    assert loop.time() - started < 5


async def test_nothing_is_received_while_the_database_is_unreachable(
    bus: Bus, queue: Queue, handler: Handler, tmp_path: Path
) -> None:
    server = PostgresServer(tmp_path / "pg", ports.free_port(), NOT_DURABLE)
    await asyncio.to_thread(server.start)
    database = Database(await server.create_database("mine"))
    asked = asyncio.Event()

    async def gate() -> None:
        asked.set()
        await database.wait_available()

    try:
        server.kill()
        with pytest.raises((DBAPIError, OSError)):
            await database.ping()
        async with _consuming(bus, queue, handler, gate=gate):
            await asked.wait()
            await _send(bus, queue, "a")
            with pytest.raises(AssertionError):
                await eventually(lambda: _in_flight(bus, queue, 1), timeout=0.5)
            await asyncio.to_thread(server.start)
            await eventually(lambda: handler.done)
        assert [message.receive_count for message in handler.done] == [1]
    finally:
        await database.close()
        await asyncio.to_thread(server.stop)


async def test_a_batch_whose_database_went_away_is_left_whole(bus: Bus, brief_queue: Queue, db: Database) -> None:
    sizes: list[int] = []

    async def ends_its_own_session(messages: Sequence[ReceivedMessage]) -> Sequence[Rejection]:
        sizes.append(len(messages))
        if len(sizes) == 1:
            async with db.transaction() as tx:
                await tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return ()

    await _send(bus, brief_queue, "a", "b", "c")
    async with _consuming(bus, brief_queue, ends_its_own_session, gate=db.wait_available):
        await eventually(lambda: _empty(bus, brief_queue.name))
    # Not message by message: that would be three more attempts at an unreachable database.
    assert (sizes[0], sum(sizes)) == (3, 6)


async def test_a_queue_that_is_missing_is_waited_for(bus: Bus, queue: Queue, handler: Handler) -> None:
    url = await bus.queue_url(queue.name)
    await bus.sqs.delete_queue(QueueUrl=url)
    asked = 0

    async def gate() -> None:
        nonlocal asked
        asked += 1

    async with _consuming(bus, queue, handler, gate=gate):
        await eventually(lambda: asked > 1)
        await provisioning.apply(bus)
        await _send(bus, queue, "a")
        await eventually(lambda: handler.bodies == ["a"])


async def test_attributes_and_times_come_with_a_message(bus: Bus, queue: Queue, handler: Handler) -> None:
    attributes: Any = {"traceparent": {"DataType": "String", "StringValue": "00-x"}}
    await bus.sqs.send_message(QueueUrl=await bus.queue_url(queue.name), MessageBody="a", MessageAttributes=attributes)
    async with _consuming(bus, queue, handler):
        (message,) = await eventually(lambda: handler.done)
    assert (message.traceparent, message.receive_count) == ("00-x", 1)
    assert message.sent_at > 1_600_000_000


def _message(*items: dict[str, Any], receive_count: int = 1) -> ReceivedMessage:
    """A message of deletions; each item as it is given over a valid one."""
    valid = json.loads(
        encode_envelope(
            MessageType.USER_DELETED,
            [encode_item(UserDeletedItem(item_id=uuid7(), user_id=uuid4(), version=2)) for _ in items],
            uuid4(),
            datetime.now(UTC),
        )
    )
    for item, change in zip(valid["data"]["items"], items, strict=True):
        item |= change
    return ReceivedMessage("m", json.dumps(valid), {}, "receipt", receive_count, 0.0)


async def test_good_items_of_a_message_are_applied_and_each_bad_one_is_rejected_alone() -> None:
    applied: list[ReceivedItem] = []

    async def apply(items: Sequence[ReceivedItem]) -> None:
        applied.extend(items)

    message = _message({}, {"version": 0}, {}, {"userId": "nobody"})
    rejections = await domain_handler("q", apply)([message])
    sent = json.loads(message.body)["data"]["items"]
    assert [str(item.item_id) for item in applied] == [sent[0]["itemId"], sent[2]["itemId"]]
    assert [(each.reason, each.message.message_id) for each in rejections] == [("poison", "m/1"), ("poison", "m/3")]
    assert [json.loads(each.message.body)["data"]["items"] for each in rejections] == [[sent[1]], [sent[3]]]
    assert "version" in rejections[0].detail
    assert "userId" in rejections[1].detail


async def test_an_item_that_cannot_be_applied_holds_up_no_other_and_is_rejected_with_the_third_receive() -> None:
    applied: list[UUID] = []

    async def apply(items: Sequence[ReceivedItem]) -> None:
        if any(item.item.version == 7 for item in items if isinstance(item.item, UserDeletedItem)):
            raise ZoneInfoNotFoundError("No time zone found with key Mars/Olympus, wanted by ada@example.org")
        applied.extend(item.item_id for item in items)

    message = _message({}, {"version": 7}, {})
    sent = json.loads(message.body)["data"]["items"]
    good = [sent[0]["itemId"], sent[2]["itemId"]]
    for receive_count in (1, 2):
        applied.clear()
        with pytest.raises(ZoneInfoNotFoundError):
            await domain_handler("q", apply)([replace(message, receive_count=receive_count)])
        assert list(map(str, applied)) == good
    [rejection] = await domain_handler("q", apply)([replace(message, receive_count=3)])
    assert (rejection.reason, rejection.message.message_id) == ("not_applied", "m/1")
    assert json.loads(rejection.message.body)["data"]["items"] == [sent[1]]
    assert "Mars/Olympus" in rejection.detail
    assert "ada" not in rejection.detail


async def test_an_outage_while_items_are_applied_rejects_nothing() -> None:
    async def apply(items: Sequence[ReceivedItem]) -> None:
        raise ConnectionRefusedError("away")

    with pytest.raises(ConnectionRefusedError):
        await domain_handler("q", apply)([_message({}, {}, receive_count=9)])
