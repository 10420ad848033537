"""When a time of day is where."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from chassis.core.zones import zone, zone_names
from event_service.domain.passages import ZoneCount, passages, zones_by_instant


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_each_zone_has_its_nine_o_clock_once_a_day_whatever_its_offset() -> None:
    zones = [zone(name) for name in zone_names()]
    found = zones_by_instant(time(9), zones, _utc("2026-11-23T00:00"), _utc("2026-11-24T00:00"))
    named = [name for names in found.values() for name in names]
    assert sorted(named) == zone_names()
    assert "Asia/Kathmandu" in found[_utc("2026-11-23T03:15")]
    assert "Pacific/Chatham" in found[_utc("2026-11-23T19:15")]


def test_a_time_that_the_clocks_skip_is_nowhere_that_day_and_one_that_comes_twice_is_there_the_first_time() -> None:
    berlin = [ZoneInfo("Europe/Berlin")]
    assert list(zones_by_instant(time(2, 30), berlin, _utc("2026-03-29T00:00"), _utc("2026-03-29T23:00"))) == []
    assert list(zones_by_instant(time(2, 30), berlin, _utc("2026-10-25T00:00"), _utc("2026-10-25T23:00"))) == [
        _utc("2026-10-25T00:30")
    ]


def test_only_zones_whose_own_clocks_show_the_time_are_counted_and_the_busiest_is_first() -> None:
    instant = _utc("2026-11-23T08:00")
    counts = [ZoneCount("Europe/Berlin", 1, 0), ZoneCount("Asia/Dubai", 9, 9), ZoneCount("Europe/Paris", 5, 2)]
    [passage] = passages({instant: frozenset({"Europe/Paris", "Europe/Berlin"})}, {instant: counts})
    assert passage.zones == [ZoneCount("Europe/Paris", 5, 2), ZoneCount("Europe/Berlin", 1, 0)]
