"""What operators are shown of dead letters is what waits for them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from chassis.database import Database
from chassis.messaging.consumer import ReceivedMessage, Rejection
from chassis.outbox import Outbox
from delivery_service.application.dead_letters import discard_many, keeper
from delivery_service.application.figures import OpenDeadLetters
from delivery_service.application.pool import DeliveryPool
from delivery_service.domain.dead_letters import Selection

Due = Callable[..., dict[str, Any]]
Receive = Callable[[DeliveryPool, dict[str, Any]], Awaitable[Sequence[Rejection]]]


def _shown(figures: OpenDeadLetters) -> Mapping[str, float]:
    return {str((each.attributes or {})["reason"]): each.value for each in figures.observe()}


async def test_open_dead_letters_are_shown_by_reason_until_somebody_has_seen_to_them(
    store: Database, open_pool: Any, receive: Receive, due_event: Due
) -> None:
    figures = OpenDeadLetters(store)
    assert _shown(figures) == {}  # nothing is known yet
    await figures.step()
    assert _shown(figures) == {"": 0}

    message = ReceivedMessage(str(uuid4()), "{", {}, "handle", 1, 0)
    await keeper(store, Outbox(), "bday-events-critical")([Rejection(message, "poison", "not JSON")])
    async with open_pool(store) as pool:  # there is no endpoint
        await receive(pool, due_event())
        await receive(pool, due_event())
    await figures.step()
    assert _shown(figures) == {"poison": 1, "no_endpoint": 2}

    assert await discard_many(store, Selection(reason="no_endpoint"), "a trial") == 2
    await figures.step()
    assert _shown(figures) == {"poison": 1}
    await discard_many(store, Selection(), "a trial")
    await figures.step()
    assert _shown(figures) == {"": 0}


async def test_only_one_process_shows_them(store: Database) -> None:
    first, second = OpenDeadLetters(store), OpenDeadLetters(store)
    await first.step()
    await second.step()
    assert (_shown(first), _shown(second)) == ({"": 0}, {})
