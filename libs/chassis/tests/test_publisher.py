"""Batches to SNS, and the result of each message."""

from collections.abc import Sequence
from typing import Any

import pytest

from chassis.core.settings import BusSettings
from chassis.messaging.bus import Bus
from chassis.messaging.publisher import MAX_BATCH_BYTES, Outgoing, Publisher
from contracts import ContractError, Topology
from local_stack import ports

TOPIC = "bday-domain-events"
QUEUE = "bday-analytics"


@pytest.fixture
def batches(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The bodies of every PublishBatch call, which still goes to the real bus."""
    calls: list[list[str]] = []
    real = bus.sns.publish_batch

    async def publish_batch(**arguments: Any) -> Any:
        calls.append([entry["Message"] for entry in arguments["PublishBatchRequestEntries"]])
        return await real(**arguments)

    monkeypatch.setattr(bus.sns, "publish_batch", publish_batch)
    return calls


def _messages(bodies: Sequence[str]) -> list[Outgoing]:
    return [Outgoing(body, {"eventType": "EventScheduled"}) for body in bodies]


async def test_many_messages_go_in_batches_of_ten_and_all_arrive(
    bus: Bus, batches: list[list[str]], receive_all: Any
) -> None:
    bodies = [f"message {number}" for number in range(25)]
    assert await Publisher(bus).publish(TOPIC, _messages(bodies)) == [None] * 25
    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert sorted(message["Body"] for message in await receive_all(QUEUE, 25)) == sorted(bodies)


async def test_a_batch_stays_within_the_size_that_sns_takes(
    bus: Bus, batches: list[list[str]], receive_all: Any
) -> None:
    bodies = ["x" * 100_000, "y" * 100_000, "ä" * 50_000, "z"]
    assert await Publisher(bus).publish(TOPIC, _messages(bodies)) == [None] * 4
    assert [[len(body) for body in batch] for batch in batches] == [[100_000, 100_000], [50_000, 1]]
    assert all(sum(len(body.encode()) for body in batch) <= MAX_BATCH_BYTES for batch in batches)
    assert len(await receive_all(QUEUE, 4)) == 4


async def test_every_character_arrives_as_it_was_sent(bus: Bus, receive_all: Any) -> None:
    body = "".join(map(chr, (*range(0x20, 0x180), *range(0x1F600, 0x1F610)))) + "\t\n %41 + a=b&c;d"
    value = "100% + a=b&c;d/ä 😀"
    assert await Publisher(bus).publish(TOPIC, [Outgoing(body, {"eventType": value})]) == [None]
    (message,) = await receive_all(QUEUE, 1)
    assert message["Body"] == body
    assert message["MessageAttributes"]["eventType"]["StringValue"] == value


async def test_message_refused_by_sns_is_reported_and_its_batch_is_sent(
    bus: Bus, batches: list[list[str]], receive_all: Any
) -> None:
    # Too large only with its attribute, so that it shares a call with the others.
    large = Outgoing("x" * 200_000, {"eventType": "y" * 100_000})
    before, after = _messages(["before", "after"])
    results = await Publisher(bus).publish(TOPIC, [before, large, after])
    assert len(batches) == 1
    assert results[0] is None
    assert results[1] is not None
    assert results[1].reason.startswith("InvalidParameter")
    assert not results[1].maybe
    assert results[2] is None
    assert {message["Body"] for message in await receive_all(QUEUE, 2)} == {"before", "after"}


async def test_a_missing_topic_is_a_reason_for_every_message_and_no_exception(bus: Bus) -> None:
    results = await Publisher(bus).publish("bday-nowhere", _messages(["a"] * 11))
    assert len(results) == 11
    assert all(result is not None and "NotFound" in result.reason and not result.maybe for result in results)


async def test_unreachable_bus_is_the_reason_of_every_message_and_no_exception(
    settings: BusSettings, topology: Topology
) -> None:
    away = settings.model_copy(update={"aws_endpoint_url": f"http://{ports.LOOPBACK}:{ports.free_port()}"})
    async with Bus(away, topology) as bus:
        (result,) = await Publisher(bus).publish(TOPIC, _messages(["a"]))
    assert result is not None
    assert "Could not connect" in result.reason
    assert not result.maybe


@pytest.mark.parametrize(
    "attributes", [{f"a{number}": "x" for number in range(11)}, {"eventType": "EventScheduled", "tracestate": ""}]
)
async def test_attributes_that_would_lose_the_message_are_refused_before_anything_is_sent(
    bus: Bus, batches: list[list[str]], attributes: dict[str, str]
) -> None:
    with pytest.raises(ContractError):
        await Publisher(bus).publish(TOPIC, [*_messages(["a"]), Outgoing("b", attributes)])
    assert batches == []


async def test_publishing_nothing_makes_no_call(bus: Bus, batches: list[list[str]]) -> None:
    assert await Publisher(bus).publish(TOPIC, []) == []
    assert batches == []
