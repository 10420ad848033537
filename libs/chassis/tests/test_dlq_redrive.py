"""What a consumer gave up goes back while that makes sense, and becomes a row where it does not."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from uuid_utils.compat import uuid7

from chassis.database.database import Database
from chassis.messaging import dead_letters
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import Rejection
from chassis.messaging.dlq_redrive import MAX_REDRIVES, DlqDrain
from contracts import (
    MessageType,
    Queue,
    UserDeletedItem,
    encode_envelope,
    encode_item,
    message_attributes,
    parse_message,
)
from contracts.messages.parsing import check_message

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def queue(bus: Bus) -> Queue:
    return bus.topology.queue("analytics")


@pytest.fixture
def drain(bus: Bus, queue: Queue, db: Database) -> DlqDrain:
    keep = dead_letters.keeper(db, queue.name)
    return DlqDrain(bus, queue, check=parse_message, reject=keep, every_seconds=60)


def _valid() -> str:
    item = UserDeletedItem(item_id=uuid7(), user_id=uuid4(), version=2)
    return encode_envelope(MessageType.USER_DELETED, [encode_item(item)], uuid4(), datetime.now(UTC))


async def _give_up(bus: Bus, queue: Queue, body: str, attributes: Any = None) -> None:
    await bus.sqs.send_message(
        QueueUrl=await bus.queue_url(queue.dead_letter_queue.name),
        MessageBody=body,
        MessageAttributes=attributes
        or {
            name: {"DataType": "String", "StringValue": value}
            for name, value in message_attributes(MessageType.USER_DELETED, TRACEPARENT).items()
        },
    )


async def _kept(db: Database) -> list[dead_letters.DeadLetter]:
    return await dead_letters.search(db, queue=None, reason=None, before=None, limit=10)


async def test_a_valid_message_goes_back_three_times_and_then_becomes_a_row(
    bus: Bus, queue: Queue, drain: DlqDrain, db: Database, receive_all: Any
) -> None:
    body = _valid()
    await _give_up(bus, queue, body)
    for round_trip in range(1, MAX_REDRIVES + 1):
        assert await drain.step() == 0.0
        (message,) = await receive_all(queue.name, 1)
        assert message["Body"] == body
        attributes = message["MessageAttributes"]
        assert attributes["redrives"]["StringValue"] == str(round_trip)
        assert attributes["traceparent"]["StringValue"] == TRACEPARENT
        assert attributes["eventType"]["StringValue"] == "UserDeleted"
        await _give_up(bus, queue, body, attributes)
    await drain.step()
    assert await receive_all(queue.name, 0) == []
    (row,) = await _kept(db)
    assert (row.queue, row.reason, row.body) == (queue.name, "not_applied", body)
    assert row.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert await bus.depth(queue.dead_letter_queue.name) == 0


async def test_unparsable_message_becomes_a_row_with_the_reason(
    bus: Bus, queue: Queue, drain: DlqDrain, db: Database, receive_all: Any
) -> None:
    await _give_up(bus, queue, "{broken")
    await drain.step()
    (row,) = await _kept(db)
    assert (row.reason, row.body) == ("poison", "{broken")
    assert "not JSON" in row.detail
    assert await receive_all(queue.name, 0) == []


async def test_a_message_with_all_the_attributes_that_survive_still_goes_back(
    bus: Bus, queue: Queue, drain: DlqDrain, receive_all: Any
) -> None:
    attributes = {f"a{number}": {"DataType": "String", "StringValue": "x"} for number in range(10)}
    await _give_up(bus, queue, _valid(), attributes)
    await drain.step()
    (message,) = await receive_all(queue.name, 1)
    assert len(message["MessageAttributes"]) == 10
    assert message["MessageAttributes"]["redrives"]["StringValue"] == "1"


async def test_message_that_cannot_be_stored_stays_in_the_dead_letter_queue(bus: Bus, queue: Queue) -> None:
    async def reject(_: Sequence[Rejection]) -> None:
        raise OSError("database away")

    await _give_up(bus, queue, "{broken")
    drain = DlqDrain(bus, queue, check=parse_message, reject=reject, every_seconds=60)
    with pytest.raises(OSError, match="database away"):
        await drain.step()
    answer = await bus.sqs.get_queue_attributes(
        QueueUrl=await bus.queue_url(queue.dead_letter_queue.name),
        AttributeNames=["ApproximateNumberOfMessagesNotVisible"],
    )
    assert answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"


async def test_an_empty_queue_is_looked_at_again_after_a_while(drain: DlqDrain) -> None:
    assert await drain.step() == 60


async def test_a_message_that_sqs_does_not_take_back_becomes_a_dead_letter_and_the_others_return(
    bus: Bus, queue: Queue, drain: DlqDrain, db: Database, receive_all: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = [_valid() for _ in range(5)]
    for body in bodies:
        await _give_up(bus, queue, body)
    send = bus.sqs.send_message

    async def refusing(**request: Any) -> Any:
        if request["MessageBody"] == bodies[0]:
            refusal = {"Error": {"Code": "InvalidMessageContents", "Message": "Invalid characters found"}}
            raise ClientError(refusal, "SendMessage")  # type: ignore[arg-type]  # the rest of an answer is not read
        return await send(**request)

    monkeypatch.setattr(bus.sqs, "send_message", refusing)
    while await drain.step() == 0:
        pass
    assert sorted(message["Body"] for message in await receive_all(queue.name, 4)) == sorted(bodies[1:])
    (row,) = await _kept(db)
    assert (row.reason, row.body) == ("not_returnable", bodies[0])
    assert await bus.depth(queue.dead_letter_queue.name) == 0


async def test_a_message_with_one_good_item_goes_back_and_one_without_becomes_a_row(
    bus: Bus, queue: Queue, db: Database, receive_all: Any
) -> None:
    drain = DlqDrain(bus, queue, check=check_message, reject=dead_letters.keeper(db, queue.name), every_seconds=60)
    item = json.loads(_valid())["data"]["items"][0]
    for items in ([item, item | {"version": 0}], [item | {"version": 0}, item | {"userId": 1}]):
        await _give_up(bus, queue, json.dumps({**json.loads(_valid()), "data": {"items": items}}))
    while await drain.step() == 0:
        pass
    assert len(await receive_all(queue.name, 1)) == 1
    assert [row.reason for row in await _kept(db)] == ["poison"]
