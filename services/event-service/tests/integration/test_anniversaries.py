"""Anniversaries follow their users: added, changed, removed, and fired each year."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from event_scenario import GRACE, Scenario
from sqlalchemy import Row
from sqlalchemy import event as engine_event
from uuid_utils.compat import uuid7

from contracts.identity import derive_id
from contracts.messages.spec import MessageType
from contracts.messages.user import Anniversary, UserItem
from contracts.vocabulary import Priority
from event_service.application.planning import COPY_FROM

ADDED, CHANGED, REMOVED = (
    MessageType.ANNIVERSARY_ADDED,
    MessageType.ANNIVERSARY_CHANGED,
    MessageType.ANNIVERSARY_REMOVED,
)


def _anniversary(on: str = "2015-12-05", label: str = "Wedding", *, important: bool = False) -> Anniversary:
    return Anniversary(anniversary_id=uuid7(), label=label, date=date.fromisoformat(on), important=important)


@pytest.fixture
async def ada(scenario: Scenario) -> UserItem:
    """Born on 23 November, without anniversaries; it is 1 October 2026."""
    await scenario.at("2026-10-01T00:00Z")
    user = scenario.user()
    await scenario.receive(user)
    await scenario.announced()
    return user


async def _have(scenario: Scenario, user: UserItem, version: int, *anniversaries: Anniversary, **changes: Any) -> None:
    item = scenario.user(user.user_id, version, anniversaries=list(anniversaries), **changes)
    await scenario.receive(item, type=CHANGED)


async def _anniversaries(scenario: Scenario, user_id: UUID) -> list[Row[Any]]:
    return [row for row in await scenario.events(user_id) if row.event_type == "ANNIVERSARY"]


async def test_one_that_is_added_gets_its_schedule_and_first_event(scenario: Scenario, ada: UserItem) -> None:
    wedding = _anniversary()
    await scenario.receive(scenario.user(ada.user_id, 2, anniversaries=[wedding]), type=ADDED)
    [event] = await _anniversaries(scenario, ada.user_id)
    schedule_id = derive_id(ada.user_id, f"ANNIVERSARY/{wedding.anniversary_id}")
    target = datetime(2026, 12, 5, 14, tzinfo=UTC)
    assert (event.id, event.schedule_id) == (derive_id(schedule_id, "2026"), schedule_id)
    assert (event.target_timestamp_utc, event.grace_until, event.priority) == (target, target + GRACE, Priority.HIGH)
    assert event.payload == {"message": "Ada Lovelace: 11th Wedding"}
    assert [(type, item["eventType"]) for type, item in await scenario.announced()] == [
        ("EventScheduled", "ANNIVERSARY")
    ]


async def test_those_of_a_new_user_come_with_the_birthday(scenario: Scenario, ada: UserItem) -> None:
    user = scenario.user(anniversaries=[_anniversary(), _anniversary("2020-01-02", "Moved in", important=True)])
    await scenario.receive(user)
    found = [(row.event_type, row.occurrence, row.priority) for row in await scenario.events(user.user_id)]
    assert found == [("BIRTHDAY", "2026", 0), ("ANNIVERSARY", "2026", 1), ("ANNIVERSARY", "2027", 0)]
    assert [row.status for row in await scenario.events(ada.user_id)] == ["PENDING"]


async def test_an_important_one_is_critical_and_becomes_so_while_it_waits(scenario: Scenario, ada: UserItem) -> None:
    wedding = _anniversary()
    await _have(scenario, ada, 2, wedding)
    await _have(scenario, ada, 3, wedding.model_copy(update={"important": True}))
    [event] = await _anniversaries(scenario, ada.user_id)
    assert event.priority == Priority.CRITICAL
    await scenario.at("2026-12-05T14:00Z")
    await scenario.fire(Priority.CRITICAL)
    assert event.id in [each.id for each in scenario.bus.published]


async def test_another_label_is_in_the_waiting_message(scenario: Scenario, ada: UserItem) -> None:
    wedding = _anniversary()
    await _have(scenario, ada, 2, wedding)
    await scenario.announced()
    await _have(scenario, ada, 3, wedding.model_copy(update={"label": "Our day"}), first_name="Augusta")
    [event] = await _anniversaries(scenario, ada.user_id)
    assert event.payload == {"message": "Augusta Lovelace: 11th Our day"}
    assert await scenario.announced() == []


async def test_another_date_is_the_same_event_within_the_year(scenario: Scenario, ada: UserItem) -> None:
    wedding = _anniversary()
    await _have(scenario, ada, 2, wedding)
    [before] = await _anniversaries(scenario, ada.user_id)
    await scenario.announced()
    await _have(scenario, ada, 3, wedding.model_copy(update={"date": date(2010, 11, 30)}))
    [event] = await _anniversaries(scenario, ada.user_id)
    assert (event.id, event.target_timestamp_utc) == (before.id, datetime(2026, 11, 30, 14, tzinfo=UTC))
    assert event.payload["message"] == "Ada Lovelace: 16th Wedding"
    assert await scenario.announced_types() == ["EventRescheduled"]


async def test_another_zone_and_time_move_all_that_its_user_has(scenario: Scenario, ada: UserItem) -> None:
    anniversaries = [_anniversary(), _anniversary("2001-03-04", "Met")]
    await _have(scenario, ada, 2, *anniversaries)
    await scenario.announced()
    await _have(scenario, ada, 3, *anniversaries, timezone="Asia/Tokyo", delivery_time=time(8))
    hours = {row.target_timestamp_utc.hour for row in await scenario.events(ada.user_id)}
    assert hours == {23}
    assert await scenario.announced_types() == ["EventRescheduled"] * 3


async def test_one_that_is_removed_is_cancelled_and_the_others_stay(scenario: Scenario, ada: UserItem) -> None:
    wedding, met = _anniversary(), _anniversary("2001-03-04", "Met")
    await _have(scenario, ada, 2, wedding, met)
    await scenario.announced()
    await scenario.receive(scenario.user(ada.user_id, 3, anniversaries=[met]), type=REMOVED)
    gone, stays = await _anniversaries(scenario, ada.user_id)
    assert (gone.status, gone.reason, gone.payload) == ("CANCELLED", "no longer the user's", {})
    assert (stays.status, stays.payload["message"]) == ("PENDING", "Ada Lovelace: 26th Met")
    assert await scenario.announced_types() == ["EventCancelled"]
    left = await scenario.rows("SELECT label FROM schedules ORDER BY label")
    assert [row.label for row in left] == ["Met", None]


async def test_the_day_itself_is_no_anniversary_yet(scenario: Scenario, ada: UserItem) -> None:
    await _have(scenario, ada, 2, _anniversary("2026-10-02"))
    [event] = await _anniversaries(scenario, ada.user_id)
    assert (event.occurrence, event.payload["message"]) == ("2027", "Ada Lovelace: 1st Wedding")
    # Entered wrongly at first: the year was another one.
    await _have(scenario, ada, 3, _anniversary("2016-10-02"))
    waiting = [row for row in await _anniversaries(scenario, ada.user_id) if row.status == "PENDING"]
    assert [row.payload["message"] for row in waiting] == ["Ada Lovelace: 10th Wedding"]


async def test_it_fires_and_comes_again_next_year(scenario: Scenario, ada: UserItem) -> None:
    await _have(scenario, ada, 2, _anniversary())
    await scenario.at("2026-12-05T14:00Z")
    assert await scenario.fire(Priority.HIGH) == 1
    await scenario.answer(scenario.outcome(scenario.bus.published[0]))
    fired, coming = await _anniversaries(scenario, ada.user_id)
    assert (fired.status, coming.status) == ("COMPLETED", "PENDING")
    assert coming.target_timestamp_utc == fired.target_timestamp_utc + timedelta(days=365)
    assert coming.payload["message"] == "Ada Lovelace: 12th Wedding"


async def test_a_deleted_user_leaves_none(scenario: Scenario, ada: UserItem) -> None:
    await _have(scenario, ada, 2, _anniversary(), _anniversary("2001-03-04", "Met"))
    await scenario.announced()
    await scenario.delete(ada.user_id, 3)
    assert {row.status for row in await scenario.events(ada.user_id)} == {"CANCELLED"}
    assert await scenario.rows("SELECT 1 FROM schedules") == []
    assert await scenario.announced_types() == ["EventCancelled"] * 3


async def test_a_batch_of_many_users_takes_a_handful_of_statements(scenario: Scenario, ada: UserItem) -> None:
    users = [
        scenario.user(anniversaries=[_anniversary(), _anniversary("2001-03-04", "Met")]) for _ in range(3 * COPY_FROM)
    ]
    few = await _statements(scenario, *users[:COPY_FROM])
    many = await _statements(scenario, *users[COPY_FROM:])
    assert few == many <= 8
    moved = [scenario.user(user.user_id, 2, anniversaries=user.anniversaries, timezone="Asia/Tokyo") for user in users]
    few = await _statements(scenario, *moved[:2])
    many = await _statements(scenario, *moved[2:])
    assert few == many <= 10
    assert {row.status for row in await scenario.events(ada.user_id)} == {"PENDING"}


async def _statements(scenario: Scenario, *users: UserItem) -> int:
    """How many statements one batch of them takes."""
    executed = 0

    def count(*_: object) -> None:
        nonlocal executed
        executed += 1

    engine = scenario.runtime.database.engine.sync_engine
    engine_event.listen(engine, "before_cursor_execute", count)
    try:
        await scenario.receive(*users)
    finally:
        engine_event.remove(engine, "before_cursor_execute", count)
    return executed
