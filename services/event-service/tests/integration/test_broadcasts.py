"""Broadcasts: made by SQL in chunks, by several processes at once, cancelled at any time."""

import asyncio
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from event_scenario import RULES, Scenario, open_without_bus

from contracts.identity import derive_id
from contracts.messages.event import EventCancelledItem, EventScheduledItem
from contracts.messages.user import UserItem
from contracts.vocabulary import Priority
from event_service.adapters import broadcasts as stored
from event_service.adapters import claims
from event_service.adapters.partitions import Partitions
from event_service.application import broadcasts
from event_service.application.broadcasts import Broadcaster
from event_service.application.firing import FiringRules, return_unconfirmed
from event_service.domain.broadcasts import Audience, Broadcast, BroadcastStatus, NewBroadcast
from event_service.domain.local_time import GapPolicy
from event_service.settings import Settings

NINE = datetime.fromisoformat("2027-03-14T09:00")


@pytest.fixture(autouse=True)
async def before(scenario: Scenario) -> None:
    """Noon in UTC on 1 March 2027; no birthday is near."""
    await scenario.at("2027-03-01T12:00Z")


def _broadcaster(scenario: Scenario, chunk: int = 1000) -> Broadcaster:
    runtime = scenario.runtime
    return Broadcaster(
        runtime.database, runtime.outbox, scenario.rules, Partitions(runtime.database, runtime.clock), chunk=chunk
    )


async def _ask(
    scenario: Scenario, audience: Audience | None = None, at: datetime | None = NINE, **more: Any
) -> Broadcast:
    new = NewBroadcast(audience or Audience(), at, **more)
    return await broadcasts.create_broadcast(scenario.runtime.database, scenario.rules, new, None)


async def _work(scenario: Scenario, chunk: int = 1000) -> None:
    """Until nothing is left to do."""
    broadcaster = _broadcaster(scenario, chunk)
    while await broadcaster.step() == 0.0:
        pass


async def _state(scenario: Scenario, broadcast: Broadcast) -> Broadcast:
    async with scenario.runtime.database.read() as connection:
        found = await stored.find(connection, broadcast.id)
    assert found is not None
    return found


async def _events(scenario: Scenario, broadcast: Broadcast) -> list[Any]:
    return await scenario.rows(
        "SELECT * FROM events WHERE broadcast_id = :id ORDER BY target_timestamp_utc, user_id", id=broadcast.id
    )


async def _users(scenario: Scenario, count: int, **changes: Any) -> list[UserItem]:
    users = [scenario.user(date_of_birth=date(1990, 9, 1), **changes) for _ in range(count)]
    await scenario.receive(*users)
    await scenario.announced()
    return users


async def test_every_user_gets_an_event_at_their_own_local_time_and_each_is_published(scenario: Scenario) -> None:
    [ada] = await _users(scenario, 1)
    [kay] = await _users(scenario, 1, timezone="Asia/Kathmandu", first_name="Kay{}'\"\\", tags=[])
    broadcast = await _ask(
        scenario, message="{first_name} {{{last_name}}} ({full_name}): 100 %", payload={"offer": {"a": [1]}}
    )
    await _work(scenario)
    state = await _state(scenario, broadcast)
    assert (state.status, state.recipients, state.scheduled) == (BroadcastStatus.SCHEDULED, 2, 2)
    first, second = await _events(scenario, broadcast)
    assert [each.target_timestamp_utc.isoformat() for each in (first, second)] == [
        "2027-03-14T03:15:00+00:00",
        "2027-03-14T13:00:00+00:00",
    ]
    assert first.id == derive_id(broadcast.id, str(kay.user_id))
    assert second.id == derive_id(broadcast.id, str(ada.user_id))
    name = kay.first_name
    assert first.payload == {
        "message": f"{name} {{Lovelace}} ({name} Lovelace): 100 %",
        "offer": {"a": [1]},
    }
    assert (second.priority, second.event_type, second.occurrence) == (3, "NOTIFICATION", "2027-03-14T09:00:00")
    assert (second.wall, second.follows_user, second.timezone) == (NINE, True, "America/New_York")
    assert (second.tags, second.contact["email"]) == (["vip"], "ada@example.org")
    assert second.grace_until == second.expires_at == second.target_timestamp_utc + timedelta(hours=24)
    assert [step["cause"] for step in second.history] == ["scheduled"]
    rows = await scenario.rows("SELECT item_id, type, item FROM outbox")
    items = {each.event_id: each for each in (EventScheduledItem.model_validate_json(row.item) for row in rows)}
    assert {row.type for row in rows} == {"EventScheduled"}
    assert {row.item_id for row in rows} == {item.item_id for item in items.values()}
    item = items[second.id]
    assert item.model_dump(by_alias=False, exclude={"item_id"}) == {
        "event_id": second.id,
        "user_id": ada.user_id,
        "event_type": "NOTIFICATION",
        "priority": Priority.LOW,
        "occurrence": "2027-03-14T09:00:00",
        "attempt": 1,
        "target_timestamp_utc": second.target_timestamp_utc,
        "target_timezone": "America/New_York",
        "occurred_at": datetime.fromisoformat("2027-03-01T12:00:00Z"),
        "schedule_id": None,
        "broadcast_id": broadcast.id,
    }


