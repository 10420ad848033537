"""Operational events: what subscribed endpoints get about other endpoints and their deliveries."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from delivery_scene import Scene, due_event, receive
from slack_stand_in import Slack, slack_stand_in
from standardwebhooks import Webhook

from contracts.messages.delivery import DeadLetteredItem
from contracts.vocabulary import Channel, Priority
from delivery_service.adapters.posting import Poster
from delivery_service.adapters.secret_cipher import SecretCipher
from delivery_service.adapters.ssrf_guard import SsrfGuard
from delivery_service.adapters.webhooks import WebhookSender
from delivery_service.application.endpoints import Security
from delivery_service.application.ports import Sender
from delivery_service.application.sending import Channels
from delivery_service.domain.addresses import AllowList
from delivery_service.domain.circuits import CircuitPolicy
from delivery_service.domain.disabling import DisablePolicy
from delivery_service.domain.endpoints import OperationalEvent
from delivery_service.domain.signing import KEY_BYTES
from testkit import Answer, Receiver, eventually

Rows = Callable[..., Awaitable[list[Any]]]

SECURITY = Security(SsrfGuard(AllowList((ip_network("127.0.0.0/8"),))), SecretCipher([b"k" * KEY_BYTES]))
TWO_LETTERS = """
SELECT reason, event_type FROM delivery_dead_letters
WHERE (SELECT count(*) FROM delivery_dead_letters) = 2 ORDER BY id
"""
BOTH = ("endpoint.disabled", "delivery.dead_lettered")


async def test_subscriber_gets_events_of_dead_letters_and_of_disabled_endpoints(
    scene: Scene,
    receiver: Receiver,
) -> None:
    _, secret = await scene.endpoint(event_types=("REMINDER",), operational_events=BOTH)
    async with Receiver() as gone:
        gone.always(410)
        gone_id, _ = await scene.endpoint(url=gone.url, event_types=("BIRTHDAY",), operational_events=BOTH)
        due = due_event()
        async with scene.pool() as pool, scene.pool(priority=Priority.NORMAL):
            await receive(pool, due)
            await receiver.wait_for(2)
        # It receives no event about itself.
        assert len(gone.requests) == 1
    bodies = {}
    for request in receiver.requests:
        body = Webhook(secret).verify(request.body, dict(request.headers))
        bodies[body["type"]] = body["data"]
    assert bodies["endpoint.disabled"] == {
        "message": f"Endpoint {gone_id} was disabled: it answered 410 Gone",
        "endpointId": str(gone_id),
        "reason": "gone",
        "detail": "it answered 410 Gone",
        "failures": 1,
        "httpStatus": 410,
    }
    dead = bodies["delivery.dead_lettered"]
    assert (dead["eventId"], dead["endpointId"], dead["reason"]) == (due["eventId"], str(gone_id), "gone")
    assert dead["message"] == f"BIRTHDAY for endpoint {gone_id} was given up: gone (HTTP 410)"
    # event-service gets only its own event's outcome.
    assert [str(item.event_id) for item in await scene.outcomes()] == [due["eventId"]]


async def test_subscriber_is_warned_before_a_failing_endpoint_is_disabled(scene: Scene, receiver: Receiver) -> None:
    warnings = (OperationalEvent.ENDPOINT_FAILING, OperationalEvent.ENDPOINT_DISABLED)
    _, secret = await scene.endpoint(event_types=("REMINDER",), operational_events=warnings)
    policy = CircuitPolicy(disabling=DisablePolicy(failures=2, min_failures=2, min_seconds=0, warning_seconds=3_600))
    async with Receiver() as failing:
        failing.always(404)
        endpoint_id, _ = await scene.endpoint(url=failing.url, event_types=("BIRTHDAY",), operational_events=warnings)
        async with scene.pool(circuits=policy) as pool, scene.pool(priority=Priority.NORMAL):
            for count in (1, 2):
                await receive(pool, due_event())
                await scene.ended(count)
            [warning] = await receiver.wait_for(1)
            await scene.rows("UPDATE circuits SET warned_at = warned_at - interval '1 hour'")
            await receive(pool, due_event())
            [_, disabled] = await receiver.wait_for(2)
        # The endpoint that fails gets neither.
        assert len(failing.requests) == 3
    body = Webhook(secret).verify(warning.body, dict(warning.headers))
    data = body["data"]
    assert (body["type"], data["endpointId"], data["failures"], data["httpStatus"]) == (
        "endpoint.failing", str(endpoint_id), 2, 404,
    )  # fmt: skip
    after = datetime.fromisoformat(data["notDisabledBefore"]) - datetime.fromisoformat(data["failingSince"])
    assert after >= timedelta(hours=1)
    assert "unless an attempt succeeds: all 2 attempts of the last 0.0 hours failed" in data["message"]
    assert Webhook(secret).verify(disabled.body, dict(disabled.headers))["type"] == "endpoint.disabled"


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncIterator[Slack]:
    """A stand-in for Slack."""
    async with slack_stand_in(tmp_path, SECURITY.cipher) as stand_in:
        yield stand_in


async def test_webhook_and_slack_get_operational_events_except_about_themselves(
    scene: Scene,
    receiver: Receiver,
    slack: Slack,
) -> None:
    slack_id, _ = await scene.endpoint(
        kind=Channel.SLACK,
        url=slack.url,
        event_types=("REMINDER",),
        operational_events=BOTH,
        text="{type}: {message} {reason} {nothing}",
    )
    await scene.endpoint(event_types=("REMINDER",), operational_events=BOTH)
    slack.receiver.answer(Answer(200, body=b"ok"), 410)
    async with (
        _channels(slack) as channels,
        scene.pool(sender=channels) as pool,
        scene.pool(sender=channels, priority=Priority.NORMAL),
    ):
        await receive(pool, due_event())
        await receiver.wait_for(1)
        await slack.receiver.wait_for(1)
        await receive(pool, due_event())
        requests = await receiver.wait_for(3)
    assert json.loads(slack.receiver.requests[0].body) == {
        "text": "delivery.dead_lettered: BIRTHDAY was given up: no_endpoint no_endpoint "
    }
    # A message that Slack refused is a failure itself: the webhook is notified that Slack is disabled, and of nothing
    # more.
    said = [json.loads(request.body) for request in requests]
    assert sorted(body["type"] for body in said) == [BOTH[1], BOTH[1], BOTH[0]]
    assert {body["data"]["endpointId"] for body in said} == {None, str(slack_id)}
    channels_of = await scene.rows("SELECT channel, count(*) FROM deliveries GROUP BY 1 ORDER BY 1 NULLS LAST")
    assert [tuple(row) for row in channels_of] == [("slack", 2), ("webhook", 3), (None, 2)]


@asynccontextmanager
async def _channels(slack: Slack) -> AsyncIterator[Channels]:
    """Webhooks over the network, Slack as its stand-in says."""
    network = Poster(connections=10, connect_seconds=2, guard=SECURITY.guard)
    senders: dict[Channel, Sender] = {
        Channel.WEBHOOK: WebhookSender(network, SECURITY.cipher),
        Channel.SLACK: slack.sender,
    }
    yield Channels(senders, close=network.aclose)
    await network.aclose()


async def test_undeliverable_operational_event_is_a_dead_letter_and_makes_no_further_event(
    scene: Scene,
    receiver: Receiver,
) -> None:
    await scene.endpoint(event_types=("REMINDER",), operational_events=BOTH)
    receiver.always(400)
    async with scene.pool() as pool, scene.pool(priority=Priority.NORMAL):
        await receive(pool, due_event())
        letters = await eventually(lambda: scene.rows(TWO_LETTERS))
    assert [(each.reason, each.event_type) for each in letters] == [
        ("no_endpoint", "BIRTHDAY"),
        ("rejected", "delivery.dead_lettered"),
    ]
    announced = await scene.rows("SELECT item FROM outbox WHERE type = 'DeadLettered' ORDER BY id")
    items = [DeadLetteredItem.model_validate_json(each.item) for each in announced]
    assert [(item.event_type, item.event_id is None) for item in items] == [("BIRTHDAY", False), (None, True)]
    assert len(receiver.requests) == 1
    assert len(await scene.rows("SELECT id FROM events WHERE operational")) == 1
