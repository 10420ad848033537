"""From the API to the queue that event-service reads, over the real bus."""

from typing import Any

import httpx

from chassis.messaging import provisioning
from chassis.messaging.outbox import Relay
from chassis.service.runtime import Runtime
from contracts.messages.parsing import parse_message
from contracts.messages.spec import Item
from contracts.messages.user import UserDeletedItem, UserItem
from testkit import AwsAccount
from user_service.settings import Settings


async def test_what_happens_to_a_user_reaches_the_consumers_queue(
    runtime: Runtime[Settings], api: httpx.AsyncClient, ada: dict[str, Any], aws: AwsAccount
) -> None:
    await provisioning.apply(runtime.bus)
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    traced = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    user = (await api.post("/v1/users", json=ada, headers=traced)).json()
    path = f"/v1/users/{user['id']}"
    await api.patch(path, json={"firstName": "Augusta", "timezone": "Asia/Tokyo"}, headers={"If-Match": '"1"'})
    await api.delete(path)
    relay = Relay(runtime.database, runtime.publisher, runtime.topology, runtime.clock, poll_seconds=0.2)
    await relay.step()
    await relay.stop()

    received = await _receive(aws, runtime.topology.queue("user-events").name, count=4)
    assert {type: item.version for type, item in received.items() if isinstance(item, UserItem)} == {
        "UserCreated": 1,
        "UserRenamed": 2,
        "UserTimezoneChanged": 2,
    }
    created = received["UserCreated"]
    assert isinstance(created, UserItem)
    assert created.trace_id == trace_id
    assert (created.first_name, created.timezone, created.contact.email) == ("Ada", "Europe/London", "Ada@example.org")
    renamed = received["UserRenamed"]
    assert isinstance(renamed, UserItem)
    assert (renamed.first_name, renamed.timezone) == ("Augusta", "Asia/Tokyo")
    deleted = received["UserDeleted"]
    assert isinstance(deleted, UserDeletedItem)
    assert (str(deleted.user_id), deleted.version) == (user["id"], 3)


async def _receive(aws: AwsAccount, queue: str, count: int) -> dict[str, Item]:
    found: dict[str, Item] = {}
    async with aws.client("sqs") as sqs:
        url = (await sqs.get_queue_url(QueueName=queue))["QueueUrl"]
        while len(found) < count:
            answer = await sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5, MessageAttributeNames=["All"]
            )
            assert answer.get("Messages"), f"only {sorted(found)} came"
            for message in answer["Messages"]:
                parsed = parse_message(message["Body"])
                assert message["MessageAttributes"]["eventType"]["StringValue"] == parsed.type
                found.update((parsed.type, item) for item in parsed.items)
    return found
