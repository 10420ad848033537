"""User items become recipients, schedules and events: the newest version wins, whatever the order."""

import itertools
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

import pytest
from event_scenario import GRACE, Scenario, event_id
from uuid_utils.compat import uuid7

from chassis.core.zones import TZDATA_VERSION
from contracts.messages.spec import MessageType
from contracts.messages.user import Anniversary, Contact, UserDeletedItem
from contracts.send_hours import SendHours
from event_service.application.planning import COPY_FROM
from event_service.application.recipients import UnknownZoneError


@pytest.fixture(autouse=True)
async def now(scenario: Scenario) -> datetime:
    return await scenario.at("2026-10-01T00:00Z")


async def test_a_new_user_gets_a_schedule_and_its_first_event(scenario: Scenario, now: datetime) -> None:
    user = scenario.user()
    await scenario.receive(user)
    event = await scenario.event(user.user_id)
    target = datetime(2026, 11, 23, 14, tzinfo=UTC)
    assert event.id == event_id(user.user_id, 2026)
    assert (event.target_timestamp_utc, event.grace_until) == (target, target + GRACE)
    assert (event.status, event.priority, event.attempt, event.occurrence) == ("PENDING", 0, 1, "2026")
    assert (event.event_type, event.timezone, event.tzdata) == ("BIRTHDAY", "America/New_York", TZDATA_VERSION)
    assert event.payload == {"message": "Hey, Ada Lovelace!"}
    assert (event.tags, event.contact) == (["vip"], {"email": "ada@example.org", "phone": "+442071234567"})
    assert [(step["status"], step["cause"]) for step in event.history] == [("PENDING", "scheduled")]
    assert datetime.fromisoformat(event.history[0]["at"]) == now
    schedule = await scenario.schedule(user.user_id)
    assert (schedule.id, schedule.live_event_id, schedule.next_at) == (event.schedule_id, event.id, target)
    assert schedule.rule == {"kind": "YEARLY", "month": 11, "day": 23, "since": 1990, "first": 1990}
    assert (schedule.local_time, schedule.version, schedule.status) == (time(9), 1, "ACTIVE")
    assert (event.follows_user, event.expires_at) == (True, target + GRACE)
    assert event.wall.isoformat() == "2026-11-23T09:00:00"


async def test_its_event_is_announced_in_the_same_transaction(scenario: Scenario, now: datetime) -> None:
    user = scenario.user()
    await scenario.receive(user)
    [(type, item)] = await scenario.announced()
    event = await scenario.event(user.user_id)
    assert type == "EventScheduled"
    assert item.pop("itemId")
    assert item == {
        "eventId": str(event.id),
        "userId": str(user.user_id),
        "eventType": "BIRTHDAY",
        "priority": "CRITICAL",
        "occurrence": "2026",
        "attempt": 1,
        "targetTimestampUTC": "2026-11-23T14:00:00Z",
        "targetTimezone": "America/New_York",
        "occurredAt": now.isoformat().replace("+00:00", "Z"),
        "scheduleId": str(event.schedule_id),
        "broadcastId": None,
    }


async def test_any_order_of_versions_in_any_batches_ends_in_the_newest(scenario: Scenario) -> None:
    for order in itertools.permutations([1, 2, 3]):
        for batches in ([order], [order[:1], order[1:]], [[each] for each in order]):
            user_id = uuid7()
            for batch in batches:
                await scenario.receive(
                    *(scenario.user(user_id, version, first_name=f"v{version}") for version in batch)
                )
            event = await scenario.event(user_id)
            assert event.payload == {"message": "Hey, v3 Lovelace!"}
            [stored] = await scenario.rows("SELECT * FROM recipients WHERE user_id = :id", id=user_id)
            assert (stored.version, stored.first_name) == (3, "v3")


async def test_an_item_that_comes_again_changes_nothing(scenario: Scenario) -> None:
    user = scenario.user()
    await scenario.receive(user, user)
    before = await scenario.event(user.user_id)
    assert await scenario.announced_types() == ["EventScheduled"]
    await scenario.receive(user)
    await scenario.receive(user.model_copy(update={"item_id": uuid7()}))
    assert await scenario.event(user.user_id) == before
    assert await scenario.announced() == []


async def test_items_of_several_kinds_from_one_change_are_applied_once(scenario: Scenario) -> None:
    user = scenario.user()
    await scenario.receive(user)
    await scenario.announced()
    for type in (MessageType.USER_TIMEZONE_CHANGED, MessageType.USER_RENAMED, MessageType.USER_CONTACT_CHANGED):
        await scenario.receive(
            scenario.user(user.user_id, 2, first_name="Augusta", timezone="Europe/London", tags=[]), type=type
        )
    event = await scenario.event(user.user_id)
    assert (event.payload["message"], event.timezone, event.tags) == ("Hey, Augusta Lovelace!", "Europe/London", [])
    assert await scenario.announced_types() == ["EventRescheduled"]


async def test_a_stale_version_is_ignored(scenario: Scenario) -> None:
    user = scenario.user(version=5)
    await scenario.receive(user)
    await scenario.receive(scenario.user(user.user_id, 4, first_name="Old", timezone="Asia/Tokyo"))
    event = await scenario.event(user.user_id)
    assert (event.payload["message"], event.timezone) == ("Hey, Ada Lovelace!", "America/New_York")