@pytest.mark.parametrize(
    ("asked", "living_in"),
    [
        ("Asia/Kolkata", "Asia/Calcutta"),
        ("Asia/Calcutta", "Asia/Kolkata"),
        ("Europe/Kyiv", "Europe/Kiev"),
        ("America/Los_Angeles", "US/Pacific"),
    ],
)
async def test_a_broadcast_to_a_zone_reaches_users_under_its_other_names(
    scenario: Scenario, asked: str, living_in: str
) -> None:
    [user] = await _users(scenario, 1, timezone=living_in)
    await _users(scenario, 1, timezone="Europe/Berlin")
    broadcast = await _ask(scenario, Audience(timezones=(asked,)))
    await _work(scenario)
    [event] = await _events(scenario, broadcast)
    assert (event.user_id, event.timezone) == (user.user_id, living_in)
    assert (await _state(scenario, broadcast)).audience == Audience(timezones=(asked,))


async def test_a_broadcast_to_berlin_does_not_reach_places_whose_clocks_agree(scenario: Scenario) -> None:
    await _users(scenario, 1, timezone="Europe/Oslo")
    broadcast = await _ask(scenario, Audience(timezones=("Europe/Berlin",)))
    await _work(scenario)
    assert await _events(scenario, broadcast) == []


async def test_an_audience_is_a_zone_or_a_tag_and_the_deleted_are_in_none(scenario: Scenario) -> None:
    [ada] = await _users(scenario, 1, tags=["vip", "new"])
    [bob] = await _users(scenario, 1, timezone="Europe/Berlin", tags=["new"])
    [gone] = await _users(scenario, 1)
    await scenario.delete(gone.user_id)
    for audience, expected in [
        (Audience(timezones=("Europe/Berlin", "Asia/Tokyo")), {bob.user_id}),
        (Audience(tags=("vip", "other")), {ada.user_id}),
        (Audience(tags=("new",)), {ada.user_id, bob.user_id}),
        (Audience(), {ada.user_id, bob.user_id}),
        (Audience(tags=("none",)), set[UUID]()),
    ]:
        broadcast = await _ask(scenario, audience)
        await _work(scenario)
        assert {each.user_id for each in await _events(scenario, broadcast)} == expected
        assert (await _state(scenario, broadcast)).recipients == len(expected)


async def test_users_past_the_grace_or_in_a_gap_are_skipped_and_counted(scenario: Scenario) -> None:
    await _users(scenario, 3, timezone="Pacific/Kiritimati")
    await _users(scenario, 2, timezone="Pacific/Honolulu")
    await scenario.at("2027-03-14T12:00Z")
    broadcast = await _ask(scenario, grace=timedelta(hours=1), expiry=timedelta(hours=2))
    await _work(scenario)
    state = await _state(scenario, broadcast)
    assert (state.recipients, state.scheduled) == (5, 2)
    assert {each.timezone for each in await _events(scenario, broadcast)} == {"Pacific/Honolulu"}
    await _users(scenario, 1)
    skipping = await _ask(scenario, at=datetime.fromisoformat("2028-03-12T02:30"), gap=GapPolicy.SKIP)
    await _work(scenario)
    assert "America/New_York" not in {each.timezone for each in await _events(scenario, skipping)}


async def test_an_event_of_a_broadcast_follows_its_user(scenario: Scenario) -> None:
    [ada] = await _users(scenario, 1)
    broadcast = await _ask(scenario, message="{first_name}!")
    await _work(scenario)
    await scenario.receive(
        scenario.user(ada.user_id, 2, date_of_birth=ada.date_of_birth, first_name="Augusta", timezone="Asia/Tokyo")
    )
    [event] = await _events(scenario, broadcast)
    assert (event.target_timestamp_utc.isoformat(), event.payload) == (
        "2027-03-14T00:00:00+00:00",
        {"message": "Augusta!"},
    )
    await scenario.delete(ada.user_id, 3)
    assert [each.status for each in await _events(scenario, broadcast)] == ["CANCELLED"]


async def test_external_id_is_in_the_events_of_a_broadcast(scenario: Scenario) -> None:
    await _users(scenario, 1, external_id="crm-42")
    broadcast = await _ask(scenario)
    await _work(scenario)
    assert [each.external_id for each in await _events(scenario, broadcast)] == ["crm-42"]


