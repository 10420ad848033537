"""The reaper: expired leases, missing outcomes, publications in doubt, ended graces."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from event_scenario import RULES, FakeBus, Scenario, event_id
from uuid_utils.compat import uuid7

from contracts.messages.user import UserItem
from contracts.vocabulary import OutcomeStatus
from event_service.adapters import claims
from event_service.adapters.claims import Claim
from event_service.application.firing import FiringRules, NotPublishedError
from event_service.application.reaping import Reaper
from event_service.domain.events import Event


@pytest.fixture
async def ada(scenario: Scenario) -> UserItem:
    """Due now."""
    await scenario.at("2026-11-23T14:00Z")
    user = scenario.user()
    await scenario.receive(user)
    await scenario.announced()
    return user


@pytest.fixture
def reaper(scenario: Scenario) -> Reaper:
    runtime = scenario.runtime
    return Reaper(runtime.database, runtime.outbox, scenario.bus, scenario.firing, scenario.rules, every_seconds=5.0)


async def _claim(scenario: Scenario, lease_seconds: float) -> Claim:
    claim = await claims.claim_due(
        scenario.runtime.database, priority=0, limit=10, token=uuid4(), lease_seconds=lease_seconds
    )
    assert claim is not None
    return claim


async def _expire(scenario: Scenario) -> None:
    await scenario.execute("UPDATE events SET claimed_until = clock_timestamp() WHERE status = 'PROCESSING'")


async def _end_horizon(scenario: Scenario) -> None:
    """Let the time pass in which a publication may still be confirmed."""
    await scenario.execute(
        "UPDATE events SET unconfirmed_until = clock_timestamp(), claimed_until = clock_timestamp() - interval '3 h'"
        " WHERE status = 'PROCESSING'"
    )


async def test_a_claim_whose_lease_has_ended_is_taken_over_and_published(
    scenario: Scenario, ada: UserItem, reaper: Reaper
) -> None:
    await _claim(scenario, 60)
    assert await reaper.step() == 5.0
    assert scenario.bus.published == []
    await _expire(scenario)
    await reaper.step()
    event = await scenario.event(ada.user_id)
    assert (event.status, event.attempt) == ("PROCESSING", 1)
    assert event.published_at is not None
    assert [step["cause"] for step in event.history] == ["scheduled", "claimed", "lease expired"]
    assert [each.id for each in scenario.bus.published] == [event.id]
    assert await scenario.fire() == 0


async def test_a_holder_whose_lease_has_ended_stamps_nothing(scenario: Scenario, ada: UserItem, reaper: Reaper) -> None:
    lost = await _claim(scenario, 0)
    await reaper.step()
    before = await scenario.events(ada.user_id)
    async with scenario.runtime.database.transaction() as tx:
        assert await claims.stamp(tx, lost.token, lost.events, outcome_seconds=60) == set()
        assert await claims.give_back(tx, lost.token, lost.events) == []
        await claims.leave(tx, lost.token, lost.events, seconds=0, in_doubt_seconds=60)
    assert await scenario.events(ada.user_id) == before


async def test_an_expired_claim_of_a_deleted_user_is_not_published_and_ends_as_cancelled(
    scenario: Scenario, ada: UserItem, reaper: Reaper
) -> None:
    await _claim(scenario, 0)
    await scenario.delete(ada.user_id)
    await reaper.step()
    # It may have been published: that is not known before the outcome horizon ends.
    assert (await scenario.event(ada.user_id)).status == "PROCESSING"
    await _end_horizon(scenario)
    await reaper.step()
    event = await scenario.event(ada.user_id)
    assert (event.status, event.payload, event.contact, event.tags) == ("CANCELLED", {}, {}, [])
    assert scenario.bus.published == []
    assert await scenario.announced_types() == ["EventCancelled"]


@pytest.mark.parametrize("status", OutcomeStatus)
async def test_outcome_of_a_publication_without_a_stamp_is_applied(
    scenario: Scenario, ada: UserItem, reaper: Reaper, status: OutcomeStatus
) -> None:
    [event] = (await _claim(scenario, 0)).events
    await scenario.answer(scenario.outcome(event, status))
    fired, coming = await scenario.events(ada.user_id)
    assert fired.status == ("COMPLETED" if status is OutcomeStatus.SUCCEEDED else "FAILED")
    assert (fired.published_at, coming.status) == (event.target, "PENDING")
    await reaper.step()
    assert await scenario.fire() == 0
    assert scenario.bus.published == []


async def test_unconfirmed_publication_past_its_grace_is_missed_and_its_schedule_continues(
    scenario: Scenario, ada: UserItem, reaper: Reaper
) -> None:
    [event] = (await _claim(scenario, 0)).events
    await scenario.at("2026-11-26T14:00Z")
    await reaper.step()
    assert [(row.occurrence, row.status) for row in await scenario.events(ada.user_id)] == [
        ("2026", "MISSED"),
        ("2027", "PENDING"),
    ]
    assert scenario.bus.published == []
    await scenario.answer(scenario.outcome(event))  # it had been published after all
    assert [row.status for row in await scenario.events(ada.user_id)] == ["COMPLETED", "PENDING"]


async def test_a_claim_that_is_being_published_at_the_end_of_its_grace_is_not_missed(
    scenario: Scenario, ada: UserItem, reaper: Reaper
) -> None:
    await _claim(scenario, 60)
    await scenario.at("2026-11-26T14:00Z")
    await reaper.step()
    assert [row.status for row in await scenario.events(ada.user_id)] == ["PROCESSING"]


async def test_what_was_never_answered_is_published_again_as_the_same(
    scenario: Scenario, ada: UserItem, reaper: Reaper
) -> None:
    assert await scenario.fire() == 1
    await reaper.step()
    assert len(scenario.bus.published) == 1
    await _expire(scenario)
    await reaper.step()
    first, again = scenario.bus.published
    assert (again.id, again.attempt, again.target) == (first.id, first.attempt, first.target)
    event = await scenario.event(ada.user_id)
    assert event.status == "PROCESSING"
    [(waits,)] = await scenario.rows(
        "SELECT extract(epoch FROM claimed_until - clock_timestamp()) FROM events WHERE published_at IS NOT NULL"
    )
    assert waits > 7000
    await scenario.answer(scenario.outcome(first), scenario.outcome(again))
    assert (await scenario.announced_types()).count("EventCompleted") == 1


async def test_publishing_again_waits_for_room_and_for_the_bus(
    scenario: Scenario, ada: UserItem, reaper: Reaper
) -> None:
    assert await scenario.fire() == 1
    await _expire(scenario)
    scenario.bus.space = 0
    await reaper.step()
    assert len(scenario.bus.published) == 1
    scenario.bus.space, scenario.bus.refused = 1000, {scenario.bus.published[0].id}
    with pytest.raises(NotPublishedError):
        await reaper.step()
    event = await scenario.event(ada.user_id)
    assert event.status == "PROCESSING"  # it was published once: its outcome may still come
    assert event.published_at is not None
    scenario.bus.refused = set()
    await _expire(scenario)
    await reaper.step()
    assert len(scenario.bus.published) == 2


async def test_after_a_replay_all_that_is_unanswered_is_published_again(
    scenario: Scenario, ada: UserItem, reaper: Reaper
) -> None:
    assert await scenario.fire() == 1
    assert await claims.expect_all_again(scenario.runtime.database) == 1
    await reaper.step()
    assert len(scenario.bus.published) == 2


async def test_an_event_whose_grace_has_ended_is_missed_and_next_year_comes(
    scenario: Scenario, ada: UserItem, reaper: Reaper
) -> None:
    await scenario.at("2026-11-26T13:59:59Z")
    await reaper.step()
    assert (await scenario.event(ada.user_id)).status == "PENDING"
    now = await scenario.at("2026-11-26T14:00Z")
    assert await scenario.fire() == 0
    await reaper.step()
    missed, coming = await scenario.events(ada.user_id)
    assert (missed.status, missed.reason, missed.finished_at) == ("MISSED", "grace ended", now)
    assert missed.published_at is None
    assert (coming.id, coming.status) == (event_id(ada.user_id, 2027), "PENDING")
    assert coming.target_timestamp_utc == datetime(2027, 11, 23, 14, tzinfo=UTC)
    assert (await scenario.schedule(ada.user_id)).live_event_id == coming.id
    announced = await scenario.announced()
    assert [type for type, _ in announced] == ["EventMissed", "EventScheduled"]
    assert announced[0][1]["latenessSeconds"] == timedelta(hours=72).total_seconds()
    await reaper.step()
    assert await scenario.announced() == []


async def test_a_webhook_that_came_through_after_all_completes_a_missed_event_once(
    scenario: Scenario, ada: UserItem, reaper: Reaper
) -> None:
    [event] = (await _claim(scenario, 0)).events
    await reaper.step()
    await scenario.at("2026-11-26T14:00Z")
    await reaper.step()
    await scenario.answer(scenario.outcome(event))
    assert [row.status for row in await scenario.events(ada.user_id)] == ["COMPLETED", "PENDING"]


async def test_an_event_without_a_schedule_is_missed_alone(scenario: Scenario, reaper: Reaper) -> None:
    await scenario.at("2026-11-23T14:00Z")
    await scenario.execute(
        "INSERT INTO events (id, target_timestamp_utc, user_id, event_type, occurrence, priority, timezone, tzdata,"
        " grace_until, payload, tags, contact, history) SELECT :id, almanac_now() - interval '2 h', :user, 'REMINDER',"
        " 'x', 2, 'UTC', '', almanac_now() - interval '1 h', '{\"message\": \"Ada\"}', '{}', '{}', '[]'",
        id=uuid7(),
        user=uuid7(),
    )
    await reaper.step()
    [row] = await scenario.rows("SELECT status, payload FROM events")
    assert (row.status, row.payload) == ("MISSED", {})  # no recipient has that user's id


async def test_many_are_reaped_without_a_pause(scenario: Scenario) -> None:
    await scenario.at("2026-11-23T14:00Z")
    await scenario.receive(*(scenario.user() for _ in range(5)))
    await scenario.at("2026-11-30T14:00Z")
    runtime = scenario.runtime
    rules = FiringRules(batch=2, lease_seconds=60, outcome_seconds=60, types=RULES)
    reaper = Reaper(runtime.database, runtime.outbox, FakeBus(), rules, scenario.rules, every_seconds=5.0)
    assert [await reaper.step() for _ in range(4)] == [0.0, 0.0, 0.0, 5.0]
    [(missed,)] = await scenario.rows("SELECT count(*) FROM events WHERE status = 'MISSED'")
    assert missed == 5


async def test_an_event_is_taken_over_by_one_reaper_alone(scenario: Scenario, ada: UserItem) -> None:
    assert await scenario.fire() == 1
    await _expire(scenario)
    found: list[Event] = []
    for _ in range(2):
        claim = await claims.take_over(
            scenario.runtime.database, priority=0, limit=10, token=uuid4(), lease_seconds=60, outcome_seconds=60
        )
        found.extend(claim.events if claim else [])
    assert [event.user_id for event in found] == [ada.user_id]
