"""Due events to signed webhooks, recorded, on the real database and over real connections."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from delivery_scene import IMPATIENT, Scene, due_event, receive
from standardwebhooks import Webhook

from contracts.vocabulary import Channel, EventType, OutcomeStatus, Priority
from delivery_service.domain.retries import RetryPolicy
from testkit import Answer, Receiver, eventually

Due = Callable[..., dict[str, Any]]

DELIVERIES = "SELECT * FROM deliveries ORDER BY id"
ATTEMPTS = "SELECT * FROM attempts ORDER BY delivery_id, number"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_due_event_becomes_a_signed_webhook_and_an_outcome(scene: Scene, receiver: Receiver) -> None:
    endpoint_id, secret = await scene.endpoint()
    receiver.always(Answer(202, body=b"thank you\0"))
    due = due_event()
    async with scene.pool() as pool:
        await receive(pool, due, traceparent=TRACEPARENT)
        [item] = await scene.ended()
    [request] = receiver.requests
    body = Webhook(secret).verify(request.body, dict(request.headers))
    assert body["type"] == "event.birthday"
    assert body["data"]["message"] == "Hey, Ada Lovelace it's your birthday"
    assert b"ada@example.org" not in request.body
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("Almanac/")
    assert request.headers["webhook-id"] == request.headers["idempotency-key"] == due["eventId"]
    assert request.headers["traceparent"] == TRACEPARENT

    [delivery] = await scene.rows(DELIVERIES)
    assert (delivery.status, delivery.attempts, delivery.lease, delivery.reason) == ("SUCCEEDED", 1, None, None)
    [attempt] = await scene.rows(ATTEMPTS)
    assert (attempt.verdict, attempt.http_status, attempt.excerpt) == ("succeeded", 202, "thank you\ufffd")
    assert attempt.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert item.status is OutcomeStatus.SUCCEEDED
    assert item.traceparent == TRACEPARENT
    assert str(item.user_id) == due["metadata"]["userId"]
    assert item.queue_seconds is not None
    assert 0.5 <= item.queue_seconds < 5
    [at_endpoint] = item.endpoints
    assert (at_endpoint.endpoint_id, at_endpoint.attempts, at_endpoint.http_status) == (endpoint_id, 1, 202)


async def test_temporary_failure_is_retried_with_the_same_id(scene: Scene, receiver: Receiver) -> None:
    _, secret = await scene.endpoint()
    # On a connection that was kept, the end would be met by an immediate retry instead.
    receiver.answer(Answer(500, headers={"Connection": "close"}), Answer(abort=True), 200)
    due = due_event()
    async with scene.pool() as pool:
        await receive(pool, due, traceparent=TRACEPARENT)
        [item] = await scene.ended()
    assert {request.headers["webhook-id"] for request in receiver.requests} == {due["eventId"]}
    for request in receiver.requests:
        Webhook(secret).verify(request.body, dict(request.headers))
    assert item.status is OutcomeStatus.SUCCEEDED
    assert item.endpoints[0].attempts == 3
    attempts = await scene.rows(ATTEMPTS)
    assert [(each.verdict, each.http_status, each.error) for each in attempts] == [
        ("retry", 500, None),
        ("retry", None, "connection"),
        ("succeeded", 200, None),
    ]
    # The first attempt is in the event's trace, each later one in its own.
    assert attempts[0].trace_id == TRACEPARENT[3:35]
    assert len({each.trace_id for each in attempts}) == 3


async def test_a_delivery_out_of_tries_is_exhausted(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    receiver.always(503)
    async with scene.pool() as pool:
        await receive(pool, due_event())
        [item] = await scene.ended()
    assert (item.status, item.reason) == (OutcomeStatus.FAILED, "exhausted")
    assert len(receiver.requests) == 3
    [delivery] = await scene.rows(DELIVERIES)
    assert (delivery.status, delivery.reason, delivery.http_status) == ("FAILED", "exhausted", 503)


@pytest.mark.parametrize(("status", "reason"), [(301, "rejected"), (400, "rejected"), (404, "rejected"), (410, "gone")])
async def test_a_final_answer_is_not_asked_for_again(
    scene: Scene,
    receiver: Receiver,
    status: int,
    reason: str,
) -> None:
    await scene.endpoint()
    receiver.always(Answer(status, headers={"Location": receiver.url}))
    async with scene.pool() as pool:
        await receive(pool, due_event())
        [item] = await scene.ended()
    assert (item.reason, item.endpoints[0].http_status) == (reason, status)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("as_date", [False, True])
async def test_a_receiver_that_asks_for_time_is_given_it(scene: Scene, receiver: Receiver, as_date: bool) -> None:
    await scene.endpoint()
    asked = format_datetime(datetime.now(UTC) + timedelta(seconds=121), usegmt=True) if as_date else "120"
    receiver.answer(Answer(429, headers={"Retry-After": asked}))
    patient = RetryPolicy(max_tries=3, base=0.05, factor=2, cap=0.1, retry_after_cap=900)
    async with scene.pool(policy=patient) as pool:
        await receive(pool, due_event())
        [attempt] = await eventually(lambda: scene.rows(ATTEMPTS))
    assert (attempt.verdict, attempt.headers["retry-after"]) == ("retry", asked)
    [left] = await scene.rows("SELECT CAST(extract(epoch FROM due_at - clock_timestamp()) AS float8) FROM deliveries")
    assert 110 < left[0] <= 121
    assert len(receiver.requests) == 1


async def test_no_retry_comes_after_the_events_expiry(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    receiver.always(Answer(429, headers={"Retry-After": "3600"}))
    async with scene.pool(policy=replace(IMPATIENT, retry_after_cap=3600)) as pool:
        # It expires before the hour has passed, and after its first attempt even on a busy machine.
        await receive(pool, due_event(expires_in=timedelta(minutes=10)))
        [item] = await scene.ended()
    assert (item.status, item.reason, item.endpoints[0].attempts) == (OutcomeStatus.FAILED, "expired", 1)
    [delivery] = await scene.rows(DELIVERIES)
    assert (delivery.reason, delivery.attempts) == ("expired", 1)


async def test_an_event_that_came_too_late_is_not_sent(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint()
    async with scene.pool() as pool:
        await receive(pool, due_event(expires_in=timedelta(seconds=-1)))
        [item] = await scene.ended()
    assert (item.reason, item.endpoints[0].attempts, item.endpoints[0].http_status) == ("expired", 0, None)
    assert receiver.requests == []
    assert await scene.rows(ATTEMPTS) == []


async def test_an_event_that_no_endpoint_wants_fails_at_once_and_is_visible(scene: Scene, receiver: Receiver) -> None:
    await scene.endpoint(event_types=("REMINDER",))
    await scene.endpoint(enabled=False)
    async with scene.pool() as pool:
        await receive(pool, due_event())
    [item] = await scene.outcomes()
    assert (item.status, item.reason, item.endpoints) == (OutcomeStatus.FAILED, "no_endpoint", [])
    [delivery] = await scene.rows(DELIVERIES)
    assert (delivery.status, delivery.reason, delivery.endpoint_id) == ("FAILED", "no_endpoint", None)
    assert receiver.requests == []


async def test_only_endpoints_that_want_the_type_get_it(scene: Scene, receiver: Receiver) -> None:
    everything, _ = await scene.endpoint()
    birthdays, _ = await scene.endpoint(event_types=("ANNIVERSARY", "BIRTHDAY"))
    await scene.endpoint(event_types=("REMINDER",))
    birthday, anniversary, reminder = (
        due_event(event_type=each) for each in (EventType.BIRTHDAY, EventType.ANNIVERSARY, EventType.NOTIFICATION)
    )
    async with scene.pool() as pool:
        await receive(pool, birthday, anniversary, reminder)
        items = await scene.ended(3)
    wanted = {item.event_type: {each.endpoint_id for each in item.endpoints} for item in items}
    assert wanted == {
        EventType.BIRTHDAY: {everything, birthdays},
        EventType.ANNIVERSARY: {everything, birthdays},
        EventType.NOTIFICATION: {everything},
    }


async def test_only_endpoints_that_want_the_priority_and_a_tag_of_the_user_get_it(scene: Scene) -> None:
    everything, _ = await scene.endpoint()
    urgent, _ = await scene.endpoint(priorities=(Priority.CRITICAL, Priority.HIGH))
    calm, _ = await scene.endpoint(priorities=(Priority.LOW,))
    vip, _ = await scene.endpoint(tags=("partner", "vip"))
    dues = [
        due_event(priority="CRITICAL", tags=["vip", "\0"]),
        due_event(priority="HIGH", tags=["press", "new"]),
        due_event(priority="LOW"),
    ]
    async with scene.pool() as pool:
        await receive(pool, *dues)
        items = await scene.ended(3)
    wanted = {item.priority: {each.endpoint_id for each in item.endpoints} for item in items}
    assert wanted == {
        Priority.CRITICAL: {everything, urgent, vip},
        Priority.HIGH: {everything, urgent},
        Priority.LOW: {everything, calm},
    }


async def test_an_endpoints_own_schedule_replaces_the_backoff_and_its_number_of_tries(
    scene: Scene,
    receiver: Receiver,
) -> None:
    await scene.endpoint(retry_schedule=(0.01, 0.02, 0.01, 0.01))
    receiver.always(503)
    async with scene.pool() as pool:
        await receive(pool, due_event())
        [item] = await scene.ended()
    assert (item.reason, len(receiver.requests)) == ("exhausted", 5)


async def test_one_failing_endpoint_of_two_makes_the_outcome_a_failure_with_the_detail(
    scene: Scene,
) -> None:
    good, _ = await scene.endpoint()
    async with Receiver() as broken:
        broken.always(400)
        bad, _ = await scene.endpoint(url=broken.url)
        async with scene.pool() as pool:
            await receive(pool, due_event())
            [item] = await scene.ended()
    assert (item.status, item.reason) == (OutcomeStatus.FAILED, "rejected")
    assert {each.endpoint_id: (each.status, each.reason, each.http_status) for each in item.endpoints} == {
        good: (OutcomeStatus.SUCCEEDED, None, 200),
        bad: (OutcomeStatus.FAILED, "rejected", 400),
    }


async def test_deliveries_that_end_together_make_exactly_one_outcome_each(scene: Scene, receiver: Receiver) -> None:
    for _ in range(4):
        await scene.endpoint()
    dues = [due_event() for _ in range(10)]
    async with scene.pool(claiming=False) as closed:
        closed.close()
        await receive(closed, *dues)
    # Two pools share the forty deliveries, so that an event's last two can end in two transactions at once.
    async with scene.pool(slots=2), scene.pool(slots=2):
        await scene.ended(10)
    items = await scene.outcomes()
    assert sorted(str(item.event_id) for item in items) == sorted(due["eventId"] for due in dues)
    assert all(item.status is OutcomeStatus.SUCCEEDED and len(item.endpoints) == 4 for item in items)
    assert {event.remaining for event in await scene.rows("SELECT remaining FROM events")} == {0}


async def test_an_endpoint_switched_off_or_deleted_meanwhile_gets_nothing_more(
    scene: Scene,
    receiver: Receiver,
) -> None:
    off, _ = await scene.endpoint()
    gone, _ = await scene.endpoint()
    receiver.always(500)
    async with scene.pool(claiming=False) as pool:
        await receive(pool, due_event())
        await eventually(lambda: scene.rows("SELECT 1 FROM attempts HAVING count(*) = 2"))
    await scene.rows("UPDATE endpoints SET enabled = false WHERE id = :id", id=off)
    await scene.rows("DELETE FROM endpoints WHERE id = :id", id=gone)
    async with scene.pool():
        [item] = await scene.ended()
    assert {each.endpoint_id: each.reason for each in item.endpoints} == {off: "disabled", gone: "cancelled"}
    assert len(receiver.requests) == 2
    # One may be switched on again, so its waiting deliveries are kept to be redriven.
    letters = await scene.rows("SELECT endpoint_id, reason, detail FROM delivery_dead_letters")
    assert [tuple(letter) for letter in letters] == [(off, "disabled", "HTTP 500")]


async def test_an_outcome_says_by_which_channel_though_the_endpoint_is_deleted(scene: Scene) -> None:
    webhook, _ = await scene.endpoint()
    sms, _ = await scene.endpoint(kind=Channel.SMS, url=None)
    async with scene.pool(claiming=False) as pool:
        pool.close()
        await receive(pool, due_event())
    await scene.rows("DELETE FROM endpoints WHERE id = :id", id=sms)
    async with scene.pool():
        [item] = await scene.ended()
    assert {each.endpoint_id: (each.channel, each.reason) for each in item.endpoints} == {
        webhook: (Channel.WEBHOOK, None),
        sms: (Channel.SMS, "cancelled"),
    }