async def test_two_processes_at_once_make_each_event_once(scenario: Scenario, settings: Settings) -> None:
    users = await _users(scenario, 100)
    both = [await _ask(scenario), await _ask(scenario, at=None)]
    async with open_without_bus(settings) as other:
        elsewhere = Scenario(other)
        await other.clock.refresh()
        await asyncio.gather(*(_work(each, chunk=7) for each in (scenario, elsewhere, scenario)))
    await _work(scenario, chunk=7)
    for broadcast in both:
        events = await _events(scenario, broadcast)
        assert {each.user_id for each in events} == {user.user_id for user in users}
        assert len(events) == 100
        state = await _state(scenario, broadcast)
        assert (state.status, state.recipients, state.scheduled) == (BroadcastStatus.SCHEDULED, 100, 100)
    assert await scenario.announced_types() == ["EventScheduled"] * 200


async def test_interrupted_chunk_leaves_nothing_and_the_next_continues_from_the_last(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _users(scenario, 25)
    broadcast = await _ask(scenario)
    broadcaster = _broadcaster(scenario, chunk=10)
    await broadcaster.step()

    async def killed(*_: object, **__: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(stored, "progress", killed)
        with pytest.raises(ConnectionResetError):
            await broadcaster.step()
    assert len(await _events(scenario, broadcast)) == 10
    state = await _state(scenario, broadcast)
    assert (state.status, state.recipients) == (BroadcastStatus.SCHEDULING, 10)
    await _work(scenario, chunk=10)
    assert len(await _events(scenario, broadcast)) == 25
    assert await scenario.announced_types() == ["EventScheduled"] * 25


async def test_broadcast_cancelled_midway_creates_no_more_and_cancels_pending_events(scenario: Scenario) -> None:
    await _users(scenario, 20)
    broadcast = await _ask(scenario, at=None)
    await _broadcaster(scenario, chunk=10).step()
    scenario.firing = FiringRules(batch=3, lease_seconds=60, outcome_seconds=60, types=RULES)
    assert await scenario.fire(Priority.LOW) == 3
    await scenario.announced()
    cancelled = await broadcasts.cancel_broadcast(scenario.runtime.database, broadcast.id)
    assert cancelled.status is BroadcastStatus.CANCELLING
    await _work(scenario, chunk=4)
    statuses = sorted(each.status for each in await _events(scenario, broadcast))
    assert statuses == ["CANCELLED"] * 7 + ["PROCESSING"] * 3
    assert (await _state(scenario, broadcast)).status is BroadcastStatus.CANCELLED
    rows = await scenario.rows("SELECT type, item FROM outbox")
    items = [EventCancelledItem.model_validate_json(row.item) for row in rows]
    assert [(row.type, item.reason) for row, item in zip(rows, items, strict=True)] == [
        ("EventCancelled", "broadcast cancelled")
    ] * 7
    [event, *_] = [each for each in await _events(scenario, broadcast) if each.status == "CANCELLED"]
    assert (event.payload, event.contact, event.template) == ({}, {}, None)


async def test_a_claim_that_returns_after_its_broadcast_was_cancelled_is_cancelled(scenario: Scenario) -> None:
    await _users(scenario, 1)
    broadcast = await _ask(scenario, at=None)
    await _work(scenario)
    database = scenario.runtime.database
    await claims.claim_due(database, priority=3, limit=10, token=uuid4(), lease_seconds=-3 * 3600)
    # Claimed, so that none of its events is pending: then there is nothing to cancel.
    await scenario.execute("UPDATE broadcasts SET status = 'CANCELLED'")
    assert await return_unconfirmed(database, scenario.runtime.outbox, scenario.firing) == 1
    assert [(each.status, each.reason) for each in await _events(scenario, broadcast)] == [
        ("CANCELLED", "broadcast cancelled")
    ]


async def test_while_the_outbox_is_full_a_broadcast_waits(scenario: Scenario, settings: Settings) -> None:
    await _users(scenario, 4)
    narrow = settings.model_copy(update={"outbox_backlog_limit": 2})
    broadcast = await _ask(scenario)
    async with open_without_bus(narrow) as runtime:
        broadcaster = _broadcaster(Scenario(runtime), chunk=2)
        assert [await broadcaster.step(), await broadcaster.step()] == [0.0, broadcasts.FULL_SECONDS]
        assert len(await _events(scenario, broadcast)) == 2
        await scenario.announced()
        await broadcaster.step()
        assert len(await _events(scenario, broadcast)) == 4


async def test_events_of_a_broadcast_are_fired_like_any_other(scenario: Scenario) -> None:
    [ada] = await _users(scenario, 1, delivery_time=time(7))
    broadcast = await _ask(scenario, priority=Priority.HIGH)
    await _work(scenario)
    await scenario.at("2027-03-14T13:00Z")
    assert await scenario.fire(Priority.HIGH) == 1
    [fired] = scenario.bus.published
    assert (fired.user_id, fired.broadcast_id) == (ada.user_id, broadcast.id)
    await scenario.answer(scenario.outcome(fired))
    assert [each.status for each in await _events(scenario, broadcast)] == ["COMPLETED"]
