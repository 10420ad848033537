"""A zone that a release of tzdata no longer has: its users and events keep its last known rules."""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfoNotFoundError

import pytest
from event_scenario import Scenario

from chassis.core import zones
from chassis.core.zones import is_zone, zone
from event_service.adapters.partitions import Partitions
from event_service.application import zone_changes
from event_service.application.broadcasts import Broadcaster, create_broadcast
from event_service.application.zone_changes import ZoneWatch, keep_dropped_zones
from event_service.domain.broadcasts import Audience, NewBroadcast

DROPPED = "Asia/Calcutta"


def _forget() -> None:
    for cached in (zones.zone, zones.fingerprints, zones._names_of_one_zone):
        cached.cache_clear()


@pytest.fixture
def drop(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    zones._kept.clear()
    zone_changes._dropped.clear()
    _forget()


async def test_zone_dropped_by_tzdata_keeps_its_last_known_rules(scenario: Scenario, drop: pytest.MonkeyPatch) -> None:
    runtime = scenario.runtime
    await scenario.at("2026-11-01T00:00Z")
    user = scenario.user(timezone=DROPPED)
    await scenario.receive(user)
    await ZoneWatch(runtime.database, runtime.outbox, scenario.rules).step()
    # The next release does not have it.
    drop.setattr(zones, "_NAMES", zones._NAMES - {DROPPED})
    _forget()
    with pytest.raises(ZoneInfoNotFoundError):
        zone(DROPPED)
    await keep_dropped_zones(runtime.database)
    assert not is_zone(DROPPED)  # it cannot be chosen any more
    [observed] = zone_changes._observe_dropped(None)  # type: ignore[arg-type]
    assert observed.value == 1
    # Changes of its users are applied, due events fire, schedules continue, and broadcasts reach it.
    await scenario.receive(scenario.user(user.user_id, 2, timezone=DROPPED, first_name="Augusta"))
    assert (await scenario.event(user.user_id)).payload["message"] == "Hey, Augusta Lovelace!"
    await scenario.at("2026-11-23T03:30Z")
    assert await scenario.fire() == 1
    await scenario.answer(scenario.outcome(scenario.bus.published[0]))
    fired, following = await scenario.events(user.user_id)
    assert (fired.status, following.status) == ("COMPLETED", "PENDING")
    assert following.target_timestamp_utc == datetime(2027, 11, 23, 3, 30, tzinfo=UTC)
    for audience in (Audience(), Audience(timezones=("Asia/Kolkata",))):
        new = NewBroadcast(audience, datetime(2026, 12, 1, 9))  # noqa: DTZ001  # a local time
        broadcast = await create_broadcast(runtime.database, scenario.rules, new, None)
        work = Broadcaster(
            runtime.database, runtime.outbox, scenario.rules, Partitions(runtime.database, runtime.clock), chunk=100
        )
        while await work.step() == 0.0:
            pass
        [event] = await scenario.rows("SELECT * FROM events WHERE broadcast_id = :id", id=broadcast.id)
        assert (event.user_id, event.target_timestamp_utc) == (user.user_id, datetime(2026, 12, 1, 3, 30, tzinfo=UTC))
