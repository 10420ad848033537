"""The gauges show the open dead letters."""

from collections.abc import Mapping
from uuid import uuid4

from delivery_scene import Scene, due_event, receive

from chassis.messaging.consumer import ReceivedMessage, Rejection
from chassis.messaging.outbox import Outbox
from delivery_service.application.dead_letter_metrics import OpenDeadLetters
from delivery_service.application.dead_letters import dead_letter_sink, discard_many
from delivery_service.domain.dead_letters import Selection


def _shown(figures: OpenDeadLetters) -> Mapping[str, float]:
    return {str((each.attributes or {})["reason"]): each.value for each in figures.observe()}


async def test_open_dead_letters_are_exported_by_reason_until_they_are_closed(scene: Scene) -> None:
    figures = OpenDeadLetters(scene.database)
    assert _shown(figures) == {}  # nothing is known yet
    await figures.step()
    assert _shown(figures) == {"": 0}

    message = ReceivedMessage(str(uuid4()), "{", {}, "handle", 1, 0)
    await dead_letter_sink(scene.database, Outbox(), "bday-events-critical")([Rejection(message, "poison", "not JSON")])
    async with scene.pool() as pool:  # there is no endpoint
        await receive(pool, due_event())
        await receive(pool, due_event())
    await figures.step()
    assert _shown(figures) == {"poison": 1, "no_endpoint": 2}

    assert await discard_many(scene.database, Selection(reason="no_endpoint"), "a trial") == 2
    await figures.step()
    assert _shown(figures) == {"poison": 1}
    await discard_many(scene.database, Selection(), "a trial")
    await figures.step()
    assert _shown(figures) == {"": 0}


async def test_only_one_process_shows_them(scene: Scene) -> None:
    first, second = OpenDeadLetters(scene.database), OpenDeadLetters(scene.database)
    await first.step()
    await second.step()
    assert (_shown(first), _shown(second)) == ({"": 0}, {})
