"""A change of a user moves, renews or cancels pending events; what has fired stays fired."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

import pytest
from event_scenario import FakeBus, Scenario, event_id
from uuid_utils.compat import uuid7

from contracts.messages.spec import MessageType
from contracts.messages.user import Contact, UserItem
from contracts.vocabulary import OutcomeStatus
from event_service.adapters import claims, event_locks
from event_service.application.firing import NotPublishedError, return_unconfirmed
from event_service.application.outcomes import sweep_missed
from event_service.domain.events import Event, Published


@pytest.fixture
async def ada(scenario: Scenario) -> UserItem:
    """Greeted on 23 November at 14:00Z; it is 1 October 2026."""
    await scenario.at("2026-10-01T00:00Z")
    user = scenario.user()
    await scenario.receive(user)
    await scenario.announced()
    return user


async def _change(scenario: Scenario, user: UserItem, type: MessageType, version: int = 2, **changes: Any) -> None:
    await scenario.receive(scenario.user(user.user_id, version, **changes), type=type)


async def _fire_and_complete(scenario: Scenario) -> None:
    assert await scenario.fire() == 1
    await scenario.answer(scenario.outcome(scenario.bus.published[-1]))
    await scenario.announced()


@pytest.mark.parametrize(
    ("type", "changes", "target"),
    [
        (MessageType.USER_TIMEZONE_CHANGED, {"timezone": "Asia/Kathmandu"}, "2026-11-23T03:15Z"),
        (MessageType.USER_DELIVERY_TIME_CHANGED, {"delivery_time": time(18, 30)}, "2026-11-23T23:30Z"),
        (MessageType.USER_BIRTHDAY_CHANGED, {"date_of_birth": date(1991, 12, 24)}, "2026-12-24T14:00Z"),
        (MessageType.USER_BIRTHDAY_CHANGED, {"date_of_birth": date(1991, 10, 2)}, "2026-10-02T13:00Z"),
    ],
)
async def test_within_the_year_the_same_event_moves(
    scenario: Scenario, ada: UserItem, type: MessageType, changes: dict[str, Any], target: str
) -> None:
    before = await scenario.event(ada.user_id)
    await _change(scenario, ada, type, **changes)
    event = await scenario.event(ada.user_id)
    assert event.id == before.id == event_id(ada.user_id, 2026)
    assert event.target_timestamp_utc == datetime.fromisoformat(target)
    assert event.timezone == changes.get("timezone", "America/New_York")
    assert [step["cause"] for step in event.history] == ["scheduled", "rescheduled"]
    assert (event.version, event.created_at) == (2, before.created_at)
    [(announced, item)] = await scenario.announced()
    assert announced == "EventRescheduled"
    assert datetime.fromisoformat(item["targetTimestampUTC"]) == event.target_timestamp_utc
    assert item["previousTargetTimestampUTC"] == "2026-11-23T14:00:00Z"
    schedule = await scenario.schedule(ada.user_id)
    assert (schedule.live_event_id, schedule.next_at) == (event.id, event.target_timestamp_utc)


async def test_a_birthday_in_another_month_is_in_another_partition(scenario: Scenario, ada: UserItem) -> None:
    await _change(scenario, ada, MessageType.USER_BIRTHDAY_CHANGED, date_of_birth=date(1990, 12, 24))
    found = await scenario.rows("SELECT CAST(tableoid AS regclass)::text AS partition FROM events")
    assert [row.partition for row in found] == ["events_2026_12"]


async def test_a_birthday_that_has_passed_this_year_is_another_event(scenario: Scenario, ada: UserItem) -> None:
    await _change(scenario, ada, MessageType.USER_BIRTHDAY_CHANGED, date_of_birth=date(1990, 9, 30))
    event = await scenario.event(ada.user_id)
    assert (event.id, event.occurrence) == (event_id(ada.user_id, 2027), "2027")
    assert event.target_timestamp_utc == datetime(2027, 9, 30, 13, tzinfo=UTC)
    announced = await scenario.announced()
    assert [(type, UUID(item["eventId"])) for type, item in announced] == [
        ("EventScheduled", event.id),
        ("EventCancelled", event_id(ada.user_id, 2026)),
    ]
    await _change(scenario, ada, MessageType.USER_BIRTHDAY_CHANGED, 3)
    event = await scenario.event(ada.user_id)
    assert event.id == event_id(ada.user_id, 2026)


async def test_back_and_forth_ends_where_it_began(scenario: Scenario, ada: UserItem) -> None:
    before = await scenario.event(ada.user_id)
    await _change(scenario, ada, MessageType.USER_TIMEZONE_CHANGED, timezone="Asia/Tokyo")
    await _change(scenario, ada, MessageType.USER_TIMEZONE_CHANGED, 3)
    after = await scenario.event(ada.user_id)
    assert (after.id, after.target_timestamp_utc) == (before.id, before.target_timestamp_utc)
    assert await scenario.announced_types() == ["EventRescheduled", "EventRescheduled"]


async def test_another_zone_with_the_same_instant_is_no_move(scenario: Scenario, ada: UserItem) -> None:
    await _change(scenario, ada, MessageType.USER_TIMEZONE_CHANGED, timezone="America/Toronto")
    event = await scenario.event(ada.user_id)
    assert event.timezone == "America/Toronto"
    assert await scenario.announced() == []


@pytest.mark.parametrize(
    ("type", "changes", "column", "value"),
    [
        (MessageType.USER_RENAMED, {"first_name": "Augusta"}, "payload", {"message": "Hey, Augusta Lovelace!"}),
        (MessageType.USER_CONTACT_CHANGED, {"tags": ["new"]}, "tags", ["new"]),
        (
            MessageType.USER_CONTACT_CHANGED,
            {"contact": Contact(email=None, phone="+4930")},
            "contact",
            {"email": None, "phone": "+4930"},
        ),
    ],
)
async def test_a_new_name_contact_or_tag_is_in_the_waiting_event(
    scenario: Scenario, ada: UserItem, type: MessageType, changes: dict[str, Any], column: str, value: object
) -> None:
    await scenario.receive(scenario.user(ada.user_id, 2, **changes), type=type)
    event = await scenario.event(ada.user_id)
    assert getattr(event, column) == value
    assert event.target_timestamp_utc == datetime(2026, 11, 23, 14, tzinfo=UTC)
    assert await scenario.announced() == []


# -- on the very day --------------------------------------------------------------------------------------------------


async def test_a_move_on_the_day_to_a_time_that_has_passed_fires_at_once(scenario: Scenario, ada: UserItem) -> None:
    await scenario.at("2026-11-23T10:00Z")
    await _change(scenario, ada, MessageType.USER_TIMEZONE_CHANGED, timezone="Asia/Tokyo")
    event = await scenario.event(ada.user_id)
    assert event.target_timestamp_utc == datetime(2026, 11, 23, 0, tzinfo=UTC)
    assert await scenario.fire() == 1
    assert [each.id for each in scenario.bus.published] == [event_id(ada.user_id, 2026)]


async def test_a_delivery_time_that_has_passed_fires_at_once_too(scenario: Scenario, ada: UserItem) -> None:
    await scenario.at("2026-11-23T13:00Z")
    await _change(scenario, ada, MessageType.USER_DELIVERY_TIME_CHANGED, delivery_time=time(7))
    assert await scenario.fire() == 1


async def test_a_move_to_a_later_time_on_the_day_waits_for_it(scenario: Scenario, ada: UserItem) -> None:
    await scenario.at("2026-11-23T14:30Z")
    await _change(scenario, ada, MessageType.USER_TIMEZONE_CHANGED, timezone="Pacific/Honolulu")
    assert await scenario.fire() == 0
    await scenario.at("2026-11-23T19:00Z")
    assert await scenario.fire() == 1


async def test_what_has_fired_this_year_does_not_fire_again_wherever_its_user_goes(
    scenario: Scenario, ada: UserItem
) -> None:
    await scenario.at("2026-11-23T14:00Z")
    await _fire_and_complete(scenario)
    for version, (timezone, at) in enumerate(
        [("Pacific/Honolulu", time(9)), ("Pacific/Kiritimati", time(9)), ("America/New_York", time(23))], 2
    ):
        await _change(scenario, ada, MessageType.USER_TIMEZONE_CHANGED, version, timezone=timezone, delivery_time=at)
        await scenario.at(f"2026-11-{22 + version}T23:59Z")
        assert await scenario.fire() == 0
    assert [row.occurrence for row in await scenario.events(ada.user_id)] == ["2026", "2027"]


async def test_a_birthday_that_changes_after_it_was_kept_comes_next_year(scenario: Scenario, ada: UserItem) -> None:
    await scenario.at("2026-11-23T14:00Z")
    await _fire_and_complete(scenario)
    await _change(scenario, ada, MessageType.USER_BIRTHDAY_CHANGED, date_of_birth=date(1990, 12, 1))
    kept, coming = await scenario.events(ada.user_id)
    assert (kept.status, kept.occurrence) == ("COMPLETED", "2026")
    assert (coming.id, coming.target_timestamp_utc) == (
        event_id(ada.user_id, 2027),
        datetime(2027, 12, 1, 14, tzinfo=UTC),
    )


async def test_claimed_event_is_unchanged_and_the_next_one_follows_the_change(
    scenario: Scenario, ada: UserItem
) -> None:
    await scenario.at("2026-11-23T14:00Z")
    assert await scenario.fire() == 1
    await scenario.announced()
    await _change(scenario, ada, MessageType.USER_DELIVERY_TIME_CHANGED, delivery_time=time(20))
    event = await scenario.event(ada.user_id)
    assert (event.status, event.target_timestamp_utc) == ("PROCESSING", datetime(2026, 11, 23, 14, tzinfo=UTC))
    [(type, item)] = await scenario.announced()
    assert (type, item["occurrence"]) == ("EventRescheduled", "2027")
    await scenario.answer(scenario.outcome(scenario.bus.published[0]))
    _, coming = await scenario.events(ada.user_id)
    assert coming.target_timestamp_utc == datetime(2027, 11, 24, 1, tzinfo=UTC)


# West over the line the day comes again there; east over it the day is over. Both change on the day, before and after
# the greeting of 9 o'clock at home (20:00 on the 22nd and on the 23rd, in UTC).
@pytest.mark.parametrize(
    ("home", "there", "changes_at", "greeted"),
    [
        ("Pacific/Apia", "Pacific/Pago_Pago", "2026-11-22T19:00Z", ["2026-11-23T20:00Z", "2027-11-23T20:00Z"]),
        ("Pacific/Apia", "Pacific/Pago_Pago", "2026-11-22T21:00Z", ["2026-11-22T20:00Z", "2027-11-23T20:00Z"]),
        ("Pacific/Pago_Pago", "Pacific/Apia", "2026-11-23T19:00Z", ["2026-11-23T19:00Z", "2027-11-22T20:00Z"]),
        ("Pacific/Pago_Pago", "Pacific/Apia", "2026-11-23T21:00Z", ["2026-11-23T20:00Z", "2027-11-22T20:00Z"]),
    ],
    ids=["west, before", "west, after", "east, before", "east, after"],
)
async def test_over_the_date_line_on_the_day_one_is_greeted_once(
    scenario: Scenario, home: str, there: str, changes_at: str, greeted: list[str]
) -> None:
    await scenario.at("2026-11-20T00:00Z")
    user = scenario.user(timezone=home)
    await scenario.receive(user)
    fired: list[datetime] = []
    hours = [datetime(2026, 11, day, hour, tzinfo=UTC) for day in (22, 23, 24, 25) for hour in (0, 8, 19, 20, 21)]
    for now in (*hours, *(datetime(2027, 11, day, 20, tzinfo=UTC) for day in (21, 22, 23, 24))):
        await scenario.at(now.isoformat())
        if now == datetime.fromisoformat(changes_at):
            await _change(scenario, user, MessageType.USER_TIMEZONE_CHANGED, timezone=there)
        if await scenario.fire():
            fired.append(now)
            await scenario.answer(scenario.outcome(scenario.bus.published[-1], at=now))
    assert fired == [datetime.fromisoformat(instant) for instant in greeted]
    assert [each.id for each in scenario.bus.published] == [event_id(user.user_id, year) for year in (2026, 2027)]


@dataclass
class BusyBus(FakeBus):
    """Something happens between a claim and its publication, once."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def publish(self, events: Sequence[Event], now: datetime, deadline: float) -> list[Published]:
        if self.meanwhile is not None:
            happen, self.meanwhile = self.meanwhile, None
            await happen()
        return await super().publish(events, now, deadline)


