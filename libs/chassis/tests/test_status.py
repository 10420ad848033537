"""A service's status comes from its database and the bus, whichever process answers."""

import asyncio
import time
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from chassis.core.settings import ServiceSettings
from chassis.core.ttl_cache import TtlCache
from chassis.database.database import Database
from chassis.messaging import dead_letters
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import QueueConsumer, ReceivedMessage, Rejection
from chassis.messaging.queue_progress import ProgressRecorder
from chassis.messaging.status import StatusReader
from contracts import Queue
from contracts.http.status import ServiceStatus
from testkit.polling import DEADLINE_SECONDS


async def _read(db: Database, bus: Bus) -> ServiceStatus:
    """As a process that has just started would."""
    return await StatusReader(db, bus, bus.topology.queues).read()


async def _send(bus: Bus, queue_name: str, count: int) -> None:
    url = await bus.queue_url(queue_name)
    entries = [{"Id": str(n), "MessageBody": "{}"} for n in range(count)]
    await bus.sqs.send_message_batch(QueueUrl=url, Entries=entries)  # type: ignore[arg-type]


async def _mark(db: Database, queue: Queue, seconds_ago: float) -> None:
    await ProgressRecorder(db, queue.name, lambda: time.time() - seconds_ago).step()


async def test_an_idle_service_stands_well(db: Database, bus: Bus) -> None:
    status = await _read(db, bus)
    assert status.bus_error is None
    assert 1 <= status.database.connections_used < status.database.connections_max
    assert status.database.replica_lag_seconds is None
    assert (status.outbox.unsent, status.outbox.oldest_age_seconds, status.dead_letter_messages) == (0, 0, 0)
    (queue,) = status.queues
    assert (queue.depth, queue.in_flight, queue.dead, queue.oldest_age_seconds) == (0, 0, 0, 0)


async def test_waiting_messages_are_counted_by_queue(db: Database, bus: Bus) -> None:
    (queue,) = bus.topology.queues
    await _send(bus, queue.name, 3)
    await _send(bus, queue.dead_letter_queue.name, 2)
    await bus.sqs.receive_message(QueueUrl=await bus.queue_url(queue.name), MaxNumberOfMessages=1)
    async with db.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO outbox (item_id, type, dataversion, item, created_at, sent_at) SELECT gen_random_uuid(),"
                " 'T', '1', '{}', clock_timestamp() - make_interval(secs => 10 * n), CASE WHEN n = 3 THEN now() END"
                " FROM generate_series(3, 1, -1) AS n"
            )
        )
    status = await _read(db, bus)
    (told,) = status.queues
    assert (told.depth, told.in_flight, told.dead) == (2, 1, 2)
    assert told.oldest_age_seconds is None, "nobody has received with a consumer yet"
    assert status.outbox.unsent == 2
    assert 20 <= status.outbox.oldest_age_seconds < 60


async def test_the_oldest_message_is_no_older_than_what_was_received_last(db: Database, bus: Bus) -> None:
    (queue,) = bus.topology.queues
    await _send(bus, queue.name, 1)
    await _mark(db, queue, 400)
    await _mark(db, queue, 700)
    status = await _read(db, bus)
    assert status.queues[0].oldest_age_seconds is not None
    assert 400 <= status.queues[0].oldest_age_seconds < 460, "a consumer that is behind takes nothing back"
    await _mark(db, queue, -900)
    assert (await _read(db, bus)).queues[0].oldest_age_seconds == pytest.approx(0, abs=60)


async def test_a_consumer_knows_how_far_it_has_come(db: Database, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    (queue,) = bus.topology.queues

    async def never(messages: Sequence[ReceivedMessage]) -> list[Rejection]:
        raise AssertionError(f"nothing is handled here: {messages}")

    consumer = QueueConsumer(bus, queue, never, reject=dead_letters.keeper(db, queue.name), gate=db.wait_available)
    monkeypatch.setattr("chassis.messaging.consumer.LONG_POLL_SECONDS", 0)
    await _send(bus, queue.name, 2)
    messages = await consumer.receive()
    marks = [consumer.reached]
    assert marks == [min(message.sent_at for message in messages)]
    before = time.time()
    assert await consumer.receive() == []
    marks.append(consumer.reached)
    assert marks[1] is not None
    assert before <= marks[1] <= time.time(), "an empty queue has been emptied by now"


async def test_depths_are_unknown_while_the_bus_is_unreachable(
    db: Database, settings: ServiceSettings, bus: Bus
) -> None:
    away = settings.model_copy(update={"aws_endpoint_url": "http://127.0.0.1:1"})
    async with Bus(away, bus.topology) as nowhere:
        status = await _read(db, nowhere)
    assert status.bus_error
    assert [(each.depth, each.in_flight, each.oldest_age_seconds) for each in status.queues] == [(None, None, None)]


async def test_an_answer_is_good_for_a_moment(db: Database, bus: Bus) -> None:
    board = StatusReader(db, bus, ())
    first = await board.read()
    assert first is await board.read()


async def test_those_who_ask_together_share_an_answer() -> None:
    asked: list[int] = []
    loading, answer = asyncio.Event(), asyncio.Event()

    async def load() -> int:
        asked.append(len(asked))
        loading.set()
        await answer.wait()
        return asked[-1]

    value = TtlCache(load, seconds=3600)
    readers = [asyncio.create_task(value.read()) for _ in range(5)]
    await asyncio.wait_for(loading.wait(), DEADLINE_SECONDS)
    answer.set()
    assert await asyncio.gather(*readers) == [0] * 5
    assert await value.read() == 0
    fleeting = TtlCache(load, seconds=0)
    assert [await fleeting.read(), await fleeting.read()] == [1, 2]


async def test_an_error_is_for_those_who_asked_then() -> None:
    results: list[object] = [OSError("away"), 7]

    async def load() -> object:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    value = TtlCache(load, seconds=3600)
    with pytest.raises(OSError, match="away"):
        await value.read()
    assert await value.read() == 7
