"""Operational webhooks: endpoints that are told of the service's troubles (design §5)."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from standardwebhooks import Webhook

from chassis.database import Database
from chassis.messaging.consumer import Rejection
from contracts.messages.delivery import DeadLetteredItem, DeliveryOutcomeItem
from contracts.vocabulary import Priority
from delivery_service.application.pool import DeliveryPool
from local_stack.testkit import Receiver, eventually

Due = Callable[..., dict[str, Any]]
Receive = Callable[..., Awaitable[Sequence[Rejection]]]
NewEndpoint = Callable[..., Awaitable[tuple[UUID, str]]]
OpenPool = Callable[..., AbstractAsyncContextManager[DeliveryPool]]
Outcomes = Callable[[Database], Awaitable[list[DeliveryOutcomeItem]]]
Rows = Callable[..., Awaitable[list[Any]]]

BOTH = ("endpoint.disabled", "delivery.dead_lettered")


async def test_a_subscribed_endpoint_is_told_of_a_dead_letter_and_of_an_endpoint_switched_off(
    store: Database,
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    outcomes: Outcomes,
) -> None:
    _, secret = await new_endpoint(store, event_types=("REMINDER",), operational_events=BOTH)
    async with Receiver() as gone:
        gone.always(410)
        gone_id, _ = await new_endpoint(store, url=gone.url, event_types=("BIRTHDAY",), operational_events=BOTH)
        due = due_event()
        async with open_pool(store) as pool, open_pool(store, priority=Priority.NORMAL):
            await receive(pool, due)
            await receiver.wait_for(2)
        # It is not told of itself.
        assert len(gone.requests) == 1
    bodies = {}
    for request in receiver.requests:
        body = Webhook(secret).verify(request.body, dict(request.headers))
        bodies[body["type"]] = body["data"]
    assert bodies["endpoint.disabled"] == {
        "endpointId": str(gone_id),
        "reason": "gone",
        "detail": "it answered 410 Gone",
        "failures": 1,
        "httpStatus": 410,
    }
    dead = bodies["delivery.dead_lettered"]
    assert (dead["eventId"], dead["endpointId"], dead["reason"]) == (due["eventId"], str(gone_id), "gone")
    # event-service is told of its own event alone.
    assert [str(item.event_id) for item in await outcomes(store)] == [due["eventId"]]


async def test_a_trouble_that_cannot_be_told_is_a_dead_letter_and_makes_no_further_trouble(
    store: Database,
    receiver: Receiver,
    new_endpoint: NewEndpoint,
    open_pool: OpenPool,
    due_event: Due,
    receive: Receive,
    rows: Rows,
) -> None:
    await new_endpoint(store, event_types=("REMINDER",), operational_events=BOTH)
    receiver.always(400)
    async with open_pool(store) as pool, open_pool(store, priority=Priority.NORMAL):
        await receive(pool, due_event())
        letters = await eventually(lambda: _two(rows, store))
    assert [(each.reason, each.event_type) for each in letters] == [
        ("no_endpoint", "BIRTHDAY"),
        ("rejected", "delivery.dead_lettered"),
    ]
    announced = await rows(store, "SELECT item FROM outbox WHERE type = 'DeadLettered' ORDER BY id")
    items = [DeadLetteredItem.model_validate_json(each.item) for each in announced]
    assert [(item.event_type, item.event_id is None) for item in items] == [("BIRTHDAY", False), (None, True)]
    assert len(receiver.requests) == 1
    assert len(await rows(store, "SELECT id FROM events WHERE operational")) == 1


async def _two(rows: Rows, store: Database) -> list[Any]:
    found = await rows(store, "SELECT reason, event_type FROM delivery_dead_letters ORDER BY id")
    return found if len(found) == 2 else []