@pytest.mark.parametrize("timezone", ["Asia/Tokyo", "Pacific/Honolulu"])
@pytest.mark.parametrize("refused", [False, True], ids=["accepted", "refused at first"])
async def test_a_zone_that_changes_between_claim_and_publication_fires_once_as_it_was_claimed(
    scenario: Scenario, ada: UserItem, timezone: str, refused: bool
) -> None:
    await scenario.at("2026-11-23T14:00Z")
    bus = scenario.bus = BusyBus(refused={event_id(ada.user_id, 2026)} if refused else set())
    bus.meanwhile = lambda: _change(scenario, ada, MessageType.USER_TIMEZONE_CHANGED, timezone=timezone)
    if refused:
        with pytest.raises(NotPublishedError):
            await scenario.fire()
        bus.refused = set()
    assert await scenario.fire() == 1
    [sent] = bus.published
    assert (sent.id, sent.target) == (event_id(ada.user_id, 2026), datetime(2026, 11, 23, 14, tzinfo=UTC))
    assert sent.timezone == "America/New_York"
    await scenario.answer(scenario.outcome(sent))
    for hour in (15, 19, 23):  # nine o'clock in Honolulu is at 19:00
        await scenario.at(f"2026-11-23T{hour}:00Z")
        assert await scenario.fire() == 0
    kept, coming = await scenario.events(ada.user_id)
    assert (kept.status, kept.occurrence) == ("COMPLETED", "2026")
    assert (coming.status, coming.occurrence, coming.timezone) == ("PENDING", "2027", timezone)