@pytest.mark.parametrize("together", [True, False])
async def test_a_deletion_that_overtakes_the_creation_leaves_nothing_to_come(
    scenario: Scenario, together: bool
) -> None:
    user_id = uuid7()
    deletion, creation = UserDeletedItem(item_id=uuid7(), user_id=user_id, version=2), scenario.user(user_id)
    if together:
        await scenario.receive(deletion, creation)
    else:
        await scenario.receive(deletion)
        await scenario.receive(creation)
    assert await scenario.events(user_id) == []
    assert await scenario.announced() == []
    [tombstone] = await scenario.rows("SELECT * FROM recipients WHERE user_id = :id", id=user_id)
    assert (tombstone.version, tombstone.deleted, tombstone.first_name, tombstone.contact) == (2, True, None, None)


async def test_a_deletion_is_final(scenario: Scenario) -> None:
    user = scenario.user()
    await scenario.receive(user)
    await scenario.delete(user.user_id)
    await scenario.receive(scenario.user(user.user_id, 3))
    assert (await scenario.event(user.user_id)).status == "CANCELLED"
    assert await scenario.rows("SELECT 1 FROM schedules") == []


async def test_many_users_come_in_one_batch_with_their_own_traces(scenario: Scenario) -> None:
    def traced(number: int) -> str:
        return f"00-{number + 1:032x}-{number + 1:016x}-01"

    users = [scenario.user().model_copy(update={"traceparent": traced(number)}) for number in range(150)]
    await scenario.receive(*users)
    stored = {row.user_id: row for row in await scenario.rows("SELECT * FROM events")}
    assert {user.user_id: user.traceparent for user in users} == {
        user_id: row.traceparent for user_id, row in stored.items()
    }
    announced = await scenario.announced()
    assert {UUID(item["userId"]): item["traceparent"] for _, item in announced} == {
        user.user_id: user.traceparent for user in users
    }


OWN_COLUMNS = {"id", "user_id", "schedule_id", "live_event_id", "created_at", "updated_at"}
"""Columns that differ between two users with the same data."""


async def test_users_of_a_large_batch_get_the_same_rows_as_a_single_user(scenario: Scenario) -> None:
    wedding = Anniversary(anniversary_id=uuid7(), label="Wedding", date=date(2015, 5, 6), important=True)
    data: dict[str, Any] = {
        "anniversaries": [wedding],
        "tags": ["news", "vip"],
        "external_id": "crm-1",
        "send_window": [SendHours(days=["MO"], from_=time(10), until=time(17, 30))],
        "locale": "de",
    }
    single, *batch = [scenario.user(**data) for _ in range(COPY_FROM + 1)]
    await scenario.receive(single)
    await scenario.receive(*batch)
    for query in ("SELECT * FROM recipients", "SELECT * FROM schedules", "SELECT * FROM events"):
        rows = await scenario.rows(query)
        kinds: dict[UUID, set[str]] = {}
        for row in rows:
            shared = {name: value for name, value in row._mapping.items() if name not in OWN_COLUMNS}
            kinds.setdefault(row.user_id, set()).add(repr(shared))
        assert kinds.keys() == {single.user_id, *(each.user_id for each in batch)}, query
        assert list(kinds.values()) == [kinds[single.user_id]] * len(kinds), query
    assert len(await scenario.announced()) == 2 * (1 + len(batch))


async def test_changed_and_new_users_of_a_large_batch_are_both_applied(scenario: Scenario) -> None:
    known = [scenario.user() for _ in range(COPY_FROM)]
    await scenario.receive(*known)
    moved = [scenario.user(each.user_id, 2, timezone="Europe/Berlin") for each in known]
    new = [scenario.user(timezone="Europe/Berlin") for _ in range(COPY_FROM)]
    await scenario.receive(*moved, *new)
    schedules = await scenario.rows("SELECT user_id, timezone, live_event_id, next_at FROM schedules")
    events = {row.user_id: row for row in await scenario.rows("SELECT * FROM events")}
    assert {row.user_id for row in schedules} == {each.user_id for each in (*known, *new)} == events.keys()
    for row in schedules:
        event = events[row.user_id]
        assert (event.timezone, event.target_timestamp_utc) == ("Europe/Berlin", datetime(2026, 11, 23, 8, tzinfo=UTC))
        assert (row.timezone, row.live_event_id, row.next_at) == ("Europe/Berlin", event.id, event.target_timestamp_utc)


async def test_a_zone_that_this_image_does_not_know_is_left_for_one_that_does(scenario: Scenario) -> None:
    known = scenario.user()
    with pytest.raises(UnknownZoneError, match="Mars/Olympus"):
        await scenario.receive(known, scenario.user(timezone="Mars/Olympus"))
    assert await scenario.rows("SELECT 1 FROM recipients UNION SELECT 1 FROM inbox") == []


async def test_a_user_without_contact_or_tags_is_scheduled_too(scenario: Scenario) -> None:
    user = scenario.user(contact=Contact(), tags=[])
    await scenario.receive(user)
    event = await scenario.event(user.user_id)
    assert (event.tags, event.contact) == ([], {"email": None, "phone": None})


async def test_external_id_of_a_user_is_in_its_events_and_follows_changes(scenario: Scenario) -> None:
    user = scenario.user(external_id="crm-42")
    await scenario.receive(user)
    assert (await scenario.event(user.user_id)).external_id == "crm-42"
    await scenario.receive(scenario.user(user.user_id, 2, external_id="crm-43"))
    event = await scenario.event(user.user_id)
    assert (event.external_id, event.idempotency_key, event.status) == ("crm-43", None, "PENDING")


async def test_external_id_is_erased_with_its_user(scenario: Scenario) -> None:
    user = scenario.user(external_id="crm-42")
    await scenario.receive(user)
    await scenario.delete(user.user_id)
    event = await scenario.event(user.user_id)
    assert (event.external_id, event.status) == (None, "CANCELLED")
    assert await scenario.rows("SELECT external_id FROM recipients WHERE external_id IS NOT NULL") == []