async def test_zone_change_during_a_lost_claim_fires_once(scenario: Scenario, ada: UserItem) -> None:
    await scenario.at("2026-11-23T14:00Z")
    runtime = scenario.runtime
    assert await claims.claim_due(runtime.database, priority=0, limit=10, token=uuid7(), lease_seconds=-3 * 3600)
    await _change(scenario, ada, MessageType.USER_TIMEZONE_CHANGED, timezone="Pacific/Honolulu")
    assert await return_unconfirmed(runtime.database, runtime.outbox, scenario.firing) == 1
    for hour in (14, 19):
        await scenario.at(f"2026-11-23T{hour}:00Z")
        if await scenario.fire():
            await scenario.answer(scenario.outcome(scenario.bus.published[-1]))
    [sent] = scenario.bus.published
    assert (sent.id, sent.target) == (event_id(ada.user_id, 2026), datetime(2026, 11, 23, 14, tzinfo=UTC))
    assert [row.occurrence for row in await scenario.events(ada.user_id)] == ["2026", "2027"]


# -- deletion ---------------------------------------------------------------------------------------------------------

PERSONAL = ("Ada", "Lovelace", "ada@example.org", "+442071234567", "vip", "1990-11-23")


async def _find_personal_data(scenario: Scenario) -> list[str]:
    """Tables with a row that says anything personal, in any column."""
    tables = await scenario.rows(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = CAST('public' AS regnamespace)"
        " AND NOT relispartition"
    )
    found = []
    for (table,) in tables:
        for needle in PERSONAL:
            hits = await scenario.rows(
                f'SELECT 1 FROM "{table}" t WHERE position(:needle IN CAST(t AS text)) > 0 LIMIT 1',  # noqa: S608
                needle=needle,
            )
            found += [f"{table}: {needle}" for _ in hits]
    return found


async def test_deletion_cancels_and_leaves_nothing_personal(scenario: Scenario, ada: UserItem) -> None:
    assert await _find_personal_data(scenario) != []
    await scenario.delete(ada.user_id)
    event = await scenario.event(ada.user_id)
    assert (event.status, event.reason) == ("CANCELLED", "user deleted")
    assert [step["status"] for step in event.history] == ["PENDING", "CANCELLED"]
    assert [(type, item["reason"]) for type, item in await scenario.announced()] == [("EventCancelled", "user deleted")]
    assert await scenario.rows("SELECT 1 FROM schedules") == []
    assert await _find_personal_data(scenario) == []
    await scenario.at("2026-11-23T14:00Z")
    assert await scenario.fire() == 0


async def test_deletion_clears_the_past_too(scenario: Scenario, ada: UserItem) -> None:
    await scenario.at("2026-11-23T14:00Z")
    await _fire_and_complete(scenario)
    await scenario.delete(ada.user_id)
    assert [row.status for row in await scenario.events(ada.user_id)] == ["COMPLETED", "CANCELLED"]
    assert await _find_personal_data(scenario) == []


@pytest.mark.parametrize("status", OutcomeStatus)
async def test_event_claimed_at_a_deletion_is_the_last_and_is_erased_when_it_ends(
    scenario: Scenario, ada: UserItem, status: OutcomeStatus
) -> None:
    await scenario.at("2026-11-23T14:00Z")
    assert await scenario.fire() == 1
    await scenario.delete(ada.user_id)
    await scenario.answer(scenario.outcome(scenario.bus.published[0], status))
    event = await scenario.event(ada.user_id)
    assert event.status == ("COMPLETED" if status is OutcomeStatus.SUCCEEDED else "FAILED")
    assert await _find_personal_data(scenario) == []


async def test_a_deletion_leaves_other_users_as_they_are(scenario: Scenario, ada: UserItem) -> None:
    other = scenario.user(first_name="Grace")
    await scenario.receive(other)
    before = await scenario.event(other.user_id)
    await scenario.delete(ada.user_id)
    assert await scenario.event(other.user_id) == before


async def test_outcome_finds_its_moved_event_after_its_schedule_advanced(scenario: Scenario, ada: UserItem) -> None:
    await scenario.at("2026-11-23T14:00Z")
    scenario.bus.refused = {event_id(ada.user_id, 2026)}  # as far as event-service knows
    with pytest.raises(NotPublishedError):
        await scenario.fire()
    heard = scenario.outcome(await _as_sent(scenario, ada), OutcomeStatus.FAILED)
    await _change(scenario, ada, MessageType.USER_TIMEZONE_CHANGED, timezone="America/Chicago")
    await scenario.answer(heard)
    redriven = heard.model_copy(update={"item_id": uuid7(), "status": OutcomeStatus.SUCCEEDED, "reason": None})
    assert [each.status for each in await scenario.events(ada.user_id)] == ["FAILED", "PENDING"]
    await scenario.answer(redriven)
    first, following = await scenario.events(ada.user_id)
    assert (first.target_timestamp_utc, first.status) == (datetime(2026, 11, 23, 15, tzinfo=UTC), "COMPLETED")
    assert following.status == "PENDING"


async def _as_sent(scenario: Scenario, user: UserItem) -> Event:
    async with scenario.runtime.database.transaction() as tx:
        event = await event_locks.find(tx, event_id(user.user_id, 2026))
    assert event is not None
    return event


async def test_a_change_does_not_take_the_place_of_a_miss(scenario: Scenario) -> None:
    await scenario.at("2026-11-23T14:00Z")
    user = scenario.user()
    await scenario.receive(user)
    await scenario.at("2026-11-26T14:00Z")  # its grace has just ended, before the next sweep
    await scenario.receive(scenario.user(user.user_id, 2, first_name="Augusta"))
    assert (await scenario.event(user.user_id)).status == "PENDING"
    runtime = scenario.runtime
    assert await sweep_missed(runtime.database, runtime.outbox, scenario.rules, limit=10) == 1
    missed, coming = await scenario.events(user.user_id)
    assert (missed.occurrence, missed.status) == ("2026", "MISSED")
    assert (coming.occurrence, coming.payload["message"]) == ("2027", "Hey, Augusta Lovelace!")
